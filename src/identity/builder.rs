//! Who may claim build provenance, and what release it must be about. Comes from configuration or flags only.
//!
//! A builder is never the gate: whoever proves the build must be somebody else than who approves it, and countersign
//! makes no provenance. Compared exactly: a workflow by the build signer (.9), anybody else by the whole name.

use std::fmt;

use crate::identity::github::is_workflow_at_a_ref;
use crate::identity::{GitHubRepository, IdentityError, Issuer, RefGlob, SignerIdentity, Workflow, workflow_run};

/// One accepted builder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Builder {
    issuer: Issuer,
    name: BuilderName,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum BuilderName {
    /// A workflow file by its URL, at any ref or at those that match.
    Workflow { url: String, git_ref: Option<RefGlob> },
    /// The exact subject alternative name.
    Exact(String),
}

impl Builder {
    /// Reads one of
    /// - `.github/workflows/FILE`: a workflow of `repository`, at any ref;
    /// - `OWNER/REPO/.github/workflows/FILE` or its URL: that (reusable) workflow, at any ref;
    /// - such a URL with `@REF` in which `*` matches anything;
    /// - any other URI or e-mail address, exactly.
    pub fn parse(text: &str, issuer: Issuer, repository: Option<&GitHubRepository>) -> Result<Self, IdentityError> {
        let refuse = || IdentityError::Builder { text: text.chars().take(200).collect() };
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(refuse());
        }
        let name = match text.parse::<Workflow>() {
            Ok(workflow) => {
                let known = match (&workflow, repository) {
                    (_, Some(repository)) => repository.clone(),
                    // Only the server is taken from it.
                    (Workflow::Reusable { repository, .. }, None) => repository.parse()?,
                    (Workflow::SameRepository { .. }, None) => return Err(refuse()),
                };
                BuilderName::Workflow { url: workflow.uri(&known), git_ref: None }
            }
            Err(_) => Self::full_name(text).ok_or_else(refuse)?,
        };
        Ok(Self { issuer, name })
    }

    fn full_name(text: &str) -> Option<BuilderName> {
        let (url, git_ref) = text.split_once('@').map_or((text, None), |(url, git_ref)| (url, Some(git_ref)));
        let probe = format!("{url}@refs/heads/main");
        if workflow_run(&probe).is_some() {
            return match git_ref {
                None => Some(BuilderName::Workflow { url: url.to_owned(), git_ref: None }),
                Some(glob) if glob.contains('*') => {
                    Some(BuilderName::Workflow { url: url.to_owned(), git_ref: Some(glob.parse().ok()?) })
                }
                Some(_) => Some(BuilderName::Exact(text.to_owned())),
            };
        }
        let named = text.contains("://") || text.split_once('@').is_some_and(|(l, r)| !l.is_empty() && !r.is_empty());
        (named && !text.contains('*')).then(|| BuilderName::Exact(text.to_owned()))
    }

    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Is it this builder? The issuer first: a name is worth nothing under another.
    #[must_use]
    pub fn matches(&self, signer: &SignerIdentity) -> bool {
        if signer.issuer != self.issuer.as_str() {
            return false;
        }
        match &self.name {
            BuilderName::Exact(name) => *name == signer.name,
            BuilderName::Workflow { url, git_ref } => {
                let Some(found) = signer.claims.build_signer_uri.as_deref() else { return false };
                let at = found.get(url.len() + 1..).unwrap_or_default();
                is_workflow_at_a_ref(found, url) && git_ref.as_ref().is_none_or(|glob| glob.matches(at))
            }
        }
    }
}

impl fmt::Display for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            BuilderName::Exact(name) => f.write_str(name)?,
            BuilderName::Workflow { url, git_ref: None } => write!(f, "{url}@…")?,
            BuilderName::Workflow { url, git_ref: Some(git_ref) } => write!(f, "{url}@{git_ref}")?,
        }
        write!(f, " (issuer {})", self.issuer)
    }
}

/// The release that was built; `None`: nobody said, and then only certificate and predicate have to agree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildSource {
    /// `https://github.com/OWNER/REPO`
    pub repository: Option<String>,
    /// The full commit, in hex.
    pub commit: Option<String>,
    pub git_ref: Option<String>,
}

/// What build provenance must satisfy to count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExpectedProvenance {
    /// Any of them; an empty list means nobody.
    pub builders: Vec<Builder>,
    pub source: BuildSource,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{CiClaims, NameKind};

    const URL: &str = "https://github.com/org/app/.github/workflows/build.yml";

    fn signer(name: &str) -> SignerIdentity {
        let claims = CiClaims { build_signer_uri: Some(name.to_owned()), ..CiClaims::default() };
        let issuer = Issuer::github_actions().to_string();
        SignerIdentity { name: name.to_owned(), kind: NameKind::Uri, issuer, claims }
    }

    fn builder(text: &str) -> Option<Builder> {
        Builder::parse(text, Issuer::github_actions(), Some(&"org/app".parse().unwrap())).ok()
    }

    #[test]
    fn a_builder_is_matched_whole_and_under_its_own_issuer() {
        let at = |git_ref: &str| signer(&format!("{URL}@{git_ref}"));
        for text in [".github/workflows/build.yml", "org/app/.github/workflows/build.yml", URL] {
            let builder = builder(text).unwrap();
            assert!(builder.matches(&at("refs/tags/v1")) && builder.matches(&at("refs/heads/main")), "{text}");
            assert!(!builder.matches(&signer(&format!("{URL}.evil@refs/tags/v1"))), "{text}");
            assert!(!builder.matches(&signer(&format!("https://evil.example/?{URL}@refs/tags/v1"))), "{text}");
            assert!(!builder.matches(&at("x.yml@refs/tags/v1")), "{text}");
            let foreign = SignerIdentity { issuer: "https://evil.example".to_owned(), ..at("refs/tags/v1") };
            assert!(!builder.matches(&foreign), "{text}");
        }
        let exact = builder(&format!("{URL}@refs/tags/v1")).unwrap();
        assert!(exact.matches(&at("refs/tags/v1")) && !exact.matches(&at("refs/tags/v10")));
        let glob = builder(&format!("{URL}@refs/tags/v*")).unwrap();
        assert!(glob.matches(&at("refs/tags/v1")) && !glob.matches(&at("refs/heads/v1")));
    }

    #[test]
    fn what_names_nobody_exactly_is_no_builder() {
        for bad in
            ["", "x", "build.yml", "org/*/.github/workflows/b.yml", "https://github.com/org/*", "@", "a b@c", "*@x.y"]
        {
            assert_eq!(builder(bad), None, "{bad}");
        }
        assert!(builder("builder@example.com").is_some());
        let without = |text: &str| Builder::parse(text, Issuer::github_actions(), None).is_ok();
        assert!(!without(".github/workflows/build.yml") && without("org/app/.github/workflows/build.yml"));
    }
}
