use ReasonCode as R;
use countersign::identity::RequiredClaim;
use countersign_sandbox::sigstore::{San, fulcio_extension};

use super::*;

const WORKFLOW: &str = "https://github.com/example-org/app/.github/workflows/release.yml@refs/tags/v1.2.3";

#[tokio::test(flavor = "multi_thread")]
async fn only_the_expected_person_counts() {
    run("person", plain, &persons());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_expected_workflow_counts() {
    run("workflow", |t| t.github(&[], by_workflow), &workflows());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regular_expression_matches_the_whole_name_or_nothing() {
    run("regexp", |t| t.github(&[], by_regexp), &lookalikes());
}

#[tokio::test(flavor = "multi_thread")]
async fn further_claims_are_compared_by_their_own_extension() {
    let sigstore = start(Options::default());
    let required: Vec<RequiredClaim> =
        ["runner-environment=github-hosted", "source-repository-visibility=public"].map(|c| c.parse().unwrap()).into();
    let cases: [(&str, Expected, &[(&str, &str)]); 5] = [
        ("control: hosted runner, public repository", Ok(()), &[]),
        ("a self-hosted runner", Err(R::ClaimMismatch), &[("runner_environment", "self-hosted")]),
        ("a private repository", Err(R::ClaimMismatch), &[("repository_visibility", "private")]),
        ("a lookalike of the runner", Err(R::ClaimMismatch), &[("runner_environment", "github-hosted-not")]),
        ("another repository, too", Err(R::ClaimMismatch), &[("repository", "example-org/app-evil")]),
    ];
    for (name, expected, claims) in cases {
        let trial = Trial::new(&sigstore);
        let claims = sigstore.ci_claims(claims);
        let bundle = sigstore.sign_bundle(&trial.statement, &claims, &trial.certificate, &trial.bundle).unwrap();
        let root = TrustRoot::from_json(sigstore.trusted_root_json().as_bytes()).unwrap();
        let accepted = ExpectedIdentities::one(by_workflow(&sigstore)).with_claims(required.clone());
        let bundle = Unverified::from_bytes(bundle.as_bytes()).unwrap();
        let found = verify(&bundle, &subject(), &accepted, &root, Moment::now(now()));
        assert_eq!(found.map(|_| ()).map_err(|refusal| refusal.code), expected, "{name}");
    }
}

fn san(trial: &mut Trial<'_>, name: San) {
    trial.certificate.san = Some(vec![name]);
}

fn email(trial: &mut Trial<'_>, name: &str) {
    san(trial, San::Email(name.to_owned()));
}

/// Replaces the certificate's issuer, in both extensions.
fn issuer(trial: &mut Trial<'_>, change: fn(&str) -> String) {
    let found = change(trial.sigstore.email_issuer());
    trial.certificate.omit = vec![oid("1.3.6.1.4.1.57264.1.1"), oid("1.3.6.1.4.1.57264.1.8")];
    trial.certificate.extra = vec![fulcio_extension(1, &found).unwrap(), fulcio_extension(8, &found).unwrap()];
}

pub(super) fn persons() -> Vec<Case> {
    vec![
        accepted("control: the expected person", |_| {}),
        refused("somebody else", R::IdentityMismatch, |t| email(t, "somebody@example.com")),
        refused("a lookalike with a suffix", R::IdentityMismatch, |t| email(t, "releaser@example.com.evil.example")),
        refused("a lookalike with a prefix", R::IdentityMismatch, |t| email(t, "not-releaser@example.com")),
        refused("capital letters", R::IdentityMismatch, |t| email(t, "Releaser@example.com")),
        refused("a line end", R::CertificateInvalid, |t| email(t, "releaser@example.com\n")),
        refused("a NUL and more behind the name", R::CertificateInvalid, |t| email(t, "releaser@example.com\0.evil")),
        refused("the same text as a URI", R::IdentityMismatch, |t| san(t, San::Uri(EMAIL.to_owned()))),
        refused("the name as mailto URI", R::IdentityMismatch, |t| san(t, San::Uri(format!("mailto:{EMAIL}")))),
        refused("the right name under another issuer", R::IssuerMismatch, |t| {
            issuer(t, |_| "https://evil.example".into())
        }),
        refused("the issuer with a slash at its end", R::IssuerMismatch, |t| issuer(t, |own| format!("{own}/"))),
        refused("the issuer as a part", R::IssuerMismatch, |t| issuer(t, |own| format!("{own}.evil.example"))),
        refused("the issuer by another scheme", R::IssuerMismatch, |t| issuer(t, |own| own.replace("http:", "https:"))),
        refused("an empty issuer", R::IssuerMismatch, |t| issuer(t, |_| String::new())),
        refused("a workflow where a person is expected", R::IssuerMismatch, |t| t.claims = t.sigstore.ci_claims(&[])),
    ]
}

pub(super) fn workflows() -> Vec<Case> {
    vec![
        accepted("control: the release workflow at a version tag", |_| {}),
        refused("another repository", R::ClaimMismatch, |t| {
            t.github(&[("repository", "evil-org/app")], by_workflow);
        }),
        refused("a repository whose name begins alike", R::ClaimMismatch, |t| {
            t.github(&[("repository", "example-org/app-evil")], by_workflow);
        }),
        refused("a branch", R::ClaimMismatch, |t| t.github(&[("ref", "refs/heads/main")], by_workflow)),
        refused("a branch called like a tag", R::ClaimMismatch, |t| {
            t.github(&[("ref", "refs/heads/refs/tags/v1")], by_workflow);
        }),
        refused("a pull request", R::ClaimMismatch, |t| t.github(&[("ref", "refs/pull/7/merge")], by_workflow)),
        refused("another workflow file", R::ClaimMismatch, |t| {
            let file = "example-org/app/.github/workflows/test.yml@refs/tags/v1.2.3";
            t.github(&[("workflow_ref", file)], by_workflow);
        }),
        refused("a file with @ in its name", R::ClaimMismatch, |t| {
            let file = "example-org/app/.github/workflows/release.yml@x.yml@refs/tags/v1.2.3";
            t.github(&[("workflow_ref", file)], by_workflow);
        }),
        refused("a reusable workflow of somebody else", R::ClaimMismatch, |t| {
            let file = "evil-org/tools/.github/workflows/release.yml@refs/tags/v1.2.3";
            t.github(&[("job_workflow_ref", file)], by_workflow);
        }),
        refused("the workflow called by somebody else's repository", R::ClaimMismatch, |t| {
            let file = "example-org/app/.github/workflows/release.yml@refs/tags/v1.2.3";
            t.github(&[("repository", "evil-org/app"), ("job_workflow_ref", file)], by_workflow);
        }),
        refused("only the deprecated repository .5 is right", R::ClaimMismatch, |t| {
            replace_extension(t, 12, "https://github.com/evil-org/app");
        }),
        refused("only the deprecated ref .6 is right", R::ClaimMismatch, |t| {
            replace_extension(t, 14, "refs/heads/main");
        }),
        refused("only the name is right, .9 is another workflow", R::ClaimMismatch, |t| {
            replace_extension(t, 9, "https://github.com/evil-org/x/.github/workflows/release.yml@refs/tags/v1.2.3");
        }),
        refused("no repository", R::ClaimMismatch, |t| t.certificate.omit = vec![oid("1.3.6.1.4.1.57264.1.12")]),
        refused("no ref", R::ClaimMismatch, |t| t.certificate.omit = vec![oid("1.3.6.1.4.1.57264.1.14")]),
        refused("no workflow", R::ClaimMismatch, |t| t.certificate.omit = vec![oid("1.3.6.1.4.1.57264.1.9")]),
        refused("the repository on another server", R::ClaimMismatch, |t| {
            replace_extension(t, 12, "https://github.example/example-org/app");
        }),
        refused("the same workflow under another issuer", R::IssuerMismatch, |t| {
            t.expected = |sigstore| match by_workflow(sigstore) {
                ExpectedIdentity::GitHub { github, .. } => {
                    ExpectedIdentity::GitHub { issuer: sigstore.email_issuer().parse().unwrap(), github }
                }
                other => other,
            };
        }),
    ]
}

fn replace_extension(trial: &mut Trial<'_>, number: u32, value: &str) {
    trial.certificate.omit = vec![oid(&format!("1.3.6.1.4.1.57264.1.{number}"))];
    trial.certificate.extra = vec![fulcio_extension(number, value).unwrap()];
}

/// Dots and all, as people write it; CVE-2026-25542 and CVE-2025-29778 are verifiers that matched a part or nothing.
fn by_regexp(sigstore: &Sigstore) -> ExpectedIdentity {
    let pattern = r"https://github\.com/example-org/app/\.github/workflows/release\.yml@refs/tags/v.*";
    let name = NamePattern::regexp(pattern).unwrap();
    ExpectedIdentity::Name { issuer: sigstore.ci_issuer().parse().unwrap(), name }
}

fn by_alternatives(sigstore: &Sigstore) -> ExpectedIdentity {
    let name =
        NamePattern::regexp(r"https://github\.com/example-org/other/.*|https://github\.com/example-org/x").unwrap();
    ExpectedIdentity::Name { issuer: sigstore.ci_issuer().parse().unwrap(), name }
}

fn uri(trial: &mut Trial<'_>, name: &str) {
    san(trial, San::Uri(name.to_owned()));
}

pub(super) fn lookalikes() -> Vec<Case> {
    vec![
        accepted("control: the whole name", |_| {}),
        refused("CVE-2026-25542: the name inside a query", R::IdentityMismatch, |t| {
            uri(t, &format!("https://evil.example/?x={WORKFLOW}"));
        }),
        refused("CVE-2026-25542: the name inside a path", R::IdentityMismatch, |t| {
            uri(t, &format!("https://evil.example/{WORKFLOW}"));
        }),
        refused("CVE-2025-29778: another organisation", R::IdentityMismatch, |t| {
            uri(t, &WORKFLOW.replace("example-org", "evil-org"));
        }),
        refused("a host that only looks like GitHub", R::IdentityMismatch, |t| {
            uri(t, &WORKFLOW.replace("github.com", "githubXcom"));
        }),
        refused("a second line", R::CertificateInvalid, |t| uri(t, &format!("https://evil.example\n{WORKFLOW}"))),
        refused("a line end behind the name", R::CertificateInvalid, |t| uri(t, &format!("{WORKFLOW}\nx"))),
        refused("an alternative that only begins alike", R::IdentityMismatch, |t| {
            t.expected = by_alternatives;
            uri(t, "https://github.com/example-org/xyz");
        }),
        refused("the right name under another issuer", R::IssuerMismatch, |t| {
            t.claims = t.sigstore.email_claims(EMAIL);
            uri(t, WORKFLOW);
        }),
    ]
}
