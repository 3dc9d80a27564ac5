use ReasonCode as R;
use countersign_sandbox::sigstore::{BundleOptions, KindV1, Promise, Window};
use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_entry_of_rekor_v1_needs_its_proof_and_is_timed_by_its_promise() {
    run("log v1", |t| t.bundle = BundleOptions::rekor_v1(LogV1Options::default()), &cases());
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        accepted("control: dsse with proof and promise", |_| {}),
        accepted("control: intoto with proof and promise", |t| t.log_v1().kind = KindV1::Intoto),
        accepted("control: proof and timestamp, no promise", |t| {
            t.log_v1().promise = Promise::None;
            t.bundle.timestamp = Some(TimestampOptions::default());
        }),
        accepted("control: proof, promise and timestamp", |t| t.bundle.timestamp = Some(TimestampOptions::default())),
        refused("CVE-2024-55655: an integrated time without promise or timestamp", R::TimestampMissing, |t| {
            t.log_v1().promise = Promise::None;
        }),
        refused("a promise without a proof", R::InclusionProofInvalid, |t| t.log_v1().no_proof = true),
        refused("a promise by another key", R::InclusionPromiseInvalid, |t| t.log_v1().promise = Promise::WrongKey),
        refused("CVE-2022-23649: the log's promise for another entry", R::InclusionPromiseInvalid, |t| {
            t.edit = Some(|b, donor| {
                let other = &donor["verificationMaterial"]["tlogEntries"][0];
                entry(b)["inclusionPromise"] = other["inclusionPromise"].clone();
            });
        }),
        refused("CVE-2022-23649: promise, time and index of another entry", R::InclusionPromiseInvalid, |t| {
            t.edit = Some(|b, donor| {
                let other = &donor["verificationMaterial"]["tlogEntries"][0];
                for field in ["inclusionPromise", "integratedTime", "logIndex"] {
                    entry(b)[field] = other[field].clone();
                }
            });
        }),
        refused("CVE-2026-22703, CVE-2024-51746: another entry of the signer", R::LogEntryMismatch, |t| {
            t.edit = Some(|b, donor| *entry(b) = donor["verificationMaterial"]["tlogEntries"][0].clone());
        }),
        refused("CVE-2024-55655: integrated time changed", R::InclusionPromiseInvalid, |t| {
            t.edit = Some(|b, _| {
                let time: i64 = entry(b)["integratedTime"].as_str().unwrap().parse().unwrap();
                entry(b)["integratedTime"] = (time - 1).to_string().into();
            });
        }),
        refused("a promise without an integrated time", R::InclusionPromiseInvalid, |t| {
            t.edit = Some(|b, _| _ = entry(b).as_object_mut().unwrap().remove("integratedTime"));
        }),
        refused("log index changed", R::InclusionPromiseInvalid, |t| {
            t.edit = Some(|b, _| entry(b)["logIndex"] = "12345".into());
        }),
        refused("one bit of the proof turned", R::InclusionProofInvalid, |t| t.log_v1().wrong_proof = true),
        refused("another tree size than the checkpoint's", R::InclusionProofInvalid, |t| {
            t.edit = Some(|b, _| entry(b)["inclusionProof"]["treeSize"] = "999".into());
        }),
        refused("a checkpoint by another key", R::CheckpointInvalid, |t| t.log_v1().wrong_key = true),
        refused("a hashedrekord, which no client makes for an envelope", R::BundleMalformed, |t| {
            t.log_v1().kind = KindV1::HashedRekord;
        }),
        refused("a dsse entry called intoto", R::LogEntryInvalid, |t| {
            t.edit = Some(|b, _| entry(b)["kindVersion"] = json!({"kind": "intoto", "version": "0.0.2"}));
        }),
        refused("a dsse entry called one of Rekor v2", R::LogEntryInvalid, |t| {
            t.edit = Some(|b, _| entry(b)["kindVersion"] = json!({"kind": "hashedrekord", "version": "0.0.2"}));
        }),
        refused("signature changed in bundle and not in the log", R::SignatureInvalid, |t| {
            t.edit = Some(|b, _| flip(&mut b["dsseEnvelope"]["signatures"][0]["sig"]));
        }),
        refused("another certificate of the same signer", R::SignatureInvalid, |t| {
            t.edit = Some(|b, donor| {
                let other = donor["verificationMaterial"]["certificate"].clone();
                b["verificationMaterial"]["certificate"] = other;
            });
        }),
        refused("logged after the certificate's end", R::CertificateExpired, |t| {
            t.certificate.not_before_offset = -7200;
        }),
        refused("logged before the certificate", R::CertificateExpired, |t| t.certificate.not_before_offset = 300),
        refused("logged in the future", R::TimeInFuture, |t| t.log_v1().clock_offset = 400),
        refused("CVE-2026-54787: the log's key had ended", R::LogKeyWindow, |t| {
            t.windows(Windows { rekor_v1: Window { starts: -7200, ends: Some(-3600) }, ..Windows::default() });
        }),
        refused("the log's key had ended, and a timestamp instead of the promise", R::LogKeyWindow, |t| {
            t.log_v1().promise = Promise::None;
            t.bundle.timestamp = Some(TimestampOptions::default());
            t.windows(Windows { rekor_v1: Window { starts: -7200, ends: Some(-3600) }, ..Windows::default() });
        }),
        refused("a log that is not in the trust root", R::LogUnknown, |t| {
            t.edit_root = Some(|r| _ = r["tlogs"].as_array_mut().unwrap().pop());
        }),
        refused("a good promise beside a bad timestamp", R::TimestampInvalid, |t| {
            t.bundle.timestamp = Some(TimestampOptions { wrong_key: true, ..TimestampOptions::default() });
        }),
        refused("the same entry twice", R::LogEntryCount, |t| t.bundle.log_entry_copies = 2),
    ]
}
