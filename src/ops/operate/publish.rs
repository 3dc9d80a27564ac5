//! Signs one statement of an operator, attaches it, and reads it back with a fresh client.

use crate::evidence::{PredicateType, Statement, Unverified, Verified, verify};
use crate::oci::{Digest, DigestReference};
use crate::ops::gather::{Rules, lookup_failure};
use crate::ops::look::{Failures, Look};
use crate::ops::operate::{Ending, Halt, Operator};
use crate::ops::promote::Stop;
use crate::policy::{Reason, ReasonCode};
use crate::registry::attach::{AttachOptions, attach, bundle_manifest, upload_bundles};
use crate::registry::{ErrorKind, RegistryError};
use crate::sigstore::{SigstoreError, SigstoreErrorKind};

impl Operator {
    /// Attaches `predicate` to `subject` and returns the statement as a stranger sees it. What a reader would refuse is
    /// not attached: `accept` is asked first.
    pub(super) async fn publish<T>(
        &self,
        subject: &DigestReference,
        predicate_type: PredicateType,
        predicate: serde_json::Value,
        accept: impl Fn(&Verified<Statement>) -> Option<T>,
    ) -> Result<T, Halt> {
        let statement = Statement::new(subject.digest.clone(), predicate_type.clone(), predicate);
        let bytes = statement.to_named_bytes(&subject.repository.to_string());
        let payload = Digest::of(&bytes);
        self.reporter.begin("attest");
        let signed = self.signer.sign(&[bytes]).await.map_err(|error| signing_failed(&error))?;
        let [bundle] = signed.as_slice() else {
            return Err(internal(format!("one statement was signed, {} bundles came back", signed.len())));
        };
        let (expected, rules) = (self.operators(), self.rules());
        let Rules { trust_root, moment, .. } = rules;
        let verified = Unverified::from_bytes(&bundle.bytes)
            .and_then(|bundle| verify(&bundle, &subject.digest, &expected, trust_root, moment))
            .map_err(|refusal| {
                let help = "sign with the operator identity of the configuration: countersign doctor";
                Halt::Ended(Ending::Refuted, refusal.reason().with_help(help))
            })?;
        if accept(&verified).is_none() {
            return Err(internal("a statement of ours does not read back".to_owned()));
        }
        let failed = |error: RegistryError| {
            let ending = if error.kind == ErrorKind::Contradiction { Ending::Refuted } else { Ending::Unknown };
            Halt::Ended(ending, lookup_failure(&error))
        };
        self.attach(subject, &predicate_type, &bundle.bytes).await.map_err(failed)?;
        self.reporter.done("attest", &format!("{} signed and attached", predicate_type.name()));
        self.read_back(subject, predicate_type, &payload, accept).await
    }

    async fn attach(
        &self,
        subject: &DigestReference,
        predicate_type: &PredicateType,
        bundle: &[u8],
    ) -> Result<(), RegistryError> {
        let (registry, repository) = (self.registry.as_ref(), &subject.repository);
        let manifest = registry.manifest(&subject.clone().into()).await?.ok_or_else(|| {
            RegistryError::new(ErrorKind::Unavailable, "GET manifest", subject, "it has gone meanwhile")
        })?;
        let subject = manifest.descriptor();
        let blobs = upload_bundles(registry, repository, &[bundle]).await?;
        let referrers: Vec<_> =
            blobs.iter().map(|blob| bundle_manifest(blob, &subject, predicate_type.as_str(), (self.clock)())).collect();
        attach(registry, repository, &subject, &referrers, &[], &AttachOptions::default()).await.map(drop)
    }

    async fn read_back<T>(
        &self,
        subject: &DigestReference,
        predicate_type: PredicateType,
        payload: &Digest,
        accept: impl Fn(&Verified<Statement>) -> Option<T>,
    ) -> Result<T, Halt> {
        let registry = self.fresh.fresh().map_err(Halt::Setup)?;
        let failures = Failures::default();
        let look = Look { registry: &registry, rules: self.rules(), failures: &failures };
        let unknown = |why: String| Halt::unknown(Reason::new(ReasonCode::TargetUnknown, why));
        let node = look.node(subject, std::slice::from_ref(&predicate_type)).await.map_err(unknown)?;
        let statements = node.attestations().iter().filter_map(|attestation| attestation.statement());
        let mut ours = statements.filter(|statement| statement.payload_digest() == payload).filter_map(accept);
        if let Some(found) = ours.next() {
            self.reporter.done("read back", "1 attestation verified");
            return Ok(found);
        }
        let message = format!("the {} on {subject} does not read back", predicate_type.name());
        Err(Halt::unknown(Reason::new(ReasonCode::MissingAttestation, message)))
    }
}

fn internal(message: String) -> Halt {
    Halt::Setup(Stop::Setup { code: "internal", message, help: String::new() })
}

fn signing_failed(error: &SigstoreError) -> Halt {
    let code = match error.kind() {
        SigstoreErrorKind::Configuration => {
            return Halt::Setup(Stop::Setup {
                code: error.setup().0,
                message: error.to_string(),
                help: error.setup().1.to_owned(),
            });
        }
        SigstoreErrorKind::Unauthorized => ReasonCode::IdentityTokenRefused,
        SigstoreErrorKind::Unavailable | SigstoreErrorKind::Rejected => ReasonCode::SigningFailed,
    };
    Halt::unknown(Reason::new(code, error.to_string()))
}
