//! Signs one statement of an operator, attaches it in each layout of the configuration, and reads it back with a fresh client.

use crate::evidence::verdict::Format;
use crate::evidence::{PredicateType, Statement, Unverified, Verified, verify};
use crate::oci::{Digest, DigestReference};
use crate::ops::gather::{Rules, lookup_failure};
use crate::ops::look::{Failures, Look};
use crate::ops::operate::{Ending, Halt, Operator};
use crate::ops::promote::Stop;
use crate::policy::{Reason, ReasonCode};
use crate::promotion::Layouts;
use crate::registry::attach::{AttachOptions, attach, bundle_manifest, upload_bundles};
use crate::registry::legacy::attach_layers;
use crate::registry::{ErrorKind, RegistryError};
use crate::sigstore::{Payload, Signed, SigstoreError, SigstoreErrorKind};

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
        let payloads: Vec<Payload> = self.layouts.formats().iter().map(|format| payload_of(*format, &bytes)).collect();
        let signed = self.signer.sign_each(&payloads).await.map_err(|error| signing_failed(&error))?;
        if signed.len() != payloads.len() {
            return Err(internal(format!("{} payloads were signed, {} came back", payloads.len(), signed.len())));
        }
        signed.iter().try_for_each(|signed| self.check(subject, signed, &accept))?;
        let failed = |error: RegistryError| {
            let ending = if error.kind == ErrorKind::Contradiction { Ending::Refuted } else { Ending::Unknown };
            Halt::Ended(ending, lookup_failure(&error))
        };
        for signed in &signed {
            self.attach(subject, &predicate_type, signed).await.map_err(failed)?;
        }
        self.reporter.done("attest", &format!("{} signed and attached", predicate_type.name()));
        self.read_back(subject, predicate_type, &payload, accept).await
    }

    /// As a stranger would.
    fn check<T>(
        &self,
        subject: &DigestReference,
        signed: &Signed,
        accept: impl Fn(&Verified<Statement>) -> Option<T>,
    ) -> Result<(), Halt> {
        let (expected, rules) = (self.operators(), self.rules());
        let Rules { trust_root, moment, .. } = rules;
        let unverified = match signed {
            Signed::Bundle(bundle) => Unverified::from_bytes(&bundle.bytes),
            Signed::Layer(layer) => Unverified::from_legacy(&layer.descriptor, &layer.bytes),
        };
        let verified = unverified
            .and_then(|bundle| verify(&bundle, &subject.digest, &expected, trust_root, moment))
            .map_err(|refusal| {
                let help = "sign with the operator identity of the configuration: countersign doctor";
                Halt::Ended(Ending::Refuted, refusal.reason().with_help(help))
            })?;
        match accept(&verified) {
            Some(_) => Ok(()),
            None => Err(internal("a statement of ours does not read back".to_owned())),
        }
    }

    async fn attach(
        &self,
        subject: &DigestReference,
        predicate_type: &PredicateType,
        signed: &Signed,
    ) -> Result<(), RegistryError> {
        let (registry, repository) = (self.registry.as_ref(), &subject.repository);
        let bundle = match signed {
            Signed::Bundle(bundle) => bundle,
            Signed::Layer(layer) => {
                let layer = (&layer.descriptor, layer.bytes.as_slice());
                return attach_layers(registry, repository, &subject.digest, "att", &[layer]).await;
            }
        };
        let manifest = registry.manifest(&subject.clone().into()).await?.ok_or_else(|| {
            RegistryError::new(ErrorKind::Unavailable, "GET manifest", subject, "it has gone meanwhile")
        })?;
        let subject = manifest.descriptor();
        let blobs = upload_bundles(registry, repository, &[bundle.bytes.as_slice()]).await?;
        let referrers: Vec<_> =
            blobs.iter().map(|blob| bundle_manifest(blob, &subject, predicate_type.as_str(), (self.clock)())).collect();
        attach(registry, repository, &subject, &referrers, &[], &AttachOptions::default()).await.map(drop)
    }

    /// In every layout that was written.
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
        let node = match self.layouts {
            Layouts::Bundle => look.node(subject, std::slice::from_ref(&predicate_type)).await,
            // Reading would stop at the first layout that has it.
            Layouts::Legacy | Layouts::Both => look.everything(subject).await,
        };
        let node = node.map_err(unknown)?;
        let found: Vec<Option<T>> = self
            .layouts
            .formats()
            .iter()
            .map(|format| {
                let of_format = node.attestations().iter().filter(|attestation| attestation.format() == *format);
                let statements = of_format.filter_map(|attestation| attestation.statement());
                statements.filter(|statement| statement.payload_digest() == payload).find_map(&accept)
            })
            .collect();
        let count = match found.len() {
            1 => "1 attestation".to_owned(),
            n => format!("{n} attestations"),
        };
        if let Some(first) = found.into_iter().collect::<Option<Vec<T>>>().and_then(|all| all.into_iter().next()) {
            self.reporter.done("read back", &format!("{} verified", count));
            return Ok(first);
        }
        let message = format!("the {} on {subject} does not read back", predicate_type.name());
        Err(Halt::unknown(Reason::new(ReasonCode::MissingAttestation, message)))
    }
}

fn payload_of(format: Format, statement: &[u8]) -> Payload {
    match format {
        Format::BundleV03 => Payload::Bundle(statement.to_vec()),
        Format::CosignLegacy => Payload::LegacyStatement(statement.to_vec()),
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
