use super::*;
use crate::identity::{CiClaims, NameKind};
use crate::policy::ReasonCode;

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const WORKFLOW: &str = "https://github.com/org/app/.github/workflows/gate.yml@refs/tags/v1.2.3";

fn person(name: &str, issuer: &str) -> SignerIdentity {
    let claims = CiClaims::default();
    SignerIdentity { name: name.to_owned(), kind: NameKind::Email, issuer: issuer.to_owned(), claims }
}

fn run(repository: &str, git_ref: &str, workflow: &str) -> SignerIdentity {
    let claims = CiClaims {
        source_repository_uri: Some(format!("https://github.com/{repository}")),
        source_repository_ref: Some(git_ref.to_owned()),
        build_signer_uri: Some(workflow.to_owned()),
        ..CiClaims::default()
    };
    SignerIdentity { name: workflow.to_owned(), kind: NameKind::Uri, issuer: ISSUER.to_owned(), claims }
}

fn named(name: NamePattern, issuer: &str) -> ExpectedIdentity {
    ExpectedIdentity::Name { issuer: issuer.parse().unwrap(), name }
}

fn github(repository: &str, workflow: Option<&str>, git_ref: Option<&str>) -> ExpectedIdentity {
    let github = GitHubExpectation {
        repository: repository.parse().unwrap(),
        workflow: workflow.map(|w| w.parse().unwrap()),
        git_ref: git_ref.map(|r| r.parse().unwrap()),
    };
    ExpectedIdentity::GitHub { issuer: Issuer::github_actions(), github }
}

fn field(result: Result<(), IdentityMismatch>) -> Option<IdentityField> {
    result.err().map(|mismatch| mismatch.field)
}

#[test]
fn issuer_and_name_must_both_match() {
    let expected = named(NamePattern::exact("a@b.c").unwrap(), "https://i.example");
    assert_eq!(field(expected.matches(&person("a@b.c", "https://i.example"))), None);
    assert_eq!(field(expected.matches(&person("a@b.c", "https://i.example/"))), Some(IdentityField::Issuer));
    assert_eq!(field(expected.matches(&person("a@b.c.evil", "https://i.example"))), Some(IdentityField::Name));
    assert_eq!(field(expected.matches(&person("A@b.c", "https://i.example"))), Some(IdentityField::Name));
}

#[test]
fn a_regexp_matches_the_whole_name() {
    let check = |pattern: &str, name: &str| {
        let expected = named(NamePattern::regexp(pattern).unwrap(), "https://i.example");
        expected.matches(&person(name, "https://i.example")).is_ok()
    };
    let pattern = r"https://github\.com/org/.*";
    assert!(check(pattern, "https://github.com/org/app"));
    for lookalike in [
        "https://evil.com/?x=https://github.com/org/app",
        "xhttps://github.com/org/app",
        "https://github.com/org/app\n",
        "evil\nhttps://github.com/org/app",
    ] {
        assert!(!check(pattern, lookalike), "{lookalike:?}");
    }
    assert!(!check("a|b", "ab") && check("a|b", "b"), "an alternative cannot drop an anchor");
    assert!(!check("(?m)^a$", "a\nb"), "multi-line mode cannot move the anchors");
    assert!(check("a|ab", "ab"), "the whole name counts, not the first alternative");
}

#[test]
fn a_broken_regexp_is_a_configuration_error() {
    for broken in ["", "(", "a)|(?:b", "*", "[z-a]", "(?P<n>a)(?P<n>b)", "(a{1000}){1000}"] {
        assert!(NamePattern::regexp(broken).is_err(), "{broken}");
    }
}

#[test]
fn github_claims_are_compared_one_by_one() {
    let expected = github("org/app", Some(".github/workflows/gate.yml"), Some("refs/tags/v*"));
    assert_eq!(field(expected.matches(&run("org/app", "refs/tags/v1.2.3", WORKFLOW))), None);
    let other = run("org/app-evil", "refs/tags/v1.2.3", WORKFLOW);
    assert_eq!(field(expected.matches(&other)), Some(IdentityField::Repository));
    let branch = run("org/app", "refs/heads/main", WORKFLOW);
    assert_eq!(field(expected.matches(&branch)), Some(IdentityField::Ref));
    let ci = run("org/app", "refs/tags/v1", "https://github.com/org/app/.github/workflows/ci.yml@refs/tags/v1");
    assert_eq!(field(expected.matches(&ci)), Some(IdentityField::Workflow));
    assert_eq!(expected.matches(&ci).unwrap_err().code(), ReasonCode::ClaimMismatch);
}

#[test]
fn a_reusable_workflow_still_needs_the_calling_repository() {
    let expected = github("org/app", Some("gates/ci/.github/workflows/gate.yml"), None);
    let signer = "https://github.com/gates/ci/.github/workflows/gate.yml@refs/heads/main";
    assert_eq!(field(expected.matches(&run("org/app", "refs/heads/main", signer))), None);
    let foreign = run("mallory/app", "refs/heads/main", signer);
    assert_eq!(field(expected.matches(&foreign)), Some(IdentityField::Repository));
}

#[test]
fn a_missing_claim_never_matches() {
    let expected = github("org/app", None, None);
    let mut signer = person("a@b.c", ISSUER);
    assert_eq!(field(expected.matches(&signer)), Some(IdentityField::Repository));
    signer.claims.source_repository_uri = Some("https://github.com/org/app".to_owned());
    assert_eq!(field(expected.matches(&signer)), None);
    let expected = github("org/app", None, Some("*"));
    assert_eq!(field(expected.matches(&signer)), Some(IdentityField::Ref));
}

#[test]
fn a_version_is_authorised_only_by_its_own_git_tag() {
    let expected = github("org/app", None, Some("refs/tags/v*"));
    let tags = ["v1.2.3", "1.2.3"];
    assert!(expected.authorises_version(&run("org/app", "refs/tags/v1.2.3", WORKFLOW), &tags).is_ok());
    let other = expected.authorises_version(&run("org/app", "refs/tags/v1.2.4", WORKFLOW), &tags);
    assert_eq!(field(other), Some(IdentityField::Ref));
    let any_ref = github("org/app", None, None);
    let branch = any_ref.authorises_version(&run("org/app", "refs/heads/v1.2.3", WORKFLOW), &tags);
    assert_eq!(field(branch), Some(IdentityField::Ref));
}

#[test]
fn elsewhere_a_person_may_authorise_but_the_run_of_another_tag_may_not() {
    let expected = named(NamePattern::regexp(".*").unwrap(), ISSUER);
    assert!(expected.authorises_version(&person("a@b.c", ISSUER), &["v1"]).is_ok());
    assert!(expected.authorises_version(&run("o/r", "refs/tags/v1", WORKFLOW), &["v1"]).is_ok());
    assert!(expected.authorises_version(&run("o/r", "refs/tags/v2", WORKFLOW), &["v1"]).is_err());
}

#[test]
fn any_accepted_identity_will_do_and_the_closest_difference_is_told() {
    let release = github("org/app", None, Some("refs/tags/v*"));
    let branch = github("org/app", None, Some("refs/heads/*"));
    let accepted = vec![(IdentityRole::Release, release), (IdentityRole::Branch, branch)];
    let expected = ExpectedIdentities::new(accepted).unwrap();
    assert_eq!(expected.matches(&run("org/app", "refs/heads/main", WORKFLOW)), Ok(vec![IdentityRole::Branch]));
    let mismatch = expected.matches(&run("org/app", "refs/pull/1/merge", WORKFLOW)).unwrap_err();
    assert_eq!(mismatch.expected, "refs/tags/v* or refs/heads/*");
    assert_eq!(mismatch.found.as_deref(), Some("refs/pull/1/merge"));
    assert!(expected.only(IdentityRole::Operator).is_none());
    assert_eq!(ExpectedIdentities::new(Vec::new()).unwrap_err(), IdentityError::None);
}
