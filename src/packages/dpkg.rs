//! dpkg's databases: `status`, `status.d/*` and `info/*.md5sums` (deb822(5), deb-control(5)).
//!
//! Our own bounded parser. Unlike the field's it never loses a neighbour: a stanza of any length, a line without a
//! colon, carriage returns, blank lines with spaces, NUL and broken UTF-8 each cost at most their own stanza, and each
//! loss is an anomaly.

use crate::packages::candidate::{Candidate, candidate};
use crate::packages::deb_version::DebVersion;
use crate::packages::parsed::Parsed;
use crate::packages::{Ecosystem, Package, Source};

/// Whole maintainers of packages from vendors' own repositories; see [`OTHER_MAINTAINERS`].
const OTHER_REPOSITORIES: [&str; 2] = ["GitHub", "HashiCorp"];
/// Parts of maintainers of packages from vendors' own repositories, which the distribution's advisories do not describe.
/// Trivy's list (pkg/fanal/analyzer/pkg/dpkg), because its image scan must not differ from ours.
const OTHER_MAINTAINERS: [&str; 21] = [
    "@cloudflare.com",
    "@datadoghq.com",
    "@hashicorp.com",
    "@konghq.com",
    "@microsoft.com",
    "@mongodb.com",
    "@nodesource.com",
    "@nvidia.com",
    "@openrobotics.org",
    "@osrfoundation.org",
    "Google Cloud CLI Authors",
    "contact@grafana.com",
    "dev@couchdb.apache.org",
    "developers@lists.mariadb.org",
    "info@elastic.co",
    "info@tailscale.com",
    "nginx-packaging@f5.com",
    "sapmachine@sap.com",
    "support@docker.com",
    "support@gitlab.com",
    "support@influxdb.com",
];

/// One stanza's fields that we use.
#[derive(Default)]
struct Stanza<'a> {
    first_line: usize,
    package: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    status: Option<&'a [u8]>,
    architecture: Option<&'a [u8]>,
    source: Option<&'a [u8]>,
    maintainer: Option<&'a [u8]>,
    depends: Option<&'a [u8]>,
    /// Any field at all?
    seen: bool,
    /// First thing in it that is no field.
    broken: Option<String>,
}

/// Reads `status` or one file of `status.d`; `path` is where the bytes come from.
#[must_use]
pub fn parse(path: &str, bytes: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut stanza = Stanza { first_line: 1, ..Stanza::default() };
    for (number, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().all(u8::is_ascii_whitespace) {
            finish(path, &stanza, &mut parsed);
            stanza = Stanza { first_line: number + 2, ..Stanza::default() };
        } else {
            stanza.line(number + 1, line);
        }
    }
    finish(path, &stanza, &mut parsed);
    parsed
}

impl<'a> Stanza<'a> {
    fn line(&mut self, number: usize, line: &'a [u8]) {
        let mut complain = |what: &str| {
            self.broken.get_or_insert_with(|| format!("line {number}: {what}"));
        };
        if matches!(line.first(), Some(b' ' | b'\t')) {
            if !self.seen {
                complain("continuation without a field");
            }
            return;
        }
        self.seen = true;
        let Some(colon) = line.iter().position(|b| *b == b':') else { return complain("no colon") };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return complain("no field name");
        }
        let slot = match name.to_ascii_lowercase().as_slice() {
            b"package" => &mut self.package,
            b"version" => &mut self.version,
            b"status" => &mut self.status,
            b"architecture" => &mut self.architecture,
            b"source" => &mut self.source,
            b"maintainer" => &mut self.maintainer,
            b"depends" => &mut self.depends,
            _ => return,
        };
        // A second `Package` hides one: a missing blank line, or somebody's intent.
        if slot.is_some() {
            return complain("field given twice");
        }
        *slot = Some(value);
    }

    /// Are the package's files in the image? `config-files` and `not-installed` are what removal leaves behind.
    fn is_installed(&self) -> bool {
        let state = self.status.and_then(|s| s.split(u8::is_ascii_whitespace).rfind(|word| !word.is_empty()));
        !matches!(state, Some(b"config-files" | b"not-installed"))
    }
}

fn finish(path: &str, stanza: &Stanza<'_>, parsed: &mut Parsed) {
    if let Some(broken) = &stanza.broken {
        parsed.unreadable.push(broken.clone());
    }
    if !stanza.seen || !stanza.is_installed() {
        return;
    }
    match package(path, stanza) {
        Ok(package) => parsed.packages.push(package),
        // One sentence per stanza is enough.
        Err(_) if stanza.broken.is_some() => {}
        Err(why) => parsed.unreadable.push(format!("stanza at line {}: {why}", stanza.first_line)),
    }
}

fn package(path: &str, stanza: &Stanza<'_>) -> Result<Package, String> {
    let name = text(stanza.package).ok_or("no readable Package field")?;
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b)) {
        return Err(format!("not a package name: {:?}", name.chars().take(80).collect::<String>()));
    }
    let version = text(stanza.version).ok_or_else(|| format!("{name}: no readable Version field"))?;
    let parts: DebVersion = version.parse().map_err(|e| format!("{name}: {e}"))?;
    let (source_name, source_version) = match text(stanza.source) {
        Some(source) => split_source(source),
        None => (name, None),
    };
    let source_version: DebVersion = match source_version {
        Some(version) => version.parse().map_err(|e| format!("{name}: source version: {e}"))?,
        None => parts.clone(),
    };
    let supplier = stanza.maintainer.map(|m| String::from_utf8_lossy(m).into_owned());
    Ok(Package {
        third_party: supplier.as_deref().is_some_and(from_elsewhere),
        architecture: text(stanza.architecture).map(str::to_owned),
        source: Some(Source { name: source_name.to_owned(), version: source_version.to_string() }),
        supplier,
        depends: text(stanza.depends).map(depends).unwrap_or_default(),
        ..Package::new(Ecosystem::Dpkg, name, parts.to_string(), path)
    })
}

/// Is this the maintainer of packages that no distribution ships?
fn from_elsewhere(maintainer: &str) -> bool {
    OTHER_REPOSITORIES.contains(&maintainer) || OTHER_MAINTAINERS.iter().any(|part| maintainer.contains(part))
}

/// A field's value as text, `None` when empty, not UTF-8 or with control characters.
fn text(value: Option<&[u8]>) -> Option<&str> {
    let text = std::str::from_utf8(value?).ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then_some(text)
}

/// `openssl (3.0.13-1)` → name and version.
fn split_source(source: &str) -> (&str, Option<&str>) {
    match source.split_once('(') {
        Some((name, version)) => (name.trim(), Some(version.trim_end_matches(')').trim())),
        None => (source.split_whitespace().next().unwrap_or(source), None),
    }
}

/// Package names of a `Depends` field, each once, without version requirements.
fn depends(field: &str) -> Vec<String> {
    let mut names: Vec<String> = field
        .split([',', '|'])
        .filter_map(|one| one.split(['(', ':', '[']).next())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Paths that an `md5sums` file lists: files that belong to the package. Documentation is left out, because nothing
/// asks for it and it is most of the list.
#[must_use]
pub fn owned_paths(bytes: &[u8]) -> String {
    let mut kept = String::new();
    for line in bytes.split(|b| *b == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let Some((_, path)) = line.split_once(char::is_whitespace) else { continue };
        let path = path.trim().trim_start_matches("./").trim_start_matches('/');
        if !path.is_empty() && (!is_dull(path) || candidate(path).is_some_and(|kind| kind != Candidate::DpkgCopyright))
        {
            kept.push_str(path);
            kept.push('\n');
        }
    }
    kept
}

/// Documentation, translations and headers: hardly anything there is a package.
pub(crate) fn is_dull(path: &str) -> bool {
    let dull = ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/include", "usr/share/icons"];
    dull.iter().any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

#[cfg(test)]
#[path = "dpkg_tests.rs"]
mod tests;
