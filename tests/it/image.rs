//! Trees and layers of images in layouts and archives, good and hostile.
#![expect(clippy::unwrap_used, reason = "test support: a panic is the failure message")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign::image::{
    ArchiveSource, BlobStream, ErrorKind, ImageError, ImageSource, ImageTree, LayoutSource, NodeKind, Options, Witness,
    catalog, expand,
};
use countersign::oci::{Descriptor, Digest, RawManifest};
use countersign::packages::{AnomalyCode, Inventory};
use countersign::policy::ReasonCode;
use countersign_sandbox::image::{
    Content, Image, ImageBuilder, IndexBuilder, Layer, LayerBuilder, Packing, write_layout,
};
use serde_json::{Value, json};

pub(crate) const STATUS: &str = "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1-1\n";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A layout in a folder of its own.
pub(crate) struct Bed {
    folder: tempfile::TempDir,
    root: Digest,
}

impl Bed {
    pub(crate) fn new(content: &dyn Content) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_layout(folder.path(), &[("built", content)]).unwrap();
        Self { folder, root: content.root().digest.parse().unwrap() }
    }

    pub(crate) fn blob(&self, digest: &str) -> PathBuf {
        self.folder.path().join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
    }

    pub(crate) async fn source(&self) -> LayoutSource {
        LayoutSource::open(self.folder.path()).await.unwrap()
    }

    pub(crate) async fn expand(&self) -> Result<ImageTree, ImageError> {
        expand(&self.source().await, &self.root).await
    }

    pub(crate) async fn catalog(&self) -> Result<BTreeMap<Digest, Inventory>, ImageError> {
        let images = self.expand().await?.images();
        catalog(Arc::new(self.source().await), &images, Options::default()).await
    }
}

pub(crate) fn base() -> LayerBuilder {
    LayerBuilder::default().file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n").file("var/lib/dpkg/status", STATUS)
}

pub(crate) fn image(layers: Vec<LayerBuilder>) -> Image {
    let add = |image: ImageBuilder, layer| image.layer(layer).unwrap();
    layers.into_iter().fold(ImageBuilder::new("amd64"), add).build()
}

/// An image with one layer of these stored bytes.
pub(crate) fn image_of(bytes: Vec<u8>, diff_id: &[u8], media_type: &str) -> Image {
    let digest = Digest::of(&bytes).to_string();
    let diff_id = Digest::of(diff_id).to_string();
    let layer = Layer { bytes, digest, diff_id, media_type: media_type.to_owned() };
    ImageBuilder::new("amd64").finished_layer(layer).build()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn archive() -> Vec<u8> {
    base().build(Packing::Plain).unwrap().bytes
}

/// A manifest or configuration changed by hand, with digests and sizes made to agree again.
pub(crate) fn changed(mut image: Image, config: impl FnOnce(&mut Value), manifest: impl FnOnce(&mut Value)) -> Image {
    let mut value: Value = serde_json::from_slice(&image.config).unwrap();
    config(&mut value);
    image.config = value.to_string().into_bytes();
    let mut value: Value = serde_json::from_slice(&image.manifest).unwrap();
    value["config"]["digest"] = json!(Digest::of(&image.config).to_string());
    value["config"]["size"] = json!(image.config.len());
    manifest(&mut value);
    image.manifest = value.to_string().into_bytes();
    image.digest = Digest::of(&image.manifest).to_string();
    image
}

#[tokio::test]
async fn a_single_manifest_is_one_node_with_its_facts() {
    let image = ImageBuilder::new("arm64").layer(base()).unwrap().label("a", "b").user("app").env("TOKEN", "s3cr3t");
    let tree = Bed::new(&image.build()).expand().await.unwrap();
    let facts = tree.root.image.as_ref().unwrap();
    assert_eq!((tree.root.kind, tree.root.children.len(), tree.problems.len()), (NodeKind::Image, 0, 0));
    assert_eq!(tree.root.platform.as_ref().unwrap().to_string(), "linux/arm64");
    assert_eq!((facts.labels["a"].as_str(), facts.user.as_deref()), ("b", Some("app")));
    assert_eq!(facts.layers.len(), facts.diff_ids.len());
    let sizes: u64 = facts.layers.iter().map(|l| l.size).sum::<u64>() + facts.config.size;
    assert_eq!(facts.compressed_size, sizes);
    // I10: the environment is not kept anywhere.
    assert!(!format!("{facts:?}").contains("s3cr3t"));
}

#[tokio::test]
async fn an_index_gives_its_images_and_knows_buildkits_attestations() {
    let (amd64, arm64) = (image(vec![base()]), ImageBuilder::new("arm64").layer(base()).unwrap().build());
    let about = amd64.digest.clone();
    let no_layers = ImageBuilder::new("unknown").label("is", "attestation").build();
    let index = IndexBuilder::default().image(amd64).image(arm64).buildkit_attestation(no_layers, &about).build();
    let tree = Bed::new(&index).expand().await.unwrap();
    let kinds: Vec<_> = tree.nodes().iter().map(|n| n.kind).collect();
    assert_eq!(kinds, [NodeKind::Index, NodeKind::Image, NodeKind::Image, NodeKind::BuildKitAttestation]);
    assert_eq!(tree.images().len(), 2);
    assert_eq!(tree.problems, []);
}

#[tokio::test]
async fn a_child_that_is_no_image_or_a_platform_twice_is_a_problem() {
    let two = |a: &str, b: &str| {
        let build = |arch: &str, n: &str| ImageBuilder::new(arch).layer(base()).unwrap().label("n", n).build();
        IndexBuilder::default().image(build(a, "1")).image(build(b, "2")).build()
    };
    let chart = |value: &mut Value| value["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json");
    let artifact = changed(image(vec![base()]), |_| {}, chart);
    let disguised = IndexBuilder::default().buildkit_attestation(image(vec![base()]), "x").build();
    let foreign = IndexBuilder::default()
        .image(image(vec![base()]))
        .image_with(image(vec![base()]), |entry| entry["mediaType"] = json!("application/x-foreign"))
        .build();
    for (what, index) in [
        ("platform twice", two("amd64", "amd64")),
        ("platform twice in two spellings", two("arm64", "arm64/v8")),
        ("artifact", IndexBuilder::default().image(artifact).build()),
        ("an image that claims to be an attestation", disguised),
        ("a foreign media type", foreign),
    ] {
        let tree = Bed::new(&index).expand().await.unwrap();
        let codes: Vec<_> = tree.problems.iter().map(|p| p.code).collect();
        assert_eq!(codes, [ReasonCode::UnsupportedChild], "{what}: {:?}", tree.problems);
    }
    assert_eq!(Bed::new(&two("amd64", "arm64")).expand().await.unwrap().problems, []);
}

#[tokio::test]
async fn a_missing_part_refutes_and_a_missing_root_is_not_found() {
    let child = image(vec![base()]);
    let index = IndexBuilder::default().image(child.clone()).build();
    let bed = Bed::new(&index);
    fs::remove_file(bed.blob(&child.layers[0].digest)).unwrap();
    assert!(matches!(bed.catalog().await, Err(ImageError::BlobMissing { .. })));
    fs::remove_file(bed.blob(&child.digest)).unwrap();
    let error = bed.expand().await.unwrap_err();
    assert!(matches!(error, ImageError::ChildMissing { .. }), "{error}");
    assert_eq!((error.kind(), error.reason().code), (ErrorKind::Refuted, ReasonCode::ChildMissing));
    fs::remove_file(bed.blob(&index.digest)).unwrap();
    assert_eq!(bed.expand().await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn i7_bytes_that_contradict_their_digest_are_refused_wherever_they_lie() {
    let good = image(vec![base()]);
    let config = Digest::of(&good.config).to_string();
    let other = gzip(&LayerBuilder::default().file("evil", "x").build(Packing::Plain).unwrap().bytes);
    for (what, digest, bytes) in [
        ("a swapped layer", &good.layers[0].digest, other),
        ("a truncated layer", &good.layers[0].digest, good.layers[0].bytes[..50].to_vec()),
        ("a longer layer", &good.layers[0].digest, [good.layers[0].bytes.clone(), vec![0]].concat()),
        ("a swapped configuration", &config, good.config.to_ascii_uppercase()),
        ("a swapped manifest", &good.digest, [good.manifest.clone(), vec![b' ']].concat()),
    ] {
        let bed = Bed::new(&good);
        fs::write(bed.blob(digest), bytes).unwrap();
        let error = bed.catalog().await.unwrap_err();
        assert!(matches!(error, ImageError::Contradiction { .. }), "{what}: {error}");
        assert_eq!((error.kind(), error.reason().code), (ErrorKind::Refuted, ReasonCode::DigestMismatch));
    }
}

#[tokio::test]
async fn manifests_and_configurations_that_contradict_each_other_are_refused() {
    let good = || image(vec![base()]);
    let wrong_size = IndexBuilder::default().image_with(good(), |entry| {
        entry["size"] = json!(7);
        entry["platform"] = json!({"os": "linux", "architecture": "amd64"});
    });
    let one_diff_id_more = changed(
        good(),
        |config| {
            let ids = config["rootfs"]["diff_ids"].as_array_mut().unwrap();
            ids.push(json!(Digest::of(b"x").to_string()));
        },
        |_| {},
    );
    let layer_size = changed(good(), |_| {}, |manifest| manifest["layers"][0]["size"] = json!(17));
    let huge_config = changed(good(), |_| {}, |manifest| manifest["config"]["size"] = json!(1_u64 << 40));
    for (what, error) in [
        ("child size", Bed::new(&wrong_size.build()).catalog().await.unwrap_err()),
        ("diff_id count", Bed::new(&one_diff_id_more).catalog().await.unwrap_err()),
        ("layer size", Bed::new(&layer_size).catalog().await.unwrap_err()),
        ("no configuration", Bed::new(&changed(good(), |c| *c = json!(1), |_| {})).catalog().await.unwrap_err()),
    ] {
        assert_eq!(error.kind(), ErrorKind::Refuted, "{what}: {error}");
    }
    let error = Bed::new(&huge_config).catalog().await.unwrap_err();
    assert!(matches!(error, ImageError::Limit { .. }), "{error}");
}

#[tokio::test]
async fn a_wrong_diff_id_is_refused_although_the_blob_is_right() {
    let error = Bed::new(&image_of(gzip(&archive()), b"other", GZIP)).catalog().await.unwrap_err();
    assert!(matches!(&error, ImageError::Contradiction { subject, .. } if subject.contains("diff_id")), "{error}");
}

#[tokio::test]
async fn every_declared_compression_is_read_and_a_false_declaration_is_refused() {
    let plain = archive();
    let (first, second) = plain.split_at(700);
    let zstd = zstd::encode_all(&plain[..], 3).unwrap();
    let kind = |suffix: &str| format!("application/vnd.oci.image.layer.v1.tar{suffix}");
    for (what, bytes, suffix) in [
        ("gzip", gzip(&plain), "+gzip"),
        ("gzip of two members", [gzip(first), gzip(second)].concat(), "+gzip"),
        ("zstd", zstd.clone(), "+zstd"),
        ("plain", plain.clone(), ""),
    ] {
        let inventories = Bed::new(&image_of(bytes, &plain, &kind(suffix))).catalog().await.unwrap();
        assert_eq!(inventories.values().next().unwrap().packages.len(), 1, "{what}");
    }
    for (what, bytes, suffix) in [
        ("gzip as zstd", gzip(&plain), "+zstd"),
        ("plain as gzip", plain.clone(), "+gzip"),
        ("zstd as plain", zstd.clone(), ""),
        ("truncated gzip", gzip(&plain)[..200].to_vec(), "+gzip"),
        ("truncated zstd", zstd[..zstd.len() - 10].to_vec(), "+zstd"),
        ("junk behind gzip", [gzip(&plain), b"junk".to_vec()].concat(), "+gzip"),
        ("no tar", gzip(&[1; 2000]), "+gzip"),
        ("nothing at all", Vec::new(), "+gzip"),
    ] {
        let error = Bed::new(&image_of(bytes, &plain, &kind(suffix))).catalog().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refuted, "{what}: {error}");
    }
}

#[tokio::test]
async fn a_bomb_is_a_limit_and_not_a_clean_image() {
    let mut header = tar::Header::new_ustar();
    header.set_path("zeros").unwrap();
    header.set_size(100 << 20);
    header.set_cksum();
    let zeros = [header.as_bytes().to_vec(), vec![0; 100 << 20]].concat();
    let error = Bed::new(&image_of(gzip(&zeros), &zeros, GZIP)).catalog().await.unwrap_err();
    assert!(matches!(error, ImageError::Limit { max: 200, .. }), "{error}");
    assert_eq!((error.kind(), error.reason().code), (ErrorKind::Undecided, ReasonCode::LimitExceeded));
}

#[tokio::test]
async fn layers_that_cannot_be_read_are_an_incomplete_sbom() {
    for kind in [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        "application/x-whatever",
    ] {
        let bed = Bed::new(&image_of(gzip(&archive()), &archive(), kind));
        let found = bed.catalog().await.unwrap().into_values().next().unwrap();
        let codes: Vec<_> = found.anomalies.iter().map(|a| a.code).collect();
        assert_eq!(codes, [AnomalyCode::LayerUnsupported, AnomalyCode::NoComponents], "{kind}");
        assert!(found.anomalies[0].detail.contains(kind), "{kind}");
    }
    let windows = changed(image(vec![base()]), |config| config["os"] = json!("windows"), |_| {});
    let found = Bed::new(&windows).catalog().await.unwrap().into_values().next().unwrap();
    assert!(found.anomalies.iter().any(|a| a.detail.contains("windows")), "{:?}", found.anomalies);
}

/// Counts how often each blob is asked for.
#[derive(Debug)]
pub(crate) struct Counting {
    inner: LayoutSource,
    asked: Mutex<BTreeMap<Digest, usize>>,
}

impl Counting {
    pub(crate) fn of(inner: LayoutSource) -> Self {
        Self { inner, asked: Mutex::default() }
    }

    pub(crate) fn blobs(&self) -> usize {
        self.asked.lock().unwrap().values().sum()
    }
}

#[async_trait]
impl ImageSource for Counting {
    async fn manifest(&self, digest: &Digest) -> Result<Option<RawManifest>, ImageError> {
        self.inner.manifest(digest).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Option<BlobStream>, ImageError> {
        *self.asked.lock().unwrap().entry(descriptor.digest.clone()).or_default() += 1;
        self.inner.blob(descriptor).await
    }

    async fn witness(&self, descriptor: &Descriptor) -> Witness {
        self.inner.witness(descriptor).await
    }
}

#[tokio::test]
async fn a_layer_that_platforms_share_is_downloaded_once() {
    let shared = base();
    let build = |arch: &str| {
        let own = LayerBuilder::default().file("bin/x", arch);
        ImageBuilder::new(arch).layer(shared.clone()).unwrap().layer(own).unwrap().build()
    };
    let index = IndexBuilder::default().image(build("amd64")).image(build("arm64")).image(build("arm/v7")).build();
    let bed = Bed::new(&index);
    let images = bed.expand().await.unwrap().images();
    let source = Arc::new(Counting::of(bed.source().await));
    let inventories = catalog(source.clone(), &images, Options::default()).await.unwrap();
    assert!(inventories.len() == 3 && inventories.values().all(|i| i.packages.len() == 1 && i.complete()));
    let asked = source.asked.lock().unwrap();
    assert_eq!((asked.len(), asked.values().sum::<usize>()), (4, 4), "one shared layer and three own ones");
}

#[tokio::test]
async fn an_archive_is_read_like_the_layout_in_it() {
    let bed = Bed::new(&image(vec![base()]));
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut tar = tar::Builder::new(file.reopen().unwrap());
    tar.append_dir_all(".", bed.folder.path()).unwrap();
    tar.finish().unwrap();
    let source = ArchiveSource::open(file.path()).await.unwrap();
    assert_eq!(source.roots().await.unwrap()[0].digest, bed.root);
    let images = expand(&source, &bed.root).await.unwrap().images();
    let inventories = catalog(Arc::new(source), &images, Options::default()).await.unwrap();
    assert_eq!(inventories[&bed.root].packages.len(), 1);

    let docker = tempfile::NamedTempFile::new().unwrap();
    let docker_archive = LayerBuilder::default().file("manifest.json", "[]").build(Packing::Plain).unwrap();
    fs::write(docker.path(), docker_archive.bytes).unwrap();
    assert!(matches!(ArchiveSource::open(docker.path()).await, Err(ImageError::Layout { .. })));
    assert!(matches!(LayoutSource::open(docker.path()).await, Err(ImageError::Layout { .. })));
}
