//! Debian's `usr/share/doc/*/copyright`: where a Debian package says its licences; its database does not.
//!
//! Machine-readable files (debian.org/doc/packaging-manuals/copyright-format/1.0) name them in `License` fields; others
//! mostly point to a text under `/usr/share/common-licenses`. Nothing is concluded from prose.

use std::collections::BTreeSet;

/// Different licences of one package; the kernel's file names 40.
const MAX_LICENCES: usize = 100;
/// A name; prose behind `License:` is longer.
const MAX_NAME_CHARS: usize = 80;

const COMMON: &str = "/usr/share/common-licenses/";

/// The licences, each once and sorted, as SPDX spells them where that is known.
#[must_use]
pub fn licences(bytes: &[u8]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let named = line.strip_prefix("License:").map(str::trim).or_else(|| common(line));
        found.extend(named.filter(|name| is_name(name)).map(spdx));
        if found.len() >= MAX_LICENCES {
            break;
        }
    }
    found.into_iter().collect()
}

/// The text that the line points to: `… can be found in '/usr/share/common-licenses/GPL-2'.`
fn common(line: &str) -> Option<&str> {
    let rest = line.split_once(COMMON)?.1;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-.+".contains(c))).unwrap_or(rest.len());
    Some(rest[..end].trim_end_matches('.'))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAX_NAME_CHARS && !text.chars().any(char::is_control)
}

/// Debian's short names that differ from SPDX's. A combination (`GPL-2+ and Expat`) stays as it is written.
fn spdx(name: &str) -> String {
    let known = match name {
        "Expat" => "MIT",
        "Apache-2" => "Apache-2.0",
        "Artistic" => "Artistic-1.0-Perl",
        "BSD-2-clause" => "BSD-2-Clause",
        "BSD" | "BSD-3-clause" => "BSD-3-Clause",
        "BSD-4-clause" => "BSD-4-Clause",
        "GPL-1" => "GPL-1.0-only",
        "GPL-1+" => "GPL-1.0-or-later",
        "GPL-2" => "GPL-2.0-only",
        "GPL-2+" => "GPL-2.0-or-later",
        "GPL-3" => "GPL-3.0-only",
        "GPL-3+" => "GPL-3.0-or-later",
        "LGPL-2" => "LGPL-2.0-only",
        "LGPL-2+" => "LGPL-2.0-or-later",
        "LGPL-2.1" => "LGPL-2.1-only",
        "LGPL-2.1+" => "LGPL-2.1-or-later",
        "LGPL-3" => "LGPL-3.0-only",
        "LGPL-3+" => "LGPL-3.0-or-later",
        other => other,
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_references_name_licences() {
        let dep5 = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-2+\n \
            text\n\nFiles: a\nLicense: Expat\n\nLicense: Expat\n Permission is hereby granted\n";
        assert_eq!(licences(dep5.as_bytes()), ["GPL-2.0-or-later", "MIT"]);
        let prose =
            "On Debian systems, see \"/usr/share/common-licenses/LGPL-2.1\".\nand `/usr/share/common-licenses/BSD'.\n";
        assert_eq!(licences(prose.as_bytes()), ["BSD-3-Clause", "LGPL-2.1-only"]);
        assert_eq!(licences(b"License: GPL-2+ or Artistic\n"), ["GPL-2+ or Artistic"]);
    }

    #[test]
    fn what_is_no_name_is_left_out() {
        let long = format!("License: {}\n", "x".repeat(81));
        for text in ["", "License:\n", &long, "License: a\x01b\n", "see /usr/share/common-licenses/ there\n"] {
            assert_eq!(licences(text.as_bytes()), Vec::<String>::new(), "{text:?}");
        }
        assert_eq!(licences(b"\xff\nLicense: Zlib\n"), ["Zlib"]);
    }
}
