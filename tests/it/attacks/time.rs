use ReasonCode as R;
use countersign_sandbox::sigstore::{TsaOptions, Which, Window};
use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn every_time_is_signed_by_a_trusted_authority_over_this_signature() {
    run("time", plain, &cases());
}

fn stamps(bundle: &mut Value) -> &mut Value {
    &mut bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
}

fn tsa_window(trial: &mut Trial<'_>, starts: i64, ends: Option<i64>) {
    trial.windows(Windows { tsa: Window { starts, ends }, ..Windows::default() });
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        accepted("control: one timestamp", |_| {}),
        accepted("control: a token with its certificate", |t| t.timestamp().with_certificate = true),
        accepted("control: timestamps of two trusted authorities", |t| {
            t.windows(Windows { second: Some(Window::default()), ..Windows::default() });
            t.bundle.more_timestamps =
                vec![TimestampOptions { authority: Which::Second, ..TimestampOptions::default() }];
        }),
        accepted("control: twenty seconds ahead of our clock", |t| t.timestamp().clock_offset = 20),
        accepted("control: signed before --at", |t| t.at = Some("2100-01-01T00:00:00Z".parse().unwrap())),
        refused("no timestamp", R::TimestampMissing, |t| t.bundle.timestamp = None),
        refused("an empty list of timestamps", R::TimestampMissing, |t| t.edit = Some(|b, _| *stamps(b) = json!([]))),
        refused("a timestamp by another key", R::TimestampInvalid, |t| t.timestamp().wrong_key = true),
        refused("a timestamp of another signature", R::TimestampInvalid, |t| {
            t.edit = Some(|b, donor| {
                let other = &donor["verificationMaterial"]["timestampVerificationData"];
                b["verificationMaterial"]["timestampVerificationData"] = other.clone();
            });
        }),
        refused("a timestamp of other bytes", R::TimestampInvalid, |t| t.bundle.stamped = Some(b"x".to_vec())),
        refused("no timestamp token", R::TimestampInvalid, |t| {
            t.edit = Some(|b, _| stamps(b)[0]["signedTimestamp"] = STANDARD.encode(b"token").into());
        }),
        refused("one bit of the token turned", R::TimestampInvalid, |t| {
            t.edit = Some(|b, _| flip(&mut stamps(b)[0]["signedTimestamp"]));
        }),
        refused("CVE-2026-49834: the same timestamp twice", R::TimestampInvalid, |t| t.bundle.timestamp_copies = 2),
        refused("a bad timestamp beside a good one", R::TimestampInvalid, |t| {
            t.bundle.more_timestamps = vec![TimestampOptions { wrong_key: true, ..TimestampOptions::default() }];
        }),
        refused("a timestamp after the certificate's end beside a good one", R::CertificateExpired, |t| {
            t.certificate.lifetime = 5;
            t.bundle.more_timestamps = vec![TimestampOptions { clock_offset: 10, ..TimestampOptions::default() }];
        }),
        refused("an authority that is not in the trust root", R::TimestampInvalid, |t| {
            t.timestamp().authority = Which::Second;
        }),
        refused("an unknown authority that brings its certificate", R::TimestampInvalid, |t| {
            t.timestamp().authority = Which::Second;
            t.timestamp().with_certificate = true;
        }),
        refused("a trust root without timestamp authorities", R::TimestampInvalid, |t| {
            t.edit_root = Some(|r| r["timestampAuthorities"] = json!([]));
        }),
        refused("the authority's time in the trust root had ended", R::TimestampInvalid, |t| {
            tsa_window(t, -7200, Some(-3600));
        }),
        refused("the authority was not trusted yet", R::TimestampInvalid, |t| tsa_window(t, 3600, None)),
        refused("CVE-2026-39984: the authority's certificate had expired", R::TimestampInvalid, |t| {
            let tsa = TsaOptions { ends: Some(-60), ..TsaOptions::default() };
            t.options = Some(Options { tsa, ..Options::default() });
        }),
        refused("CVE-2026-39984: the authority's certificate is for code signing", R::TimestampInvalid, |t| {
            let tsa = TsaOptions { code_signing: true, ..TsaOptions::default() };
            t.options = Some(Options { tsa, ..Options::default() });
        }),
        refused("a timestamp after the certificate's end", R::CertificateExpired, |t| {
            t.timestamp().clock_offset = 3600;
        }),
        refused("a timestamp before the certificate", R::CertificateExpired, |t| t.timestamp().clock_offset = -3600),
        refused("certificate and timestamp of next year", R::TimeInFuture, |t| {
            t.certificate.not_before_offset = YEAR;
            t.timestamp().clock_offset = YEAR + 60;
        }),
        refused("a timestamp one minute ahead", R::TimeInFuture, |t| t.timestamp().clock_offset = 60),
        refused("signed later than --at", R::SignedLater, |t| t.at = Some("2020-01-01T00:00:00Z".parse().unwrap())),
    ]
}
