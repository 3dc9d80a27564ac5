//! What a registry, or whoever sits in front of it, can do: every look that failed is *unknown*, exit 7 (6 where the answer
//! is "not allowed"), and never *unsigned*.

use countersign_sandbox::registry::{Fault, Place, RetryAfter, Switch, When};

use crate::support::evidence::nodes;
use crate::support::{APP, Gateway, digest};

const LISTS: &str = "/referrers/";
const BUNDLES: &str = "/blobs/";

struct Case {
    name: &'static str,
    verdict: &'static str,
    exit: i32,
    code: &'static str,
    set: fn(&Gateway, &[String]),
}

fn case(name: &'static str, exit: i32, code: &'static str, set: fn(&Gateway, &[String])) -> Case {
    let verdict = match exit {
        0 => "verified",
        4 => "refuted",
        _ => "unknown",
    };
    Case { name, verdict, exit, code, set }
}

fn fault(gateway: &Gateway, target: &str, place: Place, fault: Fault) {
    gateway.registry.faults().add(When::any().matching(target), place, fault);
}

fn cases() -> Vec<Case> {
    vec![
        case("control: nothing is wrong", 0, "", |_, _| {}),
        case("control, CVE-2025-25204: no attestation at all", 4, "unsigned", |g, nodes| strip(g, nodes)),
        case("referrers: 401", 6, "unauthenticated", |g, _| fault(g, LISTS, Place::Before, Fault::Status(401))),
        case("referrers: 403", 6, "forbidden", |g, _| fault(g, LISTS, Place::Before, Fault::Status(403))),
        case("referrers: 429", 7, "unreachable", |g, _| {
            fault(g, LISTS, Place::Before, Fault::RateLimited(RetryAfter::Silent));
        }),
        case("referrers: GitHub's secondary limit", 7, "unreachable", |g, _| {
            fault(g, LISTS, Place::Before, Fault::SecondaryRateLimit);
        }),
        case("referrers: 500", 7, "unreachable", |g, _| fault(g, LISTS, Place::Before, Fault::Status(500))),
        case("referrers: 503", 7, "unreachable", |g, _| fault(g, LISTS, Place::Before, Fault::Status(503))),
        case("referrers: connection reset", 7, "unreachable", |g, _| fault(g, LISTS, Place::Before, Fault::Reset)),
        case("referrers: closed without an answer", 7, "unreachable", |g, _| {
            fault(g, LISTS, Place::Before, Fault::Close);
        }),
        case("referrers: 405, and nothing elsewhere", 7, "referrers-unclear", |g, _| {
            g.registry.faults().on(Switch::ReferrersStatus(405));
        }),
        case("referrers: half of the list", 7, "unreachable", |g, _| {
            fault(g, LISTS, Place::After, Fault::TruncatedBody);
        }),
        case("CVE-2023-33957: referrers without end", 7, "limit-exceeded", |g, _| {
            fault(g, LISTS, Place::After, Fault::EndlessBody);
        }),
        case("referrers: HTML", 7, "referrers-unclear", |g, _| {
            let headers = vec![("content-type", "text/html".to_owned())];
            fault(g, LISTS, Place::Before, Fault::Answer(200, headers, b"<html>".to_vec()));
        }),
        case("referrers: an index cut short", 7, "referrers-unclear", |g, _| {
            let headers = vec![("content-type", "application/vnd.oci.image.index.v1+json".to_owned())];
            fault(g, LISTS, Place::Before, Fault::Answer(200, headers, b"{\"schemaVersion\":2,".to_vec()));
        }),
        case("referrers: a link that leads to itself", 7, "malformed-answer", |g, nodes| {
            let next = format!("</v2/{APP}/referrers/{}?n=1>; rel=\"next\"", nodes[0]);
            let headers = vec![("content-type", "application/vnd.oci.image.index.v1+json".to_owned()), ("link", next)];
            let empty = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
            fault(g, LISTS, Place::Before, Fault::Answer(200, headers, empty.to_vec()));
        }),
        case("CVE-2024-29903: more than a hundred referrers", 7, "limit-exceeded", |g, nodes| {
            strip(g, nodes);
            (0..101).for_each(|i| attach_foreign(g, &nodes[0], i));
        }),
        case("bundles: 401", 6, "unauthenticated", |g, _| fault(g, BUNDLES, Place::Before, Fault::Status(401))),
        case("bundles: 500", 7, "unreachable", |g, _| fault(g, BUNDLES, Place::Before, Fault::Status(500))),
        case("bundles: 429", 7, "unreachable", |g, _| {
            fault(g, BUNDLES, Place::Before, Fault::RateLimited(RetryAfter::Silent));
        }),
        case("bundles: listed, and 404", 7, "unreachable", |g, _| {
            fault(g, BUNDLES, Place::Before, Fault::Status(404));
        }),
        case("bundles: half of the bytes", 7, "unreachable", |g, _| {
            fault(g, BUNDLES, Place::After, Fault::TruncatedBody);
        }),
        case("CVE-2022-47633: bundles of other bytes", 4, "unsigned", |g, _| {
            fault(g, BUNDLES, Place::After, Fault::WrongBytes);
        }),
        case("the image's manifest: 500", 7, "unreachable", |g, nodes| {
            fault(g, &format!("/manifests/{}$", nodes[0]), Place::Before, Fault::Status(500));
        }),
        case("CVE-2022-47633: the image's manifest of other bytes", 4, "digest-mismatch", |g, nodes| {
            fault(g, &format!("/manifests/{}$", nodes[0]), Place::After, Fault::WrongBytes);
        }),
        case("everything: 503", 7, "unreachable", |g, _| fault(g, "/v2/", Place::Before, Fault::Status(503))),
    ]
}

/// Deletes everything attached to the first node.
fn strip(gateway: &Gateway, nodes: &[String]) {
    for referrer in gateway.registry.referrers(APP, &nodes[0]) {
        gateway.registry.delete_manifest(APP, &referrer);
    }
}

fn attach_foreign(gateway: &Gateway, node: &str, i: usize) {
    let empty = gateway.registry.put_blob(APP, b"{}".to_vec());
    let size = gateway.registry.manifest(APP, node).unwrap().bytes.len();
    let descriptor = serde_json::json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2});
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": format!("application/vnd.example.{i}"),
        "config": descriptor,
        "layers": [descriptor],
        "subject": {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": node, "size": size},
    });
    let bytes = manifest.to_string().into_bytes();
    gateway.registry.put_manifest_raw(APP, "application/vnd.oci.image.manifest.v1+json", bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_looked_at_is_unknown_and_never_unsigned() {
    let mut wrong = Vec::new();
    let cases = cases();
    let mut release: Option<(Gateway, Vec<String>)> = None;
    for case in &cases {
        // A case that deletes spoils the release; the others leave it as it was.
        let (gateway, nodes) = match release.take() {
            Some(release) => release,
            None => {
                let gateway = Gateway::start().await;
                let candidate = gateway.release("1.2.3").await;
                let nodes = nodes(&gateway.registry, APP, digest(&candidate));
                (gateway, nodes)
            }
        };
        let before = gateway.registry.referrers(APP, &nodes[0]).len();
        (case.set)(&gateway, &nodes);
        let spoiled = gateway.registry.referrers(APP, &nodes[0]).len() != before;
        let reference = gateway.reference(APP, &nodes[0]);
        let run = gateway.run(&["verify", &reference, "--require", "signature", "--timeout", "2s"]).await;
        let verdict = run.json()["verdict"].as_str().unwrap_or("none").to_owned();
        let says_unsigned = run.stdout.contains("\"unsigned\"");
        let found = (verdict.as_str(), run.code, run.stdout.contains(&format!("\"{}\"", case.code)));
        let (verdict, exit) = (case.verdict, case.exit);
        eprintln!("registry    | {:56} | {verdict} {exit} {:18} | {} {}", case.name, case.code, found.0, found.1);
        let right = found == (verdict, exit, !case.code.is_empty()) || (case.code.is_empty() && found.1 == 0);
        if !right || (verdict == "unknown" && says_unsigned) {
            wrong.push(format!("{}: found {found:?}, reasons {:?}", case.name, run.codes()));
        }
        gateway.registry.faults().clear();
        if !spoiled {
            release = Some((gateway, nodes));
        }
    }
    eprintln!("registry: {} cases, {} wrong", cases.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
