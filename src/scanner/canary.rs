//! Known-vulnerable components planted in the document handed to the scanner, never in our evidence.
//!
//! An empty, truncated or foreign database answers "no findings", just like a clean image does. A canary whose
//! vulnerability does not come back tells them apart. Every real database knows these two packages; one that comes
//! back is enough, because a database built for one ecosystem may know only one of them.
//! What a canary cannot show: that the database covers the image's operating system.

use serde_json::{Value, json};

/// One planted component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Canary {
    pub(crate) reference: String,
    pub(crate) purl: String,
    /// Any one of these coming back proves that the database was read.
    pub(crate) expected: &'static [&'static str],
}

struct Species {
    purl_prefix: &'static str,
    name: &'static str,
    /// All vulnerable. Several, because a scanner merges equal components, and then the image's own finding could come
    /// back under the canary's reference: a version that the image has itself is not planted.
    versions: &'static [&'static str],
    expected: &'static [&'static str],
}

const SPECIES: &[Species] = &[
    Species {
        purl_prefix: "pkg:npm/lodash@",
        name: "lodash",
        versions: &["0.2.1", "0.2.2", "0.3.0", "0.3.1"],
        expected: &["CVE-2018-16487", "CVE-2018-3721", "CVE-2019-10744", "CVE-2019-1010266"],
    },
    Species {
        purl_prefix: "pkg:pypi/django@",
        name: "django",
        versions: &["1.11.0", "1.11.1", "1.11.2", "1.11.3"],
        expected: &["CVE-2019-12781", "CVE-2019-6975", "CVE-2020-7471", "CVE-2019-14234"],
    },
];

/// References of planted components begin with this; a document that uses it itself is refused.
pub(crate) const REFERENCE_PREFIX: &str = "countersign:canary:";

/// The canaries for a document with components of these purls. At least one, unless the document holds every version
/// of every species.
pub(crate) fn choose<'a>(purls: impl Iterator<Item = &'a str> + Clone) -> Vec<(Canary, Value)> {
    SPECIES.iter().filter_map(|species| plant(species, purls.clone())).collect()
}

fn plant<'a>(species: &Species, purls: impl Iterator<Item = &'a str> + Clone) -> Option<(Canary, Value)> {
    let taken = |version: &str| {
        purls
            .clone()
            .filter_map(|purl| purl.strip_prefix(species.purl_prefix))
            .any(|own| own == version || own.split(['?', '#']).next() == Some(version))
    };
    let version = species.versions.iter().find(|version| !taken(version))?;
    let reference = format!("{REFERENCE_PREFIX}{}", species.name);
    let purl = format!("{}{version}", species.purl_prefix);
    let component = json!({
        "bom-ref": reference, "type": "library", "name": species.name, "version": version, "purl": purl,
    });
    Some((Canary { reference, purl, expected: species.expected }, component))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_the_image_has_itself_is_not_planted() {
        let own = ["pkg:npm/lodash@0.2.1", "pkg:npm/lodash@0.2.2?x=y", "pkg:npm/lodash@0.3.00"];
        let purls: Vec<String> = choose(own.into_iter()).into_iter().map(|(canary, _)| canary.purl).collect();
        assert_eq!(purls, ["pkg:npm/lodash@0.3.0", "pkg:pypi/django@1.11.0"]);
    }
}
