//! Evidence of a whole release, from bundles of the sandbox to `VerifiedEvidence`.

use std::time::SystemTime;

use countersign::evidence::verdict::{AttestationOutcome, Format, NodeEvidence, Verdict};
use countersign::evidence::{Moment, PredicateType, Statement, TrustRoot, Unverified, VerifiedEvidence, verify};
use countersign::identity::{ExpectedIdentities, ExpectedIdentity, NamePattern};
use countersign::oci::{Digest, DigestReference, RawManifest, media_type};
use countersign::policy::ReasonCode;
use countersign_sandbox::sigstore::{BundleOptions, CertificateOptions, Options, Sigstore};
use jiff::Timestamp;

const EMAIL: &str = "releaser@example.com";
const ON_IMAGE: [PredicateType; 4] =
    [PredicateType::SIGNATURE, PredicateType::CYCLONEDX, PredicateType::VULNERABILITY, PredicateType::VSA];
const ON_INDEX: [PredicateType; 3] = [PredicateType::SIGNATURE, PredicateType::VSA, PredicateType::PROMOTION];

struct Release {
    sigstore: Sigstore,
    trust_root: TrustRoot,
    expected: ExpectedIdentities,
}

impl Release {
    async fn start() -> Self {
        let sigstore = Sigstore::start(Options::default()).await.unwrap();
        let trust_root = TrustRoot::from_json(sigstore.trusted_root_json().as_bytes()).unwrap();
        let name = NamePattern::exact(EMAIL).unwrap();
        let issuer = sigstore.email_issuer().parse().unwrap();
        let expected = ExpectedIdentities::one(ExpectedIdentity::Name { issuer, name });
        Self { sigstore, trust_root, expected }
    }

    /// A node with an attestation of each of `types`, signed by `signer` and verified as a reader would.
    fn node(&self, manifest: &RawManifest, types: &[PredicateType], signer: &str) -> NodeEvidence {
        let mut node = NodeEvidence::of(manifest, None).unwrap();
        for predicate_type in types {
            let predicate = serde_json::json!({ "about": manifest.digest() });
            let statement = Statement::new(manifest.digest().clone(), predicate_type.clone(), predicate);
            let (certificate, options) = (CertificateOptions::default(), BundleOptions::default());
            let claims = self.sigstore.email_claims(signer);
            let json = self.sigstore.sign_bundle(&statement.to_bytes(), &claims, &certificate, &options).unwrap();
            let bundle = Unverified::from_bytes(json.as_bytes()).unwrap();
            let now: Timestamp = SystemTime::now().try_into().unwrap();
            let result = verify(&bundle, manifest.digest(), &self.expected, &self.trust_root, Moment::now(now));
            node.push(AttestationOutcome::of(bundle.digest().clone(), Format::BundleV03, result));
        }
        node
    }
}

fn image(name: &str) -> RawManifest {
    let config =
        serde_json::json!({"mediaType": media_type::OCI_CONFIG, "digest": Digest::of(name.as_bytes()), "size": 1});
    let json = serde_json::json!({"schemaVersion": 2, "config": config, "layers": []});
    RawManifest::new(media_type::OCI_MANIFEST, json.to_string().into_bytes())
}

fn index(images: &[&RawManifest]) -> RawManifest {
    let descriptors: Vec<_> = images.iter().map(|image| image.descriptor()).collect();
    let json = serde_json::json!({"schemaVersion": 2, "manifests": descriptors});
    RawManifest::new(media_type::OCI_INDEX, json.to_string().into_bytes())
}

fn reference(manifest: &RawManifest) -> DigestReference {
    format!("localhost:5000/org/app@{}", manifest.digest()).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completely_signed_tree_is_verified_evidence_with_its_record() {
    let release = Release::start().await;
    let (a, b) = (image("a"), image("b"));
    let index = index(&[&a, &b]);
    let images = || vec![release.node(&a, &ON_IMAGE, EMAIL), release.node(&b, &ON_IMAGE, EMAIL)];
    let root = release.node(&index, &ON_INDEX, EMAIL);
    let evidence = VerifiedEvidence::gather(reference(&index), root, images()).unwrap();
    let [record] = evidence.records() else { panic!("{:?}", evidence.records()) };
    assert_eq!(record.predicate()["about"], index.digest().to_string());
    assert_eq!(record.signer().name, EMAIL);
    assert_eq!(evidence.statements().count(), 11);
    let json = serde_json::to_value(evidence.tree()).unwrap();
    assert_eq!(json["nodes"][1]["attestations"][0]["identity"], EMAIL);

    // The evidence of one digest is no evidence of another.
    let root = release.node(&index, &ON_INDEX, EMAIL);
    let verdict = VerifiedEvidence::gather(reference(&a), root, images()).unwrap_err();
    assert_eq!(verdict.verdict(), Verdict::Refuted);
    assert_eq!(verdict.reasons()[0].code, ReasonCode::DigestMismatch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_lacks_anything_is_no_verified_evidence() {
    let release = Release::start().await;
    let (a, b) = (image("a"), image("b"));
    let index = index(&[&a, &b]);
    let good = || release.node(&index, &ON_INDEX, EMAIL);
    let refused = |root: NodeEvidence, images: Vec<NodeEvidence>| {
        VerifiedEvidence::gather(reference(&index), root, images).unwrap_err().verdict()
    };
    for missing in &ON_IMAGE {
        let types: Vec<_> = ON_IMAGE.iter().filter(|t| *t != missing).cloned().collect();
        let images = vec![release.node(&a, &ON_IMAGE, EMAIL), release.node(&b, &types, EMAIL)];
        assert_eq!(refused(good(), images), Verdict::Refuted, "without {missing}");
    }
    for missing in &ON_INDEX {
        let types: Vec<_> = ON_INDEX.iter().filter(|t| *t != missing).cloned().collect();
        let images = vec![release.node(&a, &ON_IMAGE, EMAIL), release.node(&b, &ON_IMAGE, EMAIL)];
        assert_eq!(refused(release.node(&index, &types, EMAIL), images), Verdict::Refuted, "without {missing}");
    }
    // A child that was not read, and one that somebody else signed.
    assert_eq!(refused(good(), vec![release.node(&a, &ON_IMAGE, EMAIL)]), Verdict::Unknown);
    let images = vec![release.node(&a, &ON_IMAGE, EMAIL), release.node(&b, &ON_IMAGE, "mallory@example.com")];
    assert_eq!(refused(good(), images), Verdict::Refuted);
}
