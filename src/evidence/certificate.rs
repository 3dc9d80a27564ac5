//! The leaf certificate: what we require of it beyond its chain, and what it says about its holder.
//!
//! `sigstore-verify` checks chain, validity, code-signing usage and SCT. Not checked there, and here: that the leaf is no
//! CA and may make digital signatures (RFC 5280 §4.2.1.3, §4.2.1.9), has each extension once, and exactly one name.

use std::collections::BTreeSet;

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::asn1::{ObjectIdentifier, Utf8StringRef};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, SubjectAltName};

use crate::evidence::Refusal;
use crate::identity::{CiClaims, NameKind, SignerIdentity};
use crate::policy::ReasonCode;

/// Fulcio's arc; `.8` is the issuer, `.9` to `.24` the CI claims, all DER `UTF8String`.
const FULCIO_ARC: &str = "1.3.6.1.4.1.57264.1.";
const DEPRECATED_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");
/// RFC 6962 §3.3.
const SCT_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");

/// Where the issuer is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Issuers {
    /// `.8` alone.
    Current,
    /// `.1` where there is no `.8`: certificates of blobs from before 2023.
    AlsoDeprecated,
}

/// Parses a leaf certificate and checks its profile. Its claims are worth something only once the chain was verified.
pub(super) fn read(der: &[u8], issuers: Issuers, asks_for_sct: bool) -> Result<SignerIdentity, Refusal> {
    let certificate = Certificate::from_der(der).map_err(|e| invalid(format!("unreadable certificate: {e}")))?;
    check_profile(&certificate)?;
    let (name, kind) = name(&certificate)?;
    if asks_for_sct {
        check_sct(&certificate)?;
    }
    let (issuer, claims) = fulcio_claims(&certificate)?;
    let old = deprecated_issuer(&certificate)?;
    let issuer = match (issuer, old, issuers) {
        (Some(issuer), Some(old), _) if old != issuer => {
            return Err(invalid("the certificate names two issuers: .1 contradicts .8".to_owned()));
        }
        (Some(issuer), ..) | (None, Some(issuer), Issuers::AlsoDeprecated) => issuer,
        (None, ..) => return Err(invalid("the certificate names no issuer (.8)".to_owned())),
    };
    Ok(SignerIdentity { name, kind, issuer, claims })
}

fn invalid(message: String) -> Refusal {
    Refusal::new(ReasonCode::CertificateInvalid, message)
}

fn check_profile(certificate: &Certificate) -> Result<(), Refusal> {
    let tbs = &certificate.tbs_certificate;
    let mut seen = BTreeSet::new();
    for extension in tbs.extensions.iter().flatten() {
        if !seen.insert(extension.extn_id) {
            return Err(invalid(format!("the certificate has extension {} twice", extension.extn_id)));
        }
    }
    let constraints =
        tbs.get::<BasicConstraints>().map_err(|e| invalid(format!("unreadable basic constraints: {e}")))?;
    if constraints.is_some_and(|(_, constraints)| constraints.ca) {
        return Err(invalid("the signing certificate is a certificate authority".to_owned()));
    }
    let usage = tbs.get::<KeyUsage>().map_err(|e| invalid(format!("unreadable key usage: {e}")))?;
    if !usage.is_some_and(|(_, usage)| usage.digital_signature()) {
        return Err(invalid("the certificate's key usage lacks digitalSignature".to_owned()));
    }
    Ok(())
}

/// Its presence; `sigstore-verify` checks what it says.
fn check_sct(certificate: &Certificate) -> Result<(), Refusal> {
    let mut extensions = certificate.tbs_certificate.extensions.iter().flatten();
    if extensions.any(|extension| extension.extn_id == SCT_LIST) {
        return Ok(());
    }
    Err(Refusal::new(ReasonCode::SctMissing, "the certificate carries no SCT"))
}

/// The raw text of `.1`, which other verifiers still compare; it must not say something else than `.8`.
fn deprecated_issuer(certificate: &Certificate) -> Result<Option<String>, Refusal> {
    let mut extensions = certificate.tbs_certificate.extensions.iter().flatten();
    let Some(old) = extensions.find(|extension| extension.extn_id == DEPRECATED_ISSUER) else { return Ok(None) };
    let text = String::from_utf8(old.extn_value.as_bytes().to_vec());
    text.map(Some).map_err(|e| invalid(format!("unreadable certificate extension .1: {e}")))
}

fn name(certificate: &Certificate) -> Result<(String, NameKind), Refusal> {
    let names = certificate.tbs_certificate.get::<SubjectAltName>();
    let names = names.map_err(|e| invalid(format!("unreadable subject alternative name: {e}")))?;
    match names.as_ref().map(|(_, names)| names.0.as_slice()) {
        Some([GeneralName::Rfc822Name(email)]) => Ok((plain(email.as_str(), "name")?, NameKind::Email)),
        Some([GeneralName::UniformResourceIdentifier(uri)]) => Ok((plain(uri.as_str(), "name")?, NameKind::Uri)),
        Some([_]) => Err(invalid("the certificate's name is neither an e-mail address nor a URI".to_owned())),
        Some(names) => Err(invalid(format!("expected one subject alternative name, found {}", names.len()))),
        None => Err(invalid("the certificate has no subject alternative name".to_owned())),
    }
}

/// No honest name or claim has a control character: those are for fooling terminals, logs and line-wise comparisons.
fn plain(text: &str, what: &str) -> Result<String, Refusal> {
    match text.chars().any(char::is_control) {
        true => Err(invalid(format!("a control character in the certificate's {what}"))),
        false => Ok(text.to_owned()),
    }
}

fn fulcio_claims(certificate: &Certificate) -> Result<(Option<String>, CiClaims), Refusal> {
    let mut issuer = None;
    let mut claims = CiClaims::default();
    for extension in certificate.tbs_certificate.extensions.iter().flatten() {
        let oid = extension.extn_id.to_string();
        let Some(number) = oid.strip_prefix(FULCIO_ARC).and_then(|n| n.parse::<u32>().ok()) else { continue };
        let place = match number {
            8 => &mut issuer,
            9 => &mut claims.build_signer_uri,
            10 => &mut claims.build_signer_digest,
            11 => &mut claims.runner_environment,
            12 => &mut claims.source_repository_uri,
            13 => &mut claims.source_repository_digest,
            14 => &mut claims.source_repository_ref,
            15 => &mut claims.source_repository_identifier,
            16 => &mut claims.source_repository_owner_uri,
            17 => &mut claims.source_repository_owner_identifier,
            18 => &mut claims.build_config_uri,
            19 => &mut claims.build_config_digest,
            20 => &mut claims.build_trigger,
            21 => &mut claims.run_invocation_uri,
            22 => &mut claims.source_repository_visibility,
            23 => &mut claims.deployment_environment,
            24 => &mut claims.token_subject,
            // .1 to .6 are deprecated and never compared; .7 is a kind of name; later ones are unknown to us.
            _ => continue,
        };
        let text = Utf8StringRef::from_der(extension.extn_value.as_bytes())
            .map_err(|e| invalid(format!("unreadable certificate extension .{number}: {e}")))?;
        *place = Some(plain(text.as_str(), &format!("extension .{number}"))?);
    }
    Ok((issuer, claims))
}
