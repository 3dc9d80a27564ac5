//! What we require of a signer. Comes from configuration or flags only, never from this run's own token.

use std::fmt;

use regex::{Regex, RegexBuilder};

use crate::identity::{
    ExpectedProvenance, GitHubExpectation, IdentityError, IdentityField, IdentityMismatch, Issuer, NameKind,
    RequiredClaim, SignerIdentity,
};

/// A compiled identity regexp larger than this is refused; matching itself is linear in the name.
const MAX_REGEXP_BYTES: usize = 1 << 20;

/// How the certificate's subject alternative name is compared.
#[derive(Debug, Clone)]
pub enum NamePattern {
    Exact(String),
    /// Matches the whole name, whatever the pattern says about anchors.
    Regexp {
        pattern: String,
        anchored: Regex,
    },
}

impl NamePattern {
    pub fn exact(name: &str) -> Result<Self, IdentityError> {
        if name.is_empty() {
            return Err(IdentityError::Empty { what: "identity" });
        }
        Ok(Self::Exact(name.to_owned()))
    }

    /// Compiles `pattern` alone first: `a)|(?:b` is broken, although it would compile once wrapped, and would then
    /// escape the anchors.
    pub fn regexp(pattern: &str) -> Result<Self, IdentityError> {
        if pattern.is_empty() {
            return Err(IdentityError::Empty { what: "identity regexp" });
        }
        let compile = |text: &str| {
            RegexBuilder::new(text)
                .size_limit(MAX_REGEXP_BYTES)
                .build()
                .map_err(|e| IdentityError::Regexp { pattern: pattern.to_owned(), why: one_line(&e.to_string()) })
        };
        compile(pattern)?;
        let anchored = compile(&format!(r"\A(?:{pattern})\z"))?;
        Ok(Self::Regexp { pattern: pattern.to_owned(), anchored })
    }

    /// What an exact name is by its form: the same text as the other kind of name is somebody else.
    pub(super) fn kind(&self) -> Option<NameKind> {
        match self {
            Self::Exact(name) if name.contains("://") => Some(NameKind::Uri),
            Self::Exact(name) if name.contains('@') => Some(NameKind::Email),
            Self::Exact(_) | Self::Regexp { .. } => None,
        }
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(expected) => expected == name,
            Self::Regexp { anchored, .. } => anchored.is_match(name),
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Regexp { pattern, .. } => write!(f, "regexp {pattern}"),
        }
    }
}

/// Issuer and name, or issuer and GitHub claims. There is no expectation without an issuer.
#[derive(Debug, Clone)]
pub enum ExpectedIdentity {
    Name { issuer: Issuer, name: NamePattern },
    GitHub { issuer: Issuer, github: GitHubExpectation },
}

impl ExpectedIdentity {
    /// Compares the issuer first: a name is worth nothing under another issuer.
    pub fn matches(&self, signer: &SignerIdentity) -> Result<(), IdentityMismatch> {
        if signer.issuer != self.issuer().as_str() {
            return Err(IdentityMismatch {
                field: IdentityField::Issuer,
                expected: self.issuer().to_string(),
                found: Some(signer.issuer.clone()),
            });
        }
        match self {
            Self::GitHub { github, .. } => github.matches(&signer.claims),
            Self::Name { name, .. } if name.matches(&signer.name) => match name.kind() {
                Some(kind) if kind != signer.kind => Err(IdentityMismatch {
                    field: IdentityField::Name,
                    expected: format!("{name} as {kind}"),
                    found: Some(format!("{} as {}", signer.name, signer.kind)),
                }),
                _ => Ok(()),
            },
            Self::Name { name, .. } => Err(IdentityMismatch {
                field: IdentityField::Name,
                expected: name.to_string(),
                found: Some(signer.name.clone()),
            }),
        }
    }

    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        match self {
            Self::Name { issuer, .. } | Self::GitHub { issuer, .. } => issuer,
        }
    }

    /// May this signer authorise a version whose git tag is one of `git_tags` (`v1.2.3`, `1.2.3`)?
    ///
    /// A workflow run authorises only the version of its own git tag. Under a GitHub expectation the certificate's ref
    /// (.14) must be that tag. Elsewhere a certificate without a tag ref (a person, a branch pipeline) is judged by its
    /// name alone, but a run of *another* tag is refused there too.
    pub fn authorises_version(&self, signer: &SignerIdentity, git_tags: &[&str]) -> Result<(), IdentityMismatch> {
        self.matches(signer)?;
        let found = signer.claims.source_repository_ref.as_deref();
        let tag = found.and_then(|git_ref| git_ref.strip_prefix("refs/tags/"));
        let fits = match (self, tag) {
            (_, Some(tag)) => git_tags.contains(&tag),
            (Self::GitHub { .. }, None) => false,
            (Self::Name { .. }, None) => true,
        };
        if fits {
            return Ok(());
        }
        let expected = git_tags.iter().map(|tag| format!("refs/tags/{tag}")).collect::<Vec<_>>().join(" or ");
        Err(IdentityMismatch { field: IdentityField::Ref, expected, found: found.map(str::to_owned) })
    }
}

/// What an accepted identity may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IdentityRole {
    /// Authorise versions.
    Release,
    /// Authorise branch, commit and pull-request tags.
    Branch,
    /// Withdraw and roll back.
    Operator,
    /// Given by flags, for this command alone.
    Named,
    /// Claim build provenance, and nothing else.
    Builder,
}

impl fmt::Display for IdentityRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Release => "release",
            Self::Branch => "branch",
            Self::Operator => "operator",
            Self::Named => "expected",
            Self::Builder => "builder",
        })
    }
}

/// One or more accepted identities; any of them will do.
#[derive(Debug, Clone)]
pub struct ExpectedIdentities {
    accepted: Vec<(IdentityRole, ExpectedIdentity)>,
    /// What the certificate of any of them must claim besides.
    claims: Vec<RequiredClaim>,
    /// Who may claim build provenance instead of them; `None` where nobody said.
    provenance: Option<ExpectedProvenance>,
}

impl ExpectedIdentities {
    /// An empty list is an error: it must never come to mean "anybody".
    pub fn new(accepted: Vec<(IdentityRole, ExpectedIdentity)>) -> Result<Self, IdentityError> {
        if accepted.is_empty() {
            return Err(IdentityError::None);
        }
        Ok(Self { accepted, claims: Vec::new(), provenance: None })
    }

    #[must_use]
    pub fn one(expected: ExpectedIdentity) -> Self {
        Self { accepted: vec![(IdentityRole::Named, expected)], claims: Vec::new(), provenance: None }
    }

    /// Demands further claims of whoever signed.
    #[must_use]
    pub fn with_claims(self, claims: Vec<RequiredClaim>) -> Self {
        Self { claims, ..self }
    }

    /// Says who may claim build provenance, and about what.
    #[must_use]
    pub fn with_provenance(self, provenance: ExpectedProvenance) -> Self {
        Self { provenance: Some(provenance), ..self }
    }

    /// Says which commit and ref were built, where provenance is expected at all.
    #[must_use]
    pub fn built_from(mut self, commit: Option<String>, git_ref: Option<String>) -> Self {
        if let Some(provenance) = &mut self.provenance {
            provenance.source.commit = commit;
            provenance.source.git_ref = git_ref;
        }
        self
    }

    #[must_use]
    pub fn provenance(&self) -> Option<&ExpectedProvenance> {
        self.provenance.as_ref()
    }

    /// Without a word on builders: may the accepted identities claim provenance themselves? Whoever names a signer for one
    /// command means everything that it asks for; the identities of a configuration belong to the gate.
    #[must_use]
    pub fn are_named(&self) -> bool {
        self.accepted.iter().all(|(role, _)| *role == IdentityRole::Named)
    }

    /// The further claims.
    pub(super) fn claims(&self) -> &[RequiredClaim] {
        &self.claims
    }

    pub fn iter(&self) -> impl Iterator<Item = (IdentityRole, &ExpectedIdentity)> {
        self.accepted.iter().map(|(role, expected)| (*role, expected))
    }

    /// Only the identities of `role`; `None` where there is none, which a caller must treat as "nobody".
    #[must_use]
    pub fn only(&self, role: IdentityRole) -> Option<Self> {
        let accepted: Vec<_> = self.accepted.iter().filter(|(r, _)| *r == role).cloned().collect();
        (!accepted.is_empty()).then_some(Self {
            accepted,
            claims: self.claims.clone(),
            provenance: self.provenance.clone(),
        })
    }

    /// The roles this signer has, or the difference to the accepted identity that came closest.
    pub fn matches(&self, signer: &SignerIdentity) -> Result<Vec<IdentityRole>, IdentityMismatch> {
        self.any(signer, |expected| expected.matches(signer))
    }

    /// As [`ExpectedIdentity::authorises_version`], for any of the accepted identities.
    pub fn authorises_version(
        &self,
        signer: &SignerIdentity,
        git_tags: &[&str],
    ) -> Result<Vec<IdentityRole>, IdentityMismatch> {
        self.any(signer, |expected| expected.authorises_version(signer, git_tags))
    }

    fn any(
        &self,
        signer: &SignerIdentity,
        check: impl Fn(&ExpectedIdentity) -> Result<(), IdentityMismatch>,
    ) -> Result<Vec<IdentityRole>, IdentityMismatch> {
        let mut roles = Vec::new();
        let mut closest: Option<IdentityMismatch> = None;
        for (role, expected) in &self.accepted {
            let claims = || self.claims.iter().try_for_each(|claim| claim.matches(&signer.claims));
            match check(expected).and_then(|()| claims()) {
                Ok(()) => roles.push(*role),
                Err(mismatch) => closest = Some(closer(closest, mismatch)),
            }
        }
        match closest {
            Some(mismatch) if roles.is_empty() => Err(mismatch),
            _ => Ok(roles),
        }
    }
}

/// The mismatch that was found later in the comparison; differences in the same field are named together.
fn closer(known: Option<IdentityMismatch>, new: IdentityMismatch) -> IdentityMismatch {
    let progress = |field| match field {
        IdentityField::Issuer => 0,
        IdentityField::Name | IdentityField::Repository => 1,
        IdentityField::Ref => 2,
        IdentityField::Workflow => 3,
        IdentityField::Claim(_) => 4,
    };
    match known {
        None => new,
        Some(known) if progress(known.field) > progress(new.field) => known,
        Some(known) if known.field == new.field && known.expected != new.expected => {
            IdentityMismatch { expected: format!("{} or {}", known.expected, new.expected), ..known }
        }
        Some(_) => new,
    }
}

#[cfg(test)]
mod tests;
