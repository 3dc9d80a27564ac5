//! A Python package in one zip archive (setuptools, "The Internal Structure of Python Eggs").

use std::io::Read;

use crate::packages::candidate::MAX_ENTRY_BYTES;
use crate::packages::zip::walk;
use crate::packages::zip_stream::{Budget, Trouble};
use crate::packages::{Parsed, python};

/// The names under which the archive may describe itself.
const DESCRIPTIONS: [&str; 4] = ["EGG-INFO/PKG-INFO", ".egg-info", ".egg-info/PKG-INFO", ".egg-info/METADATA"];

/// The package in the archive at `path`; nothing for an archive that describes none.
#[must_use]
pub fn parse(path: &str, bytes: &[u8]) -> Parsed {
    let budget = Budget::new(bytes.len() as u64);
    let matters = |name: &[u8]| DESCRIPTIONS.iter().any(|end| name.ends_with(end.as_bytes()));
    let mut reader = bytes;
    let walked = match walk(&mut reader, &budget, matters, description) {
        Ok(walked) => walked,
        Err(Trouble::Corrupt(why)) => return Parsed::failed(why),
        Err(Trouble::Limit(why)) => return Parsed { limits: vec![why], ..Parsed::default() },
    };
    // The first in the archive's directory: so does Trivy choose.
    let mut parsed = match walked.found.into_iter().next() {
        None => Parsed::default(),
        Some((_, Some(text))) => python::parse(path, &text),
        Some((name, None)) => {
            let limit = format!("{name}: more than the {MAX_ENTRY_BYTES} bytes that are read");
            Parsed { limits: vec![limit], ..Parsed::default() }
        }
    };
    parsed.unreadable.extend(walked.missed);
    parsed
}

/// The whole entry, `None` if it is too long. A failure is noticed by the walk, which sums up the content.
fn description(_: &str, entry: &mut dyn Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let _ = entry.take(MAX_ENTRY_BYTES + 1).read_to_end(&mut bytes);
    (bytes.len() as u64 <= MAX_ENTRY_BYTES).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::zip::tests::{How, Writer};

    const INFO: &[u8] = b"Metadata-Version: 1.1\nName: a\nVersion: 1.0\n";

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = Writer::default();
        for (name, content) in entries {
            writer.add(name, content, How::Deflated);
        }
        writer.end()
    }

    #[test]
    fn the_first_description_counts() {
        for name in ["EGG-INFO/PKG-INFO", "a.egg-info", "a.egg-info/PKG-INFO", "a.egg-info/METADATA"] {
            let found = parse(
                "p/a.egg",
                &archive(&[("a.py", b""), (name, INFO), ("EGG-INFO/PKG-INFO", b"Name: b\nVersion: 2\n")]),
            );
            let names: Vec<_> = found.packages.iter().map(|p| (p.name.as_str(), p.path.as_str())).collect();
            assert_eq!(names, [("a", "p/a.egg")], "{name}");
        }
        assert_eq!(parse("a.egg", &archive(&[("a.py", b"")])), Parsed::default());
    }

    #[test]
    fn an_archive_that_cannot_be_read_is_an_anomaly() {
        assert!(parse("a.egg", b"no zip").failed.is_some());
        assert_eq!(parse("a.egg", &archive(&[("EGG-INFO/PKG-INFO", b"Name: a\n")])).unreadable.len(), 1);
        let large = vec![b' '; usize::try_from(MAX_ENTRY_BYTES).unwrap() + 1];
        assert_eq!(parse("a.egg", &archive(&[("EGG-INFO/PKG-INFO", &large)])).limits.len(), 1);
    }
}
