use ReasonCode as R;
use countersign_sandbox::sigstore::{Authority, San, Sct, Window, extension, fulcio_extension};
use serde_json::json;
use x509_cert::der::asn1::OctetString;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::KeyUsages;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_is_a_fresh_leaf_for_code_signing_under_a_trusted_authority() {
    run("certificate", plain, &cases());
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = chain();
    cases.extend(form());
    cases.extend(sct());
    cases
}

fn fulcio_window(trial: &mut Trial<'_>, starts: i64, ends: Option<i64>) {
    trial.windows(Windows { fulcio: Window { starts, ends }, ..Windows::default() });
}

fn ct_window(trial: &mut Trial<'_>, starts: i64, ends: Option<i64>) {
    trial.windows(Windows { ct: Window { starts, ends }, ..Windows::default() });
}

fn second(trial: &mut Trial<'_>) {
    trial.windows(Windows { second: Some(Window::default()), ..Windows::default() });
}

fn chain() -> Vec<Case> {
    vec![
        accepted("control: a good certificate", |_| {}),
        accepted("control: the second authority of the trust root", |t| {
            second(t);
            t.certificate.authority = Authority::Second;
        }),
        accepted("control: an intermediate that expires in an hour", |t| {
            t.options = Some(Options { intermediate_ends: Some(3600), ..Options::default() });
        }),
        refused("a foreign root of the same names", R::CertificateUntrusted, |t| {
            t.certificate.authority = Authority::Foreign;
        }),
        refused("an authority that is not in the trust root", R::CertificateUntrusted, |t| {
            t.certificate.authority = Authority::Second;
        }),
        refused("the authority's time in the trust root had ended", R::CertificateUntrusted, |t| {
            fulcio_window(t, -7200, Some(-3600));
        }),
        refused("the authority was not trusted yet", R::CertificateUntrusted, |t| fulcio_window(t, 3600, None)),
        refused("another authority lends its window", R::CertificateUntrusted, |t| {
            let ended = Window { starts: -7200, ends: Some(-3600) };
            t.windows(Windows { fulcio: ended, second: Some(Window::default()), ..Windows::default() });
        }),
        refused("CVE-2026-24122: the intermediate had expired", R::AuthorityExpired, |t| {
            t.options = Some(Options { intermediate_ends: Some(-60), ..Options::default() });
        }),
        refused("an expired certificate", R::CertificateExpired, |t| t.certificate.not_before_offset = -7200),
        refused("a certificate that is not valid yet", R::CertificateExpired, |t| {
            t.certificate.not_before_offset = 300;
        }),
        refused("an end before its beginning", R::CertificateUntrusted, |t| t.certificate.lifetime = -1),
        refused("one bit turned", R::CertificateUntrusted, |t| {
            t.edit = Some(|b, _| {
                let raw = &mut b["verificationMaterial"]["certificate"]["rawBytes"];
                let mut bytes = STANDARD.decode(raw.as_str().unwrap()).unwrap();
                // In the last integer of the signature, so that everything still parses.
                *bytes.last_mut().unwrap() ^= 1;
                *raw = STANDARD.encode(bytes).into();
            });
        }),
    ]
}

fn form() -> Vec<Case> {
    vec![
        accepted("control: an extension that is not critical and unknown", |t| {
            t.certificate.extra = vec![unknown(false)];
        }),
        refused("a critical extension that nobody knows", R::CertificateInvalid, |t| {
            t.certificate.extra = vec![unknown(true)];
        }),
        refused("a CA as signer", R::CertificateInvalid, |t| t.certificate.basic_constraints = Some(true)),
        refused("no key usage", R::CertificateInvalid, |t| t.certificate.key_usage = None),
        refused("key usage without digitalSignature", R::CertificateInvalid, |t| {
            t.certificate.key_usage = Some(KeyUsages::KeyEncipherment.into());
        }),
        refused("no extended key usage", R::CertificateUntrusted, |t| t.certificate.extended_key_usage = Vec::new()),
        refused("for TLS servers", R::CertificateUntrusted, |t| {
            t.certificate.extended_key_usage = vec![oid("1.3.6.1.5.5.7.3.1")];
        }),
        refused("for any purpose", R::CertificateUntrusted, |t| {
            t.certificate.extended_key_usage = vec![oid("2.5.29.37.0")];
        }),
        refused("no name", R::CertificateInvalid, |t| t.certificate.san = Some(Vec::new())),
        refused("two names", R::CertificateInvalid, |t| {
            t.certificate.san = Some(vec![San::Email(EMAIL.to_owned()), San::Email("x@example.com".to_owned())]);
        }),
        refused("a host name", R::CertificateInvalid, |t| {
            t.certificate.san = Some(vec![San::Dns("example.com".to_owned())]);
        }),
        refused("an extension twice", R::CertificateInvalid, |t| {
            t.certificate.extra = vec![fulcio_extension(8, "https://issuer.example").unwrap()];
        }),
        refused("no issuer", R::CertificateInvalid, |t| t.certificate.omit = vec![oid("1.3.6.1.4.1.57264.1.8")]),
        refused("only the deprecated issuer .1 is right", R::CertificateInvalid, |t| {
            t.certificate.omit = vec![oid("1.3.6.1.4.1.57264.1.8")];
            t.certificate.extra = vec![fulcio_extension(8, "https://issuer.example").unwrap()];
        }),
        refused("issuer .1 contradicts .8", R::CertificateInvalid, |t| {
            t.certificate.omit = vec![oid("1.3.6.1.4.1.57264.1.1")];
            t.certificate.extra = vec![fulcio_extension(1, "https://issuer.example").unwrap()];
        }),
        refused("issuer .8 as raw text instead of a DER string", R::CertificateInvalid, |t| {
            t.certificate.omit = vec![oid("1.3.6.1.4.1.57264.1.8")];
            let raw = OctetString::new(t.sigstore.email_issuer().as_bytes()).unwrap();
            let id = oid("1.3.6.1.4.1.57264.1.8");
            t.certificate.extra = vec![Extension { extn_id: id, critical: false, extn_value: raw }];
        }),
    ]
}

fn unknown(critical: bool) -> Extension {
    extension(oid("1.2.3.4.5.6"), critical, &OctetString::new(*b"x").unwrap()).unwrap()
}

fn sct() -> Vec<Case> {
    vec![
        accepted("control: the second CT log of the trust root", |t| {
            second(t);
            t.certificate.sct = Sct::SecondLog;
        }),
        refused("no SCT", R::SctMissing, |t| t.certificate.sct = Sct::None),
        refused("the same SCT twice", R::SctInvalid, |t| t.certificate.sct = Sct::Twice),
        refused("an SCT by another key", R::SctInvalid, |t| t.certificate.sct = Sct::WrongKey),
        refused("an SCT for another certificate", R::SctInvalid, |t| t.certificate.sct = Sct::OfAnother),
        refused("an SCT of a log that is not in the trust root", R::SctInvalid, |t| {
            t.certificate.sct = Sct::SecondLog;
        }),
        refused("the CT log's key had ended", R::SctInvalid, |t| ct_window(t, -7200, Some(-3600))),
        refused("the CT log's key was not in use yet", R::SctInvalid, |t| ct_window(t, 3600, None)),
        refused("a trust root without CT logs", R::VerificationFailed, |t| {
            t.edit_root = Some(|r| r["ctlogs"] = json!([]));
        }),
    ]
}
