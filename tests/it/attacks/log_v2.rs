use ReasonCode as R;
use countersign_sandbox::sigstore::{BundleOptions, Which, Window};
use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_entry_of_rekor_v2_is_about_this_signature_and_proven_by_its_own_log() {
    run("log v2", plain, &cases());
}

/// `sigstore-verify` takes a checkpoint by *any* trusted log.
#[tokio::test(flavor = "multi_thread")]
async fn several_logs_may_be_trusted_at_once() {
    let second = |t: &mut Trial<'_>| t.windows(Windows { second: Some(Window::default()), ..Windows::default() });
    run("log v2", second, &beside_a_second_log());
}

pub(super) fn beside_a_second_log() -> Vec<Case> {
    vec![
        accepted("control: the second log of the trust root", |t| t.log().which = Which::Second),
        accepted("control: the first log beside a second", |_| {}),
        refused("a checkpoint of the first log that names the second", R::CheckpointInvalid, |t| {
            t.log().origin = Some("second.rekor.sandbox".to_owned());
        }),
        refused("an entry of the first log under the second's id", R::CheckpointInvalid, |t| {
            t.edit_root = Some(|r| {
                // Seen from the trust root: the second log's key under the first log's id.
                let second = r["tlogs"][2]["publicKey"].clone();
                r["tlogs"][0]["publicKey"] = second;
            });
        }),
        refused("CVE-2026-49834: entries of two logs, where one is asked for", R::LogEntryCount, |t| {
            t.bundle.log_v1 = Some(LogV1Options::default());
        }),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = about_the_entry();
    cases.extend(about_the_proof());
    cases.extend(about_the_window());
    cases
}

fn about_the_entry() -> Vec<Case> {
    vec![
        accepted("control: a good entry", |_| {}),
        accepted("control: an unsigned integrated time is ignored", |t| {
            t.edit = Some(|b, _| entry(b)["integratedTime"] = "1".into());
        }),
        refused("no entry", R::LogEntryMissing, |t| t.bundle.log = None),
        refused("the same entry twice", R::LogEntryCount, |t| t.bundle.log_entry_copies = 2),
        refused("CVE-2026-22703: another entry of the same signer", R::LogEntryMismatch, |t| {
            t.edit = Some(|b, donor| *entry(b) = donor["verificationMaterial"]["tlogEntries"][0].clone());
        }),
        refused("CVE-2022-36056: an entry about another digest", R::LogEntryMismatch, |t| {
            t.bundle.logged_digest = Some([7; 32]);
        }),
        refused("a logged body with one field more than we read", R::LogEntryMismatch, |t| {
            t.log().body = Some(|body| body.replacen('{', r#"{"aaa":1,"#, 1));
        }),
        refused("a logged body in another order of keys", R::LogEntryMismatch, |t| {
            t.log().body = Some(|body| {
                let rest = body.strip_prefix(r#"{"apiVersion":"0.0.2","kind":"hashedrekord","#).unwrap();
                format!(r#"{{"kind":"hashedrekord","apiVersion":"0.0.2",{rest}"#)
            });
        }),
        refused("a logged body of another kind", R::LogEntryInvalid, |t| {
            t.log().body = Some(|body| body.replace(r#""kind":"hashedrekord""#, r#""kind":"rekord""#));
        }),
        refused("a logged body under another hash", R::BundleMalformed, |t| {
            t.log().body = Some(|body| body.replace("SHA2_256", "SHA2_512"));
        }),
        refused("a logged body that is no JSON", R::LogEntryInvalid, |t| t.log().body = Some(|_| "body".to_owned())),
        refused("called an entry of Rekor v1", R::LogEntryInvalid, |t| {
            t.edit = Some(|b, _| entry(b)["kindVersion"] = json!({"kind": "dsse", "version": "0.0.1"}));
        }),
        refused("called an entry of no known kind", R::BundleMalformed, |t| {
            t.edit = Some(|b, _| entry(b)["kindVersion"] = json!({"kind": "dsse", "version": "9"}));
        }),
        refused("with a promise, which Rekor v2 does not make", R::InclusionPromiseInvalid, |t| {
            t.edit = Some(|b, _| {
                entry(b)["integratedTime"] = "1700000000".into();
                entry(b)["inclusionPromise"] = json!({"signedEntryTimestamp": "MEUCIQ=="});
            });
        }),
        refused("one bit of the body turned", R::LogEntryInvalid, |t| {
            t.edit = Some(|b, _| {
                let body = STANDARD.decode(entry(b)["canonicalizedBody"].as_str().unwrap()).unwrap();
                entry(b)["canonicalizedBody"] = STANDARD.encode(&body[1..]).into();
            });
        }),
        refused("a body that does not lead to the root", R::InclusionProofInvalid, |t| {
            t.edit = Some(|b, donor| {
                let other = &donor["verificationMaterial"]["tlogEntries"][0]["canonicalizedBody"];
                entry(b)["canonicalizedBody"] = other.clone();
            });
        }),
    ]
}

fn about_the_proof() -> Vec<Case> {
    vec![
        refused("no proof", R::InclusionProofInvalid, |t| {
            t.edit = Some(|b, _| _ = entry(b).as_object_mut().unwrap().remove("inclusionProof"));
        }),
        refused("one bit of the proof turned", R::InclusionProofInvalid, |t| {
            t.edit = Some(|b, _| flip(&mut entry(b)["inclusionProof"]["hashes"][0]));
        }),
        refused("a hash missing in the proof", R::InclusionProofInvalid, |t| {
            t.edit = Some(|b, _| _ = entry(b)["inclusionProof"]["hashes"].as_array_mut().unwrap().pop());
        }),
        refused("a hash more in the proof", R::InclusionProofInvalid, |t| {
            t.edit = Some(|b, _| {
                let hashes = entry(b)["inclusionProof"]["hashes"].as_array_mut().unwrap();
                hashes.push(hashes[0].clone());
            });
        }),
        refused("another index", R::InclusionProofInvalid, |t| {
            t.edit = Some(|b, _| {
                entry(b)["logIndex"] = "0".into();
                entry(b)["inclusionProof"]["logIndex"] = "0".into();
            });
        }),
        refused("another index in the proof than in the entry", R::InclusionProofInvalid, |t| {
            t.edit = Some(|b, _| entry(b)["inclusionProof"]["logIndex"] = "0".into());
        }),
        refused("a negative index", R::BundleMalformed, |t| {
            t.edit = Some(|b, _| entry(b)["logIndex"] = "-1".into());
        }),
        refused("an index behind the tree's end", R::InclusionProofInvalid, |t| {
            t.edit = Some(|b, _| {
                entry(b)["logIndex"] = "999999".into();
                entry(b)["inclusionProof"]["logIndex"] = "999999".into();
            });
        }),
        refused("another tree size than the checkpoint's", R::InclusionProofInvalid, |t| {
            t.edit = Some(|b, _| entry(b)["inclusionProof"]["treeSize"] = "999".into());
        }),
        refused("another root than the checkpoint's", R::InclusionProofInvalid, |t| {
            t.edit = Some(|b, _| flip(&mut entry(b)["inclusionProof"]["rootHash"]));
        }),
        refused("the checkpoint of an earlier tree", R::InclusionProofInvalid, |t| {
            t.edit = Some(|b, donor| {
                let proof = &donor["verificationMaterial"]["tlogEntries"][0]["inclusionProof"];
                entry(b)["inclusionProof"]["checkpoint"] = proof["checkpoint"].clone();
            });
        }),
        refused("the whole proof of another entry", R::InclusionProofInvalid, |t| {
            t.edit = Some(|b, donor| {
                let other = &donor["verificationMaterial"]["tlogEntries"][0];
                entry(b)["inclusionProof"] = other["inclusionProof"].clone();
                entry(b)["logIndex"] = other["logIndex"].clone();
            });
        }),
        refused("no checkpoint", R::CheckpointInvalid, |t| {
            t.edit = Some(|b, _| entry(b)["inclusionProof"]["checkpoint"] = json!({"envelope": ""}));
        }),
        refused("a checkpoint by another key", R::CheckpointInvalid, |t| t.log().wrong_key = true),
        refused("a checkpoint that names another log", R::CheckpointInvalid, |t| {
            t.log().origin = Some("rekor.example".to_owned());
        }),
        refused("a checkpoint that names a lookalike of the log", R::CheckpointInvalid, |t| {
            t.log().origin = Some("rekor.sandbox.evil.example".to_owned());
        }),
        refused("a checkpoint with another root after signing", R::CheckpointInvalid, |t| {
            t.edit = Some(|b, _| {
                let envelope = &mut entry(b)["inclusionProof"]["checkpoint"]["envelope"];
                // A line of other content, which the signature would have to cover.
                let text = envelope.as_str().unwrap().replacen("\n\n", "\nmore\n\n", 1);
                *envelope = text.into();
            });
        }),
    ]
}

fn about_the_window() -> Vec<Case> {
    vec![
        refused("CVE-2023-47122: a log that is not in the trust root", R::LogUnknown, |t| {
            t.log().which = Which::Second;
        }),
        refused("a trust root without logs", R::LogUnknown, |t| t.edit_root = Some(|r| r["tlogs"] = json!([]))),
        refused("CVE-2026-54787: the log's key had ended", R::LogKeyWindow, |t| {
            t.windows(Windows { rekor: Window { starts: -7200, ends: Some(-3600) }, ..Windows::default() });
        }),
        refused("the log's key was not in use yet", R::LogKeyWindow, |t| {
            t.windows(Windows { rekor: Window { starts: 3600, ends: None }, ..Windows::default() });
        }),
        accepted("control: the log's key has an end, which is not reached", |t| {
            t.windows(Windows { rekor: Window { starts: -3600, ends: Some(3600) }, ..Windows::default() });
        }),
        refused("a log id of other bytes", R::LogUnknown, |t| {
            t.edit = Some(|b, _| flip(&mut entry(b)["logId"]["keyId"]));
        }),
        refused("neither entry nor timestamp", R::LogEntryMissing, |t| {
            t.bundle = BundleOptions { log: None, timestamp: None, ..BundleOptions::default() };
        }),
    ]
}
