//! Build provenance that was not pushed to the registry, and history that the checkout lacks: what only GitHub's API tells.

use countersign_sandbox::github::{Delivery, Fault, GitHub};
use countersign_sandbox::registry::{Bait, Trap};
use countersign_sandbox::sigstore::{BundleOptions, CertificateOptions, Sct};
use serde_json::{Value, json};

use crate::provenance::{COMMIT, REF, V1, edited, gate, v1};
use crate::support::evidence::{nodes, statements};
use crate::support::{APP, Gateway, Run, digest};

const OWNER_REPO: &str = "example-org/app";
const TOKEN: &str = "ghp_onlyForTheApi";
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// A gate that requires provenance, a candidate without any in its registry, and a GitHub.
struct Bed {
    gateway: Gateway,
    github: GitHub,
    candidate: String,
}

impl Bed {
    async fn start() -> Self {
        let gateway = gate().await;
        let candidate = gateway.build("1.2.3");
        Self { gateway, github: GitHub::start().await.unwrap(), candidate }
    }

    fn digest(&self) -> &str {
        digest(&self.candidate)
    }

    fn bundle(&self, subject: &str, kind: &str, predicate: &Value) -> String {
        let (certificate, bundle) = (CertificateOptions::default(), BundleOptions::default());
        self.gateway.attestation(subject, kind, predicate, &[], &certificate, &bundle)
    }

    /// As `actions/attest-build-provenance` without `push-to-registry` does.
    fn good(&self, subject: &str) {
        self.github.attest(OWNER_REPO, subject, self.bundle(subject, V1, &v1()));
    }

    async fn run(&self, arguments: &[&str]) -> Run {
        let mut command = self.gateway.command(arguments);
        command.env("COUNTERSIGN_GITHUB_API", self.github.api()).env("GITHUB_TOKEN", TOKEN);
        Run::of(command.output().await.unwrap())
    }

    async fn promote(&self) -> Run {
        self.run(&["promote", &self.candidate, "--version", "1.2.3", "--git-ref", REF, "--sha", COMMIT]).await
    }

    async fn verify(&self) -> Run {
        self.run(&["verify", &self.candidate, "--require", "provenance", "--timeout", "3s"]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn provenance_that_only_github_has_proves_the_build_however_it_is_delivered() {
    let bed = Bed::start().await;
    bed.promote().await.is("denied", 3).because("provenance-missing");
    bed.good(bed.digest());
    for delivery in [Delivery::Stored, Delivery::StoredPlain, Delivery::Inline] {
        bed.github.deliver(delivery);
        let run = bed.verify().await.verdict("verified", 0);
        let found = &run.json()["nodes"][0]["attestations"][0];
        assert_eq!(found["keptAt"], "https://github.com/example-org/app/attestations", "{run}");
    }
    bed.promote().await.is("promoted", 0);
    let vsa = &statements(&bed.gateway.registry, APP, bed.digest())["https://slsa.dev/verification_summary/v1"];
    assert_eq!(vsa["predicate"]["verifiedLevels"], json!(["SLSA_BUILD_LEVEL_2"]));
    assert!(vsa["predicate"]["inputAttestations"].as_array().unwrap().iter().any(|input| input["uri"] == V1));
    // A finished release asks nobody.
    let asked = bed.github.log().len();
    bed.github.fault(Some(Fault::Status(500)));
    bed.promote().await.is("unchanged", 0);
    assert_eq!(bed.github.log().len(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn provenance_of_every_image_is_found_one_by_one() {
    let bed = Bed::start().await;
    let all = nodes(&bed.gateway.registry, APP, bed.digest());
    bed.good(&all[1]);
    bed.verify().await.verdict("refuted", 4).because("missing-attestation");
    bed.good(&all[2]);
    bed.verify().await.verdict("verified", 0);
}

/// Who can look into the registry's evidence needs no GitHub, and without a requirement nobody is asked.
#[tokio::test(flavor = "multi_thread")]
async fn github_is_asked_only_for_what_is_required_and_missing() {
    let bed = Bed::start().await;
    bed.run(&["verify", &bed.candidate, "--require", "signature"]).await.verdict("refuted", 4);
    let off = ["verify", &bed.candidate, "--require", "provenance", "--github-api", "off"];
    bed.run(&off).await.verdict("refuted", 4);
    assert_eq!(bed.github.log(), []);
    // Not GitHub Actions' issuer, and no address is named: GitHub knows nothing about it.
    let plain = ["verify", &bed.candidate, "--require", "provenance"];
    bed.gateway.run(&plain).await.verdict("refuted", 4);
    let bundle = bed.bundle(bed.digest(), V1, &v1());
    bed.gateway.push_bundle(bed.digest(), V1, bundle.into_bytes());
    bed.verify().await.verdict("verified", 0);
    assert_eq!(bed.github.log(), []);
}

/// Each has exactly one thing wrong, and is *refuted*: everything was readable.
#[tokio::test(flavor = "multi_thread")]
async fn what_github_has_is_believed_no_more_than_what_a_registry_has() {
    let bed = Bed::start().await;
    let (subject, other) = (bed.digest().to_owned(), bed.gateway.build("9.9.9"));
    let others_run = format!("{OWNER_REPO}/.github/workflows/other.yml@{REF}");
    let claims = [("workflow_ref", others_run.as_str()), ("job_workflow_ref", others_run.as_str())];
    let (certificate, options) = (CertificateOptions::default(), BundleOptions::default());
    let repository = "/buildDefinition/externalParameters/workflow/repository";
    let good = bed.bundle(&subject, V1, &v1());
    let mut forged: Value = serde_json::from_str(&good).unwrap();
    forged["dsseEnvelope"]["signatures"][0]["sig"] = json!("AAAA");
    let cases = [
        ("about another subject", bed.bundle(digest(&other), V1, &v1()), "subject-mismatch"),
        (
            "of another repository",
            bed.bundle(&subject, V1, &edited(repository, "https://github.com/example-org/app-evil")),
            "provenance-repository",
        ),
        (
            "by another builder",
            bed.gateway.attestation(&subject, V1, &v1(), &claims, &certificate, &options),
            "provenance-builder",
        ),
        // The timestamp is over the signature.
        ("with a forged signature", forged.to_string(), "timestamp-invalid"),
    ];
    for (name, bundle, code) in cases {
        let github = GitHub::start().await.unwrap();
        github.attest(OWNER_REPO, &subject, bundle);
        let mut command = bed.gateway.command(&["verify", &bed.candidate, "--require", "provenance"]);
        let run = Run::of(command.env("COUNTERSIGN_GITHUB_API", github.api()).output().await.unwrap());
        let run = run.verdict("refuted", 4);
        assert!(run.stdout.contains(&format!("\"{code}\"")), "{name}: {run}");
        // A good one beside it counts.
        github.attest(OWNER_REPO, &subject, good.clone());
        let run = Run::of(command.output().await.unwrap());
        assert_eq!(run.json()["verdict"], "verified", "{name}: {run}");
    }
}

/// GitHub is a place for build provenance and for nothing else: a signature there signs no image.
#[tokio::test(flavor = "multi_thread")]
async fn other_evidence_at_github_does_not_count() {
    let bed = Bed::start().await;
    bed.good(bed.digest());
    bed.github.attest(OWNER_REPO, bed.digest(), bed.bundle(bed.digest(), SIGNATURE, &json!({})));
    let (issuer, candidate) = (bed.gateway.sigstore.ci_issuer().to_owned(), bed.candidate.clone());
    let flags = ["--issuer", &issuer, "--github-repository", OWNER_REPO, "--require", "signature,provenance"];
    let run = bed.run(&[&["verify", &candidate], &flags[..]].concat()).await;
    run.verdict("refuted", 4).because("unsigned");
}

/// I6: could not look is never "none". Each of these is transient or strange, none says that nothing is there.
#[tokio::test(flavor = "multi_thread")]
async fn i6_a_look_at_github_that_failed_is_unknown_and_makes_nothing_else_unknown() {
    let bed = Bed::start().await;
    bed.good(bed.digest());
    let trap = Trap::start(Bait::Answer(200, br#"{"attestations": []}"#.to_vec())).await.unwrap();
    let faults = [
        (Fault::Status(500), 7, "unreachable"),
        (Fault::Status(429), 7, "unreachable"),
        (Fault::RateLimited, 7, "unreachable"),
        (Fault::Status(401), 6, "unauthenticated"),
        (Fault::Status(403), 6, "forbidden"),
        (Fault::Status(418), 7, "malformed-answer"),
        (Fault::Status(204), 7, "malformed-answer"),
        (Fault::Answer(b"<html>".to_vec()), 7, "malformed-answer"),
        (Fault::Redirect(trap.origin().to_owned()), 7, "malformed-answer"),
        (Fault::NextPage(format!("{}/x", trap.origin())), 7, "malformed-answer"),
        (Fault::Endless, 7, "limit-exceeded"),
        (Fault::Slow(std::time::Duration::from_secs(30)), 7, "unreachable"),
    ];
    for (fault, exit, code) in faults {
        bed.github.fault(Some(fault.clone()));
        let run = bed.verify().await.verdict("unknown", exit);
        assert!(run.codes().iter().any(|c| c == code), "{fault:?}: {run}");
        assert!(!run.stdout.contains(TOKEN) && !run.stderr.contains(TOKEN), "{run}");
    }
    bed.github.fault(Some(Fault::Status(500)));
    bed.promote().await.is("unknown", 7);
    assert_eq!(bed.gateway.writes(), Vec::<String>::new());
    // What it cannot hold is known: the image is unsigned, whatever GitHub says.
    let run = bed.run(&["verify", &bed.candidate, "--require", "signature,provenance", "--timeout", "3s"]).await;
    assert!(run.codes().iter().any(|code| code == "unsigned"), "{run}");
    assert!(!trap.caught_a_secret(), "{:?}", trap.caught());
    let nobody = ["verify", &bed.candidate, "--require", "provenance", "--github-api", "http://127.0.0.1:1"];
    bed.run(&nobody).await.verdict("unknown", 7).because("unreachable");
    for delivery in [Delivery::Lost, Delivery::Neither] {
        bed.github.fault(None);
        bed.github.deliver(delivery);
        bed.verify().await.verdict("unknown", 7);
    }
}

/// Private repositories are attested by GitHub's own instance: no log, a timestamp alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_an_instance_without_logs_verifies_from_there_too() {
    let bed = Bed::start().await;
    let mut root: Value = serde_json::from_str(&bed.gateway.sigstore.trusted_root_json()).unwrap();
    let path = bed.gateway.path("root.json");
    let flags = ["verify", &bed.candidate, "--require", "provenance", "--trust-root", path.to_str().unwrap()];
    let unlogged = BundleOptions { log: None, ..BundleOptions::default() };
    let certificate = CertificateOptions { sct: Sct::None, ..CertificateOptions::default() };
    let bundle = bed.gateway.attestation(bed.digest(), V1, &v1(), &[], &certificate, &unlogged);
    bed.github.attest(OWNER_REPO, bed.digest(), bundle);
    std::fs::write(&path, root.to_string()).unwrap();
    bed.run(&flags).await.verdict("refuted", 4).because("sct-missing");
    (root["ctlogs"], root["tlogs"]) = (json!([]), json!([]));
    std::fs::write(&path, root.to_string()).unwrap();
    bed.run(&flags).await.verdict("verified", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_mends_and_a_renamed_repository_are_not_failures() {
    let bed = Bed::start().await;
    bed.good(bed.digest());
    for fault in [Fault::FirstStatus(502, 2), Fault::Renamed] {
        bed.github.fault(Some(fault));
        bed.verify().await.verdict("verified", 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_the_github_token_goes_to_its_api_and_nowhere_else() {
    let bed = Bed::start().await;
    bed.good(bed.digest());
    bed.github.private(TOKEN);
    let run = bed.run(&["verify", &bed.candidate, "--require", "provenance", "-vv"]).await.verdict("verified", 0);
    assert!(!run.stdout.contains(TOKEN) && !run.stderr.contains(TOKEN), "{run}");
    assert!(!run.stderr.contains("sig=secret"), "an address of the store is a credential: {run}");
    let log = bed.github.log();
    let bearer = format!("Bearer {TOKEN}");
    assert!(log.iter().filter(|r| r.origin == "api").all(|r| r.authorization.as_deref() == Some(&bearer)));
    assert!(log.iter().any(|r| r.origin == "store"));
    assert!(log.iter().filter(|r| r.origin == "store").all(|r| r.authorization.is_none()), "{log:?}");
    assert!(bed.gateway.registry.log().iter().all(|r| r.header("authorization").is_none()));
    // Without the token the repository is not there.
    let mut command = bed.gateway.command(&["verify", &bed.candidate, "--require", "provenance"]);
    let run = Run::of(command.env("COUNTERSIGN_GITHUB_API", bed.github.api()).output().await.unwrap());
    run.verdict("refuted", 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_read_up_to_the_limit() {
    let bed = Bed::start().await;
    let other = bed.bundle(bed.digest(), V1, &edited("/runDetails/metadata/invocationId", "x"));
    let others_run = format!("{OWNER_REPO}/.github/workflows/other.yml@{REF}");
    let claims = [("workflow_ref", others_run.as_str()), ("job_workflow_ref", others_run.as_str())];
    let (certificate, options) = (CertificateOptions::default(), BundleOptions::default());
    let wrong = bed.gateway.attestation(bed.digest(), V1, &v1(), &claims, &certificate, &options);
    for _ in 0..5 {
        bed.github.attest(OWNER_REPO, bed.digest(), wrong.clone());
    }
    bed.github.attest(OWNER_REPO, bed.digest(), other);
    bed.github.pages_of(2);
    bed.verify().await.verdict("verified", 0);
    let pages = bed.github.log().iter().filter(|r| r.origin == "api").count();
    assert_eq!(pages, 3);
    for _ in 0..100 {
        bed.github.attest(OWNER_REPO, bed.digest(), wrong.clone());
    }
    bed.github.pages_of(30);
    bed.verify().await.verdict("unknown", 7).because("limit-exceeded");
}

/// Five bundles of 8 MB, which are 400 kB each on their way.
#[tokio::test(flavor = "multi_thread")]
async fn i12_what_all_bundles_hold_together_is_bounded() {
    for delivery in [Delivery::Stored, Delivery::Inline] {
        let bed = Bed::start().await;
        bed.github.deliver(delivery);
        bed.github.pages_of(1);
        for _ in 0..5 {
            bed.github.attest(OWNER_REPO, bed.digest(), format!("{{\"a\": \"{}\"}}", "x".repeat(8_000_000)));
        }
        bed.verify().await.verdict("unknown", 7).because("limit-exceeded");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_would_send_the_token_in_the_clear_is_refused() {
    let bed = Bed::start().await;
    for bad in ["http://github.example.com", "ftp://127.0.0.1", "on", "https://user:pw@api.github.com"] {
        let run = bed.run(&["verify", &bed.candidate, "--require", "provenance", "--github-api", bad]).await.exits(2);
        assert_eq!(run.codes(), ["github-api"], "{run}");
    }
}

const FIRST: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const SECOND: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

impl Bed {
    /// `promote` of a branch build, by the run of that commit.
    async fn branch(&self, candidate: &str, commit: &str, flags: &[&str], path: &str) -> Run {
        let (git_ref, workflow) =
            ("refs/heads/main", format!("{OWNER_REPO}/.github/workflows/gate.yml@refs/heads/main"));
        let claims = [("ref", git_ref), ("sha", commit), ("workflow_ref", &workflow), ("job_workflow_ref", &workflow)];
        self.gateway.token(&self.gateway.sigstore.ci_token(&claims));
        let promote = ["promote", candidate, "--git-ref", git_ref, "--sha", commit];
        let mut command = self.gateway.command(&[&promote, flags].concat());
        command.env("COUNTERSIGN_GITHUB_API", self.github.api()).env("PATH", path);
        Run::of(command.output().await.unwrap())
    }
}

/// A branch tag moves to descendants only; a job that has no history asks GitHub, and not knowing keeps the tag.
#[tokio::test(flavor = "multi_thread")]
async fn a_branch_tag_moves_where_github_says_that_the_commit_descends() {
    let bed = Bed::start().await;
    bed.gateway.require_provenance(false, &[]);
    bed.branch(&bed.candidate, FIRST, &[], "").await.is("promoted", 0);
    let next = bed.gateway.build("1.2.4");
    let action = async |expected: &str, why: &str| {
        let run = bed.branch(&next, SECOND, &["--plan"], "").await.is("planned", 0);
        assert_eq!(run.actions()["main"], expected, "{run}");
        assert!(run.stdout.contains(why), "{run}");
    };
    action("skip", "is unknown").await;
    for (status, expected) in
        [("behind", "skip"), ("diverged", "skip"), ("sideways", "skip"), ("identical", "move"), ("ahead", "move")]
    {
        bed.github.relate(FIRST, SECOND, status);
        let why = match status {
            "behind" | "diverged" => "no descendant",
            "sideways" => "is unknown",
            _ => "",
        };
        action(expected, why).await;
    }
    bed.github.fault(Some(Fault::Status(403)));
    action("skip", "is unknown").await;
    bed.github.fault(None);
    bed.branch(&next, SECOND, &[], "").await.is("promoted", 0);
    assert_eq!(bed.gateway.tags()["main"], digest(&next));
}

/// In a shallow checkout "is no ancestor" only means that the way between two commits is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_shallow_checkout_does_not_say_no() {
    let bed = Bed::start().await;
    bed.gateway.require_provenance(false, &[]);
    let path = std::env::var_os("PATH").unwrap().into_string().unwrap();
    let git = |folder: &str, arguments: &[&str]| {
        #[expect(clippy::disallowed_methods, reason = "makes the checkout that the program looks at")]
        let mut command = std::process::Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"]);
        let output = command.args(arguments).current_dir(bed.gateway.path(folder)).env("HOME", "/nowhere").output();
        let output = output.unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    std::fs::create_dir(bed.gateway.path("origin")).unwrap();
    git("origin", &["init", "--quiet", "-b", "main"]);
    git("origin", &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let commits: Vec<String> = ["1", "2", "3"]
        .iter()
        .map(|message| {
            git("origin", &["commit", "--quiet", "--allow-empty", "-m", message]);
            git("origin", &["rev-parse", "HEAD"])
        })
        .collect();
    let origin = format!("file://{}", bed.gateway.path("origin").display());
    git("", &["init", "--quiet", "-b", "main"]);
    for commit in [&commits[0], &commits[2]] {
        git("", &["fetch", "--quiet", "--depth", "1", &origin, commit]);
    }
    bed.branch(&bed.candidate, &commits[0], &[], &path).await.is("promoted", 0);
    let next = bed.gateway.build("1.2.4");
    let run = bed.branch(&next, &commits[2], &["--plan"], &path).await.is("planned", 0);
    assert!(run.stdout.contains("is unknown"), "{run}");
    bed.github.relate(&commits[0], &commits[2], "ahead");
    let run = bed.branch(&next, &commits[2], &["--plan"], &path).await.is("planned", 0);
    assert_eq!(run.actions()["main"], "move", "{run}");
    // With the whole history GitHub is not needed.
    git("", &["fetch", "--quiet", "--unshallow", &origin, &commits[2]]);
    let asked = bed.github.log().len();
    let run = bed.branch(&next, &commits[2], &["--plan"], &path).await.is("planned", 0);
    assert_eq!((run.actions()["main"].as_str(), bed.github.log().len()), ("move", asked), "{run}");
}
