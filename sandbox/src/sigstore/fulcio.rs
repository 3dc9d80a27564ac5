//! Fulcio's v2 API: a token and a proof of possession in, a certificate with an embedded timestamp out. Both request
//! forms: a public key with a signed challenge (sigstore-rust, cosign) and a PKCS #10 request (sigstore-python).

use super::{
    ca::{Ca, Issued},
    certificate::{Authority, CertificateOptions, Sct},
    ct::CtLogs,
    faults::{Effect, Effects},
    identity::Identity,
    key,
    oidc::Oidc,
    server::error,
};
use anyhow::{Context as _, Result, anyhow, bail};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use der::{Decode as _, Encode as _, EncodePem as _, pem::LineEnding};
use serde_json::{Value, json};
use std::{sync::Arc, time::SystemTime};
use x509_cert::{Certificate, request::CertReq};

/// `ExpiredCertificate`: ended an hour ago.
const EXPIRED_SINCE_SECONDS: i64 = 3600;

#[derive(Debug)]
pub(super) struct Fulcio {
    pub ca: Ca,
    pub ct: CtLogs,
    pub oidc: Arc<Oidc>,
}

pub(super) fn routes(fulcio: Arc<Fulcio>) -> Router {
    Router::new()
        .route("/api/v2/signingCert", post(signing_cert))
        .route("/api/v2/trustBundle", get(trust_bundle))
        .route("/api/v2/configuration", get(configuration))
        .route("/api/v1/rootCert", get(root_cert))
        .route("/healthz", get(async || "{\"status\":\"SERVING\"}"))
        .with_state(fulcio)
}

async fn signing_cert(
    State(fulcio): State<Arc<Fulcio>>,
    effects: Option<axum::Extension<Effects>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let effects = effects.map(|e| e.0).unwrap_or_default();
    let request: Value = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(e) => return error(StatusCode::BAD_REQUEST, &format!("request is not JSON: {e}")),
    };
    let bearer =
        headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    let Some(token) = request["credentials"]["oidcIdentityToken"].as_str().or(bearer) else {
        return error(StatusCode::UNAUTHORIZED, "There was an error processing the identity token: no token");
    };
    let identity = match fulcio.oidc.verify(token, SystemTime::now()) {
        Ok((claims, issuer)) => Identity::from_claims(&claims, issuer.kind),
        Err(e) => {
            let message = format!("There was an error processing the identity token: {e:#}");
            return error(StatusCode::UNAUTHORIZED, &message);
        }
    };
    let issued = identity.and_then(|identity| {
        let spki = proven_key(&request, &identity.challenge)?;
        fulcio.ca.issue(&identity, &spki, &fulcio.ct, &options(&effects))
    });
    match issued.and_then(|issued| reply(&issued, effects.has(&Effect::NoSct))) {
        // 200, not 201: sigstore-go takes nothing else.
        Ok(value) => json_reply(&value),
        Err(e) => error(StatusCode::BAD_REQUEST, &format!("{e:#}")),
    }
}

fn options(effects: &Effects) -> CertificateOptions {
    let mut options = CertificateOptions { not_before_offset: effects.clock_offset(), ..CertificateOptions::default() };
    for effect in &effects.0 {
        match effect {
            Effect::WrongKey => options.sct = Sct::WrongKey,
            Effect::NoSct => options.sct = Sct::None,
            Effect::OtherRoot => options.authority = Authority::Foreign,
            Effect::Lifetime(seconds) => options.lifetime = *seconds,
            Effect::ExpiredCertificate => options.not_before_offset -= options.lifetime + EXPIRED_SINCE_SECONDS,
            _ => {}
        }
    }
    options
}

/// The public key (SPKI DER) for which the request proves possession.
fn proven_key(request: &Value, challenge: &str) -> Result<Vec<u8>> {
    if let Some(csr) = request["certificateSigningRequest"].as_str() {
        return key_of_csr(&STANDARD.decode(csr).context("certificateSigningRequest is not base64")?);
    }
    let asked = &request["publicKeyRequest"];
    let pem =
        asked["publicKey"]["content"].as_str().context("request has neither public key nor certificate request")?;
    let spki = from_pem(pem.as_bytes(), &["PUBLIC KEY"]).context("public key")?;
    let proof = asked["proofOfPossession"].as_str().context("request has no proof of possession")?;
    let proof = STANDARD.decode(proof).context("proof of possession is not base64")?;
    key::verify(&spki, challenge.as_bytes(), &proof)
        .context("The signature supplied in the request could not be verified")?;
    Ok(spki)
}

fn key_of_csr(pem: &[u8]) -> Result<Vec<u8>> {
    let der = from_pem(pem, &["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"]).context("certificate request")?;
    let request = CertReq::from_der(&der).context("certificate request does not parse")?;
    let spki = request.info.public_key.to_der()?;
    key::verify(&spki, &request.info.to_der()?, request.signature.raw_bytes())
        .context("certificate request's signature")?;
    Ok(spki)
}

fn from_pem(pem: &[u8], labels: &[&str]) -> Result<Vec<u8>> {
    let (label, der) = der::pem::decode_vec(pem).map_err(|e| anyhow!("is not PEM: {e}"))?;
    if !labels.contains(&label) {
        bail!("has PEM label {label}");
    }
    Ok(der)
}

fn reply(issued: &Issued, detached: bool) -> Result<Value> {
    let chain = std::iter::once(&issued.leaf).chain(&issued.chain).map(|d| pem(d)).collect::<Result<Vec<_>>>()?;
    let chain = json!({"chain": {"certificates": chain}});
    // Fulcio without a CT log answers in this form, with an empty timestamp.
    Ok(if detached {
        json!({"signedCertificateDetachedSct": {"chain": chain["chain"], "signedCertificateTimestamp": ""}})
    } else {
        json!({"signedCertificateEmbeddedSct": chain})
    })
}

fn pem(der: &[u8]) -> Result<String> {
    Ok(Certificate::from_der(der)?.to_pem(LineEnding::LF)?)
}

async fn trust_bundle(State(fulcio): State<Arc<Fulcio>>) -> Response {
    let chain = fulcio.ca.chain().iter().map(|d| pem(d)).collect::<Result<Vec<_>>>();
    match chain {
        Ok(chain) => json_reply(&json!({"chains": [{"certificates": chain}]})),
        Err(e) => error(StatusCode::INTERNAL_SERVER_ERROR, &format!("{e:#}")),
    }
}

async fn root_cert(State(fulcio): State<Arc<Fulcio>>) -> Response {
    match fulcio.ca.chain().iter().map(|d| pem(d)).collect::<Result<String>>() {
        Ok(pem) => ([(header::CONTENT_TYPE, "application/pem-certificate-chain")], pem).into_response(),
        Err(e) => error(StatusCode::INTERNAL_SERVER_ERROR, &format!("{e:#}")),
    }
}

async fn configuration(State(fulcio): State<Arc<Fulcio>>) -> Response {
    let issuer = |url: &str, claim: &str, kind: &str| json!({"issuerUrl": url, "audience": "sigstore", "challengeClaim": claim, "issuerType": kind});
    let (email, ci) = (&fulcio.oidc.email.url, &fulcio.oidc.ci.url);
    json_reply(&json!({"issuers": [issuer(email, "email", "email"), issuer(ci, "sub", "ci-provider")]}))
}

fn json_reply(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
