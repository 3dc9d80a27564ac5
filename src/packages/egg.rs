//! A Python package in one zip archive (setuptools, "The Internal Structure of Python Eggs").

use crate::packages::candidate::MAX_ENTRY_BYTES;
use crate::packages::zip::{Archive, ZipError};
use crate::packages::{Parsed, python};

/// The names under which the archive may describe itself.
const DESCRIPTIONS: [&str; 4] = ["EGG-INFO/PKG-INFO", ".egg-info", ".egg-info/PKG-INFO", ".egg-info/METADATA"];

/// The package in the archive at `path`; nothing for an archive that describes none.
#[must_use]
pub fn parse(path: &str, bytes: &[u8]) -> Parsed {
    match description(bytes) {
        Ok(Some(text)) => python::parse(path, &text),
        Ok(None) => Parsed::default(),
        Err(why @ ZipError::TooLarge { .. }) => Parsed { limits: vec![why.to_string()], ..Parsed::default() },
        Err(why) => Parsed::failed(why.to_string()),
    }
}

/// The first in the archive's directory: so does Trivy choose.
fn description(bytes: &[u8]) -> Result<Option<Vec<u8>>, ZipError> {
    let archive = Archive::open(bytes)?;
    let found = archive.entries().iter().find(|entry| DESCRIPTIONS.iter().any(|end| entry.name.ends_with(end)));
    found.map(|entry| archive.read(entry, MAX_ENTRY_BYTES)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::zip::tests::archive;

    const INFO: &[u8] = b"Metadata-Version: 1.1\nName: a\nVersion: 1.0\n";

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
