//! Build provenance as `actions/attest-*` leaves it in a registry: required by the gate, and asked for by strangers.

use countersign::evidence::{Moment, Statement, TrustRoot, Unverified, verify};
use countersign::identity::{ExpectedIdentities, ExpectedIdentity, NamePattern};
use countersign::oci::Digest;
use countersign::policy::ReasonCode;
use countersign_sandbox::registry::{Fault, Place, When};
use countersign_sandbox::sigstore::{BundleOptions, CertificateOptions, Options, Sct, Sigstore};
use serde_json::{Value, json};

use crate::support::evidence::{nodes, statements};
use crate::support::{APP, Gateway, Run, digest};

pub(crate) const REPOSITORY: &str = "https://github.com/example-org/app";
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const REF: &str = "refs/tags/v1.2.3";
pub(crate) const V1: &str = "https://slsa.dev/provenance/v1";
const V02: &str = "https://slsa.dev/provenance/v0.2";
const VSA: &str = "https://slsa.dev/verification_summary/v1";
pub(crate) const BUILDER: &str = ".github/workflows/release.yml";

pub(crate) type Claims<'a> = &'a [(&'a str, &'a str)];

/// Name, code, predicate and claims of one defect.
type Defect<'a> = (&'a str, &'a str, Value, Vec<(&'a str, &'a str)>);

pub(crate) fn v1() -> Value {
    json!({
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {"workflow": {"ref": REF, "repository": REPOSITORY, "path": BUILDER}},
            "internalParameters": {"github": {"event_name": "push", "runner_environment": "github-hosted"}},
            "resolvedDependencies": [{"uri": format!("git+{REPOSITORY}@{REF}"), "digest": {"gitCommit": COMMIT}}],
        },
        "runDetails": {
            "builder": {"id": format!("{REPOSITORY}/{BUILDER}@{REF}")},
            "metadata": {"invocationId": format!("{REPOSITORY}/actions/runs/3000003/attempts/1")},
        },
    })
}

fn v02() -> Value {
    let source = json!({"uri": format!("git+{REPOSITORY}@{REF}"), "digest": {"sha1": COMMIT}});
    json!({
        "builder": {"id": "https://github.com/Attestations/GitHubHostedActions@v1"}, "buildType": "b",
        "invocation": {"configSource": source}, "materials": [source],
    })
}

pub(crate) fn edited(pointer: &str, value: &str) -> Value {
    let mut predicate = v1();
    *predicate.pointer_mut(pointer).unwrap() = json!(value);
    predicate
}

/// A gate in a workflow file of its own, and builds that have to be proven.
pub(crate) async fn gate() -> Gateway {
    let gateway = Gateway::start().await;
    gateway.require_provenance(true, &[BUILDER]);
    let gate = format!("example-org/app/.github/workflows/gate.yml@{REF}");
    gateway.token(&gateway.sigstore.ci_token(&[("workflow_ref", &gate), ("job_workflow_ref", &gate)]));
    gateway
}

impl Gateway {
    pub(crate) fn require_provenance(&self, require: bool, builders: &[&str]) {
        let text = format!(
            "version: 1\nimages:\n  - repository: {}\nidentity:\n  issuer: {}\n  github: {{ repository: example-org/app, workflow: \
             .github/workflows/gate.yml }}\n  release: {{ ref: \"refs/tags/v*\" }}\npolicy:\n  provenance: {{ require: {require}, \
             builders: {builders:?} }}\n",
            self.repository(APP),
            self.sigstore.ci_issuer(),
        );
        std::fs::write(self.path("countersign.yaml"), text).unwrap();
    }

    fn provenance(&self, subject: &str, kind: &str, predicate: &Value, claims: Claims<'_>, bundle: &BundleOptions) {
        self.attach(subject, kind, predicate, claims, &CertificateOptions::default(), bundle);
    }

    /// As `actions/attest-build-provenance` with `push-to-registry` does.
    fn attach(
        &self,
        subject: &str,
        kind: &str,
        predicate: &Value,
        claims: Claims<'_>,
        certificate: &CertificateOptions,
        bundle: &BundleOptions,
    ) {
        let bundle = self.attestation(subject, kind, predicate, claims, certificate, bundle);
        self.push_bundle(subject, kind, bundle.into_bytes());
    }

    /// A bundle that nobody has put anywhere yet.
    pub(crate) fn attestation(
        &self,
        subject: &str,
        kind: &str,
        predicate: &Value,
        claims: Claims<'_>,
        certificate: &CertificateOptions,
        bundle: &BundleOptions,
    ) -> String {
        let hex = subject.strip_prefix("sha256:").unwrap();
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": self.repository(APP), "digest": {"sha256": hex}}],
            "predicateType": kind, "predicate": predicate,
        });
        let claims = self.sigstore.ci_claims(claims);
        let statement = statement.to_string().into_bytes();
        self.sigstore.sign_bundle(&statement, &claims, certificate, bundle).unwrap()
    }

    pub(crate) fn push_bundle(&self, subject: &str, kind: &str, bundle: Vec<u8>) {
        let media_type = "application/vnd.dev.sigstore.bundle.v0.3+json";
        let config = self.registry.put_blob(APP, "{}".as_bytes().to_vec());
        let size = bundle.len();
        let layer = self.registry.put_blob(APP, bundle);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": media_type,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
            "layers": [{"mediaType": media_type, "digest": layer, "size": size}],
            "subject": {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": subject, "size": 1},
            "annotations": {"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": kind},
        });
        let bytes = manifest.to_string().into_bytes();
        self.registry.put_manifest_raw(APP, "application/vnd.oci.image.manifest.v1+json", bytes);
    }

    fn good(&self, subject: &str) {
        self.provenance(subject, V1, &v1(), &[], &BundleOptions::default());
    }

    pub(crate) async fn gated(&self, candidate: &str) -> Run {
        self.promote_with(candidate, "1.2.3", &["--git-ref", REF, "--sha", COMMIT]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_is_proven_by_a_listed_builder_is_promoted_and_the_vsa_says_so() {
    let gateway = gate().await;
    let candidate = gateway.build("1.2.3");
    gateway.good(digest(&candidate));
    let run = gateway.gated(&candidate).await.is("promoted", 0);
    assert!(!run.stdout.contains("identity-shared"), "{run}");
    for node in nodes(&gateway.registry, APP, digest(&candidate)) {
        let vsa = statements(&gateway.registry, APP, &node)[VSA]["predicate"].clone();
        assert_eq!(vsa["verifiedLevels"], json!(["SLSA_BUILD_LEVEL_2"]), "{node}");
        let inputs = vsa["inputAttestations"].as_array().unwrap();
        assert!(inputs.iter().any(|input| input["uri"] == V1), "{vsa:#}");
    }
    gateway.gated(&candidate).await.is("unchanged", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn provenance_on_every_image_is_as_good_as_on_the_index_and_on_one_of_two_is_not() {
    let gateway = gate().await;
    let candidate = gateway.build("1.2.3");
    let all = nodes(&gateway.registry, APP, digest(&candidate));
    gateway.provenance(&all[1], V02, &v02(), &[("runner_environment", "self-hosted")], &BundleOptions::default());
    gateway.gated(&candidate).await.is("denied", 3).because("provenance-missing");
    gateway.good(&all[2]);
    gateway.gated(&candidate).await.is("promoted", 0);
    let levels = |node: &str| statements(&gateway.registry, APP, node)[VSA]["predicate"]["verifiedLevels"][0].clone();
    assert_eq!(
        [&all[0], &all[1], &all[2]].map(|node| levels(node)),
        ["SLSA_BUILD_LEVEL_1", "SLSA_BUILD_LEVEL_1", "SLSA_BUILD_LEVEL_2"]
    );
    let required = ["verify", &candidate, "--require", "provenance"];
    gateway.run(&required).await.verdict("verified", 0);
}

/// Each has exactly one thing wrong.
#[tokio::test(flavor = "multi_thread")]
async fn provenance_that_does_not_fit_the_release_is_denied_with_its_own_code_and_nothing_is_written() {
    let workflow = "/buildDefinition/externalParameters/workflow";
    let other = "f".repeat(40);
    let gate_run = format!("example-org/app/.github/workflows/gate.yml@{REF}");
    let others_run = format!("example-org/app/.github/workflows/other.yml@{REF}");
    let cases: Vec<Defect<'_>> = vec![
        ("no source", "provenance-unreadable", json!({"runDetails": {"builder": {"id": "b"}}}), vec![]),
        (
            "other repository, predicate",
            "provenance-repository",
            edited(&format!("{workflow}/repository"), "https://github.com/example-org/app-evil"),
            vec![],
        ),
        ("other ref, predicate", "provenance-ref", edited(&format!("{workflow}/ref"), "refs/heads/main"), vec![]),
        (
            "other commit, predicate",
            "provenance-commit",
            edited("/buildDefinition/resolvedDependencies/0/digest/gitCommit", &other),
            vec![],
        ),
        ("other commit, certificate", "provenance-commit", v1(), vec![("sha", other.as_str())]),
        (
            "other workflow",
            "provenance-builder",
            v1(),
            vec![("workflow_ref", others_run.as_str()), ("job_workflow_ref", others_run.as_str())],
        ),
        (
            "the gate itself",
            "provenance-own-identity",
            v1(),
            vec![("workflow_ref", gate_run.as_str()), ("job_workflow_ref", gate_run.as_str())],
        ),
    ];
    for (name, code, predicate, claims) in cases {
        let gateway = gate().await;
        let candidate = gateway.build("1.2.3");
        gateway.provenance(digest(&candidate), V1, &predicate, &claims, &BundleOptions::default());
        gateway.registry.clear_log();
        let entries = gateway.sigstore.rekor_size();
        let run = gateway.gated(&candidate).await.is("denied", 3).because(code).because("provenance-missing");
        assert_eq!(gateway.writes(), Vec::<String>::new(), "{name}: {run}");
        assert_eq!(gateway.sigstore.rekor_size(), entries, "{name}");
        assert_eq!(run.stdout.contains("identity-shared"), name == "the gate itself", "{name}: {run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_is_denied_and_could_not_look_is_unknown() {
    let gateway = gate().await;
    let candidate = gateway.build("1.2.3");
    gateway.gated(&candidate).await.is("denied", 3).because("provenance-missing");
    gateway.good(digest(&candidate));
    let look = When::method("GET").matching("/referrers/");
    gateway.registry.faults().add(look, Place::Before, Fault::Status(403));
    let run = gateway.gated(&candidate).await;
    assert!(matches!(run.code, 6 | 7), "{run}");
    assert!(gateway.tags().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listed_or_the_gate_listed_is_a_configuration_error() {
    let gateway = gate().await;
    let candidate = gateway.build("1.2.3");
    for builders in [&[][..], &[".github/workflows/gate.yml"], &["x"], &["https://github.com/example-org/*"]] {
        gateway.require_provenance(true, builders);
        let run = gateway.gated(&candidate).await.exits(2);
        assert!(run.stdout.contains("policy.provenance.builders"), "{run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_names_the_builder() {
    let gateway = gate().await;
    let candidate = gateway.build("1.2.3");
    gateway.good(digest(&candidate));
    let issuer = gateway.sigstore.ci_issuer().to_owned();
    let verify = async |repository: &str, builder: &[&str]| {
        let flags = ["--config", "/dev/null", "--issuer", &issuer, "--github-repository", repository];
        let flags =
            [&["verify", &candidate, "--require", "provenance"], &flags[..2][..0], &flags[2..], builder].concat();
        std::fs::write(gateway.path("countersign.yaml"), "version: 1\n").unwrap();
        gateway.run(&flags).await
    };
    let named = |name: &'static str| ["--provenance-builder", name];
    verify("example-org/app", &named(BUILDER)).await.verdict("verified", 0);
    verify("example-org/app", &named("example-org/app/.github/workflows/release.yml")).await.verdict("verified", 0);
    verify("example-org/app", &[]).await.verdict("verified", 0);
    verify("example-org/app", &named(".github/workflows/other.yml"))
        .await
        .verdict("refuted", 4)
        .because("provenance-builder");
    let other = named("example-org/app/.github/workflows/release.yml");
    verify("example-org/other", &other).await.verdict("refuted", 4).because("provenance-repository");
    verify("example-org/app", &named("x")).await.exits(2);
}

/// GitHub's own instance: neither log nor CT log, a timestamp alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_trust_root_without_logs_asks_for_a_timestamp_alone_and_one_with_logs_for_all() {
    let gateway = gate().await;
    let candidate = gateway.build("1.2.3");
    let unlogged = BundleOptions { log: None, ..BundleOptions::default() };
    let certificate = CertificateOptions { sct: Sct::None, ..CertificateOptions::default() };
    gateway.attach(digest(&candidate), V1, &v1(), &[], &certificate, &unlogged);
    let mut root: Value = serde_json::from_str(&gateway.sigstore.trusted_root_json()).unwrap();
    let without = |root: &mut Value, kinds: &[&str]| {
        for kind in kinds {
            root[*kind] = json!([]);
        }
        std::fs::write(gateway.path("root.json"), root.to_string()).unwrap();
    };
    let path = gateway.path("root.json");
    let flags = ["verify", &candidate, "--require", "provenance", "--trust-root", path.to_str().unwrap()];
    without(&mut root, &[]);
    gateway.run(&flags).await.verdict("refuted", 4).because("sct-missing");
    without(&mut root, &["ctlogs"]);
    gateway.run(&flags).await.verdict("refuted", 4).because("sct-missing");
    without(&mut root, &["tlogs"]);
    let run = gateway.run(&flags).await.verdict("verified", 0);
    assert!(run.json()["nodes"][0]["attestations"][0]["loggedAt"].is_string(), "{run}");
    // A timestamp is not optional there.
    let other = gateway.build("1.2.4");
    let neither = BundleOptions { timestamp: None, ..unlogged };
    gateway.attach(digest(&other), V1, &v1(), &[], &certificate, &neither);
    gateway.run(&[&["verify", &other], &flags[2..]].concat()).await.verdict("refuted", 4).because("timestamp-missing");
    without(&mut root, &["timestampAuthorities"]);
    gateway.run(&flags).await.verdict("refuted", 4);
}

/// Private repositories are attested by GitHub's own instance, whoever signs the release.
#[tokio::test(flavor = "multi_thread")]
async fn the_builders_instance_counts_for_provenance_it_issued_and_for_nothing_else() {
    let start = async || Sigstore::start(Options::default()).await.unwrap();
    let (own, github) = (start().await, start().await);
    let mut root: Value = serde_json::from_str(&github.trusted_root_json()).unwrap();
    (root["tlogs"], root["ctlogs"]) = (json!([]), json!([]));
    let github_root = TrustRoot::from_json(root.to_string().as_bytes()).unwrap();
    let own_root = TrustRoot::from_json(own.trusted_root_json().as_bytes()).unwrap();
    let subject = Digest::of(b"image");
    let check = |sigstore: &Sigstore, kind: &str, root: &TrustRoot| {
        let statement = Statement::new(subject.clone(), kind.parse().unwrap(), v1()).to_bytes();
        let bundle = BundleOptions { log: None, ..BundleOptions::default() };
        let certificate = CertificateOptions { sct: Sct::None, ..CertificateOptions::default() };
        let bundle = sigstore.sign_bundle(&statement, &sigstore.ci_claims(&[]), &certificate, &bundle).unwrap();
        let name = NamePattern::exact(&format!("{REPOSITORY}/{BUILDER}@{REF}")).unwrap();
        let issuer = sigstore.ci_issuer().parse().unwrap();
        let expected = ExpectedIdentities::one(ExpectedIdentity::Name { issuer, name });
        let bundle = Unverified::from_bytes(bundle.as_bytes()).unwrap();
        let moment = Moment::now(std::time::SystemTime::now().try_into().unwrap());
        verify(&bundle, &subject, &expected, root, moment).map(|_| ()).map_err(|refusal| refusal.code)
    };
    let both = own_root.clone().with_builders_instance(&github_root);
    let sign = "https://sigstore.dev/cosign/sign/v1";
    assert_eq!(check(&github, V1, &both), Ok(()));
    assert_eq!(check(&github, sign, &both), Err(ReasonCode::SctMissing));
    assert_eq!(check(&own, V1, &both), Err(ReasonCode::SctMissing), "the instance with a log needs its entry");
    assert_eq!(check(&github, V1, &own_root), Err(ReasonCode::SctMissing));
    assert_eq!(check(&github, sign, &github_root), Ok(()), "on its own it is a trust root like any other");
}
