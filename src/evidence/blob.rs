//! Verification of blobs: files and digests outside a registry, as the sigstore-conformance protocol asks for them.
//!
//! Wider than for images: bundles from v0.1 on, message signatures, statements with several subjects, managed keys, and the
//! issuer of old certificates. Log, cryptography and times are the same steps ([`super::authenticate`]). Nothing verified
//! here is ever evidence about an image: there is no way from [`VerifiedBlob`] to `Verified<Statement>`.

use jiff::Timestamp;
use serde::Deserialize;
use sigstore_types::bundle::VerificationMaterialContent;
use sigstore_types::{Artifact, DerPublicKey, MediaType, SignatureContent};
use sigstore_verify::{PublicKeyVerificationPolicy, VerificationPolicy};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::evidence::authenticate::{Claim, SignerKind};
use crate::evidence::bundle::{self, Versions};
use crate::evidence::certificate::{self, Issuers};
use crate::evidence::log::Required;
use crate::evidence::verify::artifact;
use crate::evidence::{IN_TOTO_PAYLOAD_TYPE, Moment, Refusal, TrustRoot, Unverified, statement};
use crate::identity::{ExpectedIdentities, SignerIdentity};
use crate::oci::Digest;
use crate::policy::ReasonCode;

/// A bundle of any version, with a message signature or an envelope.
#[derive(Debug, Clone)]
pub struct BlobBundle {
    parsed: sigstore_types::Bundle,
}

impl Unverified<BlobBundle> {
    /// Reads bundle bytes, under the same limits as for images.
    pub fn of_blob(bytes: &[u8]) -> Result<Self, Refusal> {
        let parsed = bundle::parse(bytes, Versions::All)?;
        bundle::log_entry(&parsed)?;
        Ok(Self::of(BlobBundle { parsed }))
    }
}

/// What the bundle must be about; for an envelope, one of the statement's subjects.
#[derive(Debug, Clone, Copy)]
pub enum Blob<'a> {
    Bytes(&'a [u8]),
    Digest(&'a Digest),
}

/// A public key that was agreed on beforehand.
#[derive(Debug, Clone)]
pub struct PublicKey(DerPublicKey);

impl PublicKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`.
    pub fn from_pem(text: &str) -> Result<Self, Refusal> {
        let key = DerPublicKey::from_pem(text);
        key.map(Self).map_err(|e| Refusal::new(ReasonCode::VerificationFailed, format!("no public key: {e}")))
    }
}

/// Who must have signed.
#[derive(Debug, Clone, Copy)]
pub enum BlobSigner<'a> {
    Identity(&'a ExpectedIdentities),
    Key(&'a PublicKey),
}

/// A blob whose signature, log entry and signer are all in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedBlob {
    /// `None` where a managed key signed.
    pub signer: Option<SignerIdentity>,
    /// The earliest trusted time; `None` only where a managed key signed.
    pub logged_at: Option<Timestamp>,
}

/// Verifies `bundle` as a signature over `blob`, or as a statement about it. Steps as in [`super::verify()`], but (2) only for
/// certificates, and (9), (10) for any of the subjects.
pub fn verify_blob(
    bundle: &Unverified<BlobBundle>,
    blob: Blob<'_>,
    signer: BlobSigner<'_>,
    trust_root: &TrustRoot,
    moment: Moment,
) -> Result<VerifiedBlob, Refusal> {
    let parsed = &bundle.inner().parsed;
    match signer {
        BlobSigner::Identity(expected) => by_certificate(parsed, blob, expected, trust_root, moment),
        BlobSigner::Key(key) => by_key(parsed, blob, key, trust_root, moment),
    }
}

/// Does a blob's bundle that this process has just signed stand up to the trust root? Says nothing about who may sign.
pub(crate) fn authenticate_own_blob(
    bytes: &[u8],
    blob: &[u8],
    trust_root: &TrustRoot,
    now: Timestamp,
) -> Result<(), Refusal> {
    let bundle = Unverified::of_blob(bytes)?;
    authentic(&bundle.inner().parsed, Blob::Bytes(blob), trust_root, Moment::now(now)).map(|_| ())
}

fn by_certificate(
    parsed: &sigstore_types::Bundle,
    blob: Blob<'_>,
    expected: &ExpectedIdentities,
    trust_root: &TrustRoot,
    moment: Moment,
) -> Result<VerifiedBlob, Refusal> {
    let (found, logged_at) = authentic(parsed, blob, trust_root, moment)?;
    // (11)
    expected.matches(&found).map_err(|mismatch| Refusal::new(mismatch.code(), mismatch.to_string()))?;
    Ok(VerifiedBlob { signer: Some(found), logged_at })
}

fn authentic(
    parsed: &sigstore_types::Bundle,
    blob: Blob<'_>,
    trust_root: &TrustRoot,
    moment: Moment,
) -> Result<(SignerIdentity, Option<Timestamp>), Refusal> {
    // (2)
    let found = certificate::read(leaf(parsed)?, Issuers::AlsoDeprecated, true)?;
    // (3) to (8), and the subject of (10)
    let policy = VerificationPolicy::any_identity();
    let times = claim(parsed, blob, policy, SignerKind::Certificate)?.authenticate(trust_root, moment, |r| r)?;
    // (9)
    check_statement(parsed)?;
    Ok((found, times.into_iter().min()))
}

fn by_key(
    parsed: &sigstore_types::Bundle,
    blob: Blob<'_>,
    key: &PublicKey,
    trust_root: &TrustRoot,
    moment: Moment,
) -> Result<VerifiedBlob, Refusal> {
    let policy = PublicKeyVerificationPolicy::new(key.0.clone());
    let times = claim(parsed, blob, policy, SignerKind::Key)?.authenticate(trust_root, moment, |r| r)?;
    check_statement(parsed)?;
    Ok(VerifiedBlob { signer: None, logged_at: times.into_iter().min() })
}

fn claim<'a, P: sigstore_verify::Policy>(
    parsed: &'a sigstore_types::Bundle,
    blob: Blob<'a>,
    policy: P,
    signer: SignerKind,
) -> Result<Claim<'a, P>, Refusal> {
    let artifact = match blob {
        Blob::Bytes(bytes) => Artifact::from_blob(bytes),
        Blob::Digest(digest) => artifact(digest)?,
    };
    let required = match parsed.media_type {
        MediaType::Bundle0_1 => Required::Promise,
        _ => Required::Proof,
    };
    Ok(Claim { bundle: parsed, entry: Some(bundle::log_entry(parsed)?), artifact, policy, required, signer })
}

/// The leaf; a chain may come along before v0.3, but no root: that is the trust root's to say.
fn leaf(parsed: &sigstore_types::Bundle) -> Result<&[u8], Refusal> {
    let refuse = |message: &str| Err(Refusal::new(ReasonCode::BundleMaterial, message));
    match &parsed.verification_material.content {
        VerificationMaterialContent::Certificate(certificate) => Ok(certificate.raw_bytes.as_bytes()),
        VerificationMaterialContent::X509CertificateChain { certificates } => {
            let Some((leaf, others)) = certificates.split_first() else { return refuse("an empty certificate chain") };
            for other in others {
                if is_self_issued(other.raw_bytes.as_bytes())? {
                    return refuse("a root certificate in the bundle");
                }
            }
            Ok(leaf.raw_bytes.as_bytes())
        }
        _ => refuse("no certificate: the bundle was signed with a managed key"),
    }
}

fn is_self_issued(der: &[u8]) -> Result<bool, Refusal> {
    let certificate = Certificate::from_der(der)
        .map_err(|e| Refusal::new(ReasonCode::CertificateInvalid, format!("unreadable certificate: {e}")))?;
    Ok(certificate.tbs_certificate.subject == certificate.tbs_certificate.issuer)
}

/// An envelope holds a statement of a version we know; which subject it is was compared in step 4.
fn check_statement(parsed: &sigstore_types::Bundle) -> Result<(), Refusal> {
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "_type")]
        r#type: String,
    }
    let SignatureContent::DsseEnvelope(envelope) = &parsed.content else { return Ok(()) };
    if envelope.payload_type != IN_TOTO_PAYLOAD_TYPE {
        return Err(Refusal::new(ReasonCode::PayloadType, "the payload is no in-toto statement"));
    }
    let malformed = |why: String| Refusal::new(ReasonCode::StatementMalformed, why);
    let typed: Typed = serde_json::from_slice(envelope.payload.as_bytes()).map_err(|e| malformed(e.to_string()))?;
    match statement::is_known_type(&typed.r#type) {
        true => Ok(()),
        false => Err(malformed("the statement is neither v1 nor v0.1".to_owned())),
    }
}
