//! Alpine's package database `lib/apk/db/installed` (apk v2 text format: one letter, a colon, the value).

use crate::packages::{Ecosystem, Package, Parsed, Source};

/// What the database says: packages, complaints, and the files that belong to packages.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Installed {
    pub parsed: Parsed,
    /// One path a line, as `dpkg::owned_paths` gives them.
    pub owned: String,
}

#[derive(Default)]
struct Entry {
    first_line: usize,
    seen: bool,
    name: Option<String>,
    version: Option<String>,
    architecture: Option<String>,
    origin: Option<String>,
    licence: Option<String>,
    maintainer: Option<String>,
    depends: Vec<String>,
    folder: String,
    broken: Option<String>,
}

#[must_use]
pub fn parse(path: &str, bytes: &[u8]) -> Installed {
    let mut installed = Installed::default();
    let mut entry = Entry { first_line: 1, ..Entry::default() };
    for (number, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().all(u8::is_ascii_whitespace) {
            finish(path, entry, &mut installed.parsed);
            entry = Entry { first_line: number + 2, ..Entry::default() };
        } else {
            entry.line(number + 1, line, &mut installed.owned);
        }
    }
    finish(path, entry, &mut installed.parsed);
    installed
}

impl Entry {
    fn line(&mut self, number: usize, line: &[u8], owned: &mut String) {
        let mut complain = |what: &str| {
            self.broken.get_or_insert_with(|| format!("line {number}: {what}"));
        };
        self.seen = true;
        let [key, b':', value @ ..] = line else { return complain("not a letter and a colon") };
        let Ok(value) = std::str::from_utf8(value) else { return complain("not UTF-8") };
        let slot = match key {
            b'P' => &mut self.name,
            b'V' => &mut self.version,
            b'A' => &mut self.architecture,
            b'o' => &mut self.origin,
            b'L' => &mut self.licence,
            b'm' => &mut self.maintainer,
            b'D' => {
                let name = |d: &str| d.split(['=', '<', '>', '~']).next().unwrap_or(d).to_owned();
                self.depends = value.split_whitespace().map(name).collect();
                return;
            }
            b'F' => {
                value.clone_into(&mut self.folder);
                return;
            }
            b'R' => {
                if !self.folder.is_empty() {
                    owned.push_str(&self.folder);
                    owned.push('/');
                }
                owned.push_str(value);
                owned.push('\n');
                return;
            }
            _ => return,
        };
        if slot.is_some() {
            return complain("field given twice");
        }
        *slot = Some(value.to_owned());
    }
}

fn finish(path: &str, entry: Entry, parsed: &mut Parsed) {
    let broken = entry.broken.is_some();
    parsed.unreadable.extend(entry.broken);
    if !entry.seen {
        return;
    }
    let clean = |text: &String| !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    let (Some(name), Some(version)) = (entry.name.filter(clean), entry.version.filter(clean)) else {
        if !broken {
            parsed.unreadable.push(format!("entry at line {}: no readable name or version", entry.first_line));
        }
        return;
    };
    if !is_version(&version) {
        parsed.unreadable.push(format!("{name}: {version:?} is no version, so no advisory can be matched"));
    }
    let source_name = entry.origin.filter(clean).unwrap_or_else(|| name.clone());
    parsed.packages.push(Package {
        source: Some(Source { name: source_name, version: version.clone() }),
        architecture: entry.architecture,
        licences: entry.licence.into_iter().filter(|l| !l.is_empty()).collect(),
        supplier: entry.maintainer,
        depends: entry.depends,
        ..Package::new(Ecosystem::Apk, name, version, path)
    });
}

/// Numbers and dots, a letter, suffixes, a revision (apk-package(5)). Trivy leaves a package with any other version out.
fn is_version(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let rest = match text.rsplit_once("-r") {
        Some((rest, revision)) if digits(revision) => rest,
        _ => text,
    };
    let mut parts = rest.split('_');
    let numbers = parts.next().unwrap_or_default();
    let numbers = numbers.strip_suffix(|c: char| c.is_ascii_lowercase()).unwrap_or(numbers);
    let suffix = |part: &str| {
        let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
        matches!(word, "alpha" | "beta" | "pre" | "rc" | "cvs" | "svn" | "git" | "hg" | "p")
    };
    numbers.split('.').all(digits) && parts.all(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUSL: &str =
        "C:Q1abc=\nP:musl\nV:1.2.4-r2\nA:x86_64\no:musl\nL:MIT\nm:T <t@x>\nF:lib\nR:ld-musl-x86_64.so.1\n";

    #[test]
    fn an_entry_gives_package_origin_licence_and_files() {
        let text = format!("{MUSL}\nP:libssl3\nV:3.1.4-r5\no:openssl\nD:so:libc.musl>=1 musl\nF:\nR:x\n");
        let installed = parse("lib/apk/db/installed", text.as_bytes());
        let [musl, ssl] = &installed.parsed.packages[..] else { panic!("not two packages") };
        assert_eq!((musl.name.as_str(), musl.licences.as_slice()), ("musl", &["MIT".to_owned()][..]));
        assert_eq!(ssl.source.as_ref().unwrap().name, "openssl");
        assert_eq!(ssl.depends, ["so:libc.musl", "musl"]);
        assert_eq!(installed.owned, "lib/ld-musl-x86_64.so.1\nx\n");
    }

    #[test]
    fn a_version_that_nothing_can_compare_is_said_aloud() {
        for version in
            ["1", "1.2.3-r0", "1.1.1d-r3", "20230501-r1", "1.0_alpha1_p2-r0", "2.4.57_git20210101-r0", "9e-r0"]
        {
            assert!(is_version(version), "{version}");
        }
        for version in ["", "v1", "1..2", "1-2-r0", "1.2_new", "1.2-r", "{{x}}", "1.2.3 "] {
            assert!(!is_version(version), "{version}");
        }
        let parsed = parse("x", b"P:a\nV:latest\n").parsed;
        assert_eq!((parsed.packages.len(), parsed.unreadable.len()), (1, 1));
    }

    #[test]
    fn a_broken_entry_costs_at_most_itself() {
        for (middle, complaints, found) in [
            (&b"P:b\n"[..], 1, 2),
            (b"P:b\nV:1\nnonsense\n", 1, 3),
            (b"P:b\nV:1\nP:hidden\nV:2\n", 1, 3),
            (b"P:b\nV:\xff\n", 1, 2),
            (b"P:b\nV:1\x00\n", 1, 2),
        ] {
            let mut bytes = format!("{MUSL}\n").into_bytes();
            bytes.extend(middle);
            bytes.extend(format!("\n{}", MUSL.replace("musl", "last")).into_bytes());
            let parsed = parse("x", &bytes).parsed;
            assert_eq!((parsed.unreadable.len(), parsed.packages.len()), (complaints, found), "{middle:?}");
        }
    }
}
