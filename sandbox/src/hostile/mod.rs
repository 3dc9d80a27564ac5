//! The hostile corpus: images with exactly one defect each, made by code, and what a careful reader makes of them.
//!
//! A case says either that nothing is wrong after all and which packages are there, or with which code the image is
//! refused, or which anomalies make its SBOM incomplete and which packages are left. Silence about something that was
//! not read is what the corpus is there to catch. Sources: the defects that scanners, extractors and their CVEs are
//! known for; each builder says what it does in one line.

mod apk;
mod attributes;
mod bytes;
mod databases;
mod dpkg;
mod gzip;
mod layers;
mod links;
mod manifests;
mod npm;
mod os_release;
mod tar;
mod zstd;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::image::{Content, Image, ImageBuilder, Layer, LayerBuilder, Packing, write_layout};

/// One image with one defect.
pub struct Case {
    /// `area/what`, unique.
    pub name: &'static str,
    pub expect: Expect,
    /// Hundreds of megabytes when unpacked: left out of the quick run.
    pub large: bool,
    build: Box<dyn Fn() -> Built + Send + Sync>,
}

/// What a careful reader makes of an image. Packages are `name@version`, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Nothing is hidden: exactly these packages, and no anomaly.
    Complete(Vec<&'static str>),
    /// These anomaly codes, sorted, each once; and exactly these packages.
    Incomplete(Vec<&'static str>, Vec<&'static str>),
    /// Refused with this exit code and this reason or error code.
    Refused(i32, &'static str),
}

/// What is done to a layout's folder.
type Spoil = Box<dyn FnOnce(&Path) -> Result<()>>;

/// A layout, and what is then done to its folder.
struct Built {
    image: Box<dyn Content>,
    spoil: Option<Spoil>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("expect", &self.expect).finish_non_exhaustive()
    }
}

impl Case {
    /// Writes the image as an OCI layout into `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let built = (self.build)();
        fs::create_dir_all(folder)?;
        write_layout(folder, &[("hostile", built.image.as_ref())]).with_context(|| self.name)?;
        built.spoil.map_or(Ok(()), |spoil| spoil(folder)).with_context(|| format!("spoil {}", self.name))
    }

    fn large(mut self) -> Self {
        self.large = true;
        self
    }
}

/// Every case there is.
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        gzip::cases(),
        zstd::cases(),
        tar::cases(),
        attributes::cases(),
        layers::cases(),
        links::cases(),
        manifests::cases(),
        dpkg::cases(),
        apk::cases(),
        npm::cases(),
        os_release::cases(),
        databases::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A package that every Debian base of the corpus has.
const A: &str = "a@1-1";
const STATUS: &str = "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1-1\n";
const DEBIAN: &str = "ID=debian\nVERSION_ID=\"12\"\n";
const STATUS_PATH: &str = "var/lib/dpkg/status";

fn case(name: &'static str, expect: Expect, build: impl Fn() -> Image + Send + Sync + 'static) -> Case {
    let build = move || Built { image: Box::new(build()), spoil: None };
    Case { name, expect, large: false, build: Box::new(build) }
}

/// As [`case`], with the folder changed after it was written.
fn spoiled<C>(
    name: &'static str,
    expect: Expect,
    build: impl Fn() -> C + Send + Sync + 'static,
    spoil: impl Fn(&Path, &C) -> Result<()> + Clone + Send + Sync + 'static,
) -> Case
where
    C: Content + Clone + 'static,
{
    let build = move || {
        let (image, spoil) = (build(), spoil.clone());
        let copy = image.clone();
        Built { image: Box::new(image), spoil: Some(Box::new(move |folder: &Path| spoil(folder, &copy))) }
    };
    Case { name, expect, large: false, build: Box::new(build) }
}

fn complete(packages: &[&'static str]) -> Expect {
    Expect::Complete(packages.to_vec())
}

fn incomplete(codes: &[&'static str], packages: &[&'static str]) -> Expect {
    Expect::Incomplete(codes.to_vec(), packages.to_vec())
}

/// Bytes that are not what they must be.
fn malformed() -> Expect {
    Expect::Refused(4, "malformed-answer")
}

/// Bytes that contradict what was said about them.
fn mismatch() -> Expect {
    Expect::Refused(4, "digest-mismatch")
}

/// More than is read: nobody can say what is in it.
fn limit() -> Expect {
    Expect::Refused(7, "limit-exceeded")
}

fn layer() -> LayerBuilder {
    LayerBuilder::default()
}

/// Debian 12 with the package [`A`].
fn base() -> LayerBuilder {
    layer().file("etc/os-release", DEBIAN).file(STATUS_PATH, STATUS)
}

fn image(layers: Vec<LayerBuilder>) -> Image {
    let packed = layers.into_iter().map(archive_of);
    of_archives(packed.collect())
}

/// Uncompressed tar files as gzip layers.
fn of_archives(archives: Vec<Vec<u8>>) -> Image {
    let pack = |archive: Vec<u8>| Layer::of_archive(&archive, Packing::Gzip);
    of_layers(archives.into_iter().filter_map(|archive| pack(archive).ok()).collect())
}

fn of_layers(layers: Vec<Layer>) -> Image {
    layers.into_iter().fold(ImageBuilder::new("amd64"), ImageBuilder::finished_layer).build()
}

fn archive_of(layer: LayerBuilder) -> Vec<u8> {
    layer.build(Packing::Plain).map(|layer| layer.bytes).unwrap_or_default()
}

fn npm(name: &str) -> String {
    format!(r#"{{"name":"{name}","version":"1"}}"#)
}

fn npm_path(name: &str) -> String {
    format!("app/node_modules/{name}/package.json")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_has_its_own_name_in_an_area() {
        let all = cases();
        let names: BTreeSet<&str> = all.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), all.len());
        assert!(names.iter().all(|name| name.split('/').count() == 2));
        assert!(all.len() >= 400, "{} cases", all.len());
    }
}
