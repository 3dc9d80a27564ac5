//! The promotion record: the authorisation of one release, made once per (release, digest) and signed before any tag
//! moves (product.md, "Records, channels, reruns").
//!
//! This is the wire shape of the predicate `PredicateType::PROMOTION`. It says which tags a digest *may* carry; which it does carry
//! only the registry shows. Unknown fields are tolerated on reading, so that later versions can add some; everything
//! known is checked by [`Record::parse`].

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::oci::{Digest, Repository, Tag};
use crate::promotion::{Commit, GitRef, Scope, Version};

/// Largest record parsed: ten times what a release of 64 images with full evidence needs.
pub const MAX_RECORD_BYTES: usize = 2 * 1024 * 1024;
/// More images than any release here; a bound on what one record can make us look at.
pub const MAX_IMAGES: usize = 256;
/// A preset gives at most seven tags; rules may give more.
pub const MAX_TAGS_PER_IMAGE: usize = 128;
/// Three payloads per node, 256 children per image.
pub const MAX_EVIDENCE: usize = 4096;

/// One release's authorisation, as signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Null for a branch, commit or pull-request build.
    pub version: Option<Version>,
    pub git: GitSource,
    /// Every image of the release, each with the tags its digest may carry.
    pub images: Vec<RecordImage>,
    /// Digest of rules and settings that decided.
    pub policy: Digest,
    /// Ids of the exceptions that the decision leaned on.
    pub exceptions: Vec<String>,
    pub scanner: RecordScanner,
    /// The signed statements this rests on.
    pub evidence: Vec<RecordEvidence>,
    /// Where tags pointed before; information only.
    #[serde(default)]
    pub observed: Vec<ObservedTarget>,
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitSource {
    #[serde(rename = "ref")]
    pub git_ref: GitRef,
    /// Null where nobody could tell: a release by hand, outside a git checkout and CI.
    pub commit: Option<Commit>,
}

/// One digest of the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordImage {
    pub repository: Repository,
    pub digest: Digest,
    pub tags: Vec<Tag>,
}

/// What looked for vulnerabilities, and in which database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordScanner {
    pub digest: Digest,
    pub database: Digest,
    pub database_updated_at: Timestamp,
}

/// A statement by the digest of its DSSE payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordEvidence {
    /// The node it is about.
    pub subject: Digest,
    pub predicate_type: String,
    pub payload: Digest,
}

/// What a tag pointed to when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedTarget {
    pub repository: Repository,
    pub tag: Tag,
    pub digest: Option<Digest>,
}

/// Why a predicate is no promotion record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("promotion record is {bytes} bytes, at most {MAX_RECORD_BYTES} are read")]
    TooLarge { bytes: usize },
    #[error("promotion record is malformed")]
    Malformed(#[source] serde_json::Error),
    #[error("promotion record names no image")]
    NoImage,
    #[error("promotion record lists {found} {what}, at most {limit} are read")]
    TooMany { what: &'static str, found: usize, limit: usize },
    #[error("promotion record names {repository} twice")]
    RepositoryTwice { repository: Repository },
    #[error("promotion record of {version} allows the tag {tag} of {repository}, which names another release")]
    ForeignTag { version: String, tag: Tag, repository: Repository },
    #[error("promotion record of {version} was made from {git_ref}")]
    ForeignRef { version: Version, git_ref: GitRef },
}

impl Record {
    /// Reads and checks the predicate's JSON.
    ///
    /// # Errors
    /// Too large, not the shape, or contradicting itself: see [`Record::validate`].
    pub fn parse(json: &[u8]) -> Result<Self, RecordError> {
        if json.len() > MAX_RECORD_BYTES {
            return Err(RecordError::TooLarge { bytes: json.len() });
        }
        let record: Self = serde_json::from_slice(json).map_err(RecordError::Malformed)?;
        record.validate()?;
        Ok(record)
    }

    /// A record that allows a version or channel tag of another version, or a channel to a pre-release, would defeat
    /// I3 to I5 for everyone who reads it: it is refused by writer and reader alike.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), RecordError> {
        if self.images.is_empty() {
            return Err(RecordError::NoImage);
        }
        at_most("images", self.images.len(), MAX_IMAGES)?;
        at_most("payloads of evidence", self.evidence.len(), MAX_EVIDENCE)?;
        at_most("observed targets", self.observed.len(), MAX_EVIDENCE)?;
        at_most("exceptions", self.exceptions.len(), MAX_EVIDENCE)?;
        if let (Some(version), Some(tagged)) = (&self.version, self.git.git_ref.version())
            && *version != tagged
        {
            return Err(RecordError::ForeignRef { version: version.clone(), git_ref: self.git.git_ref.clone() });
        }
        let mut seen = BTreeSet::new();
        for image in &self.images {
            if !seen.insert(&image.repository) {
                return Err(RecordError::RepositoryTwice { repository: image.repository.clone() });
            }
            at_most("tags", image.tags.len(), MAX_TAGS_PER_IMAGE)?;
            if let Some(tag) = image.tags.iter().find(|tag| !self.tag_fits(tag)) {
                let version = self.version.as_ref().map_or_else(|| "no version".to_owned(), ToString::to_string);
                return Err(RecordError::ForeignTag {
                    version,
                    tag: tag.clone(),
                    repository: image.repository.clone(),
                });
            }
        }
        Ok(())
    }

    /// Does this record allow `tag` of `repository` to point to `digest`?
    #[must_use]
    pub fn allows(&self, repository: &Repository, digest: &Digest, tag: &Tag) -> bool {
        self.image(repository).is_some_and(|image| image.digest == *digest && image.tags.contains(tag))
    }

    /// What the release says about `repository`.
    #[must_use]
    pub fn image(&self, repository: &Repository) -> Option<&RecordImage> {
        self.images.iter().find(|image| image.repository == *repository)
    }

    /// A version tag is this release's own, a channel contains it, and a build without version has neither.
    fn tag_fits(&self, tag: &Tag) -> bool {
        // `1234567` and `1234567-dev` may be commit tags: seven digits of a commit that happen to be decimal.
        let name = tag.as_str().split('-').next().unwrap_or_default();
        let own_commit =
            name.len() >= 7 && self.git.commit.as_ref().is_some_and(|commit| commit.as_str().starts_with(name));
        match (Version::of_tag(tag), Scope::of_tag(tag)) {
            (Some(spelled), _) => self.version.as_ref() == Some(&spelled),
            (None, Some(scope)) => own_commit || self.version.as_ref().is_some_and(|version| scope.contains(version)),
            (None, None) => true,
        }
    }
}

fn at_most(what: &'static str, found: usize, limit: usize) -> Result<(), RecordError> {
    if found > limit { Err(RecordError::TooMany { what, found, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document(version: Option<&str>, tags: &[&str]) -> Value {
        json!({
            "version": version,
            "git": { "ref": "refs/tags/v1.2.3", "commit": "a".repeat(40) },
            "images": [{ "repository": "ghcr.io/a/b", "digest": Digest::of(b"image"), "tags": tags }],
            "policy": Digest::of(b"policy"),
            "exceptions": [],
            "scanner": { "digest": Digest::of(b"trivy"), "database": Digest::of(b"db"),
                         "databaseUpdatedAt": "2026-11-20T00:00:00Z" },
            "evidence": [{ "subject": Digest::of(b"image"), "predicateType": "https://cyclonedx.org/bom",
                           "payload": Digest::of(b"payload") }],
            "observed": [{ "repository": "ghcr.io/a/b", "tag": "latest", "digest": null }],
            "inventedLater": { "x": 1 }
        })
    }

    fn parse(document: &Value) -> Result<Record, RecordError> {
        Record::parse(document.to_string().as_bytes())
    }

    #[test]
    fn a_record_round_trips_and_tolerates_fields_of_later_versions() {
        let record = parse(&document(Some("1.2.3"), &["v1.2.3", "1.2.3", "1.2", "1", "latest"])).unwrap();
        let mut expected = document(Some("1.2.3"), &["v1.2.3", "1.2.3", "1.2", "1", "latest"]);
        expected.as_object_mut().unwrap().shift_remove("inventedLater");
        assert_eq!(serde_json::to_value(&record).unwrap(), expected);
        let (repository, digest) = ("ghcr.io/a/b".parse().unwrap(), Digest::of(b"image"));
        assert!(record.allows(&repository, &digest, &"latest".parse().unwrap()));
        assert!(!record.allows(&repository, &digest, &"2".parse().unwrap()));
        assert!(!record.allows(&repository, &Digest::of(b"other"), &"latest".parse().unwrap()));
        assert!(!record.allows(&"ghcr.io/a/c".parse().unwrap(), &digest, &"latest".parse().unwrap()));
    }

    #[test]
    fn tags_of_another_version_are_refused() {
        for (version, tag) in [
            (Some("1.2.3"), "1.2.4"),
            (Some("1.2.3"), "v2.0.0"),
            (Some("1.2.3"), "1.3"),
            (Some("1.2.3"), "2"),
            (Some("1.2.3-rc.1"), "latest"),
            (Some("1.2.3-rc.1"), "1.2"),
            (None, "latest"),
            (None, "1.2.3"),
        ] {
            let mut document = document(version, &[tag]);
            document["git"]["ref"] = json!("refs/heads/main");
            assert!(matches!(parse(&document), Err(RecordError::ForeignTag { .. })), "{version:?} {tag}");
        }
        assert!(matches!(parse(&document(Some("1.2.4"), &[])), Err(RecordError::ForeignRef { .. })));
    }

    #[test]
    fn a_release_names_every_repository_once() {
        let mut twice = document(Some("1.2.3"), &[]);
        let image = twice["images"][0].clone();
        twice["images"].as_array_mut().unwrap().push(image);
        assert!(matches!(parse(&twice), Err(RecordError::RepositoryTwice { .. })));
        let mut none = document(Some("1.2.3"), &[]);
        none["images"] = json!([]);
        assert!(matches!(parse(&none), Err(RecordError::NoImage)));
    }

    #[test]
    fn limits_are_errors() {
        let many: Vec<String> = (0..=MAX_TAGS_PER_IMAGE).map(|n| format!("t{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(matches!(parse(&document(Some("1.2.3"), &many)), Err(RecordError::TooMany { what: "tags", .. })));
        assert!(matches!(Record::parse(&vec![b' '; MAX_RECORD_BYTES + 1]), Err(RecordError::TooLarge { .. })));
        assert!(matches!(Record::parse(b"{}"), Err(RecordError::Malformed(_))));
    }
}
