//! `os-release` (os-release(5)) that is missing, odd, or says nothing: packages without a system match no advisory.

use super::{A, Case, Expect, STATUS, STATUS_PATH, case, complete, image, incomplete, layer};

fn of(name: &'static str, expect: Expect, text: impl Into<Vec<u8>>) -> Case {
    let text = text.into();
    case(name, expect, move || image(vec![layer().file("etc/os-release", text.clone()).file(STATUS_PATH, STATUS)]))
}

pub(super) fn cases() -> Vec<Case> {
    let unknown = || incomplete(&["os-unknown"], &[A]);
    let known = || complete(&[A]);
    vec![
        case("os/missing", unknown(), || image(vec![layer().file(STATUS_PATH, STATUS)])),
        of("os/empty", unknown(), ""),
        of("os/no-id", unknown(), "VERSION_ID=12\n"),
        of("os/id-empty", unknown(), "ID=\"\"\nVERSION_ID=12\n"),
        of("os/no-version", unknown(), "ID=debian\n"),
        of("os/other-bytes", unknown(), b"\xff\xfeI\0D\0=\0d\0".to_vec()),
        of("os/zeros", unknown(), vec![0; 100]),
        of("os/id-with-a-blank", unknown(), "ID=\"de bian\"\nVERSION_ID=12\n"),
        of("os/only-a-comment", unknown(), "#ID=debian\n#VERSION_ID=12\n"),
        of("os/quotes-of-both-kinds", known(), "ID='debian'\nVERSION_ID=\"12\"\n"),
        of("os/windows-line-ends", known(), "ID=debian\r\nVERSION_ID=12\r\n"),
        of("os/capitals", known(), "ID=Debian\nVERSION_ID=12\n"),
        of("os/unbalanced-quote", unknown(), "ID=\"debian\nVERSION_ID=12\n"),
        of("os/given-twice-the-last-counts", known(), "ID=myos\nVERSION_ID=1\nID=debian\nVERSION_ID=12\n"),
        of("os/line-of-half-a-mebibyte", known(), format!("X={}\nID=debian\nVERSION_ID=12\n", "x".repeat(1 << 19))),
        of("os/two-mebibytes", incomplete(&["limit-exceeded", "os-unknown"], &[A]), {
            format!("X={}\nID=debian\nVERSION_ID=12\n", "x".repeat(2 << 20))
        }),
        case("os/folder", unknown(), || image(vec![layer().directory("etc/os-release").file(STATUS_PATH, STATUS)])),
        case("os/second-place", known(), || {
            image(vec![layer().file("usr/lib/os-release", "ID=debian\nVERSION_ID=12\n").file(STATUS_PATH, STATUS)])
        }),
        case("os/link-to-itself", incomplete(&["link-unresolved", "os-unknown"], &[A]), || {
            image(vec![layer().symlink("etc/os-release", "os-release").file(STATUS_PATH, STATUS)])
        }),
        case("os/first-place-says-nothing", known(), || {
            let second = layer().file("usr/lib/os-release", "ID=debian\nVERSION_ID=12\n");
            image(vec![second.file("etc/os-release", "NAME=x\n").file(STATUS_PATH, STATUS)])
        }),
    ]
}
