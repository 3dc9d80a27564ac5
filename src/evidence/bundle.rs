//! A Sigstore bundle as foreign bytes: capped, then parsed, then still not believed.
//!
//! Only what every later step relies on is settled here: v0.3, a DSSE envelope with an in-toto payload and one
//! signature, one leaf certificate, exactly one log entry. Older media types are refused because their rules accept
//! weaker proofs (v0.1 needs no inclusion proof), and the media type itself is not signed.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IgnoredAny;
use sigstore_types::bundle::VerificationMaterialContent;
use sigstore_types::{DsseEnvelope, SignatureContent, TransparencyLogEntry};

use crate::evidence::log::Required;
use crate::evidence::{IN_TOTO_PAYLOAD_TYPE, Refusal};
use crate::oci::Digest;
use crate::policy::ReasonCode;

/// Largest bundle we read: room for an SBOM of some tens of thousands of components, and what other verifiers allow.
pub const MAX_BUNDLE_BYTES: u64 = 10 * 1024 * 1024;
/// Most log entries and timestamps looked at before anything is parsed (sigstore-go's limit; CVE-2024-45395).
const MAX_ENTRIES: usize = 32;

const MEDIA_TYPES: [&str; 2] =
    ["application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.sigstore.bundle+json;version=0.3"];
const OLD_MEDIA_TYPES: [&str; 2] =
    ["application/vnd.dev.sigstore.bundle+json;version=0.1", "application/vnd.dev.sigstore.bundle+json;version=0.2"];

/// Foreign content that nothing may act on until [`crate::evidence::verify()`] has accepted it.
#[derive(Debug, Clone)]
pub struct Unverified<T>(T);

impl<T> Unverified<T> {
    pub(super) fn of(content: T) -> Self {
        Self(content)
    }

    pub(super) fn inner(&self) -> &T {
        &self.0
    }
}

/// A parsed bundle of the one shape we accept.
#[derive(Debug, Clone)]
pub struct Bundle {
    digest: Digest,
    pub(super) parsed: sigstore_types::Bundle,
    pub(super) shape: Shape,
}

/// Where the bundle came from, and so what it must bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// A Sigstore bundle v0.3 with an envelope.
    BundleV03,
    /// cosign's older layout, a simple-signing payload.
    LegacySignature { payload: Vec<u8> },
    /// cosign's older layout, an envelope.
    LegacyEnvelope,
}

impl Shape {
    /// The older layout has no place for a proof.
    pub(super) fn required_of_log(&self) -> Required {
        match self {
            Self::BundleV03 => Required::Proof,
            Self::LegacySignature { .. } | Self::LegacyEnvelope => Required::Promise,
        }
    }
}

impl Bundle {
    pub(super) fn envelope(&self) -> Result<&DsseEnvelope, Refusal> {
        match &self.parsed.content {
            SignatureContent::DsseEnvelope(envelope) => Ok(envelope),
            _ => {
                let message = "a message signature, expected a DSSE envelope";
                Err(Refusal::new(ReasonCode::BundleContent, message))
            }
        }
    }

    /// One, or none where the trust root has no log: whether that will do is judged there.
    pub(super) fn log_entry(&self) -> Result<Option<&TransparencyLogEntry>, Refusal> {
        match self.parsed.verification_material.tlog_entries.is_empty() {
            true => Ok(None),
            false => log_entry(&self.parsed).map(Some),
        }
    }

    pub(super) fn certificate(&self) -> Result<&[u8], Refusal> {
        match &self.parsed.verification_material.content {
            VerificationMaterialContent::Certificate(certificate) => Ok(certificate.raw_bytes.as_bytes()),
            VerificationMaterialContent::X509CertificateChain { .. } => {
                Err(Refusal::new(ReasonCode::BundleMaterial, "a certificate chain, expected the leaf alone"))
            }
            _ => {
                let message = "no certificate: the bundle was signed with a managed key";
                Err(Refusal::new(ReasonCode::BundleMaterial, message))
            }
        }
    }
}

impl Unverified<Bundle> {
    /// Reads bundle bytes whose digest the caller has checked.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        let parsed = parse(bytes, Versions::Current)?;
        Self::checked(Bundle { digest: Digest::of(bytes), parsed, shape: Shape::BundleV03 })
    }

    /// A bundle put together from another layout; `digest` names it in reports.
    pub(super) fn of_shape(document: &serde_json::Value, digest: Digest, shape: Shape) -> Result<Self, Refusal> {
        let parsed = parse(document.to_string().as_bytes(), Versions::All)?;
        Self::checked(Bundle { digest, parsed, shape })
    }

    fn checked(bundle: Bundle) -> Result<Self, Refusal> {
        if !matches!(bundle.shape, Shape::LegacySignature { .. }) {
            let envelope = bundle.envelope()?;
            if envelope.payload_type != IN_TOTO_PAYLOAD_TYPE {
                let found: String = envelope.payload_type.chars().take(200).collect();
                let message = format!("payload type: expected {IN_TOTO_PAYLOAD_TYPE}, found {found:?}");
                return Err(Refusal::new(ReasonCode::PayloadType, message));
            }
        }
        bundle.log_entry()?;
        bundle.certificate()?;
        Ok(Self(bundle))
    }

    /// The digest of the bundle's bytes, which names it in reports.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.0.digest
    }
}

/// Exactly one: of several, one log could count twice.
pub(super) fn log_entry(bundle: &sigstore_types::Bundle) -> Result<&TransparencyLogEntry, Refusal> {
    match bundle.verification_material.tlog_entries.as_slice() {
        [entry] => Ok(entry),
        [] => Err(Refusal::new(ReasonCode::LogEntryMissing, "the bundle has no log entry")),
        entries => {
            let message = format!("expected exactly one log entry, found {}", entries.len());
            Err(Refusal::new(ReasonCode::LogEntryCount, message))
        }
    }
}

/// Which media types are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versions {
    /// v0.3, from registries.
    Current,
    /// v0.1 and v0.2 too, for blobs.
    All,
}

/// Size, media type and counts are settled before the typed parse allocates anything.
pub(super) fn parse(bytes: &[u8], versions: Versions) -> Result<sigstore_types::Bundle, Refusal> {
    if bytes.len() as u64 > MAX_BUNDLE_BYTES {
        let message = format!("bundle of {} bytes, at most {MAX_BUNDLE_BYTES} are read", bytes.len());
        return Err(Refusal::new(ReasonCode::BundleTooLarge, message));
    }
    let peek: Peek = serde_json::from_slice(bytes).map_err(|e| malformed(&format!("no bundle: {e}")))?;
    peek.check_media_type(versions)?;
    peek.check_counts()?;
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("no bundle: not UTF-8"))?;
    let parsed = sigstore_types::Bundle::from_json(text).map_err(|e| malformed(&format!("no bundle: {e}")))?;
    check_timestamps(&parsed)?;
    Ok(parsed)
}

/// A timestamp that stands twice must not count twice.
fn check_timestamps(bundle: &sigstore_types::Bundle) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    let all = &bundle.verification_material.timestamp_verification_data.rfc3161_timestamps;
    if all.iter().all(|timestamp| seen.insert(timestamp.signed_timestamp.as_bytes())) {
        return Ok(());
    }
    Err(Refusal::new(ReasonCode::TimestampInvalid, "the same timestamp twice"))
}

pub(super) fn malformed(message: &str) -> Refusal {
    Refusal::new(ReasonCode::BundleMalformed, message)
}

/// Just enough to count before the typed parse allocates.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Peek {
    media_type: String,
    verification_material: PeekMaterial,
    dsse_envelope: Option<PeekEnvelope>,
}

#[derive(Deserialize)]
struct PeekEnvelope {
    #[serde(default)]
    signatures: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PeekMaterial {
    #[serde(default)]
    tlog_entries: Vec<IgnoredAny>,
    timestamp_verification_data: Option<PeekTimestamps>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PeekTimestamps {
    #[serde(default)]
    rfc3161_timestamps: Vec<IgnoredAny>,
}

impl Peek {
    fn check_media_type(&self, versions: Versions) -> Result<(), Refusal> {
        let media_type: String = self.media_type.chars().take(200).collect();
        let is_old = OLD_MEDIA_TYPES.contains(&self.media_type.as_str());
        if is_old && versions == Versions::Current {
            let message = format!("bundle {media_type}: expected v0.3, older rules accept weaker proofs");
            return Err(Refusal::new(ReasonCode::BundleVersion, message));
        }
        if !is_old && !MEDIA_TYPES.contains(&self.media_type.as_str()) {
            return Err(malformed(&format!("unknown bundle media type {media_type:?}")));
        }
        Ok(())
    }

    /// Exactly one signature (DSSE allows several): which of two would count is nobody's to guess.
    fn check_counts(&self) -> Result<(), Refusal> {
        let material = &self.verification_material;
        let timestamps = material.timestamp_verification_data.as_ref().map_or(0, |data| data.rfc3161_timestamps.len());
        if material.tlog_entries.len() > MAX_ENTRIES || timestamps > MAX_ENTRIES {
            let message = format!("more than {MAX_ENTRIES} log entries or timestamps");
            return Err(Refusal::new(ReasonCode::BundleCounts, message));
        }
        match self.dsse_envelope.as_ref().map(|envelope| envelope.signatures.len()) {
            None | Some(1) => Ok(()),
            Some(count) => {
                let message = format!("expected exactly one signature in the envelope, found {count}");
                Err(Refusal::new(ReasonCode::SignatureCount, message))
            }
        }
    }
}
