use super::*;
use crate::identity::{CiClaims, NameKind};

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const GATE: &str = "https://github.com/o/r/.github/workflows/gate.yml";

fn regexp(pattern: &str) -> ExpectedIdentity {
    ExpectedIdentity::Name { issuer: ISSUER.parse().unwrap(), name: NamePattern::regexp(pattern).unwrap() }
}

fn exact(name: &str) -> ExpectedIdentity {
    ExpectedIdentity::Name { issuer: ISSUER.parse().unwrap(), name: NamePattern::exact(name).unwrap() }
}

fn github(workflow: Option<&str>, git_ref: Option<&str>) -> ExpectedIdentity {
    let github = GitHubExpectation {
        repository: "o/r".parse().unwrap(),
        workflow: workflow.map(|w| w.parse().unwrap()),
        git_ref: git_ref.map(|r| r.parse().unwrap()),
    };
    ExpectedIdentity::GitHub { issuer: ISSUER.parse().unwrap(), github }
}

fn run(caller: &str, name: &str) -> SignerIdentity {
    let claims = CiClaims {
        build_signer_uri: Some(name.to_owned()),
        source_repository_uri: Some(format!("https://github.com/{caller}")),
        source_repository_ref: name.split_once('@').map(|(_, git_ref)| git_ref.to_owned()),
        ..CiClaims::default()
    };
    SignerIdentity { name: name.to_owned(), kind: NameKind::Uri, issuer: ISSUER.to_owned(), claims }
}

fn person(name: &str) -> SignerIdentity {
    let (name, issuer) = (name.to_owned(), ISSUER.to_owned());
    SignerIdentity { name, kind: NameKind::Email, issuer, claims: CiClaims::default() }
}

fn codes(expected: &ExpectedIdentity, found: &[SignerIdentity]) -> Vec<&'static str> {
    let mut codes: Vec<_> = lint(expected, found).into_iter().map(|finding| finding.code.as_str()).collect();
    codes.sort_unstable();
    codes
}

#[test]
fn a_narrow_identity_has_no_finding() {
    let signer = run("o/r", &format!("{GATE}@refs/tags/v1.2.3"));
    let found = std::slice::from_ref(&signer);
    for expected in [
        github(Some(".github/workflows/gate.yml"), Some("refs/tags/v*")),
        exact(&signer.name),
        regexp(r"^https://github\.com/o/r/\.github/workflows/gate\.yml@refs/tags/v[0-9.]+$"),
        regexp(r"\Areleaser@example\.com\z"),
    ] {
        assert_eq!(codes(&expected, found), Vec::<&str>::new(), "{expected:?}");
        assert_eq!(codes(&expected, &[]), Vec::<&str>::new(), "{expected:?}");
    }
}

#[test]
fn each_kind_of_breadth_has_its_code_with_or_without_a_certificate() {
    let cases = [
        (github(None, Some("refs/tags/v*")), vec!["identity-any-workflow"]),
        (github(Some(".github/workflows/gate.yml"), None), vec!["identity-any-ref"]),
        (github(Some(".github/workflows/gate.yml"), Some("refs/*")), vec!["identity-any-ref"]),
        (regexp(r"^https://github\.com/o/r/\.github/workflows/gate\.yml@.*$"), vec!["identity-any-ref"]),
        (regexp(r"^https://github\.com/o/r/\.github/workflows/gate\.yml@refs/heads/.+$"), vec!["identity-any-ref"]),
        (
            regexp(r"^https://github\.com/o/r/\.github/workflows/[^@]+@refs/tags/v1\.2\.3$"),
            vec!["identity-any-workflow"],
        ),
        (
            regexp(r"^https://github\.com/o/[^/]+/\.github/workflows/gate\.yml@refs/tags/v1\.2\.3$"),
            vec!["identity-any-repository"],
        ),
        (regexp(r"^https://github\.com/o/r/.*$"), vec!["identity-any-ref", "identity-any-workflow"]),
        (
            regexp("https://github.com/.*"),
            vec!["identity-any-ref", "identity-any-repository", "identity-any-workflow", "identity-unanchored"],
        ),
        (regexp(r"^.*@example\.com$"), vec!["identity-email-wildcard"]),
        (regexp(r"^releaser.*@example\.com$"), vec!["identity-email-wildcard"]),
        (regexp(r"releaser@example\.com"), vec!["identity-unanchored"]),
    ];
    for (expected, wanted) in cases {
        assert_eq!(codes(&expected, &[]), wanted, "{expected:?}");
    }
    let found = [run("o/r", &format!("{GATE}@refs/tags/v1.2.3"))];
    let loose = regexp(r"^https://github\.com/(o|p)/r/\.github/workflows/gate\.yml@refs/.*$");
    assert_eq!(codes(&loose, &found), ["identity-any-ref"]);
    let dots = regexp("^https://github.com/o/r/.github/workflows/gate.yml@refs/tags/v1.2.3$");
    assert_eq!(codes(&dots, &found), ["identity-any-repository"]);
    let person = [person("releaser@example.com")];
    assert_eq!(
        codes(&regexp("^.+$"), &person),
        ["identity-any-ref", "identity-any-repository", "identity-any-workflow", "identity-email-wildcard"]
    );
}

#[test]
fn a_reusable_workflow_is_reported_where_a_certificate_shows_another_caller() {
    let name = "https://github.com/shared/ci/.github/workflows/gate.yml@refs/tags/v1";
    assert_eq!(codes(&exact(name), &[run("o/r", name)]), ["identity-reusable-workflow"]);
    assert!(codes(&exact(name), &[run("shared/ci", name)]).is_empty());
    assert!(codes(&exact(name), &[]).is_empty());
}

#[test]
fn the_certificate_to_use_instead_is_one_that_the_identity_accepts() {
    let meant = run("o/r", &format!("{GATE}@refs/tags/v1.2.3"));
    let other = run("p/q", "https://github.com/p/q/.github/workflows/x.yml@refs/heads/main");
    let findings = lint(&github(Some(".github/workflows/gate.yml"), None), &[other.clone(), meant.clone()]);
    assert_eq!(findings[0].found.as_ref(), Some(&meant));
    assert_eq!(lint(&github(None, None), &[other])[0].found, None);
}
