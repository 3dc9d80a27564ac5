//! A Debian 12 image: real entries of dpkg's status file, os-release, file lists, and stand-ins for the files.

use super::{Sample, elf, machine};
use crate::image::LayerBuilder;

/// Real entries of a bookworm system (see `ORIGIN.md`); versions and architecture are filled in.
const STATUS: &str = include_str!("debian-12.status");

/// libxml2 with known vulnerabilities, fixed in later `deb12u` uploads.
pub const LIBXML2_VULNERABLE: &str = "2.9.14+dfsg-1.3~deb12u1";
/// libxml2 in the fixed sample.
pub const LIBXML2_FIXED: &str = "2.9.14+dfsg-1.3~deb12u5";
/// openssl (and libssl3) with known vulnerabilities: bookworm of 2023.
pub const OPENSSL_VULNERABLE: &str = "3.0.11-1~deb12u2";
/// openssl in the fixed sample.
pub const OPENSSL_FIXED: &str = "3.0.22-1~deb12u2";
/// zlib1g in vulnerable and unfixed samples, with the source package `zlib`.
pub const ZLIB: &str = "1:1.2.13.dfsg-1";

pub(super) const OS_RELEASE: &str = r#"PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
SUPPORT_URL="https://www.debian.org/support"
BUG_REPORT_URL="https://bugs.debian.org/"
"#;

/// The base, and a layer with the application.
pub(super) fn layers(sample: &Sample, architecture: &str) -> Vec<LayerBuilder> {
    let version = sample.version.as_deref().unwrap_or("unversioned");
    let application = LayerBuilder::default()
        .directory("app")
        .file_with_mode("app/run", format!("#!/bin/sh\necho app {version} on {architecture}\n"), 0o755)
        .whiteout("var/cache/apt/archives/partial");
    vec![base(sample, architecture), application]
}

pub(super) fn base(sample: &Sample, architecture: &str) -> LayerBuilder {
    let triplet = format!("{}-linux-gnu", machine(architecture));
    let mut layer = LayerBuilder::default()
        .directory("etc")
        .file("usr/lib/os-release", OS_RELEASE)
        .symlink("etc/os-release", "../usr/lib/os-release")
        .file("etc/debian_version", "12.11\n")
        .symlink("bin", "usr/bin")
        .symlink("lib", "usr/lib")
        .file_with_mode("usr/bin/bash", elf(architecture, "bash"), 0o755)
        .symlink("usr/bin/sh", "bash")
        .file_with_mode("usr/bin/openssl", elf(architecture, "openssl"), 0o755)
        .file_with_mode("usr/bin/perl", elf(architecture, "perl"), 0o755)
        .hard_link("usr/bin/perl5.36.0", "usr/bin/perl")
        .file("var/lib/dpkg/status", status(sample, architecture))
        .file("var/cache/apt/archives/partial", "");
    for library in
        ["libc.so.6", "libz.so.1.2.13", "libssl.so.3", "libcrypto.so.3", "libxml2.so.2.9.14", "liblzma.so.5.4.1"]
    {
        layer = layer.file(&format!("usr/lib/{triplet}/{library}"), elf(architecture, library));
    }
    let installed = FILES.iter().filter(|(package, _)| has_zlib(sample) || *package != "zlib1g");
    for (package, files) in installed {
        let list: String = files.iter().map(|(_, file)| format!("/{}\n", file.replace("TRIPLET", &triplet))).collect();
        let sums: String =
            files.iter().map(|(sum, f)| format!("{sum}  {}\n", f.replace("TRIPLET", &triplet))).collect();
        let name = if *package == "openssl" { (*package).to_owned() } else { format!("{package}:{architecture}") };
        layer = layer
            .file(&format!("var/lib/dpkg/info/{name}.list"), format!("/.\n{list}"))
            .file(&format!("var/lib/dpkg/info/{name}.md5sums"), sums);
    }
    layer
}

fn has_zlib(sample: &Sample) -> bool {
    sample.vulnerable || sample.unfixed
}

fn status(sample: &Sample, architecture: &str) -> String {
    let (libxml2, openssl) =
        if sample.vulnerable { (LIBXML2_VULNERABLE, OPENSSL_VULNERABLE) } else { (LIBXML2_FIXED, OPENSSL_FIXED) };
    let entries = STATUS.split("\n\n").filter(|entry| has_zlib(sample) || !entry.starts_with("Package: zlib1g\n"));
    let status = format!("{}\n", entries.collect::<Vec<_>>().join("\n\n").trim_end());
    status.replace("{{arch}}", architecture).replace("{{libxml2}}", libxml2).replace("{{openssl}}", openssl)
}

/// Real sums of amd64 files, one or two a package; the files themselves are stand-ins.
const FILES: &[(&str, &[(&str, &str)])] = &[
    (
        "zlib1g",
        &[
            ("c7c774d91213e966a04b2e51c787be23", "lib/TRIPLET/libz.so.1.2.13"),
            ("d348307d5bf18267bcbada155a715a3e", "usr/share/doc/zlib1g/copyright"),
        ],
    ),
    (
        "libxml2",
        &[
            ("9af5d5d8838d5c30a33be21ba7d84040", "usr/lib/TRIPLET/libxml2.so.2.9.14"),
            ("35ac66460fc3525d9d7531986ebc1dc3", "usr/share/doc/libxml2/copyright"),
        ],
    ),
    (
        "libssl3",
        &[
            ("3389d53fd40aa367f3828ba9ee0cf610", "usr/lib/TRIPLET/libcrypto.so.3"),
            ("feac012d1a56bb8afe81457fb8889b44", "usr/lib/TRIPLET/libssl.so.3"),
        ],
    ),
    (
        "openssl",
        &[
            ("fb13a778537e89fdb0337cac605a6739", "usr/bin/openssl"),
            ("6264b3617e9bd0092102a2ab8db06adb", "usr/share/doc/openssl/copyright"),
        ],
    ),
    ("libc6", &[("33f1cb6525f26614bd3a334d63632484", "lib/TRIPLET/libc.so.6")]),
];
