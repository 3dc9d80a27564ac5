//! Layouts, manifests and configurations that lie about what they name.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{
    A, Case, Expect, base, case, complete, image, incomplete, layer, limit, malformed, mismatch, npm, npm_path, spoiled,
};
use crate::image::{Image, Index, IndexBuilder};
use crate::registry::sha256;

pub(super) fn cases() -> Vec<Case> {
    let mut all = blobs();
    all.extend(configurations());
    all.extend(manifests());
    all.extend(kinds());
    all.extend(indexes());
    all.extend(layouts());
    all
}

fn good() -> Image {
    image(vec![base(), layer().file(&npm_path("x"), npm("x"))])
}

fn blob(folder: &Path, digest: &str) -> PathBuf {
    folder.join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
}

/// Configuration and manifest changed, digests and sizes made to agree again.
fn changed(config: impl FnOnce(&mut Value), manifest: impl FnOnce(&mut Value)) -> Image {
    let image = good();
    let mut value: Value = serde_json::from_slice(&image.config).unwrap_or_default();
    config(&mut value);
    with_config(image, value.to_string().into_bytes(), manifest)
}

fn with_config(mut image: Image, config: Vec<u8>, manifest: impl FnOnce(&mut Value)) -> Image {
    image.config = config;
    let mut value: Value = serde_json::from_slice(&image.manifest).unwrap_or_default();
    value["config"]["digest"] = json!(sha256(&image.config));
    value["config"]["size"] = json!(image.config.len());
    manifest(&mut value);
    with_manifest(image, value.to_string().into_bytes())
}

fn with_manifest(mut image: Image, manifest: Vec<u8>) -> Image {
    image.digest = sha256(&manifest);
    image.manifest = manifest;
    image
}

fn blobs() -> Vec<Case> {
    let write = |change: fn(Vec<u8>) -> Vec<u8>| {
        move |folder: &Path, image: &Image| {
            let path = blob(folder, &image.layers[1].digest);
            Ok(fs::write(&path, change(fs::read(&path)?))?)
        }
    };
    let swap = |which: fn(&Image) -> (String, String)| {
        move |folder: &Path, image: &Image| {
            let (from, to) = which(image);
            Ok(fs::copy(blob(folder, &from), blob(folder, &to)).map(drop)?)
        }
    };
    let odd = || Expect::Refused(7, "unreachable");
    let absent = || Expect::Refused(4, "child-missing");
    let remove = |which: fn(&Image) -> String| {
        move |folder: &Path, image: &Image| Ok(fs::remove_file(blob(folder, &which(image)))?)
    };
    vec![
        // Trivy and Syft scan the other content and report it under this digest.
        spoiled(
            "blobs/layer-swapped",
            mismatch(),
            good,
            swap(|i| (i.layers[0].digest.clone(), i.layers[1].digest.clone())),
        ),
        spoiled(
            "blobs/layer-with-one-bit-flipped",
            mismatch(),
            good,
            write(|mut b| {
                let middle = b.len() / 2;
                b[middle] ^= 1;
                b
            }),
        ),
        spoiled(
            "blobs/layer-truncated",
            mismatch(),
            good,
            write(|mut b| {
                b.truncate(b.len() / 2);
                b
            }),
        ),
        spoiled("blobs/layer-empty", mismatch(), good, write(|_| Vec::new())),
        spoiled("blobs/layer-with-junk-behind", mismatch(), good, write(|b| [b, vec![0]].concat())),
        spoiled("blobs/layer-missing", absent(), good, remove(|i| i.layers[1].digest.clone())),
        spoiled(
            "blobs/configuration-swapped",
            mismatch(),
            good,
            swap(|i| (i.layers[0].digest.clone(), sha256(&i.config))),
        ),
        spoiled("blobs/configuration-missing", absent(), good, remove(|i| sha256(&i.config))),
        spoiled("blobs/manifest-swapped", mismatch(), good, swap(|i| (sha256(&i.config), i.digest.clone()))),
        spoiled("blobs/manifest-missing", Expect::Refused(5, "not-found"), good, remove(|i| i.digest.clone())),
        spoiled("blobs/layer-is-a-pipe", odd(), good, |folder, image| {
            let path = blob(folder, &image.layers[1].digest);
            fs::remove_file(&path)?;
            pipe(&path)
        }),
        spoiled("blobs/layer-is-a-folder", odd(), good, |folder, image| {
            let path = blob(folder, &image.layers[1].digest);
            fs::remove_file(&path)?;
            Ok(fs::create_dir(&path)?)
        }),
        spoiled("blobs/layer-is-a-link-out-of-the-layout", mismatch(), good, |folder, image| {
            let path = blob(folder, &image.layers[1].digest);
            fs::remove_file(&path)?;
            Ok(std::os::unix::fs::symlink("/etc/passwd", &path)?)
        }),
        spoiled("blobs/layer-is-an-endless-device", odd(), good, |folder, image| {
            let path = blob(folder, &image.layers[1].digest);
            fs::remove_file(&path)?;
            Ok(std::os::unix::fs::symlink("/dev/zero", &path)?)
        }),
        spoiled("blobs/manifest-is-an-endless-device", odd(), good, |folder, image| {
            let path = blob(folder, &image.digest);
            fs::remove_file(&path)?;
            Ok(std::os::unix::fs::symlink("/dev/zero", &path)?)
        }),
    ]
}

/// A named pipe that nobody writes to.
#[expect(clippy::disallowed_methods, reason = "the standard library makes no pipes with a name")]
fn pipe(path: &Path) -> anyhow::Result<()> {
    let made = std::process::Command::new("mkfifo").arg(path).status()?;
    anyhow::ensure!(made.success(), "mkfifo {}: {made}", path.display());
    Ok(())
}

fn configurations() -> Vec<Case> {
    let config = |name, expect, change: fn(&mut Value)| case(name, expect, move || changed(change, |_| {}));
    let raw = |name, expect, bytes: fn() -> Vec<u8>| case(name, expect, move || with_config(good(), bytes(), |_| {}));
    vec![
        config("config/one-diff-id-less", malformed(), |c| {
            c["rootfs"]["diff_ids"].as_array_mut().and_then(Vec::pop);
        }),
        config("config/one-diff-id-more", malformed(), |c| {
            let ids = c["rootfs"]["diff_ids"].as_array_mut();
            ids.map(|ids| ids.push(json!(sha256(b"x")))).unwrap_or_default();
        }),
        config("config/diff-ids-swapped", mismatch(), |c| {
            c["rootfs"]["diff_ids"].as_array_mut().map(|ids| ids.reverse()).unwrap_or_default();
        }),
        config("config/diff-id-of-other-content", mismatch(), |c| c["rootfs"]["diff_ids"][0] = json!(sha256(b"x"))),
        config("config/diff-id-no-digest", malformed(), |c| c["rootfs"]["diff_ids"][0] = json!("sha256:xyz")),
        config("config/diff-id-of-an-unknown-algorithm", malformed(), |c| {
            c["rootfs"]["diff_ids"][0] = json!("md5:d41d8cd98f00b204e9800998ecf8427e");
        }),
        config("config/no-rootfs", malformed(), |c| {
            c.as_object_mut().and_then(|c| c.remove("rootfs"));
        }),
        config("config/labels-no-texts", malformed(), |c| c["config"]["Labels"] = json!({ "a": 1 })),
        config("config/label-of-a-mebibyte", complete(&[A, "x@1"]), |c| {
            c["config"]["Labels"] = json!({ "a": "x".repeat(1 << 20), "b\n": "\u{1}\u{7f}" });
        }),
        config("config/created-no-time", complete(&[A, "x@1"]), |c| c["created"] = json!("soon")),
        config("config/no-platform", complete(&[A, "x@1"]), |c| {
            c["os"] = json!("");
            c["architecture"] = json!("");
        }),
        raw("config/no-json", malformed(), || b"no json".to_vec()),
        raw("config/empty", malformed(), Vec::new),
        raw("config/list", malformed(), || b"[]".to_vec()),
        raw("config/a-hundred-thousand-brackets", malformed(), || b"[".repeat(100_000)),
        raw("config/nine-mebibytes", limit(), || [b"{\"x\":\"", &vec![b'x'; 9 << 20][..], b"\"}"].concat()),
        case("config/claims-a-tebibyte", limit(), || changed(|_| {}, |m| m["config"]["size"] = json!(1_u64 << 40))),
        case("config/claims-less-than-there-is", mismatch(), || changed(|_| {}, |m| m["config"]["size"] = json!(10))),
    ]
}

fn manifests() -> Vec<Case> {
    let manifest = |name, expect, change: fn(&mut Value)| case(name, expect, move || changed(|_| {}, change));
    let raw = |name, expect, bytes: fn(String) -> String| {
        case(name, expect, move || {
            let text = String::from_utf8(good().manifest).unwrap_or_default();
            with_manifest(good(), bytes(text).into_bytes())
        })
    };
    vec![
        manifest("manifest/layer-size-too-small", mismatch(), |m| m["layers"][0]["size"] = json!(7)),
        manifest("manifest/layer-size-too-large", mismatch(), |m| m["layers"][0]["size"] = json!(1_u64 << 40)),
        manifest("manifest/layer-size-negative", malformed(), |m| m["layers"][0]["size"] = json!(-1)),
        manifest("manifest/layer-size-a-fraction", malformed(), |m| m["layers"][0]["size"] = json!(1.5)),
        manifest("manifest/layers-swapped", mismatch(), |m| {
            m["layers"].as_array_mut().map(|layers| layers.reverse()).unwrap_or_default();
        }),
        manifest("manifest/layer-digest-climbs-out", malformed(), |m| {
            m["layers"][0]["digest"] = json!("sha256:../../../../etc/passwd");
        }),
        manifest("manifest/layer-digest-too-short", malformed(), |m| m["layers"][0]["digest"] = json!("sha256:abc")),
        manifest("manifest/layer-digest-in-capitals", malformed(), |m| {
            m["layers"][0]["digest"] =
                json!(m["layers"][0]["digest"].as_str().map(|d| d.replace(|c: char| c.is_ascii_hexdigit(), "A")));
        }),
        manifest("manifest/image-and-index-at-once", malformed(), |m| m["manifests"] = json!([])),
        manifest("manifest/index-media-type-on-an-image", malformed(), |m| {
            m["mediaType"] = json!("application/vnd.oci.image.index.v1+json");
        }),
        manifest("manifest/schema-version-1", malformed(), |m| m["schemaVersion"] = json!(1)),
        manifest("manifest/no-layers-field", malformed(), |m| {
            m.as_object_mut().and_then(|m| m.remove("layers"));
        }),
        manifest("manifest/no-configuration", malformed(), |m| {
            m.as_object_mut().and_then(|m| m.remove("config"));
        }),
        raw("manifest/layers-twice", malformed(), |text| text.replacen("\"layers\"", "\"layers\":[],\"layers\"", 1)),
        raw("manifest/no-json", malformed(), |_| "no json".to_owned()),
        raw("manifest/text-behind", malformed(), |text| format!("{text}{{}}")),
        raw("manifest/a-hundred-thousand-brackets", malformed(), |_| "[".repeat(100_000)),
        raw("manifest/five-mebibytes", limit(), |text| text + &" ".repeat(5 << 20)),
    ]
}

fn kinds() -> Vec<Case> {
    let of_type = |name, media_type: &'static str| {
        let expect = incomplete(&["layer-unsupported"], &[A]);
        case(name, expect, move || changed(|_| {}, |m| m["layers"][1]["mediaType"] = json!(media_type)))
    };
    vec![
        of_type("kind/layer-encrypted", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
        of_type("kind/layer-foreign", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        of_type("kind/layer-not-for-distribution", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
        of_type("kind/layer-of-an-unknown-type", "application/x-something"),
        case("kind/windows", incomplete(&["layer-unsupported"], &[A, "x@1"]), || {
            changed(|c| c["os"] = json!("windows"), |_| {})
        }),
        // An empty SBOM of the artifact, whose composition is unknown.
        case("kind/helm-chart", complete(&[]), || {
            changed(
                |_| {},
                |m| {
                    m["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json");
                    m["layers"][0]["mediaType"] = json!("application/vnd.cncf.helm.chart.content.v1.tar+gzip");
                },
            )
        }),
    ]
}

fn nested(depth: usize) -> Index {
    let inner = IndexBuilder::default().image(good()).build();
    (1..depth).fold(inner, |inner, _| wrapped(inner))
}

/// An index that names an index.
fn wrapped(inner: Index) -> Index {
    let entry = json!({
        "mediaType": "application/vnd.oci.image.index.v1+json", "digest": inner.digest, "size": inner.manifest.len(),
    });
    let image = with_manifest(good(), inner.manifest);
    let mut outer = IndexBuilder::default().image_with(image, |slot| *slot = entry).build();
    outer.images.extend(inner.images);
    outer
}

fn indexes() -> Vec<Case> {
    let index = |name, expect, build: fn() -> Index| spoiled(name, expect, build, |_, _| Ok(()));
    vec![
        index("index/of-indexes", complete(&[A, "x@1"]), || nested(3)),
        index("index/too-deep", limit(), || nested(4)),
        index("index/too-many-children", limit(), || {
            let image = good();
            (0..257).fold(IndexBuilder::default(), |index, _| index.image(image.clone())).build()
        }),
        index("index/child-size-wrong", mismatch(), || {
            IndexBuilder::default().image_with(good(), |entry| entry["size"] = json!(3)).build()
        }),
        index("index/child-type-wrong", mismatch(), || {
            let docker = "application/vnd.docker.distribution.manifest.v2+json";
            IndexBuilder::default().image_with(good(), |entry| entry["mediaType"] = json!(docker)).build()
        }),
        index("index/empty", Expect::Refused(2, "usage"), || IndexBuilder::default().build()),
        spoiled(
            "index/child-missing",
            Expect::Refused(4, "child-missing"),
            || nested(1),
            |folder, index| Ok(fs::remove_file(blob(folder, &index.images[0].digest))?),
        ),
    ]
}

fn layouts() -> Vec<Case> {
    let refused = || Expect::Refused(2, "malformed-answer");
    let file = |name: &'static str, expect: Expect, file: &'static str, bytes: fn(String) -> String| {
        spoiled(name, expect, good, move |folder: &Path, _: &Image| {
            let path = folder.join(file);
            let text = bytes(fs::read_to_string(&path)?);
            Ok(fs::write(&path, text)?)
        })
    };
    vec![
        file("layout/index-no-json", refused(), "index.json", |_| "no json".to_owned()),
        file("layout/index-empty", refused(), "index.json", |_| String::new()),
        file("layout/index-without-manifests", Expect::Refused(2, "usage"), "index.json", |_| {
            r#"{"schemaVersion":2,"manifests":[]}"#.to_owned()
        }),
        file("layout/index-of-five-mebibytes", limit(), "index.json", |text| text + &" ".repeat(5 << 20)),
        file("layout/size-in-the-index-wrong", mismatch(), "index.json", |text| {
            let mut value: Value = serde_json::from_str(&text).unwrap_or_default();
            value["manifests"][0]["size"] = json!(3);
            value.to_string()
        }),
        file("layout/digest-climbs-out", refused(), "index.json", |text| {
            let mut value: Value = serde_json::from_str(&text).unwrap_or_default();
            value["manifests"][0]["digest"] = json!("sha256:../../index.json");
            value.to_string()
        }),
        spoiled("layout/no-index", refused(), good, |folder, _| Ok(fs::remove_file(folder.join("index.json"))?)),
        spoiled("layout/no-blobs", Expect::Refused(5, "not-found"), good, |folder, _| {
            Ok(fs::remove_dir_all(folder.join("blobs"))?)
        }),
        spoiled("layout/no-layout-file", refused(), good, |folder, _| Ok(fs::remove_file(folder.join("oci-layout"))?)),
    ]
}
