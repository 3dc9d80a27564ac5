use ReasonCode as R;
use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_statement_says_what_was_asked_about_this_digest_alone() {
    run("statement", plain, &cases());
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = about_the_subject();
    cases.extend(about_the_type());
    cases
}

fn about_the_subject() -> Vec<Case> {
    vec![
        accepted("control: a statement v1", |_| {}),
        accepted("control: the subject has a name", |t| t.statement(|s| s["subject"][0]["name"] = "app".into())),
        accepted("control: a further digest of the same subject", |t| {
            t.statement(|s| s["subject"][0]["digest"]["gitCommit"] = "abc".into());
        }),
        refused("CVE-2023-33959: the right statement about another image", R::SubjectMismatch, |t| {
            t.statement = Statement::signature(Digest::of(b"another image")).to_bytes();
        }),
        refused("two subjects, the first right", R::SubjectCount, |t| {
            t.statement(|s| {
                let other = json!({"digest": {"sha256": Digest::of(b"another image").hex()}});
                s["subject"].as_array_mut().unwrap().push(other);
            });
        }),
        refused("two subjects, the second right", R::SubjectCount, |t| {
            t.statement(|s| {
                let other = json!({"digest": {"sha256": Digest::of(b"another image").hex()}});
                s["subject"].as_array_mut().unwrap().insert(0, other);
            });
        }),
        refused("the same subject twice", R::SubjectCount, |t| {
            t.statement(|s| {
                let again = s["subject"][0].clone();
                s["subject"].as_array_mut().unwrap().push(again);
            });
        }),
        refused("a thousand subjects", R::SubjectCount, |t| {
            t.statement(|s| s["subject"] = vec![s["subject"][0].clone(); 1000].into());
        }),
        refused("no subject", R::SubjectCount, |t| t.statement(|s| s["subject"] = json!([]))),
        refused("a subject without a digest", R::SubjectMismatch, |t| {
            t.statement(|s| s["subject"][0]["digest"] = json!({}));
        }),
        refused("the right digits under another algorithm", R::SubjectMismatch, |t| {
            t.statement(|s| s["subject"][0]["digest"] = json!({"sha1": subject().hex()}));
        }),
        refused("the right digits as sha512", R::SubjectMismatch, |t| {
            t.statement(|s| s["subject"][0]["digest"] = json!({"sha512": subject().hex()}));
        }),
        refused("capital digits", R::SubjectMismatch, |t| {
            t.statement(|s| s["subject"][0]["digest"]["sha256"] = subject().hex().to_uppercase().into());
        }),
        refused("the first half of the digits", R::SubjectMismatch, |t| {
            t.statement(|s| s["subject"][0]["digest"]["sha256"] = subject().hex()[..32].into());
        }),
        refused("the digits with a space", R::SubjectMismatch, |t| {
            t.statement(|s| s["subject"][0]["digest"]["sha256"] = format!("{} ", subject().hex()).into());
        }),
        refused("the digest twice, the second right", R::StatementMalformed, |t| {
            let text = String::from_utf8(t.statement.clone()).unwrap();
            let other = Digest::of(b"another image");
            t.statement = text.replace(r#""digest":{"#, &format!(r#""digest":{{"sha256":"{}","#, other.hex())).into();
        }),
        refused("more than 32 digests of one subject", R::StatementMalformed, |t| {
            t.statement(|s| {
                for i in 0..40 {
                    s["subject"][0]["digest"][format!("x{i}")] = "00".into();
                }
            });
        }),
    ]
}

fn about_the_type() -> Vec<Case> {
    vec![
        accepted("control: a statement v0.1", |t| {
            t.statement(|s| s["_type"] = "https://in-toto.io/Statement/v0.1".into());
        }),
        accepted("control: another predicate type, asked for by name", |t| {
            t.statement(|s| s["predicateType"] = "https://cyclonedx.org/bom".into());
            t.wanted = PredicateType::CYCLONEDX;
        }),
        refused(
            "CVE-2022-35929, CVE-2026-39395: an SBOM where a signature is asked for",
            R::PredicateTypeMismatch,
            |t| {
                t.statement(|s| s["predicateType"] = "https://cyclonedx.org/bom".into());
            },
        ),
        refused("CVE-2022-35930: a signature where an SBOM is asked for", R::PredicateTypeMismatch, |t| {
            t.wanted = PredicateType::CYCLONEDX;
        }),
        refused("a lookalike of the predicate type", R::PredicateTypeMismatch, |t| {
            t.statement(|s| s["predicateType"] = "https://sigstore.dev/cosign/sign/v1/".into());
        }),
        refused("the predicate type with a line end", R::StatementMalformed, |t| {
            t.statement(|s| s["predicateType"] = "https://sigstore.dev/cosign/sign/v1\n".into());
        }),
        refused("no predicate type", R::StatementMalformed, |t| {
            t.statement(|s| _ = s.as_object_mut().unwrap().remove("predicateType"));
        }),
        refused("the predicate type twice", R::StatementMalformed, |t| {
            let text = String::from_utf8(t.statement.clone()).unwrap();
            let twice = text.strip_suffix('}').unwrap().to_owned() + r#","predicateType":"https://cyclonedx.org/bom"}"#;
            t.statement = twice.into_bytes();
        }),
        refused("a statement v9", R::StatementMalformed, |t| {
            t.statement(|s| s["_type"] = "https://in-toto.io/Statement/v9".into());
        }),
        refused("no _type", R::StatementMalformed, |t| {
            t.statement(|s| _ = s.as_object_mut().unwrap().remove("_type"));
        }),
        refused("an in-toto link", R::StatementMalformed, |t| t.statement(|s| s["_type"] = "link".into())),
        refused("a list", R::StatementMalformed, |t| t.statement = b"[]".to_vec()),
        refused("nothing", R::StatementMalformed, |t| t.statement = Vec::new()),
        refused("more behind the statement", R::StatementMalformed, |t| t.statement.extend_from_slice(b"{}")),
        refused("CVE-2026-44309: a byte order mark before it", R::StatementMalformed, |t| {
            t.statement = [b"\xef\xbb\xbf".to_vec(), t.statement.clone()].concat();
        }),
    ]
}
