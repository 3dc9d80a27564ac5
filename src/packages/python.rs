//! An installed Python distribution: `METADATA` of a `.dist-info`, `PKG-INFO` of an egg, or an `.egg-info` file
//! (packaging.python.org, "Core metadata specifications").
//!
//! The headers are read with the same patience as Trivy's reader (Go's `net/textproto`), so that both see the same name:
//! the first header of a name counts, names ignore case, and the first line that is no header ends them.

use crate::packages::name::{contact, few, is_plain, one_line};
use crate::packages::{Ecosystem, Package, Parsed};

/// A grouping of the classifier list, no licence.
const NO_LICENCE: &str = "OSI Approved";
/// A `License:` longer than this is the text of the licence, not its name.
const MAX_LICENCE_BYTES: usize = 200;

/// The one package that the file at `path` describes.
#[must_use]
pub fn parse(path: &str, bytes: &[u8]) -> Parsed {
    let headers = Headers::read(bytes);
    let missing = |what: &str| {
        let why = headers.broken.map(|line| format!(" before line {line}, which is no header")).unwrap_or_default();
        Parsed { unreadable: vec![format!("no readable {what}{why}")], ..Parsed::default() }
    };
    let plain = |name: &str| headers.first(name).and_then(|v| std::str::from_utf8(v).ok()).filter(|v| is_plain(v));
    let Some(name) = plain("name") else { return missing("Name") };
    let Some(version) = plain("version") else { return missing("Version") };
    let package = Package {
        licences: licences(&headers),
        supplier: supplier(&headers),
        ..Package::new(Ecosystem::Pypi, name, version, path)
    };
    Parsed { packages: vec![package], ..Parsed::default() }
}

/// `License-Expression`, else the classifiers, else `License` where it is a name.
fn licences(headers: &Headers) -> Vec<String> {
    if let Some(expression) = headers.text("license-expression") {
        return vec![expression];
    }
    let classifiers = headers.all("classifier").filter_map(|value| {
        let value = String::from_utf8_lossy(value);
        let name = value.strip_prefix("License :: ")?.rsplit(" :: ").next()?.trim();
        one_line(name).filter(|name| name != NO_LICENCE)
    });
    let mut found = few(classifiers);
    if found.is_empty() {
        found.extend(headers.text("license").filter(|text| text.len() <= MAX_LICENCE_BYTES && text != "UNKNOWN"));
    }
    found
}

fn supplier(headers: &Headers) -> Option<String> {
    let known = |name: &str| headers.text(name).filter(|text| text != "UNKNOWN");
    let of = |role: &str| contact(known(role).as_deref(), known(&format!("{role}-email")).as_deref());
    of("author").or_else(|| of("maintainer"))
}

/// The headers that are kept.
const WANTED: [&str; 9] = [
    "name",
    "version",
    "license-expression",
    "license",
    "classifier",
    "author",
    "author-email",
    "maintainer",
    "maintainer-email",
];

/// Headers up to the first blank line, continuation lines folded in.
struct Headers {
    /// Names in lower case.
    list: Vec<(String, Vec<u8>)>,
    /// The line that ended them although it is not blank, counted from 1.
    broken: Option<usize>,
}

impl Headers {
    fn read(bytes: &[u8]) -> Self {
        let mut headers = Self { list: Vec::new(), broken: None };
        let mut lines = bytes.split(|b| *b == b'\n').enumerate().peekable();
        while let Some((index, line)) = lines.next() {
            if line.trim_ascii().is_empty() {
                break;
            }
            let mut whole = line.trim_ascii().to_vec();
            // Without a colon of its own a line is no header, whatever follows it.
            let starts = !line.starts_with(b" ") && !line.starts_with(b"\t") && line.contains(&b':');
            while let Some((_, more)) = lines.next_if(|(_, more)| more.starts_with(b" ") || more.starts_with(b"\t")) {
                whole.push(b' ');
                whole.extend_from_slice(more.trim_ascii());
            }
            match header(&whole).filter(|_| starts) {
                Some(header) if WANTED.contains(&header.0.as_str()) => headers.list.push(header),
                Some(_) => {}
                None => {
                    headers.broken = Some(index + 1);
                    break;
                }
            }
        }
        headers
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.list.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_slice())
    }

    fn first(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    fn text(&self, name: &str) -> Option<String> {
        self.first(name).and_then(|value| one_line(&String::from_utf8_lossy(value)))
    }
}

/// `Name: value`; `None` where a name or value has bytes that Go's reader refuses.
fn header(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|b| *b == b':')?;
    let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~ ".contains(b);
    let printable = |b: &u8| *b == b'\t' || !b.is_ascii_control();
    if name.is_empty() || !name.iter().all(token) || !value.iter().all(printable) {
        return None;
    }
    // With a blank before its colon a header is not the one that it seems to be; it is kept apart as it is.
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    Some((name, value.trim_ascii_start().to_vec()))
}

#[cfg(test)]
#[path = "python_tests.rs"]
mod tests;
