//! Bundles written by real Sigstore software, verified offline with the trust root beside them.
//!
//! The vectors are not part of this repository: `COUNTERSIGN_SHARED` names the folder that holds
//! `vectors/cosign-bundles`, default `../shared`. Without them each test says SKIPPED in its output.

use std::path::PathBuf;

use countersign::evidence::{
    Blob, BlobSigner, Moment, PredicateType, Refusal, Statement, TrustRoot, Unverified, Verified, VerifiedBlob, verify,
    verify_blob,
};
use countersign::identity::{ExpectedIdentities, ExpectedIdentity, GitHubExpectation, IdentityRole, NamePattern};
use countersign::oci::{Digest, Manifest, RawManifest, media_type};
use countersign::policy::ReasonCode;

const EMAIL: &str = "releaser@example.com";
const EMAIL_ISSUER: &str = "http://127.0.0.1:9000";
const CI: &str = "https://github.com/example-org/app/.github/workflows/release.yml@refs/tags/v1.2.3";
const CI_ISSUER: &str = "http://127.0.0.1:9000/ci";
/// A day after the vectors were signed, years before their trust root ends.
const NOW: &str = "2026-11-22T00:00:00Z";

struct Vectors {
    folder: PathBuf,
    index: Digest,
    amd64: Digest,
    trust_root: TrustRoot,
}

impl Vectors {
    /// `None`, loudly, where the vectors are not on this machine.
    fn find(test: &str) -> Option<Self> {
        let shared = std::env::var_os("COUNTERSIGN_SHARED")
            .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
        let folder = shared.join("vectors/cosign-bundles");
        let Ok(digests) = std::fs::read_to_string(folder.join("digests.txt")) else {
            eprintln!("SKIPPED {test}: no {} (set COUNTERSIGN_SHARED)", folder.display());
            return None;
        };
        let digest = |name: &str| {
            let line = digests.lines().find_map(|line| line.strip_prefix(name)).expect(name);
            line.trim().parse().unwrap()
        };
        let trust_root = TrustRoot::from_json(&std::fs::read(folder.join("trusted_root.json")).unwrap()).unwrap();
        Some(Self { index: digest("index "), amd64: digest("amd64 "), trust_root, folder })
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(format!("{name}.sigstore.json"))).unwrap()
    }

    fn subject(&self, name: &str) -> &Digest {
        if name.ends_with("-amd64") { &self.amd64 } else { &self.index }
    }

    fn check(
        &self,
        bytes: &[u8],
        subject: &Digest,
        expected: &ExpectedIdentities,
    ) -> Result<Verified<Statement>, Refusal> {
        verify(&Unverified::from_bytes(bytes)?, subject, expected, &self.trust_root, moment())
    }
}

fn moment() -> Moment {
    Moment::now(NOW.parse().unwrap())
}

fn exactly(name: &str, issuer: &str) -> ExpectedIdentities {
    let name = NamePattern::exact(name).unwrap();
    ExpectedIdentities::one(ExpectedIdentity::Name { issuer: issuer.parse().unwrap(), name })
}

fn github(repository: &str, workflow: &str, git_ref: &str) -> ExpectedIdentities {
    let github = GitHubExpectation {
        repository: repository.parse().unwrap(),
        workflow: Some(workflow.parse().unwrap()),
        git_ref: Some(git_ref.parse().unwrap()),
    };
    let expected = ExpectedIdentity::GitHub { issuer: CI_ISSUER.parse().unwrap(), github };
    ExpectedIdentities::new(vec![(IdentityRole::Release, expected)]).unwrap()
}

#[test]
fn bundles_of_real_cosign_verify_offline() {
    let Some(vectors) = Vectors::find("bundles_of_real_cosign_verify_offline") else { return };
    let types = [
        ("sign-index", PredicateType::SIGNATURE),
        ("sign-amd64", PredicateType::SIGNATURE),
        ("cyclonedx-amd64", PredicateType::CYCLONEDX),
        ("vuln-amd64", PredicateType::VULNERABILITY),
        ("provenance-index", PredicateType::PROVENANCE),
    ];
    let release = github("example-org/app", ".github/workflows/release.yml", "refs/tags/v*");
    let provenance = vectors.check(&vectors.read("ci/provenance-index"), &vectors.index, &release);
    assert_eq!(provenance.map(|_| ()).map_err(|r| r.code), Err(ReasonCode::ProvenanceBuilder), "a gate builds nothing");
    for (name, predicate_type) in &types {
        for (folder, expected) in
            [("email", &exactly(EMAIL, EMAIL_ISSUER)), ("ci", &exactly(CI, CI_ISSUER)), ("ci", &release)]
        {
            if *predicate_type == PredicateType::PROVENANCE && std::ptr::eq(expected, &release) {
                continue;
            }
            let bytes = vectors.read(&format!("{folder}/{name}"));
            let verified = vectors
                .check(&bytes, vectors.subject(name), expected)
                .unwrap_or_else(|e| panic!("{folder}/{name}: {e}"));
            assert_eq!(verified.predicate_type(), predicate_type, "{folder}/{name}");
            assert_eq!(verified.bundle_digest(), &Digest::of(&bytes));
            assert!(verified.logged_at().to_string().starts_with("2026-11-21T"), "{}", verified.logged_at());
        }
    }
    let signed = vectors.check(&vectors.read("ci/sign-index"), &vectors.index, &release).unwrap();
    assert_eq!(signed.roles(), [IdentityRole::Release]);
    assert_eq!(signed.signer().claims.source_repository_ref.as_deref(), Some("refs/tags/v1.2.3"));
    assert!(release.authorises_version(signed.signer(), &["v1.2.3"]).is_ok());
    assert!(release.authorises_version(signed.signer(), &["v1.2.4"]).is_err());
    assert!(signed.require_type(&PredicateType::VSA).is_err());
}

#[test]
fn bundles_that_are_not_ours_are_refused_with_the_right_code() {
    let Some(vectors) = Vectors::find("bundles_that_are_not_ours_are_refused_with_the_right_code") else { return };
    let email = exactly(EMAIL, EMAIL_ISSUER);
    let ci = github("example-org/app", ".github/workflows/release.yml", "refs/tags/v*");
    let cases = [
        ("blob-signature", &email, ReasonCode::BundleContent, None),
        ("ci-branch", &ci, ReasonCode::ClaimMismatch, Some("@refs/heads/main")),
        ("ci-other-repository", &ci, ReasonCode::ClaimMismatch, Some("example-org/app-evil/")),
        ("email-lookalike", &email, ReasonCode::IdentityMismatch, Some("releaser@example.com.evil.example")),
        ("other-email", &email, ReasonCode::IdentityMismatch, Some("other@example.com")),
        ("other-trust-root", &email, ReasonCode::LogUnknown, None),
        ("two-subjects", &email, ReasonCode::SubjectCount, Some("@")),
    ];
    for (name, expected, code, found) in cases {
        let refusal = vectors.check(&vectors.read(&format!("refuse/{name}")), &vectors.index, expected).unwrap_err();
        assert_eq!(refusal.code, code, "{name}: {refusal}");
        // Who signed is told exactly where the cryptography passed.
        let signer = refusal.found.map(|found| found.signer.name);
        match (found, &signer) {
            (Some(part), Some(signer)) => assert!(signer.contains(part), "{name}: {signer}"),
            (None, None) => {}
            _ => panic!("{name}: {signer:?}"),
        }
    }
    // Only further claims refuse this one.
    let self_hosted = vectors.read("refuse/ci-self-hosted-private");
    assert!(vectors.check(&self_hosted, &vectors.index, &ci).is_ok());
    for (claim, found) in
        [("runner-environment=github-hosted", "self-hosted"), ("source-repository-visibility=public", "private")]
    {
        let claims = vec![claim.parse().unwrap()];
        let hosted = ci.clone().with_claims(claims);
        let refusal = vectors.check(&self_hosted, &vectors.index, &hosted).unwrap_err();
        assert_eq!(refusal.code, ReasonCode::ClaimMismatch);
        assert!(refusal.message.contains(found), "{refusal}");
        assert!(vectors.check(&vectors.read("ci/sign-index"), &vectors.index, &hosted).is_ok(), "{claim}");
    }
    let issuer = exactly(EMAIL, "http://127.0.0.1:9000/");
    let refusal = vectors.check(&vectors.read("email/sign-index"), &vectors.index, &issuer).unwrap_err();
    assert_eq!(refusal.code, ReasonCode::IssuerMismatch);
}

#[test]
fn what_is_refused_as_evidence_is_good_for_what_it_was_made_for() {
    let Some(vectors) = Vectors::find("what_is_refused_as_evidence_is_good_for_what_it_was_made_for") else { return };
    // `cosign sign-blob` of the index manifest's bytes.
    let blob = Unverified::of_blob(&vectors.read("refuse/blob-signature")).unwrap();
    let by = |expected: &ExpectedIdentities, digest: &Digest| {
        verify_blob(&blob, Blob::Digest(digest), BlobSigner::Identity(expected), &vectors.trust_root, moment())
    };
    let verified = by(&exactly(EMAIL, EMAIL_ISSUER), &vectors.index).unwrap();
    assert_eq!(verified.signer.unwrap().name, EMAIL);
    let code = |result: Result<VerifiedBlob, Refusal>| result.unwrap_err().code;
    assert_eq!(code(by(&exactly(EMAIL, EMAIL_ISSUER), &vectors.amd64)), ReasonCode::SubjectMismatch);
    assert_eq!(code(by(&exactly("other@example.com", EMAIL_ISSUER), &vectors.index)), ReasonCode::IdentityMismatch);
    // The other instance's own trust root accepts its bundle.
    let root = std::fs::read(vectors.folder.join("refuse/other-trust-root.trusted_root.json")).unwrap();
    let root = TrustRoot::from_json(&root).unwrap();
    let bundle = Unverified::from_bytes(&vectors.read("refuse/other-trust-root")).unwrap();
    let verified = verify(&bundle, &vectors.index, &exactly(EMAIL, "http://127.0.0.1:9100"), &root, moment());
    assert_eq!(*verified.unwrap().predicate_type(), PredicateType::SIGNATURE);
    // Two subjects are good for a blob, whichever of them it is.
    let bundle = Unverified::of_blob(&vectors.read("refuse/two-subjects")).unwrap();
    let expected = exactly(EMAIL, EMAIL_ISSUER);
    let signer = BlobSigner::Identity(&expected);
    let verified = verify_blob(&bundle, Blob::Digest(&vectors.index), signer, &vectors.trust_root, moment());
    assert!(verified.is_ok(), "{verified:?}");
}

/// A vector that is added must not be forgotten here.
#[test]
fn every_bundle_of_the_vectors_is_used_by_these_tests() {
    let Some(vectors) = Vectors::find("every_bundle_of_the_vectors_is_used_by_these_tests") else { return };
    let source = include_str!("evidence.rs");
    for folder in ["email", "ci", "refuse"] {
        for file in std::fs::read_dir(vectors.folder.join(folder)).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let Some(name) = name.strip_suffix(".sigstore.json") else { continue };
            assert!(source.contains(&format!("\"{name}\"")) || source.contains(&format!("refuse/{name}\"")), "{name}");
        }
    }
}

/// What registries hold around the bundles, as cosign left it there.
#[test]
fn lists_and_manifests_that_cosign_wrote_are_read() {
    let Some(vectors) = Vectors::find("lists_and_manifests_that_cosign_wrote_are_read") else { return };
    let read = |name: &str| std::fs::read(vectors.folder.join(name)).unwrap();
    for (name, entries) in [("referrers-amd64.json", 3), ("fallback-index.json", 2)] {
        let raw = RawManifest::new(media_type::OCI_INDEX, read(name));
        let Ok(Manifest::Index(index)) = raw.parse() else { panic!("{name} is no index") };
        assert_eq!(index.manifests.len(), entries, "{name}");
    }
    let raw = RawManifest::new(media_type::OCI_MANIFEST, read("referrer-manifest.json"));
    let Ok(Manifest::Image(manifest)) = raw.parse() else { panic!("no manifest") };
    assert!(manifest.subject.is_some() && manifest.layers.len() == 1);
    assert_eq!(manifest.effective_artifact_type(), media_type::SIGSTORE_BUNDLE);
}

#[test]
fn a_bundle_is_good_for_its_own_subject_and_time_only() {
    let Some(vectors) = Vectors::find("a_bundle_is_good_for_its_own_subject_and_time_only") else { return };
    let (expected, bytes) = (exactly(EMAIL, EMAIL_ISSUER), vectors.read("email/sign-index"));
    let refusal = vectors.check(&bytes, &vectors.amd64, &expected).unwrap_err();
    assert_eq!(refusal.code, ReasonCode::SubjectMismatch);

    let bundle = Unverified::from_bytes(&bytes).unwrap();
    let at = |now: &str, at: Option<&str>| {
        let moment = Moment { now: now.parse().unwrap(), at: at.map(|at| at.parse().unwrap()) };
        verify(&bundle, &vectors.index, &expected, &vectors.trust_root, moment)
            .map_err(|refusal| refusal.code)
            .map(|_| ())
    };
    assert_eq!(at("2026-11-21T00:00:00Z", None), Err(ReasonCode::TimeInFuture));
    assert_eq!(at(NOW, Some("2026-11-21T00:00:00Z")), Err(ReasonCode::SignedLater));
    assert_eq!(at(NOW, Some(NOW)), Ok(()));
}

#[test]
fn a_bundle_with_any_field_changed_is_refused() {
    let Some(vectors) = Vectors::find("a_bundle_with_any_field_changed_is_refused") else { return };
    let expected = exactly(CI, CI_ISSUER);
    let original: serde_json::Value = serde_json::from_slice(&vectors.read("ci/sign-index")).unwrap();
    let mut leaves = Vec::new();
    strings(&original, &mut String::new(), &mut leaves);
    assert!(leaves.len() > 15, "{leaves:?}");
    let mut refused = 0;
    for pointer in &leaves {
        for mutation in [change_first, change_middle, change_last, clear] {
            let mut bundle = original.clone();
            let leaf = bundle.pointer_mut(pointer).unwrap();
            let changed = mutation(leaf.as_str().unwrap());
            *leaf = serde_json::Value::String(changed);
            if bundle == original {
                continue;
            }
            let result = vectors.check(bundle.to_string().as_bytes(), &vectors.index, &expected);
            assert!(result.is_err(), "{pointer} changed to {}", bundle.pointer(pointer).unwrap());
            refused += 1;
        }
    }
    eprintln!("{refused} mutations of {} fields refused", leaves.len());
}

/// JSON pointers of all strings.
fn strings(value: &serde_json::Value, at: &mut String, out: &mut Vec<String>) {
    let mut down = |key: &str, value: &serde_json::Value| {
        let length = at.len();
        at.push('/');
        at.push_str(key);
        strings(value, at, out);
        at.truncate(length);
    };
    match value {
        serde_json::Value::Object(object) => object.iter().for_each(|(key, value)| down(key, value)),
        serde_json::Value::Array(items) => items.iter().enumerate().for_each(|(i, value)| down(&i.to_string(), value)),
        serde_json::Value::String(_) => out.push(at.clone()),
        _ => {}
    }
}

fn change_at(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if let Some(byte) = bytes.get_mut(at) {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn change_first(text: &str) -> String {
    change_at(text, 0)
}

fn change_middle(text: &str) -> String {
    change_at(text, text.len() / 2)
}

/// The last character that is not padding.
fn change_last(text: &str) -> String {
    change_at(text, text.trim_end_matches(['=', '\n']).len().saturating_sub(2))
}

fn clear(_: &str) -> String {
    String::new()
}

type Edit = fn(&mut serde_json::Value);

#[test]
fn each_bound_and_shape_has_its_own_refusal() {
    let Some(vectors) = Vectors::find("each_bound_and_shape_has_its_own_refusal") else { return };
    let original: serde_json::Value = serde_json::from_slice(&vectors.read("email/sign-index")).unwrap();
    let cases: [(&str, ReasonCode, Edit); 10] = [
        ("downgraded to v0.1", ReasonCode::BundleVersion, |b| {
            b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1".into();
        }),
        ("unknown version", ReasonCode::BundleMalformed, |b| {
            b["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.9+json".into();
        }),
        ("no log entry", ReasonCode::LogEntryMissing, |b| {
            b["verificationMaterial"]["tlogEntries"] = serde_json::json!([]);
        }),
        ("the same log entry twice", ReasonCode::LogEntryCount, |b| {
            let entries = b["verificationMaterial"]["tlogEntries"].as_array_mut().unwrap();
            entries.push(entries[0].clone());
        }),
        ("too many log entries", ReasonCode::BundleCounts, |b| {
            let entries = b["verificationMaterial"]["tlogEntries"].as_array_mut().unwrap();
            *entries = vec![entries[0].clone(); 33];
        }),
        ("no timestamp", ReasonCode::TimestampMissing, |b| {
            b["verificationMaterial"]["timestampVerificationData"] = serde_json::json!({});
        }),
        ("no inclusion proof", ReasonCode::InclusionProofInvalid, |b| {
            b["verificationMaterial"]["tlogEntries"][0].as_object_mut().unwrap().remove("inclusionProof");
        }),
        ("another tree size than the checkpoint's", ReasonCode::InclusionProofInvalid, |b| {
            b["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["treeSize"] = "99".into();
        }),
        ("two signatures", ReasonCode::SignatureCount, |b| {
            let signatures = b["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
            signatures.push(signatures[0].clone());
        }),
        ("another payload type", ReasonCode::PayloadType, |b| {
            b["dsseEnvelope"]["payloadType"] = "application/json".into();
        }),
    ];
    for (what, code, edit) in cases {
        let mut bundle = original.clone();
        edit(&mut bundle);
        let result = vectors.check(bundle.to_string().as_bytes(), &vectors.index, &exactly(EMAIL, EMAIL_ISSUER));
        assert_eq!(result.map(|_| ()).map_err(|e| e.code), Err(code), "{what}");
    }
    let large = vec![b' '; 10 * 1024 * 1024 + 1];
    assert_eq!(Unverified::from_bytes(&large).unwrap_err().code, ReasonCode::BundleTooLarge);
}
