//! `countersign conformance sign-bundle|verify-bundle`: the client protocol of sigstore-conformance, hidden from help.
//!
//! Spec: <https://github.com/sigstore/sigstore-conformance/blob/main/docs/cli_protocol.md>. Only the exit code counts there.
//! Blobs verify under wider rules than images (`evidence::blob`), and nothing else of the program uses them.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::options::Shared;
use crate::cli::output::Outcome;
use crate::evidence::{
    Blob, BlobSigner, MAX_BUNDLE_BYTES, MAX_TRUST_ROOT_BYTES, Moment, PublicKey, Refusal, TrustRoot, Unverified,
    VerifiedBlob, verify_blob,
};
use crate::identity::{ExpectedIdentities, ExpectedIdentity, NamePattern};
use crate::oci::Digest;
use crate::policy::ReasonCode;
use crate::sigstore::{Instance, Services, Signer, SigstoreError, SigstoreErrorKind};

/// Largest blob that is read; those of the suite have some bytes.
const MAX_BLOB_BYTES: u64 = 256 * 1024 * 1024;
/// Largest key file; a 16384-bit RSA key has 3 kB.
const MAX_KEY_BYTES: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub(crate) struct ConformanceArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sign a file, or the statement it holds, and write the bundle
    SignBundle(SignBundle),
    /// Verify a bundle against a file or digest
    VerifyBundle(VerifyBundle),
}

#[derive(Debug, Args)]
struct SignBundle {
    /// Use Sigstore's staging instance
    #[arg(long)]
    staging: bool,
    /// The file is an in-toto statement
    #[arg(long)]
    in_toto: bool,
    /// The identity token
    #[arg(long, value_name = "TOKEN", hide_env_values = true)]
    identity_token: SecretString,
    /// Where to write the bundle
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// Another instance's `trusted_root.json`; wins over --staging
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// The artifact
    #[arg(value_name = "FILE")]
    artifact: PathBuf,
}

#[derive(Debug, Args)]
struct VerifyBundle {
    /// Use Sigstore's staging instance
    #[arg(long)]
    staging: bool,
    /// The bundle to verify
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// The expected subject alternative name
    #[arg(long, value_name = "IDENTITY", requires = "certificate_oidc_issuer", conflicts_with = "key")]
    certificate_identity: Option<String>,
    /// The expected issuer
    #[arg(long, value_name = "URL", requires = "certificate_identity")]
    certificate_oidc_issuer: Option<String>,
    /// The public key (PEM) that must have signed
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Another instance's `trusted_root.json`; wins over --staging
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// The artifact, or its digest
    #[arg(value_name = "FILE_OR_DIGEST")]
    artifact: String,
}

pub(crate) fn blank(args: &ConformanceArgs) -> (&'static str, Value) {
    match &args.command {
        Command::SignBundle(_) => ("BlobSignature", json!({ "bundle": null })),
        Command::VerifyBundle(_) => ("BlobVerification", json!({ "verdict": "unknown" })),
    }
}

pub(crate) async fn run(shared: &Shared, args: &ConformanceArgs) -> Result<Outcome, Failure> {
    match &args.command {
        Command::SignBundle(args) => args.run(shared).await,
        Command::VerifyBundle(args) => args.run(),
    }
}

impl SignBundle {
    async fn run(&self, shared: &Shared) -> Result<Outcome, Failure> {
        let artifact = read(&self.artifact, MAX_BLOB_BYTES)?;
        let trust_root = trust_root(self.trusted_root.as_deref(), self.staging)?;
        let instance = if self.staging { Instance::Staging } else { Instance::PublicGood };
        let services = match &shared.signing_config {
            Some(path) => Services::from_file(path),
            None => instance.services(),
        };
        let services = services.map_err(failed)?;
        let signer = App::signer_for(services, self.identity_token.clone(), trust_root).map_err(failed)?;
        let bundle = match self.in_toto {
            true => signer.sign(&[artifact]).await.map_err(failed)?.into_iter().next().map(|signed| signed.bytes),
            false => Some(signer.sign_blob(&artifact).await.map_err(failed)?),
        };
        let bundle = bundle.ok_or_else(|| Failure::new(Exit::Internal, "internal", "nothing was signed"))?;
        std::fs::write(&self.bundle, &bundle)
            .map_err(|e| Failure::usage(format!("cannot write {}: {e}", self.bundle.display())))?;
        let path = self.bundle.display().to_string();
        let text = format!("signed: bundle in {path}\n");
        Outcome::new(Exit::Ok, "BlobSignature", json!({ "bundle": path }), text)
    }
}

impl VerifyBundle {
    fn run(&self) -> Result<Outcome, Failure> {
        let bundle = read(&self.bundle, MAX_BUNDLE_BYTES)?;
        let trust_root = trust_root(self.trusted_root.as_deref(), self.staging)?;
        let moment = Moment::now(App::clock()());
        let (key, expected) = (self.key()?, self.expected()?);
        let signer = match (&key, &expected) {
            (Some(key), None) => BlobSigner::Key(key),
            (None, Some(expected)) => BlobSigner::Identity(expected),
            _ => return Err(Failure::usage("give --certificate-identity and --certificate-oidc-issuer, or --key")),
        };
        let verified = |blob: Blob<'_>| {
            let bundle = Unverified::of_blob(&bundle)?;
            verify_blob(&bundle, blob, signer, &trust_root, moment)
        };
        let result = match self.digest() {
            Some(digest) => verified(Blob::Digest(&digest)),
            None => verified(Blob::Bytes(&read(Path::new(&self.artifact), MAX_BLOB_BYTES)?)),
        };
        outcome(result)
    }

    /// `sha256:` and 64 digits, unless that is a file.
    fn digest(&self) -> Option<Digest> {
        let digest = self.artifact.parse().ok().filter(|_| self.artifact.starts_with("sha256:"))?;
        (!Path::new(&self.artifact).exists()).then_some(digest)
    }

    fn key(&self) -> Result<Option<PublicKey>, Failure> {
        let Some(path) = &self.key else { return Ok(None) };
        let bytes = read(path, MAX_KEY_BYTES)?;
        let key = PublicKey::from_pem(&String::from_utf8_lossy(&bytes));
        key.map(Some).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))
    }

    fn expected(&self) -> Result<Option<ExpectedIdentities>, Failure> {
        let (Some(name), Some(issuer)) = (&self.certificate_identity, &self.certificate_oidc_issuer) else {
            return Ok(None);
        };
        let usage = |e: crate::identity::IdentityError| Failure::usage(e.to_string());
        let name = NamePattern::exact(name).map_err(usage)?;
        let issuer = issuer.parse().map_err(usage)?;
        Ok(Some(ExpectedIdentities::one(ExpectedIdentity::Name { issuer, name })))
    }
}

fn failed(error: SigstoreError) -> Failure {
    match error.kind() {
        SigstoreErrorKind::Configuration => {
            let (code, help) = error.setup();
            Failure::new(Exit::Usage, code, error.to_string()).help(help)
        }
        SigstoreErrorKind::Unauthorized => {
            Failure::new(Exit::Unauthorised, ReasonCode::IdentityTokenRefused.as_str(), error.to_string())
        }
        SigstoreErrorKind::Unavailable | SigstoreErrorKind::Rejected => {
            Failure::new(Exit::Unknown, ReasonCode::SigningFailed.as_str(), error.to_string())
        }
    }
}

fn outcome(result: Result<VerifiedBlob, Refusal>) -> Result<Outcome, Failure> {
    match result {
        Ok(verified) => {
            let signer = verified.signer.as_ref().map(ToString::to_string);
            let fields = json!({
                "verdict": "verified",
                "identity": verified.signer.as_ref().map(|signer| &signer.name),
                "issuer": verified.signer.as_ref().map(|signer| &signer.issuer),
                "loggedAt": verified.logged_at,
                "reasons": [],
            });
            let text = format!("verified: signed by {}\n", signer.as_deref().unwrap_or("the given key"));
            Outcome::new(Exit::Ok, "BlobVerification", fields, text)
        }
        Err(refusal) => {
            let fields = json!({ "verdict": "refuted", "reasons": [refusal.reason()] });
            let text = format!("refuted: {}: {refusal}\n", refusal.code);
            Outcome::new(Exit::Refuted, "BlobVerification", fields, text)
        }
    }
}

fn trust_root(file: Option<&Path>, staging: bool) -> Result<TrustRoot, Failure> {
    let usage = |e: &dyn std::fmt::Display| Failure::usage(e.to_string());
    match (file, staging) {
        (Some(path), _) => TrustRoot::for_keys(&read(path, MAX_TRUST_ROOT_BYTES)?).map_err(|e| usage(&e)),
        (None, true) => Instance::Staging.trust_root().map_err(|e| usage(&e)),
        (None, false) => Instance::PublicGood.trust_root().map_err(|e| usage(&e)),
    }
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let unreadable = |e: std::io::Error| Failure::usage(format!("cannot read {}: {e}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(Failure::usage(format!("{} has more than {limit} bytes", path.display())));
    }
    Ok(bytes)
}
