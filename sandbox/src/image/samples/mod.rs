//! Small releases with real package metadata: Debian 12, Alpine 3.10, and a Node application on Debian.
//!
//! Every sample has `amd64` and `arm64` with different content, and a vulnerable and a fixed form. The versions are
//! constants, so that advisories for tests can name exactly these.

mod alpine;
mod debian;
mod node;

use anyhow::Result;

use super::{ImageBuilder, Index, IndexBuilder};

pub use self::alpine::{ALPINE_OPENSSL_FIXED, ALPINE_OPENSSL_VULNERABLE};
pub use self::debian::{LIBXML2_FIXED, LIBXML2_VULNERABLE, OPENSSL_FIXED, OPENSSL_VULNERABLE, ZLIB};
pub use self::node::{LODASH_FIXED, LODASH_VULNERABLE};

/// The platforms of every sample.
pub const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// What a sample says about itself.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// With old packages that have known vulnerabilities, or with the fixed ones.
    pub vulnerable: bool,
    /// With zlib1g, which has a critical vulnerability that Debian 12 will not fix; vulnerable samples always have it.
    pub unfixed: bool,
    /// Label `org.opencontainers.image.source`.
    pub source: Option<String>,
    /// Label `org.opencontainers.image.revision`.
    pub revision: Option<String>,
    /// Label `org.opencontainers.image.version`; also in a file, so that two versions differ in content.
    pub version: Option<String>,
}

impl Sample {
    /// The fixed form, without labels.
    #[must_use]
    pub fn fixed() -> Self {
        Self::default()
    }

    /// The form with known vulnerabilities, without labels.
    #[must_use]
    pub fn vulnerable() -> Self {
        Self { vulnerable: true, ..Self::default() }
    }

    /// Sets the three labels of a release.
    #[must_use]
    pub fn labels(mut self, source: &str, revision: &str, version: &str) -> Self {
        self.source = Some(source.to_owned());
        self.revision = Some(revision.to_owned());
        self.version = Some(version.to_owned());
        self
    }

    /// A Debian 12 image with 14 packages; 13 where there is nothing to find.
    ///
    /// # Errors
    /// When a layer cannot be built.
    pub fn debian(&self) -> Result<Index> {
        self.index(|architecture| debian::layers(self, architecture))
    }

    /// An Alpine 3.10 image with 10 packages.
    ///
    /// # Errors
    /// When a layer cannot be built.
    pub fn alpine(&self) -> Result<Index> {
        self.index(|architecture| alpine::layers(self, architecture))
    }

    /// A Node application with 3 npm packages on the fixed Debian 12 image.
    ///
    /// # Errors
    /// When a layer cannot be built.
    pub fn node(&self) -> Result<Index> {
        self.index(|architecture| node::layers(self, architecture))
    }

    /// A sample by name: `debian`, `alpine`, `node`.
    ///
    /// # Errors
    /// When there is no such sample, or a layer cannot be built.
    pub fn named(&self, name: &str) -> Result<Index> {
        match name {
            "debian" => self.debian(),
            "alpine" => self.alpine(),
            "node" => self.node(),
            other => anyhow::bail!("no sample {other}: there are debian, alpine and node"),
        }
    }

    fn index(&self, layers: impl Fn(&str) -> Vec<super::LayerBuilder>) -> Result<Index> {
        let mut index = IndexBuilder::default();
        for architecture in ARCHITECTURES {
            let mut image = ImageBuilder::new(architecture).user("65532:65532").env("LANG", "C.UTF-8");
            for layer in layers(architecture) {
                image = image.layer(layer)?;
            }
            for (key, value) in self.label_values() {
                image = image.label(&format!("org.opencontainers.image.{key}"), value);
            }
            index = index.image(image.build());
        }
        for (key, value) in self.label_values() {
            index = index.annotation(&format!("org.opencontainers.image.{key}"), value);
        }
        Ok(index.build())
    }

    fn label_values(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [("source", &self.source), ("revision", &self.revision), ("version", &self.version)];
        all.into_iter().filter_map(|(key, value)| value.as_deref().map(|v| (key, v)))
    }
}

/// The machine part of library paths and package fields.
fn machine(architecture: &str) -> &'static str {
    if architecture == "arm64" { "aarch64" } else { "x86_64" }
}

/// A tiny ELF file of this machine, different in content by name: the head of a real one, then text.
fn elf(architecture: &str, name: &str) -> Vec<u8> {
    let machine: u8 = if architecture == "arm64" { 0xb7 } else { 0x3e };
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, machine, 0, 1, 0, 0, 0];
    bytes.resize(64, 0);
    bytes.extend_from_slice(name.as_bytes());
    bytes
}
