//! X.509 certificates put together field by field, so that a test can ask for one that no decent CA would issue.

use super::{clock, identity::Identity, identity::San, key::EcKey};
use anyhow::{Context as _, Result};
use const_oid::db::{rfc5280, rfc5912};
use der::{
    Any, Decode as _, Encode as _,
    asn1::{BitString, GeneralizedTime, Ia5String, ObjectIdentifier, OctetString, UtcTime, Utf8StringRef},
    flagset::FlagSet,
};
use sha2::{Digest as _, Sha256};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use std::time::{Duration, SystemTime};
use x509_cert::{
    Certificate, TbsCertificate, Version,
    ext::{
        Extension,
        pkix::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
            SubjectKeyIdentifier, name::GeneralName,
        },
    },
    name::Name,
    serial_number::SerialNumber,
    time::{Time, Validity},
};

/// Where Fulcio keeps its extensions.
const FULCIO_ARC: &str = "1.3.6.1.4.1.57264.1";
/// The first extension of Fulcio whose value is a DER string rather than raw text.
const FIRST_DER_ARC: u32 = 8;
/// Fulcio's certificates live ten minutes.
const LIFETIME_SECONDS: i64 = 600;

/// How the signed certificate timestamp turns out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sct {
    Good,
    None,
    /// Signed by a key that is not the log's, under the log's id.
    WrongKey,
    /// The same log's timestamp twice in one list.
    Twice,
    /// The log's own timestamp, for another certificate.
    OfAnother,
    /// Of the second log, which the trust root has if it was asked for.
    SecondLog,
}

/// Which chain signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    Trusted,
    /// The second authority, which the trust root has if it was asked for.
    Second,
    /// Same names, other keys, not in the trust root.
    Foreign,
}

/// A signing certificate; the default is what Fulcio issues.
#[derive(Clone, Debug)]
pub struct CertificateOptions {
    /// Seconds from now to `notBefore`.
    pub not_before_offset: i64,
    /// Seconds from `notBefore` to `notAfter`.
    pub lifetime: i64,
    /// `None` leaves the extension out, as Fulcio does; `Some(true)` makes the leaf a CA.
    pub basic_constraints: Option<bool>,
    pub key_usage: Option<FlagSet<KeyUsages>>,
    /// Empty leaves the extension out.
    pub extended_key_usage: Vec<ObjectIdentifier>,
    /// Instead of the name that the claims give; empty leaves the extension out.
    pub san: Option<Vec<San>>,
    pub sct: Sct,
    pub authority: Authority,
    /// Extensions to leave out, by OID.
    pub omit: Vec<ObjectIdentifier>,
    /// Extensions to add (with `omit`: to replace).
    pub extra: Vec<Extension>,
}

impl Default for CertificateOptions {
    fn default() -> Self {
        Self {
            not_before_offset: 0,
            lifetime: LIFETIME_SECONDS,
            basic_constraints: None,
            key_usage: Some(KeyUsages::DigitalSignature.into()),
            extended_key_usage: vec![rfc5280::ID_KP_CODE_SIGNING],
            san: None,
            sct: Sct::Good,
            authority: Authority::Trusted,
            omit: Vec::new(),
            extra: Vec::new(),
        }
    }
}

impl CertificateOptions {
    /// When such a certificate is valid, counted from the clock.
    pub fn validity(&self) -> (SystemTime, SystemTime) {
        let start = clock::now_with_offset(self.not_before_offset);
        (start, clock::shift(start, self.lifetime))
    }

    /// The extensions in Fulcio's order, without the signed certificate timestamp.
    pub fn extensions(&self, identity: &Identity, spki: &[u8], issuer_spki: &[u8]) -> Result<Vec<Extension>> {
        let mut all = Vec::new();
        if let Some(usage) = self.key_usage {
            all.push(extension(rfc5280::ID_CE_KEY_USAGE, true, &KeyUsage(usage))?);
        }
        if !self.extended_key_usage.is_empty() {
            all.push(extension(
                rfc5280::ID_CE_EXT_KEY_USAGE,
                false,
                &ExtendedKeyUsage(self.extended_key_usage.clone()),
            )?);
        }
        if let Some(ca) = self.basic_constraints {
            all.push(basic_constraints(ca, None)?);
        }
        all.extend(key_identifiers(spki, issuer_spki)?);
        let names = self.san.clone().unwrap_or_else(|| vec![identity.san.clone()]);
        if !names.is_empty() {
            let names = names.iter().map(general_name).collect::<Result<Vec<_>>>()?;
            all.push(extension(rfc5280::ID_CE_SUBJECT_ALT_NAME, true, &SubjectAltName(names))?);
        }
        all.push(fulcio_extension(1, &identity.issuer)?);
        let (old, new): (Vec<_>, Vec<_>) = identity.extensions.iter().partition(|(arc, _)| *arc < FIRST_DER_ARC);
        for (arc, value) in old {
            all.push(fulcio_extension(*arc, value)?);
        }
        all.push(fulcio_extension(FIRST_DER_ARC, &identity.issuer)?);
        for (arc, value) in new {
            all.push(fulcio_extension(*arc, value)?);
        }
        all.retain(|e| !self.omit.contains(&e.extn_id));
        all.extend(self.extra.iter().cloned());
        Ok(all)
    }
}

/// `1.3.6.1.4.1.57264.1.<arc>` with the encoding that Fulcio uses for that arc.
pub fn fulcio_extension(arc: u32, value: &str) -> Result<Extension> {
    let id = ObjectIdentifier::new(&format!("{FULCIO_ARC}.{arc}")).context("bad extension arc")?;
    let value = if arc < FIRST_DER_ARC { value.as_bytes().to_vec() } else { Utf8StringRef::new(value)?.to_der()? };
    Ok(Extension { extn_id: id, critical: false, extn_value: OctetString::new(value)? })
}

/// An extension from its parsed form.
pub fn extension(id: ObjectIdentifier, critical: bool, value: &impl der::Encode) -> Result<Extension> {
    Ok(Extension { extn_id: id, critical, extn_value: OctetString::new(value.to_der()?)? })
}

pub(super) fn basic_constraints(ca: bool, path_len: Option<u8>) -> Result<Extension> {
    let value = BasicConstraints { ca, path_len_constraint: path_len };
    extension(rfc5280::ID_CE_BASIC_CONSTRAINTS, true, &value)
}

/// Subject and authority key identifiers: the first 20 bytes of the key's SHA-256 (RFC 7093, method 1).
pub(super) fn key_identifiers(spki: &[u8], issuer_spki: &[u8]) -> Result<[Extension; 2]> {
    let subject = SubjectKeyIdentifier(key_identifier(spki)?);
    let authority = AuthorityKeyIdentifier {
        key_identifier: Some(key_identifier(issuer_spki)?),
        authority_cert_issuer: None,
        authority_cert_serial_number: None,
    };
    Ok([
        extension(rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER, false, &subject)?,
        extension(rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER, false, &authority)?,
    ])
}

fn key_identifier(spki: &[u8]) -> Result<OctetString> {
    let spki = SubjectPublicKeyInfoRef::from_der(spki)?;
    let bits = spki.subject_public_key.raw_bytes();
    Ok(OctetString::new(&Sha256::digest(bits)[..20])?)
}

fn general_name(name: &San) -> Result<GeneralName> {
    Ok(match name {
        San::Email(email) => GeneralName::Rfc822Name(Ia5String::new(email)?),
        San::Uri(uri) => GeneralName::UniformResourceIdentifier(Ia5String::new(uri)?),
        San::Dns(host) => GeneralName::DnsName(Ia5String::new(host)?),
    })
}

/// ecdsa-with-SHA256, the only signature algorithm here.
pub(super) fn ecdsa_sha256() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: rfc5912::ECDSA_WITH_SHA_256, parameters: None::<Any> }
}

/// The part of a certificate that gets signed.
pub(super) fn tbs(
    issuer: &Name,
    subject: &Name,
    validity: (SystemTime, SystemTime),
    spki: &[u8],
    extensions: Vec<Extension>,
) -> Result<TbsCertificate> {
    let mut serial = [0u8; 16];
    rand_core::RngCore::fill_bytes(&mut rand_core::OsRng, &mut serial);
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(TbsCertificate {
        version: Version::V3,
        serial_number: SerialNumber::new(&serial)?,
        signature: ecdsa_sha256(),
        issuer: issuer.clone(),
        validity: Validity { not_before: certificate_time(validity.0)?, not_after: certificate_time(validity.1)? },
        subject: subject.clone(),
        subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(spki)?,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions),
    })
}

/// Sign a certificate; its DER.
pub(super) fn sign(tbs_certificate: TbsCertificate, key: &EcKey) -> Result<Vec<u8>> {
    let signature = BitString::from_bytes(&key.sign(&tbs_certificate.to_der()?))?;
    Ok(Certificate { tbs_certificate, signature_algorithm: ecdsa_sha256(), signature }.to_der()?)
}

/// RFC 5280 §4.1.2.5: whole seconds, `UTCTime` up to 2049. The crate's own conversion always takes `GeneralizedTime`,
/// which strict verifiers refuse and Go re-encodes, so that it finds the timestamp's signature wrong.
fn certificate_time(time: SystemTime) -> Result<Time> {
    let unix = Duration::from_secs(u64::try_from(clock::unix_seconds(time))?);
    Ok(match UtcTime::from_unix_duration(unix) {
        Ok(short) => Time::UtcTime(short),
        Err(_) => Time::GeneralTime(GeneralizedTime::from_unix_duration(unix)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_change_their_type_in_2050() {
        let at = |seconds| certificate_time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        assert!(matches!(at(2_524_607_999), Time::UtcTime(_)), "2049-12-31T23:59:59Z");
        assert!(matches!(at(2_524_608_000), Time::GeneralTime(_)), "2050-01-01T00:00:00Z");
    }
}
