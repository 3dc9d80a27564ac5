use super::*;
use crate::identity::{CiClaims, GitHubExpectation, IdentityRole, NameKind, NamePattern};

const ISSUER: &str = "https://token.actions.githubusercontent.com";

fn person(name: &str, issuer: &str) -> SignerIdentity {
    let (name, issuer) = (name.to_owned(), issuer.to_owned());
    SignerIdentity { name, kind: NameKind::Email, issuer, claims: CiClaims::default() }
}

/// A run of `workflow` (`OWNER/REPO/.github/workflows/FILE`) for `repository` on `git_ref`.
pub(crate) fn run(repository: &str, workflow: &str, git_ref: &str) -> SignerIdentity {
    let name = format!("https://github.com/{workflow}@{git_ref}");
    let claims = CiClaims {
        build_signer_uri: Some(name.clone()),
        source_repository_uri: Some(format!("https://github.com/{repository}")),
        source_repository_ref: Some(git_ref.to_owned()),
        ..CiClaims::default()
    };
    SignerIdentity { name, kind: NameKind::Uri, issuer: ISSUER.to_owned(), claims }
}

fn github(repository: &str, workflow: Option<&str>, git_ref: Option<&str>) -> ExpectedIdentity {
    let github = GitHubExpectation {
        repository: repository.parse().unwrap(),
        workflow: workflow.map(|w| w.parse().unwrap()),
        git_ref: git_ref.map(|r| r.parse().unwrap()),
    };
    ExpectedIdentity::GitHub { issuer: ISSUER.parse().unwrap(), github }
}

fn changed(expected: &ExpectedIdentities, signer: &SignerIdentity) -> Vec<&'static str> {
    expected.compare(signer).into_iter().filter(|claim| !claim.same).map(|claim| claim.claim).collect()
}

#[test]
fn the_one_claim_that_changed_is_named() {
    let name = NamePattern::exact("a@example.com").unwrap();
    let expected = ExpectedIdentities::one(ExpectedIdentity::Name { issuer: ISSUER.parse().unwrap(), name });
    assert_eq!(changed(&expected, &person("b@example.com", ISSUER)), ["identity"]);
    assert_eq!(changed(&expected, &person("a@example.com", "https://other.example")), ["issuer"]);
    assert!(changed(&expected, &person("a@example.com", ISSUER)).is_empty());

    let gate = ExpectedIdentities::one(github("o/r", Some(".github/workflows/gate.yml"), Some("refs/tags/v*")));
    let workflow = "o/r/.github/workflows/gate.yml";
    assert!(changed(&gate, &run("o/r", workflow, "refs/tags/v1")).is_empty());
    assert_eq!(changed(&gate, &run("o/r", workflow, "refs/heads/main")), ["source ref"]);
    assert_eq!(changed(&gate, &run("o/r", "o/r/.github/workflows/evil.yml", "refs/tags/v1")), ["workflow"]);
    assert_eq!(changed(&gate, &run("o/fork", workflow, "refs/tags/v1")), ["source repository"]);
    let claims = gate.compare(&person("b@example.com", ISSUER));
    assert!(claims.iter().any(|c| c.claim == "source ref" && c.found.is_none() && !c.same), "{claims:?}");
}

#[test]
fn several_accepted_identities_are_shown_together() {
    let release = github("o/r", None, Some("refs/tags/v*"));
    let branch = github("o/r", None, Some("refs/heads/*"));
    let both = vec![(IdentityRole::Release, release), (IdentityRole::Branch, branch)];
    let expected = ExpectedIdentities::new(both).unwrap();
    let claims = expected.compare(&run("o/r", "o/r/.github/workflows/x.yml", "refs/pull/1/merge"));
    let git_ref = claims.iter().find(|claim| claim.claim == "source ref").unwrap();
    assert_eq!(git_ref.expected.as_deref(), Some("refs/tags/v* or refs/heads/*"));
}

#[test]
fn the_flags_accept_exactly_what_was_found() {
    let words = |signer: &SignerIdentity| accepting_flags(signer).join(" ");
    assert_eq!(words(&person("b@example.com", ISSUER)), format!("--issuer {ISSUER} --identity b@example.com"));
    assert_eq!(
        words(&run("o/r", "o/r/.github/workflows/gate.yml", "refs/tags/v1")),
        format!(
            "--issuer {ISSUER} --github-repository o/r --github-workflow .github/workflows/gate.yml --github-ref refs/tags/v1"
        )
    );
    assert_eq!(
        words(&run("o/r", "shared/ci/.github/workflows/gate.yml", "refs/tags/v1")),
        format!(
            "--issuer {ISSUER} --github-repository o/r --github-workflow shared/ci/.github/workflows/gate.yml \
             --github-ref refs/tags/v1"
        )
    );
    // Claims that do not fit the flags: the exact name is what is left.
    let mut odd = run("o/r", "o/r/.github/workflows/gate.yml", "refs/tags/v1");
    odd.claims.source_repository_uri = Some("https://gitlab.example.com/group/sub/project".to_owned());
    assert_eq!(words(&odd), format!("--issuer {ISSUER} --identity {}", odd.name));
}
