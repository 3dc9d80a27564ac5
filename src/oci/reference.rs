//! A repository with a tag, or a repository with a digest. A name with both means the digest.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, NameError, Repository, Tag};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagReference {
    pub repository: Repository,
    pub tag: Tag,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DigestReference {
    pub repository: Repository,
    pub digest: Digest,
}

/// What a person may name. After `resolve`, only [`DigestReference`] goes on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    Tag(TagReference),
    Digest(DigestReference),
}

impl Reference {
    #[must_use]
    pub fn repository(&self) -> &Repository {
        match self {
            Self::Tag(r) => &r.repository,
            Self::Digest(r) => &r.repository,
        }
    }
}

fn refuse(text: &str, why: &'static str) -> NameError {
    NameError::Reference { text: text.chars().take(300).collect(), why }
}

/// `repository[:tag]` before an `@`; a colon belongs to a tag only after the last slash.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    let name_start = text.rfind('/').map_or(0, |i| i + 1);
    match text[name_start..].find(':') {
        Some(i) => (&text[..name_start + i], Some(&text[name_start + i + 1..])),
        None => (text, None),
    }
}

impl FromStr for Reference {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((name, digest)) = text.split_once('@') {
            let (repository, tag) = split_tag(name);
            if let Some(tag) = tag {
                tag.parse::<Tag>()?;
            }
            let (repository, digest) = (repository.parse()?, digest.parse()?);
            return Ok(Self::Digest(DigestReference { repository, digest }));
        }
        let (repository, tag) = split_tag(text);
        let repository = repository.parse()?;
        let tag = tag.ok_or_else(|| refuse(text, "expected REPOSITORY:TAG or REPOSITORY@DIGEST; no tag is implied"))?;
        Ok(Self::Tag(TagReference { repository, tag: tag.parse()? }))
    }
}

impl FromStr for DigestReference {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse()? {
            Reference::Digest(reference) => Ok(reference),
            Reference::Tag(_) => Err(refuse(text, "expected REPOSITORY@sha256:…, a tag may move")),
        }
    }
}

impl FromStr for TagReference {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse()? {
            Reference::Tag(reference) => Ok(reference),
            Reference::Digest(_) => Err(refuse(text, "expected REPOSITORY:TAG")),
        }
    }
}

impl TryFrom<String> for DigestReference {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DigestReference> for String {
    fn from(reference: DigestReference) -> Self {
        reference.to_string()
    }
}

impl From<DigestReference> for Reference {
    fn from(reference: DigestReference) -> Self {
        Self::Digest(reference)
    }
}

impl From<TagReference> for Reference {
    fn from(reference: TagReference) -> Self {
        Self::Tag(reference)
    }
}

impl fmt::Display for TagReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

impl fmt::Display for DigestReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(r) => r.fmt(f),
            Self::Digest(r) => r.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_tag_and_digest_means_the_digest() {
        let digest = Digest::of(b"x");
        let text = format!("localhost:5000/a/b:1.2@{digest}");
        let reference: DigestReference = text.parse().unwrap();
        assert_eq!(reference.to_string(), format!("localhost:5000/a/b@{digest}"));
    }

    #[test]
    fn a_port_is_not_a_tag_and_no_tag_is_implied() {
        assert!("localhost:5000/a".parse::<Reference>().is_err());
        let reference: TagReference = "localhost:5000/a:5".parse().unwrap();
        assert_eq!((reference.repository.to_string().as_str(), reference.tag.as_str()), ("localhost:5000/a", "5"));
    }

    #[test]
    fn a_tag_where_a_digest_is_needed_is_refused() {
        assert!("ghcr.io/a/b:1".parse::<DigestReference>().is_err());
        assert!("ghcr.io/a/b@sha256:00".parse::<Reference>().is_err());
    }
}
