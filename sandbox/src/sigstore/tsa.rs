//! An RFC 3161 timestamp authority: SHA-256, ECDSA P-256, `ESSCertIDv2`. The response carries the certificate if asked.

use super::{
    ca, certificate, clock,
    faults::{Effect, Effects},
    key::EcKey,
    server::error,
    trust_root::Which,
};
use anyhow::{Context as _, Result, bail};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use cms::{
    cert::{CertificateChoices, IssuerAndSerialNumber},
    content_info::{CmsVersion, ContentInfo},
    signed_data::{CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos},
};
use const_oid::db::{rfc5280, rfc5911, rfc5912};
use der::{
    Any, Decode as _, Encode as _, EncodePem as _, Sequence,
    asn1::{GeneralizedTime, Int, ObjectIdentifier, OctetString, SetOfVec, UtcTime},
    pem::LineEnding,
};
use sha2::{Digest as _, Sha256};
use spki::AlgorithmIdentifierOwned;
use std::sync::Arc;
use x509_cert::{
    Certificate,
    attr::Attribute,
    ext::pkix::{ExtendedKeyUsage, KeyUsage, KeyUsages, name::GeneralName},
    name::Name,
    serial_number::SerialNumber,
};
use x509_tsp::{Accuracy, MessageImprint, TimeStampReq, TspVersion, TstInfo};

pub(super) const TSA_ROOT: &str = "tsa root";
const TSA_LEAF: &str = "tsa leaf";
/// The policy of Sigstore's timestamp authority.
const POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.2");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// `PKIStatusInfo` with status granted.
const GRANTED: [u8; 5] = [0x30, 3, 2, 1, 0];

#[derive(Debug)]
pub(super) struct Tsa {
    key: EcKey,
    wrong_key: EcKey,
    leaf: Certificate,
    leaf_der: Vec<u8>,
    root: Vec<u8>,
}

/// A timestamp; the default is a correct one of now.
#[derive(Clone, Debug, Default)]
pub struct TimestampOptions {
    pub authority: Which,
    /// Seconds by which the authority's clock is off.
    pub clock_offset: i64,
    /// Sign with a key that is not the certificate's.
    pub wrong_key: bool,
    /// Put the certificate into the token.
    pub with_certificate: bool,
}

/// The authority's certificate; the default is a good one.
#[derive(Clone, Debug, Default)]
pub struct TsaOptions {
    /// Seconds from now at which it expires (negative: it has); `None`: in ten years.
    pub ends: Option<i64>,
    /// For code signing instead of time stamping.
    pub code_signing: bool,
}

#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
struct SigningCertificateV2 {
    certs: Vec<EssCertIdV2>,
}

/// RFC 5035 with the default hash algorithm (SHA-256) left out.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
struct EssCertIdV2 {
    cert_hash: OctetString,
    issuer_serial: IssuerSerial,
}

#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
struct IssuerSerial {
    issuer: Vec<GeneralName>,
    serial_number: SerialNumber,
}

impl Tsa {
    pub(super) fn generate(options: &TsaOptions) -> Result<Self> {
        let (root_key, key) = (EcKey::generate(), EcKey::generate());
        let (root_name, name) = (ca::distinguished(TSA_ROOT)?, ca::distinguished(TSA_LEAF)?);
        let root = ca::authority(&root_name, &root_key, &root_name, &root_key, 0, ca::ca_validity(), false)?;
        let (spki, issuer_spki) = (key.spki(), root_key.spki());
        let mut extensions = vec![
            certificate::basic_constraints(false, None)?,
            certificate::extension(rfc5280::ID_CE_KEY_USAGE, true, &KeyUsage(KeyUsages::DigitalSignature.into()))?,
        ];
        extensions.extend(certificate::key_identifiers(&spki, &issuer_spki)?);
        let purpose = if options.code_signing { rfc5280::ID_KP_CODE_SIGNING } else { rfc5280::ID_KP_TIME_STAMPING };
        extensions.push(certificate::extension(rfc5280::ID_CE_EXT_KEY_USAGE, true, &ExtendedKeyUsage(vec![purpose]))?);
        let mut validity = ca::ca_validity();
        if let Some(ends) = options.ends {
            validity.1 = clock::now_with_offset(ends);
        }
        let leaf_der = certificate::sign(certificate::tbs(&root_name, &name, validity, &spki, extensions)?, &root_key)?;
        Ok(Self { key, wrong_key: EcKey::generate(), leaf: Certificate::from_der(&leaf_der)?, leaf_der, root })
    }

    /// Leaf, then root.
    pub(super) fn chain(&self) -> Vec<Vec<u8>> {
        vec![self.leaf_der.clone(), self.root.clone()]
    }

    /// A whole response (status granted) over the SHA-256 of `message`.
    pub(super) fn timestamp(&self, message: &[u8], options: &TimestampOptions) -> Result<Vec<u8>> {
        let imprint = MessageImprint {
            hash_algorithm: sha256(Some(Any::null())),
            hashed_message: OctetString::new(&*Sha256::digest(message))?,
        };
        self.respond(imprint, None, options)
    }

    /// Answer a request in DER.
    fn answer(&self, request: &[u8], options: &TimestampOptions) -> Result<Vec<u8>> {
        let request = TimeStampReq::from_der(request).context("timestamp request does not parse")?;
        let imprint = request.message_imprint;
        if imprint.hash_algorithm.oid != rfc5912::ID_SHA_256 || imprint.hashed_message.as_bytes().len() != 32 {
            bail!("only SHA-256 imprints are supported");
        }
        self.respond(
            imprint,
            request.nonce,
            &TimestampOptions { with_certificate: request.cert_req, ..options.clone() },
        )
    }

    fn respond(&self, imprint: MessageImprint, nonce: Option<Int>, options: &TimestampOptions) -> Result<Vec<u8>> {
        let seconds = u64::try_from(clock::unix_seconds(clock::now_with_offset(options.clock_offset)))?;
        let unix = std::time::Duration::from_secs(seconds);
        let mut serial = [0u8; 16];
        rand_core::RngCore::fill_bytes(&mut rand_core::OsRng, &mut serial);
        serial[0] = serial[0] & 0x7f | 0x40;
        let info = TstInfo {
            version: TspVersion::V1,
            policy: POLICY,
            message_imprint: imprint,
            serial_number: Int::new(&serial)?,
            gen_time: GeneralizedTime::from_unix_duration(unix)?,
            accuracy: Some(Accuracy { seconds: Some(1), millis: None, micros: None }),
            ordering: false,
            nonce,
            tsa: Some(GeneralName::DirectoryName(self.subject().clone())),
            extensions: None,
        };
        let token = self.signed_data(&info.to_der()?, UtcTime::from_unix_duration(unix)?, options)?;
        let content =
            ContentInfo { content_type: rfc5911::ID_SIGNED_DATA, content: Any::encode_from(&token)? }.to_der()?;
        Ok(Any::new(der::Tag::Sequence, [&GRANTED, content.as_slice()].concat())?.to_der()?)
    }

    fn subject(&self) -> &Name {
        &self.leaf.tbs_certificate.subject
    }

    fn signed_data(&self, info: &[u8], time: UtcTime, options: &TimestampOptions) -> Result<SignedData> {
        let attributes = SetOfVec::try_from(vec![
            attribute(rfc5911::ID_CONTENT_TYPE, &TST_INFO)?,
            attribute(rfc5911::ID_SIGNING_TIME, &time)?,
            attribute(rfc5911::ID_MESSAGE_DIGEST, &OctetString::new(&*Sha256::digest(info))?)?,
            attribute(SIGNING_CERTIFICATE_V2, &self.certificate_id()?)?,
        ])?;
        let key = if options.wrong_key { &self.wrong_key } else { &self.key };
        let signature = key.sign(&attributes.to_der()?);
        let tbs = &self.leaf.tbs_certificate;
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: tbs.issuer.clone(),
                serial_number: tbs.serial_number.clone(),
            }),
            digest_alg: sha256(None),
            signed_attrs: Some(attributes),
            signature_algorithm: certificate::ecdsa_sha256(),
            signature: OctetString::new(signature)?,
            unsigned_attrs: None,
        };
        let certificates = vec![CertificateChoices::Certificate(self.leaf.clone())];
        Ok(SignedData {
            version: CmsVersion::V3,
            digest_algorithms: SetOfVec::try_from(vec![sha256(None)])?,
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: TST_INFO,
                econtent: Some(Any::encode_from(&OctetString::new(info)?)?),
            },
            certificates: options.with_certificate.then(|| CertificateSet::try_from(certificates)).transpose()?,
            crls: None,
            signer_infos: SignerInfos::try_from(vec![signer])?,
        })
    }

    fn certificate_id(&self) -> Result<SigningCertificateV2> {
        let tbs = &self.leaf.tbs_certificate;
        let id = EssCertIdV2 {
            cert_hash: OctetString::new(&*Sha256::digest(&self.leaf_der))?,
            issuer_serial: IssuerSerial {
                issuer: vec![GeneralName::DirectoryName(tbs.issuer.clone())],
                serial_number: tbs.serial_number.clone(),
            },
        };
        Ok(SigningCertificateV2 { certs: vec![id] })
    }
}

fn sha256(parameters: Option<Any>) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: rfc5912::ID_SHA_256, parameters }
}

fn attribute(oid: ObjectIdentifier, value: &(impl der::EncodeValue + der::Tagged)) -> Result<Attribute> {
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![Any::encode_from(value)?])? })
}

pub(super) fn routes(tsa: Arc<Tsa>) -> Router {
    Router::new()
        .route("/api/v1/timestamp", post(timestamp))
        .route("/api/v1/timestamp/certchain", get(certificate_chain))
        .route("/ping", get(async || "."))
        .with_state(tsa)
}

async fn timestamp(State(tsa): State<Arc<Tsa>>, effects: Option<axum::Extension<Effects>>, body: Bytes) -> Response {
    let effects = effects.map(|e| e.0).unwrap_or_default();
    let options = TimestampOptions {
        authority: Which::First,
        clock_offset: effects.clock_offset(),
        wrong_key: effects.has(&Effect::WrongKey),
        with_certificate: false,
    };
    match tsa.answer(&body, &options) {
        Ok(der) => (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/timestamp-reply")], der).into_response(),
        Err(e) => error(StatusCode::BAD_REQUEST, &format!("{e:#}")),
    }
}

async fn certificate_chain(State(tsa): State<Arc<Tsa>>) -> Response {
    let pem =
        tsa.chain().iter().map(|d| Ok(Certificate::from_der(d)?.to_pem(LineEnding::LF)?)).collect::<Result<String>>();
    match pem {
        Ok(pem) => ([(header::CONTENT_TYPE, "application/pem-certificate-chain")], pem).into_response(),
        Err(e) => error(StatusCode::INTERNAL_SERVER_ERROR, &format!("{e:#}")),
    }
}
