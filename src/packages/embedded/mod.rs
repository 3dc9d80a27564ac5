//! SBOMs that somebody put into the image: Bitnami's `.spdx-NAME.spdx`, Chainguard's `var/lib/db/sbom/`, and others.
//!
//! SPDX 2 (JSON and tag-value) and CycloneDX (JSON), as Trivy's image scan reads them: a package counts by its purl, and
//! only if the purl is of a kind that has advisories. Claims about packages are taken as they are; whether they fit the
//! operating system is looked at by `inventory`.

pub(super) mod claims;
mod component;
mod cyclonedx;
mod spdx;
mod tag_value;

use crate::packages::Parsed;
use crate::packages::embedded::component::Stated;

/// Bitnami describes the component in the document's own folder, with paths relative to it.
const BITNAMI: &str = "opt/bitnami/";

/// The packages that the document at `path` names.
#[must_use]
pub fn parse(path: &str, bytes: &[u8]) -> Parsed {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut sink = Sink { path, parsed: Parsed::default() };
    let read = match bytes.trim_ascii_start() {
        json if json.starts_with(b"{") => json_form(bytes, &mut sink),
        text if text.starts_with(b"SPDX") => tag_value::read(text, &mut sink),
        text if text.starts_with(b"<") => Err("SBOMs in XML are not read".to_owned()),
        _ => Err(UNKNOWN.to_owned()),
    };
    let failed = read.err().map(|why| format!("embedded SBOM: {why}"));
    Parsed { failed, ..sink.parsed }
}

const UNKNOWN: &str = "neither SPDX nor CycloneDX";

fn json_form(bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), String> {
    // Both readers pass over what they do not know, so the mark of the form decides.
    if cyclonedx::read(bytes, sink)? || spdx::read(bytes, sink)? { Ok(()) } else { Err(UNKNOWN.to_owned()) }
}

/// Takes the components one by one: a document may name more than we could hold.
struct Sink<'a> {
    path: &'a str,
    parsed: Parsed,
}

impl Sink<'_> {
    fn take(&mut self, component: Result<Stated, String>) {
        match component.and_then(|component| component.package(self.path)) {
            Ok(Some(package)) => self.parsed.add(package),
            Ok(None) => {}
            Err(why) => self.parsed.complain(why),
        }
    }

    /// `more` elements of a list were left out.
    fn left_out(&mut self, more: usize, what: &str) {
        if more > 0 {
            self.parsed.limit(format!("{more} more {what} than are read"));
        }
    }
}

/// The folder of Bitnami's document.
fn bitnami_folder(path: &str) -> Option<&str> {
    path.strip_prefix(BITNAMI)?;
    path.rsplit_once('/').map(|(folder, _)| folder)
}

#[cfg(test)]
#[path = "../embedded_tests.rs"]
mod tests;
