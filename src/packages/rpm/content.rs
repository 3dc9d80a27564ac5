//! `content_manifests/*.json` of Red Hat's images: the repositories that their packages are from.
//!
//! Red Hat files advisories by repository. Without this file the repositories of a whole release are assumed.

use serde::Deserialize;

use crate::packages::Parsed;

/// Repositories of one image; Red Hat's have up to 30.
const MAX_REPOSITORIES: usize = 1000;

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    content_sets: Vec<String>,
}

/// The repositories, and what could not be understood.
#[must_use]
pub fn parse(bytes: &[u8]) -> (Vec<String>, Parsed) {
    let manifest: Manifest = match serde_json::from_slice(bytes) {
        Ok(manifest) => manifest,
        Err(error) => return (Vec::new(), Parsed::failed(format!("not a content manifest: {error}"))),
    };
    let mut parsed = Parsed::default();
    if manifest.content_sets.len() > MAX_REPOSITORIES {
        parsed.limits.push(format!("more than {MAX_REPOSITORIES} repositories"));
    }
    let clean = |name: &String| !name.is_empty() && !name.chars().any(|c| c.is_control() || c.is_whitespace());
    (manifest.content_sets.into_iter().filter(clean).take(MAX_REPOSITORIES).collect(), parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_listed_and_anything_else_is_unreadable() {
        let manifest = br#"{"metadata":{"icm_version":1},"content_sets":["ubi-9-baseos-rpms",""],"image_contents":[]}"#;
        assert_eq!(parse(manifest).0, ["ubi-9-baseos-rpms"]);
        assert_eq!(parse(b"{}"), (Vec::new(), Parsed::default()));
        assert!(parse(b"[]x").1.failed.is_some());
    }
}
