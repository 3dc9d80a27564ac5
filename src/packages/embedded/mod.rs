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
    let read = match bytes.trim_ascii_start() {
        json if json.starts_with(b"{") => json_form(bytes),
        text if text.starts_with(b"SPDX") => tag_value::read(text),
        text if text.starts_with(b"<") => Err("SBOMs in XML are not read".to_owned()),
        _ => Err("neither SPDX nor CycloneDX".to_owned()),
    };
    let stated = match read {
        Ok(stated) => stated,
        Err(why) => return Parsed::failed(format!("embedded SBOM: {why}")),
    };
    let mut parsed = Parsed::default();
    for component in stated {
        match component.and_then(|component| component.package(path)) {
            Ok(package) => parsed.packages.extend(package),
            Err(why) => parsed.unreadable.push(why),
        }
    }
    parsed
}

/// Components, each of them readable or not; `Err` where the whole document is not.
type Components = Result<Vec<Result<Stated, String>>, String>;

fn json_form(bytes: &[u8]) -> Components {
    // Both readers pass over what they do not know, so the mark of the form decides.
    match cyclonedx::read(bytes) {
        Ok(Some(components)) => return Ok(components),
        Ok(None) => {}
        Err(why) => return Err(why),
    }
    spdx::read(bytes)?.ok_or_else(|| "neither SPDX nor CycloneDX".to_owned())
}

/// The folder of Bitnami's document.
fn bitnami_folder(path: &str) -> Option<&str> {
    path.strip_prefix(BITNAMI)?;
    path.rsplit_once('/').map(|(folder, _)| folder)
}

#[cfg(test)]
#[path = "../embedded_tests.rs"]
mod tests;
