//! Alpine's `installed`: each broken entry is said, and costs at most itself.

use super::{Case, Expect, case, complete, image, incomplete, layer};

const MUSL: &str = "P:musl\nV:1.2.4-r2\nA:x86_64\no:musl\n";
const MUSL_NAME: &str = "musl@1.2.4-r2";

fn of(name: &'static str, expect: Expect, installed: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Case {
    case(name, expect, move || {
        let os = layer().file("etc/os-release", "ID=alpine\nVERSION_ID=3.20.1\n");
        image(vec![os.file("lib/apk/db/installed", installed())])
    })
}

/// musl, this, and the package `b`.
fn between(name: &'static str, expect: Expect, middle: impl Into<Vec<u8>>) -> Case {
    let middle = middle.into();
    of(name, expect, move || [MUSL.as_bytes(), b"\n", &middle, b"\nP:b\nV:2\n"].concat())
}

pub(super) fn cases() -> Vec<Case> {
    let said = || incomplete(&["entry-unreadable"], &["b@2", MUSL_NAME]);
    let gone = |codes: &[&'static str]| incomplete(codes, &[]);
    vec![
        between("apk/no-version", said(), "P:x\n"),
        between("apk/no-name", said(), "V:1\n"),
        between("apk/name-with-a-blank", said(), "P:x y\nV:1\n"),
        between("apk/version-of-other-bytes", said(), b"P:x\nV:\xff\n".to_vec()),
        between("apk/version-with-a-zero", said(), "P:x\nV:1\0\n"),
        between(
            "apk/line-without-a-colon",
            incomplete(&["entry-unreadable"], &["b@2", MUSL_NAME, "x@1"]),
            "P:x\nV:1\nnonsense\n",
        ),
        between(
            "apk/second-name-in-one-entry",
            incomplete(&["entry-unreadable"], &["b@2", MUSL_NAME, "x@1"]),
            "P:x\nV:1\nP:y\nV:2\n",
        ),
        between(
            "apk/line-of-a-mebibyte",
            complete(&["b@2", MUSL_NAME, "x@1"]),
            format!("P:x\nV:1\nT:{}\n", "t".repeat(1 << 20)),
        ),
        between("apk/a-hundred-thousand-files", complete(&["b@2", MUSL_NAME, "x@1"]), {
            format!("P:x\nV:1\n{}", "F:usr/lib\nR:file\n".repeat(100_000))
        }),
        of("apk/windows-line-ends", complete(&["b@2", MUSL_NAME]), || {
            format!("{MUSL}\nP:b\nV:2\n").replace('\n', "\r\n").into_bytes()
        }),
        of("apk/separator-of-blanks", complete(&["b@2", MUSL_NAME]), || format!("{MUSL} \nP:b\nV:2\n").into_bytes()),
        of("apk/empty", gone(&["no-components", "os-without-packages"]), Vec::new),
        of("apk/zeros", gone(&["entry-unreadable", "no-components", "os-without-packages"]), || vec![0; 4096]),
        of("apk/seventeen-mebibytes", gone(&["limit-exceeded", "no-components", "os-without-packages"]), || {
            format!("{MUSL}T:{}\n", "x".repeat(17 << 20)).into_bytes()
        }),
        case("apk/both-places", complete(&["b@2", MUSL_NAME]), || {
            let os = layer().file("etc/os-release", "ID=alpine\nVERSION_ID=3.20.1\n");
            image(vec![os.file("lib/apk/db/installed", MUSL).file("usr/lib/apk/db/installed", "P:b\nV:2\n")])
        }),
    ]
}
