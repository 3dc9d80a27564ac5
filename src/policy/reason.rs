//! Reason codes: why something was denied, refuted, unknown, skipped or only noted.
//!
//! Codes are kebab-case and stable API; sentences are not. One table holds every code with its help, so that the
//! reference page, the tests and the program cannot disagree.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::policy::Explanation;

macro_rules! reason_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $help:literal;)+) => {
        /// A stable code. The doc comment of each variant says when it is given.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ReasonCode { $($(#[doc = $doc])+ $variant,)+ }

        impl ReasonCode {
            /// Every code, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// When it is given: the doc comment, for the reference page.
            #[must_use]
            pub fn when(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// What to do next; empty where nothing is to be done.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)+ }
            }
        }
    };
}

reason_codes! {
    // ── evidence ────────────────────────────────────────────────────────────────────────────────────────────
    /// Everything was readable and no sufficient signature is there.
    Unsigned = "unsigned", "promote the digest, or check the expected identity";
    /// No sufficient attestation of a required predicate type.
    MissingAttestation = "missing-attestation", "run countersign promote for this digest";
    /// A child of a verified index without its own signature or VSA.
    CoveredByIndex = "covered-by-index", "";
    /// The certificate's subject alternative name is not an expected one.
    IdentityMismatch = "identity-mismatch", "compare expected and found identity";
    /// The certificate's OIDC issuer is not the expected one.
    IssuerMismatch = "issuer-mismatch", "compare expected and found issuer";
    /// A GitHub claim in the certificate differs from the expected one.
    ClaimMismatch = "claim-mismatch", "compare expected and found repository, workflow and ref";
    /// The statement's predicate type is not the one asked for.
    PredicateTypeMismatch = "predicate-type-mismatch", "";
    /// The statement is about another digest.
    SubjectMismatch = "subject-mismatch", "";
    /// The statement names more or fewer than one subject.
    SubjectCount = "subject-count", "";
    /// `_type` is neither in-toto Statement v1 nor v0.1, or the payload is no in-toto statement.
    StatementMalformed = "statement-malformed", "";
    /// The bundle cannot be parsed, or is not of the media type it claims.
    BundleMalformed = "bundle-malformed", "";
    /// The bundle is older than v0.3, whose rules allow weaker proofs.
    BundleVersion = "bundle-version", "";
    /// The bundle is larger than the limit.
    BundleTooLarge = "bundle-too-large", "";
    /// More log entries or timestamps than the limit.
    BundleCounts = "bundle-counts", "";
    /// A message signature, where a statement in a DSSE envelope is asked for, or the other way round.
    BundleContent = "bundle-content", "sign with cosign sign or cosign attest, not with sign-blob";
    /// The bundle carries a chain, a public key's hint or nothing instead of the one signing certificate.
    BundleMaterial = "bundle-material", "";
    /// The envelope's payload is of another type than in-toto.
    PayloadType = "payload-type", "";
    /// The envelope has no signature, or several.
    SignatureCount = "signature-count", "";
    /// The signature does not verify with the certificate's key.
    SignatureInvalid = "signature-invalid", "";
    /// The certificate cannot be read or has not the form of a signing certificate: usages, names, issuer.
    CertificateInvalid = "certificate-invalid", "";
    /// The certificate does not chain to an authority of the trust root, for code signing, at the trusted time.
    CertificateUntrusted = "certificate-untrusted", "check which Sigstore instance signed it: --trust-root";
    /// A trusted time lies outside the certificate's dates.
    CertificateExpired = "certificate-expired", "";
    /// A certificate authority above the signing certificate was out of date at a trusted time.
    AuthorityExpired = "authority-expired", "";
    /// The certificate carries no SCT.
    SctMissing = "sct-missing", "";
    /// The certificate's SCT does not verify, is not exactly one, or is of a log or time outside the trust root.
    SctInvalid = "sct-invalid", "check which Sigstore instance signed it: --trust-root";
    /// The bundle has no transparency log entry.
    LogEntryMissing = "log-entry-missing", "";
    /// More than one transparency log entry: one log must not count twice, and we ask for one.
    LogEntryCount = "log-entry-count", "";
    /// The entry is of a log that is not in the trust root.
    LogUnknown = "log-unknown", "check which Sigstore instance signed it: --trust-root";
    /// The log's key was not in use at the trusted time.
    LogKeyWindow = "log-key-window", "";
    /// The log entry is about another signature, certificate or content.
    LogEntryMismatch = "log-entry-mismatch", "";
    /// The log entry cannot be read, or is of a kind that does not fit.
    LogEntryInvalid = "log-entry-invalid", "";
    /// No inclusion proof, or one that does not lead to the checkpoint's root.
    InclusionProofInvalid = "inclusion-proof-invalid", "";
    /// The checkpoint is missing, malformed, of another origin, or not signed by the entry's log.
    CheckpointInvalid = "checkpoint-invalid", "";
    /// The log's promise (signed entry timestamp) is missing or does not verify.
    InclusionPromiseInvalid = "inclusion-promise-invalid", "";
    /// No trusted time: neither a timestamp nor a signed integrated time.
    TimestampMissing = "timestamp-missing", "";
    /// A timestamp that does not verify, stands twice, or is outside its authority's validity.
    TimestampInvalid = "timestamp-invalid", "check which Sigstore instance signed it: --trust-root";
    /// The trusted time lies in the future.
    TimeInFuture = "time-in-future", "check this machine's clock: countersign doctor";
    /// Signed later than `--at`.
    SignedLater = "signed-later", "";
    /// Another cryptographic check of the Sigstore client failed.
    VerificationFailed = "verification-failed", "";
    // ── identities that accept more than was meant (warnings, and `policy lint`) ────────────────────────────
    /// An identity regexp without anchors: countersign matches the whole name, other verifiers match inside a longer one.
    IdentityUnanchored = "identity-unanchored", "write the regexp as ^…$";
    /// The expected identity accepts any git ref, so that every branch and pull request may sign.
    IdentityAnyRef = "identity-any-ref", "name the ref: refs/tags/v* for releases";
    /// The expected identity accepts any workflow of the repository.
    IdentityAnyWorkflow = "identity-any-workflow", "name the workflow file";
    /// The expected identity accepts workflows of repositories that it does not name.
    IdentityAnyRepository = "identity-any-repository", "name owner and repository";
    /// An identity without an issuer: any provider that Fulcio trusts could vouch for that name.
    IdentityIssuerMissing = "identity-issuer-missing", "name the issuer";
    /// A reusable workflow's name says nothing about who called it, and the calling repository is not asked for.
    IdentityReusableWorkflow = "identity-reusable-workflow", "ask for the calling repository too: --github-repository";
    /// The expected identity accepts e-mail addresses that it does not name.
    IdentityEmailWildcard = "identity-email-wildcard", "list each address";
    // ── registry ────────────────────────────────────────────────────────────────────────────────────────────
    /// The reference does not exist.
    NotFound = "not-found", "check the name and the digest or tag";
    /// 401 or an expired token.
    Unauthenticated = "unauthenticated", "log in to the registry, or pass --registry-token-stdin";
    /// 403.
    Forbidden = "forbidden", "check that the credential may read (and for promote: write) this package";
    /// Could not reach, timed out, 5xx, rate limited, truncated.
    Unreachable = "unreachable", "try again; nothing was decided";
    /// Bytes contradict their digest or size.
    DigestMismatch = "digest-mismatch", "the registry serves other bytes than it was asked for: do not use it";
    /// An index names a child that is not there.
    ChildMissing = "child-missing", "push the image again";
    /// More referrers than the limit.
    TooManyReferrers = "too-many-referrers", "clean up referrers of this digest";
    /// Another limit (depth, children, size) was hit.
    LimitExceeded = "limit-exceeded", "";
    /// The registry's answer makes no sense.
    MalformedAnswer = "malformed-answer", "";
    /// The referrers API gave no usable answer and nothing was found elsewhere.
    ReferrersUnclear = "referrers-unclear", "try again, or ask the registry's operator for the referrers API";
    // ── resolve ─────────────────────────────────────────────────────────────────────────────────────────────
    /// The record names another repository.
    RepositoryMismatch = "repository-mismatch", "";
    /// The record does not allow this tag.
    TagNotAuthorised = "tag-not-authorised", "find out who moved the tag; pin the digest of a release that verifies";
    /// The version was withdrawn.
    Withdrawn = "withdrawn", "use the version the channel points to";
    /// A channel does not point to the highest version of its scope.
    NotHighest = "not-highest", "find out who moved the tag; resolve a version tag meanwhile";
    /// A channel or version shows something older than when it was resolved before (--state), and nothing explains it.
    ChannelRolledBack = "channel-rolled-back", "find out who moved the tag; resolve a version tag meanwhile";
    /// A channel does not show a higher version that was resolved before (--state), and nothing explains it.
    ChannelFrozen = "channel-frozen", "find out why the registry does not show it; resolve a version tag meanwhile";
    // ── policy ──────────────────────────────────────────────────────────────────────────────────────────────
    /// A finding of a denied severity.
    VulnerabilityDenied = "vulnerability-denied", "update the package, or change policy.vulnerabilities";
    /// A finding of a severity that only warns.
    VulnerabilityWarned = "vulnerability-warned", "";
    /// The scan is older than `scan.max-age`.
    ScanTooOld = "scan-too-old", "scan again";
    /// The vulnerability database is older than `scan.max-db-age`.
    DatabaseTooOld = "database-too-old", "update the database, or raise policy.scan.max-db-age";
    /// Something in the image could not be read or is not supported.
    SbomIncomplete = "sbom-incomplete", "countersign sbom shows the anomalies";
    /// The image has no component at all.
    SbomEmpty = "sbom-empty", "";
    /// A required platform is missing.
    PlatformMissing = "platform-missing", "build the platform, or drop it from images[].require.platforms";
    /// A required label is missing.
    LabelMissing = "label-missing", "set the label in the build";
    /// A label contradicts the release.
    LabelMismatch = "label-mismatch", "build the image from the released commit";
    /// `policy.provenance.require` is set, and no build provenance counts.
    ProvenanceMissing = "provenance-missing", "attest the build (actions/attest-build-provenance with push-to-registry), and list its workflow under policy.provenance.builders";
    /// Who signed the provenance is not listed.
    ProvenanceBuilder = "provenance-builder", "list the builder under policy.provenance.builders, or pass --provenance-builder";
    /// The gate's own identity signed the provenance.
    ProvenanceOwnIdentity = "provenance-own-identity", "build in another workflow file than the gate's, and name the gate's in identity.github.workflow";
    /// Certificate or predicate of the provenance name another repository.
    ProvenanceRepository = "provenance-repository", "build the image from the released repository";
    /// Certificate or predicate of the provenance name another commit.
    ProvenanceCommit = "provenance-commit", "build the image from the released commit";
    /// Certificate or predicate of the provenance name another git ref.
    ProvenanceRef = "provenance-ref", "build the image in a run of the released ref";
    /// The predicate names no builder, source repository or commit in a way we read.
    ProvenanceUnreadable = "provenance-unreadable", "";
    /// A child that is neither image nor attestation, or a platform twice.
    UnsupportedChild = "unsupported-child", "remove the child from the index";
    /// Larger than `require.max-compressed-size`.
    ImageTooLarge = "image-too-large", "";
    /// Runs as root although `require.non-root` is set.
    RunsAsRoot = "runs-as-root", "set USER in the build";
    /// A rule of the user's own policy.
    PolicyRule = "policy-rule", "";
    // ── tools and services ─────────────────────────────────────────────────────────────────────────────────
    /// The scanner binary is not in the table of accepted digests.
    ScannerNotAccepted = "scanner-not-accepted", "use an accepted Trivy, or list its digest under trivy-digests";
    /// The scanner crashed, printed garbage, took too long, or did not find the planted finding.
    ScanFailed = "scan-failed", "try again; nothing was decided";
    /// The identity token is missing, expired or refused.
    IdentityTokenRefused = "identity-token-refused", "get a fresh identity token: --identity-token-file";
    /// A signal stopped the run.
    Interrupted = "interrupted", "run the same command again: it finishes what was begun";
    /// Fulcio, Rekor or the timestamp authority could not be used.
    SigningFailed = "signing-failed", "try again; no tag was moved";
    // ── tags ────────────────────────────────────────────────────────────────────────────────────────────────
    /// A write-once tag holds another digest.
    TagTaken = "tag-taken", "release a new version, or --resume the recorded digest";
    /// The version's record names another digest.
    VersionRecorded = "version-recorded", "countersign promote --resume --version V";
    /// A channel, or a higher version tag, without a record of ours.
    ForeignTarget = "foreign-target", "countersign promote --adopt";
    /// A commit tag was published by another build of the same commit.
    CommitAlreadyPublished = "commit-already-published", "";
    /// The tag list could not be read completely: no channel moves.
    ListIncomplete = "list-incomplete", "try again; nothing was decided";
    /// Where a tag points, or what records its target has, could not be read.
    TargetUnknown = "target-unknown", "try again; nothing was decided";
    /// A rollback holds the channel until a release above the version rolled back from.
    ChannelHeld = "channel-held", "";
    /// No version is left that the channel could show; it stays where it is, and is not resolved.
    NoVersionLeft = "no-version-left", "release a new version";
    /// A branch tag shows a commit that ours does not descend from.
    NotDescendant = "not-descendant", "";
    /// A tag changed between the look and the write, or right after.
    TagMoved = "tag-moved", "run the same command again";
    /// What --confirm-plan names is not what would happen now.
    PlanOutdated = "plan-outdated", "make a new plan: countersign promote --save-plan FILE";
    /// Denied although some tags of this release are already public.
    DeniedAfterPartialRelease = "denied-after-partial-release", "countersign withdraw";
    /// A candidate already bears the release identity's signature.
    IdentityShared = "identity-shared", "give the gate a workflow file of its own";
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no reason code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown reason code {text:?}")]
pub struct UnknownReasonCode {
    pub text: String,
}

impl FromStr for ReasonCode {
    type Err = UnknownReasonCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().copied().find(|code| code.as_str() == text);
        found.ok_or_else(|| UnknownReasonCode { text: text.to_owned() })
    }
}

impl Serialize for ReasonCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One reason: code, what was expected and found, and the next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    pub code: ReasonCode,
    pub message: String,
    pub help: String,
    /// Expected beside found, where something authentic does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Box<Explanation>>,
}

impl Reason {
    /// A reason with the code's own help.
    #[must_use]
    pub fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: code.help().to_owned(), explanation: None }
    }

    #[must_use]
    pub fn explained(mut self, explanation: Explanation) -> Self {
        self.explanation = Some(Box::new(explanation));
        self
    }

    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_kebab_case_unique_and_round_trip() {
        let mut seen = std::collections::BTreeSet::new();
        for code in ReasonCode::ALL {
            let text = code.as_str();
            assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{text}");
            assert!(seen.insert(text), "{text} twice");
            assert_eq!(text.parse(), Ok(*code));
        }
        assert!("nonsense".parse::<ReasonCode>().is_err());
    }
}
