//! An image like Alpine 3.10, with apk's database of installed packages.

use super::{Sample, elf, machine};
use crate::image::LayerBuilder;

const INSTALLED: &str = include_str!("alpine-3.10.installed");

/// openssl of the first Alpine 3.10, with known vulnerabilities.
pub const ALPINE_OPENSSL_VULNERABLE: &str = "1.1.1b-r1";
/// openssl of the last Alpine 3.10.
pub const ALPINE_OPENSSL_FIXED: &str = "1.1.1k-r0";

const OS_RELEASE: &str = r#"NAME="Alpine Linux"
ID=alpine
VERSION_ID=3.10.9
PRETTY_NAME="Alpine Linux v3.10"
HOME_URL="https://alpinelinux.org/"
BUG_REPORT_URL="https://bugs.alpinelinux.org/"
"#;

pub(super) fn layers(sample: &Sample, architecture: &str) -> Vec<LayerBuilder> {
    let machine = machine(architecture);
    let openssl = if sample.vulnerable { ALPINE_OPENSSL_VULNERABLE } else { ALPINE_OPENSSL_FIXED };
    let installed =
        INSTALLED.replace("{{arch}}", machine).replace("{{machine}}", machine).replace("{{openssl}}", openssl);
    let version = sample.version.as_deref().unwrap_or("unversioned");
    let base = LayerBuilder::default()
        .file("etc/os-release", OS_RELEASE)
        .file("etc/alpine-release", "3.10.9\n")
        .file("etc/apk/world", "alpine-baselayout\nalpine-keys\napk-tools\nbusybox\n")
        .file_with_mode("bin/busybox", elf(architecture, "busybox"), 0o755)
        .symlink("bin/sh", "/bin/busybox")
        .file_with_mode("sbin/apk", elf(architecture, "apk"), 0o755)
        .file_with_mode(&format!("lib/ld-musl-{machine}.so.1"), elf(architecture, "musl"), 0o755)
        .file("lib/libcrypto.so.1.1", elf(architecture, "libcrypto"))
        .file("lib/libssl.so.1.1", elf(architecture, "libssl"))
        .file("lib/libz.so.1", elf(architecture, "zlib"))
        .file("lib/apk/db/installed", installed);
    let application = LayerBuilder::default().file_with_mode(
        "app/run",
        format!("#!/bin/sh\necho app {version} on {architecture}\n"),
        0o755,
    );
    vec![base, application]
}
