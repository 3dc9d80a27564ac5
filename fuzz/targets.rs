//! What is fuzzed, for `cargo fuzz` (the folder beside this file) and for the smoke on a stable compiler (tests/it/fuzz.rs) alike.
//! No bytes may make any of these panic, hang, or take memory without bound.

use countersign::config::Config;
use countersign::evidence::{Statement, Unverified};
use countersign::oci::{RawManifest, Reference, media_type};
use countersign::packages::candidate::{Candidate, candidate};
use countersign::packages::{Content, extract};

/// One kind of foreign bytes.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    Call(fn(&[u8])),
    /// A file of an image at this path: whatever parser its name leads to.
    File(&'static str),
}

/// Every target with the folder of its seeds below `corpus/`.
pub(crate) const TARGETS: [(&str, Target); 36] = [
    ("bundle", Target::Call(bundle)),
    ("config", Target::Call(config)),
    ("headers", Target::Call(headers)),
    ("layer", Target::Call(countersign::image::fuzzing::layer)),
    ("manifest", Target::Call(manifest)),
    ("modules", Target::Call(modules)),
    ("reference", Target::Call(reference)),
    ("report", Target::Call(countersign::scanner::fuzzing::report)),
    ("sbom", Target::Call(sbom)),
    ("files/os-release", Target::File("etc/os-release")),
    ("files/dpkg", Target::File("var/lib/dpkg/status")),
    ("files/dpkg-part", Target::File("var/lib/dpkg/status.d/a")),
    ("files/md5sums", Target::File("var/lib/dpkg/info/a.md5sums")),
    ("files/apk", Target::File("lib/apk/db/installed")),
    ("files/repositories", Target::File("etc/apk/repositories")),
    ("files/rpm-sqlite", Target::File("var/lib/rpm/rpmdb.sqlite")),
    ("files/rpm-ndb", Target::File("var/lib/rpm/Packages.db")),
    ("files/rpm-bdb", Target::File("var/lib/rpm/Packages")),
    ("files/rpm-manifest", Target::File("var/lib/rpmmanifest/container-manifest-2")),
    ("files/npm", Target::File("app/node_modules/a/package.json")),
    ("files/python", Target::File("usr/lib/python3/dist-packages/a-1.dist-info/METADATA")),
    ("files/egg-info", Target::File("usr/lib/python3/dist-packages/a-1.egg-info/PKG-INFO")),
    ("files/egg", Target::File("app/a-1.egg")),
    ("files/gem", Target::File("usr/lib/ruby/gems/3/specifications/a-1.gemspec")),
    ("files/composer", Target::File("app/vendor/composer/installed.json")),
    ("files/dotnet", Target::File("app/App.deps.json")),
    ("files/conda", Target::File("opt/conda/conda-meta/a-1-0.json")),
    ("files/jar", Target::File("app/a-1.jar")),
    ("files/war", Target::File("app/a.war")),
    ("files/spdx", Target::File("opt/bitnami/a/.spdx-a.spdx")),
    ("files/spdx-json", Target::File("opt/a.spdx.json")),
    ("files/cyclonedx", Target::File("opt/a.cdx.json")),
    ("files/content-manifest", Target::File("root/buildinfo/content_manifests/a.json")),
    ("files/copyright", Target::File("usr/share/doc/a/copyright")),
    ("files/executable", Target::File("usr/bin/a")),
    ("files/nothing", Target::File("usr/share/doc/a")),
];

impl Target {
    pub(crate) fn run(self, data: &[u8]) {
        match self {
            Self::Call(call) => call(data),
            Self::File(path) => file(path, data),
        }
    }
}

fn file(path: &str, data: &[u8]) {
    let kind = candidate(path).unwrap_or(Candidate::Executable);
    let size = data.len() as u64;
    let mut reader = data;
    let _ = extract(kind, path, &mut Content::new(&mut reader, size, kind.memory(size)));
}

fn bundle(data: &[u8]) {
    let _ = Unverified::from_bytes(data);
    if let Ok(statement) = Statement::parse(data) {
        assert_eq!(Statement::parse(&statement.to_bytes()), Ok(statement));
    }
}

fn config(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Config::parse("fuzz.yaml", text);
    }
}

fn headers(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        countersign::registry::http::fuzzing::headers(text);
    }
}

fn manifest(data: &[u8]) {
    for media_type in [media_type::OCI_INDEX, media_type::OCI_MANIFEST, "text/plain"] {
        let _ = RawManifest::new(media_type, data.to_vec()).parse();
    }
}

fn modules(data: &[u8]) {
    let _ = countersign::packages::go_binary::parse("p", "go1.20", data);
    let _ = countersign::packages::rust_binary::parse("p", data);
}

fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse::<Reference>().as_ref(), Ok(&reference));
    }
}

fn sbom(data: &[u8]) {
    let _ = countersign::sbom::foreign::review(data);
    let _ = countersign::sbom::components(data);
}
