//! Installed npm packages: `package.json` that is none, or says less than it should.

use super::{A, Case, Expect, base, case, complete, image, incomplete, npm_path};

fn of(name: &'static str, expect: Expect, text: impl Into<Vec<u8>>) -> Case {
    let text = text.into();
    case(name, expect, move || image(vec![base().file(&npm_path("x"), text.clone())]))
}

pub(super) fn cases() -> Vec<Case> {
    let said = || incomplete(&["entry-unreadable"], &[A]);
    let x = || complete(&[A, "x@1"]);
    vec![
        of("npm/empty", said(), ""),
        of("npm/no-json", said(), "{"),
        of("npm/list", said(), r#"["x","1"]"#),
        of("npm/text", said(), r#""x""#),
        // What stands behind the object, no reader of packages looks at.
        of("npm/text-behind", x(), r#"{"name":"x","version":"1"}{"#),
        of("npm/no-version", said(), r#"{"name":"x"}"#),
        of("npm/name-a-number", said(), r#"{"name":1,"version":"1"}"#),
        of("npm/name-empty", said(), r#"{"name":"","version":"1"}"#),
        of("npm/name-with-a-line-end", said(), r#"{"name":"x\ny","version":"1"}"#),
        of("npm/version-with-a-blank", complete(&[A, "x@1 2"]), r#"{"name":"x","version":"1 2"}"#),
        // As JavaScript reads it.
        of("npm/name-twice", complete(&[A, "y@1"]), r#"{"name":"x","name":"y","version":"1"}"#),
        of(
            "npm/a-hundred-thousand-brackets",
            said(),
            format!(r#"{{"name":"x","version":"1","y":{}"#, "[".repeat(100_000)),
        ),
        of("npm/half-a-surrogate", said(), r#"{"name":"\ud800","version":"1"}"#),
        of("npm/other-bytes", said(), b"{\"name\":\"x\xff\",\"version\":\"1\"}".to_vec()),
        of("npm/utf-16", said(), r#"{"name":"x"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        of("npm/nameless", complete(&[A]), r#"{"type":"module"}"#),
        of("npm/byte-order-mark", x(), "\u{feff}{\"name\":\"x\",\"version\":\"1\"}"),
        of("npm/licence-a-number", x(), r#"{"name":"x","version":"1","license":7}"#),
        of("npm/number-beyond-all-bounds", x(), r#"{"name":"x","version":"1","y":1e300}"#),
        of("npm/more-than-a-mebibyte", incomplete(&["limit-exceeded"], &[A]), {
            format!(r#"{{"name":"x","version":"1","y":"{}"}}"#, "y".repeat(1 << 20))
        }),
    ]
}
