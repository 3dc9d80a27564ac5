//! Debian's `status` (deb-control(5)): each broken stanza is said, and costs at most itself.

use super::{A, Case, DEBIAN, Expect, STATUS, STATUS_PATH, base, case, complete, image, incomplete, layer};

const B: &str = "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2\n";

fn of(name: &'static str, expect: Expect, status: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Case {
    case(name, expect, move || image(vec![layer().file("etc/os-release", DEBIAN).file(STATUS_PATH, status())]))
}

/// The package `a`, this, and the package `b`.
fn between(name: &'static str, expect: Expect, middle: impl Into<Vec<u8>>) -> Case {
    let middle = middle.into();
    of(name, expect, move || [STATUS.as_bytes(), b"\n", &middle, b"\n", B.as_bytes()].concat())
}

pub(super) fn cases() -> Vec<Case> {
    let mut all = stanzas();
    all.extend(files());
    all
}

fn stanzas() -> Vec<Case> {
    let both = || complete(&[A, "b@2"]);
    let said = || incomplete(&["entry-unreadable"], &[A, "b@2"]);
    let installed = |fields: &str| format!("{fields}Status: install ok installed\n");
    vec![
        between("dpkg/line-without-a-colon", said(), installed("Package: x\nnonsense\n")),
        between("dpkg/no-version", said(), installed("Package: x\n")),
        between("dpkg/no-package", said(), installed("Version: 1\n")),
        between("dpkg/empty-version", said(), installed("Package: x\nVersion:\n")),
        between(
            "dpkg/version-of-other-bytes",
            said(),
            [b"Package: x\nVersion: 1\xff\n", installed("").as_bytes()].concat(),
        ),
        between("dpkg/version-with-a-zero", said(), [b"Package: x\nVersion: 1\0\n", installed("").as_bytes()].concat()),
        between("dpkg/name-with-a-blank", said(), installed("Package: x y\nVersion: 1\n")),
        between("dpkg/name-with-a-slash", said(), installed("Package: ../x\nVersion: 1\n")),
        // dpkg refuses the whole file; the first is kept, and it is said.
        between(
            "dpkg/field-given-twice",
            incomplete(&["entry-unreadable"], &[A, "b@2", "x@1"]),
            installed("Package: x\nPackage: y\nVersion: 1\n"),
        ),
        between("dpkg/epoch-no-number", said(), installed("Package: x\nVersion: z:1\n")),
        between("dpkg/continuation-first", said(), format!(" continued\n{}", installed("Package: x\n"))),
        between("dpkg/line-that-begins-with-a-colon", said(), format!(": x\n{}", installed("Package: x\n"))),
        between("dpkg/removed-but-configured", both(), "Package: x\nStatus: deinstall ok config-files\nVersion: 1\n"),
        between("dpkg/description-of-other-bytes", complete(&[A, "b@2", "x@1"]), {
            [b"Package: x\nVersion: 1\nDescription: \xff\xfe\n \xff\n".to_vec(), installed("").into_bytes()].concat()
        }),
        // Trivy's line buffer ends at 128 KiB, and with it its list of packages.
        between("dpkg/stanza-of-200-kibibytes", complete(&[A, "b@2", "x@1"]), {
            installed(&format!("Package: x\nVersion: 1\nDescription: y\n {}\n", "z".repeat(200 << 10)))
        }),
        between("dpkg/field-of-a-mebibyte", complete(&[A, "b@2", "x@1"]), {
            installed(&format!("Package: x\nVersion: 1\nDepends: {}\n", "lib, ".repeat(200_000)))
        }),
        between("dpkg/field-names-in-small-letters", complete(&[A, "b@2", "x@1"]), {
            "package: x\nversion: 1\nstatus: install ok installed\n"
        }),
        between("dpkg/half-installed", complete(&[A, "b@2", "x@1"]), {
            "Package: x\nVersion: 1\nStatus: install reinstreq half-installed\n"
        }),
        between("dpkg/many-blank-lines", both(), "\n\n\n\n"),
        between("dpkg/the-same-package-again", both(), B),
    ]
}

fn files() -> Vec<Case> {
    let both = || complete(&[A, "b@2"]);
    let gone = |codes: &[&'static str]| incomplete(codes, &[]);
    let two = || format!("{STATUS}\n{B}");
    vec![
        of("dpkg/windows-line-ends", both(), move || two().replace('\n', "\r\n").into_bytes()),
        of("dpkg/separator-of-blanks", both(), || format!("{STATUS}  \t\n{B}").into_bytes()),
        of("dpkg/no-line-end-at-the-end", both(), move || two().trim_end().as_bytes().to_vec()),
        of("dpkg/blank-lines-first", both(), move || format!("\n\n{}", two()).into_bytes()),
        of("dpkg/byte-order-mark", incomplete(&["entry-unreadable"], &["b@2"]), move || {
            format!("\u{feff}{}", two()).into_bytes()
        }),
        of("dpkg/empty", gone(&["no-components", "os-without-packages"]), Vec::new),
        of("dpkg/only-blanks", gone(&["no-components", "os-without-packages"]), || b"\n \n\t\n".to_vec()),
        of("dpkg/zeros", gone(&["entry-unreadable", "no-components", "os-without-packages"]), || vec![0; 4096]),
        of("dpkg/noise", gone(&["entry-unreadable", "no-components", "os-without-packages"]), || {
            (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 | 0x80).collect()
        }),
        of("dpkg/utf-16", gone(&["entry-unreadable", "no-components", "os-without-packages"]), || {
            STATUS.encode_utf16().flat_map(u16::to_le_bytes).collect()
        }),
        of("dpkg/seventeen-mebibytes", gone(&["limit-exceeded", "no-components", "os-without-packages"]), || {
            format!("{STATUS}Description: {}\n", "x".repeat(17 << 20)).into_bytes()
        }),
        of("dpkg/fifty-thousand-broken-stanzas", incomplete(&["entry-unreadable"], &[A]), || {
            format!("{STATUS}\n{}", "Package: x\nStatus: install ok installed\n\n".repeat(50_000)).into_bytes()
        }),
        case("dpkg/parts-of-a-distroless-image", complete(&[A, "b@2"]), || {
            let part =
                |l: crate::image::LayerBuilder, n: &str, t: &str| l.file(&format!("var/lib/dpkg/status.d/{n}"), t);
            let os = layer().file("etc/os-release", DEBIAN);
            image(vec![part(part(os, "a", STATUS), "b", B).file("var/lib/dpkg/status.d/a.md5sums", "x")])
        }),
        case("dpkg/broken-part-of-a-distroless-image", incomplete(&["entry-unreadable"], &[A]), || {
            image(vec![base().file("var/lib/dpkg/status.d/x", "Package x\n")])
        }),
        case("dpkg/of-an-unknown-distribution", incomplete(&["os-unknown"], &[A]), || {
            image(vec![base(), layer().file("etc/os-release", "ID=myos\nVERSION_ID=1\n")])
        }),
    ]
}
