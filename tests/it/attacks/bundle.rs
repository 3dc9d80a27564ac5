use ReasonCode as R;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn shape_and_bounds_of_a_bundle_are_settled_before_anything_is_believed() {
    run("bundle", plain, &cases());
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        accepted("control: a good bundle", |_| {}),
        accepted("control: the older spelling of v0.3", |t| {
            t.bundle.media_type = "application/vnd.dev.sigstore.bundle+json;version=0.3".to_owned();
        }),
        refused("media type edited down to v0.1 (needs no proof)", R::BundleVersion, |t| {
            t.bundle.media_type = "application/vnd.dev.sigstore.bundle+json;version=0.1".to_owned();
        }),
        refused("bundle v0.2", R::BundleVersion, |t| {
            t.bundle.media_type = "application/vnd.dev.sigstore.bundle+json;version=0.2".to_owned();
        }),
        refused("a version nobody knows", R::BundleMalformed, |t| {
            t.bundle.media_type = "application/vnd.dev.sigstore.bundle.v0.9+json".to_owned();
        }),
        refused("no JSON", R::BundleMalformed, |t| t.bytes = Some(|_| b"bundle".to_vec())),
        refused("no bytes", R::BundleMalformed, |t| t.bytes = Some(|_| Vec::new())),
        refused("cut off", R::BundleMalformed, |t| t.bytes = Some(|b| b[..b.len() - 1].to_vec())),
        refused("more behind the JSON", R::BundleMalformed, |t| t.bytes = Some(|b| [b, b"{}".to_vec()].concat())),
        refused("not UTF-8", R::BundleMalformed, |t| t.bytes = Some(|b| [b"\xff".to_vec(), b].concat())),
        refused("nested ten thousand deep", R::BundleMalformed, |t| {
            t.bytes = Some(|_| format!("{{\"mediaType\":{}", "[".repeat(10_000)).into_bytes());
        }),
        refused("CVE-2023-46737, CVE-2024-35238: more than 10 MiB", R::BundleTooLarge, |t| {
            t.bytes = Some(|b| [b, vec![b' '; 10 << 20]].concat());
        }),
        refused("CVE-2024-45395: 33 log entries", R::BundleCounts, |t| t.bundle.log_entry_copies = 33),
        refused("CVE-2024-45395: 33 timestamps", R::BundleCounts, |t| t.bundle.timestamp_copies = 33),
        refused("the material twice, the second empty", R::BundleMalformed, |t| {
            t.bytes = Some(|b| {
                let text = String::from_utf8(b).unwrap();
                let twice = text.strip_suffix('}').unwrap().to_owned() + r#","verificationMaterial":{}}"#;
                twice.into_bytes()
            });
        }),
        refused("a chain with its root instead of the leaf", R::BundleMaterial, |t| t.bundle.with_chain = true),
        refused("a key hint instead of a certificate", R::BundleMaterial, |t| {
            t.edit = Some(|b, _| {
                let material = b["verificationMaterial"].as_object_mut().unwrap();
                material.remove("certificate");
                material.insert("publicKey".to_owned(), serde_json::json!({"hint": "key"}));
            });
        }),
        refused("no certificate", R::BundleMalformed, |t| {
            t.edit = Some(|b, _| _ = b["verificationMaterial"].as_object_mut().unwrap().remove("certificate"));
        }),
        refused("an empty certificate", R::CertificateInvalid, |t| {
            t.edit = Some(|b, _| b["verificationMaterial"]["certificate"]["rawBytes"] = "".into());
        }),
        refused("bytes behind the certificate", R::CertificateInvalid, |t| {
            t.edit = Some(|b, _| {
                let raw = &mut b["verificationMaterial"]["certificate"]["rawBytes"];
                let bytes = STANDARD.decode(raw.as_str().unwrap()).unwrap();
                *raw = STANDARD.encode([bytes, vec![0]].concat()).into();
            });
        }),
        refused("a message signature instead of an envelope", R::BundleContent, |t| {
            t.edit = Some(|b, _| {
                let envelope = b.as_object_mut().unwrap().remove("dsseEnvelope").unwrap();
                b["messageSignature"] = serde_json::json!({"signature": envelope["signatures"][0]["sig"]});
            });
        }),
        refused("no content", R::BundleMalformed, |t| {
            t.edit = Some(|b, _| _ = b.as_object_mut().unwrap().remove("dsseEnvelope"));
        }),
        refused("signed as another payload type", R::PayloadType, |t| {
            t.bundle.payload_type = "text/plain".to_owned();
        }),
        refused("payload type changed after signing", R::SignatureInvalid, |t| {
            // Seen from the log: the entry is about the envelope that was signed.
            t.bundle.payload_type = "application/json".to_owned();
            t.edit = Some(|b, _| b["dsseEnvelope"]["payloadType"] = "application/vnd.in-toto+json".into());
        }),
        refused("no signature", R::SignatureCount, |t| t.bundle.signatures = 0),
        refused("two signatures", R::SignatureCount, |t| t.bundle.signatures = 2),
        refused("a signature that is no base64", R::BundleMalformed, |t| {
            t.edit = Some(|b, _| b["dsseEnvelope"]["signatures"][0]["sig"] = "!".into());
        }),
        refused("payload changed after signing", R::SignatureInvalid, |t| {
            t.edit = Some(|b, _| {
                let payload = STANDARD.decode(b["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
                b["dsseEnvelope"]["payload"] = STANDARD.encode([payload, b" ".to_vec()].concat()).into();
            });
        }),
        refused("another bundle's payload and signature", R::TimestampInvalid, |t| {
            t.edit = Some(|b, donor| b["dsseEnvelope"] = donor["dsseEnvelope"].clone());
        }),
        refused("another bundle's payload alone", R::SignatureInvalid, |t| {
            t.edit = Some(|b, donor| b["dsseEnvelope"]["payload"] = donor["dsseEnvelope"]["payload"].clone());
        }),
        refused("CVE-2022-36056: another certificate of the same signer", R::SignatureInvalid, |t| {
            t.edit = Some(|b, donor| {
                let other = donor["verificationMaterial"]["certificate"].clone();
                b["verificationMaterial"]["certificate"] = other;
            });
        }),
    ]
}
