//! Expectations about a GitHub Actions workflow, compared with the certificate's claims.

use std::fmt;
use std::str::FromStr;

use crate::identity::{CiClaims, IdentityError, IdentityField, IdentityMismatch};

/// Where workflow files live; also what tells a path from `OWNER/REPO/PATH`.
const WORKFLOWS: &str = ".github/workflows/";

/// The repository, and optionally the workflow and the git ref, that a certificate must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHubExpectation {
    pub repository: GitHubRepository,
    pub workflow: Option<Workflow>,
    pub git_ref: Option<RefGlob>,
}

impl GitHubExpectation {
    /// The first claim that differs, in the order of [`Self::compare`].
    pub(crate) fn matches(&self, claims: &CiClaims) -> Result<(), IdentityMismatch> {
        let differing = self.compare(claims).into_iter().find(|(_, _, same)| !same);
        differing.map_or(Ok(()), |(field, expected, _)| {
            let found = match field {
                IdentityField::Ref => claims.source_repository_ref.clone(),
                IdentityField::Workflow => claims.build_signer_uri.clone(),
                IdentityField::Repository | IdentityField::Name | IdentityField::Issuer | IdentityField::Claim(_) => {
                    claims.source_repository_uri.clone()
                }
            };
            Err(IdentityMismatch { field, expected: expected.unwrap_or_default(), found })
        })
    }

    /// Every claim with what is expected of it (`None`: anything) and whether the certificate's agrees.
    pub(crate) fn compare(&self, claims: &CiClaims) -> [(IdentityField, Option<String>, bool); 3] {
        let repository = self.repository.uri().to_owned();
        let same_repository = claims.source_repository_uri.as_deref() == Some(self.repository.uri());
        let same_ref = self
            .git_ref
            .as_ref()
            .is_none_or(|git_ref| claims.source_repository_ref.as_deref().is_some_and(|found| git_ref.matches(found)));
        let uri = self.workflow.as_ref().map(|workflow| workflow.uri(&self.repository));
        let same_workflow = uri
            .as_ref()
            .is_none_or(|uri| claims.build_signer_uri.as_deref().is_some_and(|found| is_workflow_at_a_ref(found, uri)));
        [
            (IdentityField::Repository, Some(repository), same_repository),
            (IdentityField::Ref, self.git_ref.as_ref().map(ToString::to_string), same_ref),
            (IdentityField::Workflow, uri.map(|uri| format!("{uri}@…")), same_workflow),
        ]
    }
}

impl fmt::Display for GitHubExpectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.workflow {
            Some(workflow) => f.write_str(&workflow.uri(&self.repository))?,
            None => write!(f, "any workflow of {}", self.repository.uri())?,
        }
        match &self.git_ref {
            Some(git_ref) => write!(f, "@{git_ref}"),
            None => f.write_str("@any ref"),
        }
    }
}

/// `found` is `workflow@REF`, REF being a full git ref or a commit. Asking for that shape keeps a file called
/// `gate.yml@x.yml` from passing as `gate.yml`.
pub(super) fn is_workflow_at_a_ref(found: &str, workflow: &str) -> bool {
    let Some(git_ref) = found.strip_prefix(workflow).and_then(|rest| rest.strip_prefix('@')) else { return false };
    let commit = matches!(git_ref.len(), 40 | 64) && git_ref.bytes().all(|b| b.is_ascii_hexdigit());
    git_ref.strip_prefix("refs/").is_some_and(|name| !name.is_empty()) || commit
}

/// A workflow at a ref, as names and build signer URIs spell it: `REPOSITORY/.github/workflows/FILE@REF`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowRun {
    /// The full URL of the workflow's repository.
    pub repository: String,
    /// `.github/workflows/FILE`
    pub path: String,
    pub git_ref: String,
}

/// Takes a name apart; `None` where it is not of that shape.
#[must_use]
pub fn workflow_run(name: &str) -> Option<WorkflowRun> {
    let at = name.find("/.github/workflows/")?;
    let (repository, path) = (&name[..at], &name[at + 1..]);
    let (path, git_ref) = path.split_once('@')?;
    repository.parse::<GitHubRepository>().ok()?;
    let is_url = repository.contains("://");
    let shaped = is_url && path.strip_prefix(WORKFLOWS).is_some_and(is_name) && !git_ref.is_empty();
    shaped.then(|| WorkflowRun {
        repository: repository.to_owned(),
        path: path.to_owned(),
        git_ref: git_ref.to_owned(),
    })
}

/// `OWNER/REPO` on github.com, or the full URL on another GitHub server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GitHubRepository {
    uri: String,
}

impl GitHubRepository {
    /// As the certificate's extension .12 spells it.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// `OWNER/REPO`
    #[must_use]
    pub fn name(&self) -> &str {
        self.uri.get(self.server().len() + 1..).unwrap_or_default()
    }

    /// Is it on github.com itself?
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.server() == "https://github.com"
    }

    pub(super) fn server(&self) -> &str {
        let owner = self.uri.rfind('/').and_then(|i| self.uri[..i].rfind('/'));
        owner.map_or(self.uri.as_str(), |i| &self.uri[..i])
    }
}

impl FromStr for GitHubRepository {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || IdentityError::Repository { text: text.chars().take(200).collect() };
        let (server, name) = match text.split_once("://") {
            None => ("https://github.com".to_owned(), text),
            Some((scheme @ ("https" | "http"), rest)) => {
                let (host, name) = rest.split_once('/').ok_or_else(refuse)?;
                if host.is_empty() || host.contains(|c: char| c.is_whitespace() || "@?#".contains(c)) {
                    return Err(refuse());
                }
                (format!("{scheme}://{host}"), name)
            }
            Some(_) => return Err(refuse()),
        };
        let (owner, repository) = name.split_once('/').ok_or_else(refuse)?;
        if !is_name(owner) || !is_name(repository) {
            return Err(refuse());
        }
        Ok(Self { uri: format!("{server}/{owner}/{repository}") })
    }
}

fn is_name(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    plain && !text.is_empty() && text != "." && text != ".."
}

impl fmt::Display for GitHubRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri.strip_prefix("https://github.com/").unwrap_or(&self.uri))
    }
}

/// A workflow file: of the expected repository itself, or a reusable one of another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Workflow {
    SameRepository { path: String },
    Reusable { repository: String, path: String },
}

impl Workflow {
    pub(super) fn uri(&self, expected: &GitHubRepository) -> String {
        match self {
            Self::SameRepository { path } => format!("{}/{path}", expected.uri()),
            Self::Reusable { repository, path } => format!("{}/{repository}/{path}", expected.server()),
        }
    }
}

impl FromStr for Workflow {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || IdentityError::Workflow { text: text.chars().take(200).collect() };
        let path = |path: &str| match path.strip_prefix(WORKFLOWS) {
            Some(file) if is_name(file) => Ok(path.to_owned()),
            _ => Err(refuse()),
        };
        if text.starts_with(WORKFLOWS) {
            return Ok(Self::SameRepository { path: path(text)? });
        }
        let mut parts = text.splitn(3, '/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(owner), Some(name), Some(file)) if is_name(owner) && is_name(name) => {
                Ok(Self::Reusable { repository: format!("{owner}/{name}"), path: path(file)? })
            }
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Workflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameRepository { path } => f.write_str(path),
            Self::Reusable { repository, path } => write!(f, "{repository}/{path}"),
        }
    }
}

/// A git ref in which `*` stands for any run of characters, and nothing else is special.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RefGlob(String);

impl RefGlob {
    /// Does the whole ref match?
    #[must_use]
    pub fn matches(&self, git_ref: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| git_ref.strip_prefix(first)) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            // The leftmost place leaves most room for what follows.
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl FromStr for RefGlob {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(IdentityError::Empty { what: "git ref" });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RefGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_a_ref_is_a_glob_and_nothing_else_is_special() {
        let cases = [
            ("refs/tags/v*", "refs/tags/v1.2.3", true),
            ("refs/tags/v*", "refs/tags/v", true),
            ("refs/tags/v*", "refs/heads/refs/tags/v1", false),
            ("refs/tags/v1.2.3", "refs/tags/v1x2x3", false),
            ("refs/tags/v1.2.3", "refs/tags/v1.2.3", true),
            ("refs/tags/v1.2.3", "refs/tags/v1.2.3-evil", false),
            ("refs/heads/*", "refs/heads/feature/x", true),
            ("refs/*/v*.0", "refs/tags/v1.0", true),
            ("refs/*/v*.0", "refs/tags/v1.0.1", false),
            ("a*a", "a", false),
            ("a*b*b", "ab", false),
            ("*", "anything", true),
            ("refs/heads/[mx]ain", "refs/heads/main", false),
            ("refs/heads/?ain", "refs/heads/main", false),
        ];
        for (glob, git_ref, expected) in cases {
            assert_eq!(glob.parse::<RefGlob>().unwrap().matches(git_ref), expected, "{glob} {git_ref}");
        }
        assert!("".parse::<RefGlob>().is_err());
    }

    #[test]
    fn a_repository_is_owner_and_name_or_a_full_url() {
        let uri = |text: &str| text.parse::<GitHubRepository>().map(|r| r.uri().to_owned()).ok();
        assert_eq!(uri("a/b").as_deref(), Some("https://github.com/a/b"));
        assert_eq!(uri("https://ghe.example/a/b").as_deref(), Some("https://ghe.example/a/b"));
        for bad in
            ["", "a", "a/", "/b", "a/b/c", "a/b?x", "a b/c", "ftp://h/a/b", "https://h/a", "a/..", "https://u@h/a/b"]
        {
            assert_eq!(uri(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_path_is_a_workflow_of_the_same_repository() {
        let repository: GitHubRepository = "o/r".parse().unwrap();
        let uri = |text: &str| text.parse::<Workflow>().map(|w| w.uri(&repository));
        assert_eq!(uri(".github/workflows/gate.yml").unwrap(), "https://github.com/o/r/.github/workflows/gate.yml");
        assert_eq!(uri("x/y/.github/workflows/g.yml").unwrap(), "https://github.com/x/y/.github/workflows/g.yml");
        for bad in [
            "",
            "gate.yml",
            ".github/workflows/",
            ".github/workflows/a/b.yml",
            "x/y/z.yml",
            ".github/workflows/g.yml@refs/heads/main",
        ] {
            assert!(uri(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_workflow_matches_at_any_ref_but_not_by_prefix() {
        let workflow = "https://github.com/o/r/.github/workflows/gate.yml";
        for good in ["@refs/heads/main", "@refs/tags/v1", "@0123456789abcdef0123456789abcdef01234567"] {
            assert!(is_workflow_at_a_ref(&format!("{workflow}{good}"), workflow), "{good}");
        }
        for bad in ["", "@", "@refs/", "@main", "@x.yml@refs/heads/main", ".evil@refs/heads/main", "x@refs/heads/main"]
        {
            assert!(!is_workflow_at_a_ref(&format!("{workflow}{bad}"), workflow), "{bad}");
        }
    }
}
