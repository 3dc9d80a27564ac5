//! The certificate authority: root, intermediate, leaves with embedded timestamps; and a look-alike with other keys.

use super::{
    certificate::{self, Authority, CertificateOptions, Sct, basic_constraints, extension, key_identifiers},
    clock,
    ct::{self, CtLogs},
    identity::Identity,
    key::EcKey,
};
use anyhow::Result;
use const_oid::db::{rfc5280, rfc6962};
use der::{Encode as _, asn1::OctetString};
use std::{str::FromStr as _, time::SystemTime};
use x509_cert::{
    ext::pkix::{ExtendedKeyUsage, KeyUsage, KeyUsages},
    name::{Name, RdnSequence},
};

pub(super) const ORGANIZATION: &str = "countersign sandbox";
pub(super) const FULCIO_ROOT: &str = "fulcio root";
const FULCIO_INTERMEDIATE: &str = "fulcio intermediate";
/// CA certificates start this long before the sandbox, so that small clock offsets stay inside.
pub(super) const CA_AGE_SECONDS: i64 = 86_400;
pub(super) const CA_LIFETIME_SECONDS: i64 = 10 * 365 * 86_400;

#[derive(Debug)]
pub(super) struct Ca {
    trusted: Chain,
    second: Chain,
    foreign: Chain,
}

#[derive(Debug)]
struct Chain {
    root: Vec<u8>,
    intermediate: Vec<u8>,
    name: Name,
    key: EcKey,
}

/// An issued certificate; all in DER.
#[derive(Clone, Debug)]
pub struct Issued {
    pub leaf: Vec<u8>,
    /// Intermediate, then root.
    pub chain: Vec<Vec<u8>>,
}

impl Ca {
    /// `intermediate_ends`: seconds from now at which the trusted intermediate expires, e.g. negative for one that has.
    pub(super) fn generate(intermediate_ends: Option<i64>) -> Result<Self> {
        Ok(Self {
            trusted: Chain::generate(intermediate_ends)?,
            second: Chain::generate(None)?,
            foreign: Chain::generate(None)?,
        })
    }

    /// Intermediate, then root, of the chain that the trust root holds.
    pub(super) fn chain(&self) -> Vec<Vec<u8>> {
        self.trusted.certificates()
    }

    /// Of the second authority.
    pub(super) fn second_chain(&self) -> Vec<Vec<u8>> {
        self.second.certificates()
    }

    /// Issue a certificate for a public key in SPKI DER.
    pub(super) fn issue(
        &self,
        identity: &Identity,
        spki: &[u8],
        ct: &CtLogs,
        options: &CertificateOptions,
    ) -> Result<Issued> {
        let chain = match options.authority {
            Authority::Trusted => &self.trusted,
            Authority::Second => &self.second,
            Authority::Foreign => &self.foreign,
        };
        let issuer_spki = chain.key.spki();
        let extensions = options.extensions(identity, spki, &issuer_spki)?;
        let mut tbs = certificate::tbs(&chain.name, &RdnSequence::default(), options.validity(), spki, extensions)?;
        let precertificate = tbs.to_der()?;
        let sct = |wrong| ct.first.timestamp(&issuer_spki, &precertificate, wrong);
        let timestamps = match options.sct {
            Sct::None => vec![],
            Sct::Good => vec![sct(false)?],
            Sct::WrongKey => vec![sct(true)?],
            Sct::Twice => vec![sct(false)?, sct(false)?],
            Sct::OfAnother => vec![ct.first.timestamp(&issuer_spki, b"another certificate", false)?],
            Sct::SecondLog => vec![ct.second.timestamp(&issuer_spki, &precertificate, false)?],
        };
        if !timestamps.is_empty() {
            let list = OctetString::new(ct::list(&timestamps)?)?;
            tbs.extensions.get_or_insert_default().push(extension(rfc6962::CT_PRECERT_SCTS, false, &list)?);
        }
        Ok(Issued { leaf: certificate::sign(tbs, &chain.key)?, chain: chain.certificates() })
    }
}

impl Chain {
    fn generate(intermediate_ends: Option<i64>) -> Result<Self> {
        let (root_key, key) = (EcKey::generate(), EcKey::generate());
        let (root_name, name) = (distinguished(FULCIO_ROOT)?, distinguished(FULCIO_INTERMEDIATE)?);
        let root = authority(&root_name, &root_key, &root_name, &root_key, 1, ca_validity(), false)?;
        let mut validity = ca_validity();
        if let Some(ends) = intermediate_ends {
            validity.1 = clock::now_with_offset(ends);
        }
        let intermediate = authority(&name, &key, &root_name, &root_key, 0, validity, true)?;
        Ok(Self { root, intermediate, name, key })
    }

    fn certificates(&self) -> Vec<Vec<u8>> {
        vec![self.intermediate.clone(), self.root.clone()]
    }
}

pub(super) fn ca_validity() -> (SystemTime, SystemTime) {
    (clock::now_with_offset(-CA_AGE_SECONDS), clock::now_with_offset(CA_LIFETIME_SECONDS))
}

/// `O=countersign sandbox, CN=<name>`.
pub(super) fn distinguished(common_name: &str) -> Result<Name> {
    Ok(Name::from_str(&format!("CN={common_name},O={ORGANIZATION}"))?)
}

/// A CA certificate in DER.
pub(super) fn authority(
    name: &Name,
    key: &EcKey,
    issuer: &Name,
    issuer_key: &EcKey,
    path_len: u8,
    validity: (SystemTime, SystemTime),
    code_signing: bool,
) -> Result<Vec<u8>> {
    let (spki, issuer_spki) = (key.spki(), issuer_key.spki());
    let mut extensions = vec![
        basic_constraints(true, Some(path_len))?,
        extension(rfc5280::ID_CE_KEY_USAGE, true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign))?,
    ];
    extensions.extend(key_identifiers(&spki, &issuer_spki)?);
    if code_signing {
        extensions.push(extension(
            rfc5280::ID_CE_EXT_KEY_USAGE,
            false,
            &ExtendedKeyUsage(vec![rfc5280::ID_KP_CODE_SIGNING]),
        )?);
    }
    certificate::sign(certificate::tbs(issuer, name, validity, &spki, extensions)?, issuer_key)
}
