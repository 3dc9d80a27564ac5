//! What is built is what an independent reader finds in it.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::samples::{ALPINE_OPENSSL_FIXED, LIBXML2_FIXED, LIBXML2_VULNERABLE, OPENSSL_VULNERABLE, Sample};
use super::{Content, Image, ImageBuilder, Index, IndexBuilder, LayerBuilder, Packing, write_layout};
use crate::registry::sha256;

/// Paths to contents of all layers, the higher over the lower.
fn files(image: &Image) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for layer in &image.layers {
        let mut archive = tar::Archive::new(GzDecoder::new(layer.bytes.as_slice()));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(path, String::from_utf8_lossy(&content).into_owned());
        }
    }
    files
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn the_same_input_gives_the_same_digest() {
    for name in ["debian", "alpine", "node"] {
        let (one, two) = (Sample::fixed().named(name).unwrap(), Sample::fixed().named(name).unwrap());
        assert_eq!(one.digest, two.digest);
        assert_ne!(one.digest, Sample::vulnerable().named(name).unwrap().digest);
        assert_ne!(one.images[0].layers, one.images[1].layers, "platforms differ in content");
    }
}

#[test]
fn digests_sizes_and_diff_ids_agree() {
    let index = Sample::fixed().labels("https://example.org/src", "abc", "1.2.3").debian().unwrap();
    for (entry, image) in json(&index.manifest)["manifests"].as_array().unwrap().iter().zip(&index.images) {
        assert_eq!((&entry["digest"], &entry["size"]), (&sha256(&image.manifest).into(), &image.manifest.len().into()));
        let (manifest, config) = (json(&image.manifest), json(&image.config));
        assert_eq!(manifest["config"]["digest"], sha256(&image.config));
        assert_eq!(entry["platform"]["architecture"], config["architecture"]);
        for (n, layer) in image.layers.iter().enumerate() {
            assert_eq!(manifest["layers"][n]["digest"], sha256(&layer.bytes));
            let mut plain = Vec::new();
            GzDecoder::new(layer.bytes.as_slice()).read_to_end(&mut plain).unwrap();
            assert_eq!(config["rootfs"]["diff_ids"][n], sha256(&plain));
        }
        let labels = &config["config"]["Labels"];
        assert_eq!(labels["org.opencontainers.image.version"], "1.2.3");
        assert_eq!(labels["org.opencontainers.image.revision"], "abc");
        assert_eq!(labels["org.opencontainers.image.source"], "https://example.org/src");
    }
}

#[test]
fn the_vulnerable_sample_has_the_old_packages() {
    let status = |sample: &Sample| files(&sample.debian().unwrap().images[0])["var/lib/dpkg/status"].clone();
    let (old, new) = (status(&Sample::vulnerable()), status(&Sample::fixed()));
    assert!(old.contains(LIBXML2_VULNERABLE) && old.contains(OPENSSL_VULNERABLE));
    assert!(new.contains(LIBXML2_FIXED) && !new.contains(LIBXML2_VULNERABLE) && !new.contains(OPENSSL_VULNERABLE));
    let unfixed = status(&Sample { unfixed: true, ..Sample::fixed() });
    for (text, packages, has_zlib) in [(&old, 14, true), (&new, 13, false), (&unfixed, 14, true)] {
        assert_eq!(text.matches("Package: ").count(), packages);
        assert_eq!(text.matches("Status: install ok installed").count(), packages);
        assert_eq!(text.contains("Source: zlib"), has_zlib);
        assert!(text.contains("Source: glibc") && !text.contains("{{") && text.ends_with('\n'));
    }
    let lodash = |s: &Sample| files(&s.node().unwrap().images[0])["app/node_modules/lodash/package.json"].clone();
    assert!(lodash(&Sample::vulnerable()).contains("4.17.10") && lodash(&Sample::fixed()).contains("4.17.21"));
    let apk = files(&Sample::fixed().alpine().unwrap().images[1])["lib/apk/db/installed"].clone();
    assert!(apk.contains(ALPINE_OPENSSL_FIXED) && apk.contains("A:aarch64") && !apk.contains("{{"));
}

#[test]
fn layers_hold_links_whiteouts_and_modes() {
    let layer = LayerBuilder::default()
        .directory("d")
        .file_with_mode("d/run", "x", 0o4755)
        .symlink("d/l", "/etc/passwd")
        .hard_link("d/h", "d/run")
        .whiteout("d/gone")
        .whiteout("top")
        .opaque("o")
        .build(Packing::Plain)
        .unwrap();
    let mut archive = tar::Archive::new(layer.bytes.as_slice());
    let seen: Vec<(String, u32)> = archive
        .entries()
        .unwrap()
        .map(|e| e.unwrap())
        .map(|e| (e.path().unwrap().display().to_string(), e.header().mode().unwrap()))
        .collect();
    let names: Vec<&str> = seen.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["d", "d/run", "d/l", "d/h", "d/.wh.gone", ".wh.top", "o/.wh..wh..opq"]);
    assert_eq!(seen[1].1, 0o4755);
    assert_eq!(layer.diff_id, layer.digest);
}

#[test]
fn noise_has_its_size_and_does_not_compress() {
    let layer = LayerBuilder::default().noise("big", 1 << 20, 7).build(Packing::Gzip).unwrap();
    assert!(layer.bytes.len() > 1 << 20);
}

#[test]
fn an_index_may_have_odd_children() {
    let image = ImageBuilder::new("arm/v7").build();
    let about = image.digest.clone();
    let attestation = ImageBuilder::new("amd64").annotation("a", "b").build();
    let index: Index = IndexBuilder::default().image(image).buildkit_attestation(attestation, &about).build();
    let entries = json(&index.manifest)["manifests"].clone();
    assert_eq!(entries[0]["platform"]["variant"], "v7");
    assert_eq!(entries[1]["annotations"]["vnd.docker.reference.digest"], about);
    assert_eq!(entries[1]["platform"]["os"], "unknown");
}

#[test]
fn a_layout_has_every_blob_under_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let index = Sample::fixed().debian().unwrap();
    write_layout(folder.path(), &[("v1", &index)]).unwrap();
    let top = json(&std::fs::read(folder.path().join("index.json")).unwrap());
    assert_eq!(top["manifests"][0]["digest"], index.digest);
    assert_eq!(top["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "v1");
    let mut count = 0;
    for entry in std::fs::read_dir(folder.path().join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(sha256(&std::fs::read(&path).unwrap()), format!("sha256:{}", path.file_name().unwrap().display()));
        count += 1;
    }
    // One index, two manifests, two configs, four layers.
    assert_eq!((count, index.blobs().len()), (9, 6));
}
