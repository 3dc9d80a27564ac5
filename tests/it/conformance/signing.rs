//! The signing tests of sigstore-conformance, by their meaning (`test_simple.py`, `test_bundle.py` at a73de49), against the
//! sandbox instead of the staging instance. In place of the suite's own client, `sigstore-verify` is asked by itself.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::oci::Digest;
use countersign_sandbox::sigstore::{Options, Sigstore};
use serde_json::{Value, json};
use sigstore_trust_root::TrustedRoot;
use sigstore_types::Bundle;
use sigstore_verify::{VerificationPolicy, Verifier};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::BasicConstraints;

const ARTIFACT: &[u8] = b"artifact";
const EMAIL: &str = "a@example.com";

/// A Sigstore, and a folder with its files and the artifact.
struct Bed {
    sigstore: Sigstore,
    folder: tempfile::TempDir,
}

impl Bed {
    async fn start(rekor_versions: &[u64]) -> Self {
        let rekor_versions = rekor_versions.iter().map(|version| (*version).try_into().unwrap()).collect();
        let sigstore = Sigstore::start(Options { rekor_versions, ..Options::default() }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        sigstore.write_files(folder.path()).unwrap();
        let bed = Self { sigstore, folder };
        bed.write("a.txt", ARTIFACT);
        bed.write("b.txt", b"another");
        bed
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "runs the program under test")]
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let output = command.args(arguments).current_dir(self.folder.path()).env_clear().output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code().unwrap_or(-1), said)
    }

    fn sign_as(&self, token: &str, flags: &[&str], file: &str) -> (i32, String) {
        let known = ["conformance", "sign-bundle", "--identity-token", token, "--bundle", "out.json"];
        let instance = ["--trusted-root", "trusted_root.json", "--signing-config", "signing_config.json"];
        self.run(&[&known, flags, &instance, &[file]].concat())
    }

    /// The bundle, which was not there before.
    fn sign(&self, flags: &[&str], file: &str) -> Value {
        let out = self.folder.path().join("out.json");
        let _ = std::fs::remove_file(&out);
        let token = self.sigstore.email_token(EMAIL);
        let (code, said) = self.sign_as(&token, flags, file);
        assert_eq!(code, 0, "{file}: {said}");
        assert!(!said.contains(&token));
        serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap()
    }

    fn verify_as(&self, flags: &[&str], identity: &str, artifact: &str) -> i32 {
        let known = ["conformance", "verify-bundle", "--bundle", "out.json", "--certificate-identity", identity];
        let issuer = ["--certificate-oidc-issuer", self.sigstore.email_issuer(), artifact];
        self.run(&[&known, flags, &issuer].concat()).0
    }

    fn verify(&self, identity: &str, artifact: &str) -> i32 {
        self.verify_as(&["--trusted-root", "trusted_root.json"], identity, artifact)
    }

    /// By the client itself, by path and by digest, and for nothing and nobody else; then by the crate alone.
    fn stands_up(&self, bundle: &Value) {
        assert_eq!(self.verify(EMAIL, "a.txt"), 0, "{bundle:#}");
        assert_eq!(self.verify(EMAIL, &Digest::of(ARTIFACT).to_string()), 0);
        assert_eq!(self.verify(EMAIL, "b.txt"), 4);
        assert_eq!(self.verify("b@example.com", "a.txt"), 4);
        let root = TrustedRoot::from_json(&self.sigstore.trusted_root_json()).unwrap();
        let parsed = Bundle::from_json(&bundle.to_string()).unwrap();
        let policy = VerificationPolicy::new(EMAIL, self.sigstore.email_issuer());
        Verifier::new(&root).unwrap().verify(ARTIFACT, &parsed, &policy).unwrap();
    }
}

fn entry(bundle: &Value) -> &Value {
    let entries = bundle["verificationMaterial"]["tlogEntries"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    &entries[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_artifact_verifies_for_itself_and_its_signer_alone() {
    for version in [1, 2] {
        let bed = Bed::start(&[version]).await;
        bed.stands_up(&bed.sign(&[], "a.txt"));
        let (code, said) = bed.sign_as(&bed.sigstore.expired_token(), &[], "a.txt");
        assert_eq!(code, 6, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_has_a_message_signature_and_no_certificate_but_the_leaf() {
    let bed = Bed::start(&[1]).await;
    let bundle = bed.sign(&[], "a.txt");
    assert!(bundle["messageSignature"].is_object() && bundle.get("dsseEnvelope").is_none(), "{bundle:#}");
    let material = &bundle["verificationMaterial"];
    assert!(material.get("x509CertificateChain").is_none(), "{bundle:#}");
    let leaf = STANDARD.decode(material["certificate"]["rawBytes"].as_str().unwrap()).unwrap();
    let certificate = Certificate::from_der(&leaf).unwrap();
    let constraints = certificate.tbs_certificate.get::<BasicConstraints>().unwrap();
    assert!(constraints.is_none_or(|(_, constraints)| !constraints.ca));
    assert_ne!(certificate.tbs_certificate.issuer, certificate.tbs_certificate.subject);
}

/// Where both versions are offered, and where only the newer is.
#[tokio::test(flavor = "multi_thread")]
async fn rekor_v2_is_used_where_the_signing_configuration_offers_it() {
    for offered in [&[2][..], &[1, 2]] {
        let bed = Bed::start(offered).await;
        let bundle = bed.sign(&[], "a.txt");
        assert_eq!(entry(&bundle)["kindVersion"], json!({"kind": "hashedrekord", "version": "0.0.2"}), "{offered:?}");
        let timestamps = &bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
        assert_eq!(timestamps.as_array().map(Vec::len), Some(1), "such an entry has no time of its own");
        bed.stands_up(&bundle);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_signed_byte_for_byte() {
    // Not as we would write it: spaces, order, and a predicate with a number that a parser may change.
    let statement = format!(
        "{{ \"subject\" : [{{\"digest\":{{\"sha256\":\"{}\"}}, \"name\":\"a.txt\"}}],\n \"predicate\": {{\"n\": 1.0e2}},\n \
         \"predicateType\":\"https://slsa.dev/provenance/v1\", \"_type\":\"https://in-toto.io/Statement/v1\"}}\n",
        Digest::of(ARTIFACT).hex()
    );
    for (version, kind) in
        [(1, json!({"kind": "dsse", "version": "0.0.1"})), (2, json!({"kind": "hashedrekord", "version": "0.0.2"}))]
    {
        let bed = Bed::start(&[version]).await;
        bed.write("statement.json", statement.as_bytes());
        let bundle = bed.sign(&["--in-toto"], "statement.json");
        assert!(bundle["dsseEnvelope"].is_object() && bundle.get("messageSignature").is_none(), "{bundle:#}");
        let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
        assert_eq!(payload, statement.as_bytes());
        assert_eq!(entry(&bundle)["kindVersion"], kind);
        bed.stands_up(&bundle);
    }
}

/// `--staging` is another instance: nothing of the sandbox counts there. Files that are named win over it, as the suite names
/// both. A token is looked at before anybody is asked, so an expired one shows that signing there is configured.
#[tokio::test(flavor = "multi_thread")]
async fn staging_is_an_instance_of_its_own_and_named_files_win_over_it() {
    let bed = Bed::start(&[2]).await;
    bed.sign(&["--staging"], "a.txt");
    assert_eq!(bed.verify_as(&["--staging", "--trusted-root", "trusted_root.json"], EMAIL, "a.txt"), 0);
    for instance in [&["--staging"][..], &[]] {
        assert_eq!(bed.verify_as(instance, EMAIL, "a.txt"), 4, "{instance:?}");
    }
    let token = bed.sigstore.expired_token();
    let known = ["conformance", "sign-bundle", "--staging", "--identity-token", &token, "--bundle", "x.json", "a.txt"];
    let (code, said) = bed.run(&known);
    assert_eq!(code, 6, "{said}");
}
