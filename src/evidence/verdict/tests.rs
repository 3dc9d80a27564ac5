//! One test per sentence of product.md's verdict rules.

use super::*;
use crate::evidence::PredicateType;
use crate::oci::{Digest, RawManifest, media_type};
use crate::policy::{Reason, ReasonCode};

const ALL: [PredicateType; 5] = [
    PredicateType::SIGNATURE,
    PredicateType::CYCLONEDX,
    PredicateType::VULNERABILITY,
    PredicateType::VSA,
    PredicateType::PROMOTION,
];

fn manifest(media_type: &str, json: &serde_json::Value) -> RawManifest {
    RawManifest::new(media_type, json.to_string().into_bytes())
}

fn descriptor(media_type: &str, text: &str) -> serde_json::Value {
    serde_json::json!({"mediaType": media_type, "digest": Digest::of(text.as_bytes()), "size": 1})
}

fn image(name: &str) -> RawManifest {
    let json = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": descriptor(media_type::OCI_CONFIG, name),
        "layers": [],
    });
    manifest(media_type::OCI_MANIFEST, &json)
}

fn index_of(children: &[serde_json::Value]) -> RawManifest {
    let json = serde_json::json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": children});
    manifest(media_type::OCI_INDEX, &json)
}

fn child(image: &RawManifest) -> serde_json::Value {
    serde_json::json!({"mediaType": image.media_type(), "digest": image.digest(), "size": image.bytes().len()})
}

fn node(manifest: &RawManifest, types: &[PredicateType]) -> NodeEvidence {
    let mut node = NodeEvidence::of(manifest, None).unwrap();
    types.iter().for_each(|t| node.push(good(t)));
    node
}

fn good(predicate_type: &PredicateType) -> AttestationOutcome {
    let reason = Reason::new(ReasonCode::Unreachable, "");
    let outcome = AttestationOutcome::unread(Digest::of(b"bundle"), Format::BundleV03, reason);
    AttestationOutcome {
        predicate_type: Some(predicate_type.clone()),
        verdict: Verdict::Verified,
        reasons: Vec::new(),
        ..outcome
    }
}

fn bad(predicate_type: Option<&PredicateType>, code: ReasonCode) -> AttestationOutcome {
    let outcome = AttestationOutcome::unread(Digest::of(b"bad"), Format::BundleV03, Reason::new(code, "bad"));
    AttestationOutcome { predicate_type: predicate_type.cloned(), verdict: Verdict::Refuted, ..outcome }
}

fn unreachable() -> Reason {
    Reason::new(ReasonCode::Unreachable, "503")
}

fn codes(reasons: &[Reason]) -> Vec<ReasonCode> {
    reasons.iter().map(|reason| reason.code).collect()
}

fn required(types: &[PredicateType], children: ChildrenRule) -> Requirements {
    Requirements { types: types.iter().cloned().collect(), children }
}

/// An index with two images, and the evidence given for each of the three.
fn tree(index: &[PredicateType], a: &[PredicateType], b: &[PredicateType]) -> (NodeEvidence, Vec<NodeEvidence>) {
    let (image_a, image_b) = (image("a"), image("b"));
    let index_manifest = index_of(&[child(&image_a), child(&image_b)]);
    (node(&index_manifest, index), vec![node(&image_a, a), node(&image_b, b)])
}

fn verdicts(tree: &TreeVerdict) -> Vec<Verdict> {
    tree.nodes().iter().map(NodeVerdict::verdict).collect()
}

const V: Verdict = Verdict::Verified;
const R: Verdict = Verdict::Refuted;
const U: Verdict = Verdict::Unknown;
const SIGNATURE: &[PredicateType] = &[PredicateType::SIGNATURE];

#[test]
fn one_good_attestation_is_enough_and_bad_ones_beside_it_do_no_harm() {
    let mut root = node(&image("a"), SIGNATURE);
    root.push(bad(Some(&PredicateType::SIGNATURE), ReasonCode::IdentityMismatch));
    root.push(bad(None, ReasonCode::BundleMalformed));
    let tree = judge(root, Vec::new(), &Requirements::signature());
    assert_eq!((tree.verdict(), tree.reasons().len()), (V, 0));
    assert_eq!(tree.nodes()[0].attestations().len(), 3, "they are listed all the same");
}

#[test]
fn everything_readable_and_nothing_sufficient_is_refuted() {
    let tree = judge(node(&image("a"), &[]), Vec::new(), &Requirements::signature());
    assert_eq!((tree.verdict(), codes(tree.reasons())), (R, vec![ReasonCode::Unsigned]));
    let mut root = node(&image("a"), &[]);
    root.push(bad(Some(&PredicateType::SIGNATURE), ReasonCode::IdentityMismatch));
    let tree = judge(root, Vec::new(), &Requirements::signature());
    assert_eq!(codes(tree.reasons()), [ReasonCode::Unsigned, ReasonCode::IdentityMismatch]);
}

#[test]
fn another_predicate_type_is_never_a_signature() {
    let tree = judge(node(&image("a"), &[PredicateType::CYCLONEDX]), Vec::new(), &Requirements::signature());
    assert_eq!((tree.verdict(), codes(tree.reasons())), (R, vec![ReasonCode::Unsigned]));
}

#[test]
fn what_could_not_be_read_is_unknown_and_never_unsigned() {
    for code in [ReasonCode::Unreachable, ReasonCode::Unauthenticated, ReasonCode::TooManyReferrers] {
        let mut root = node(&image("a"), &[]);
        root.push(bad(Some(&PredicateType::SIGNATURE), ReasonCode::IdentityMismatch));
        root.push_problem(Reason::new(code, "x"));
        let tree = judge(root, Vec::new(), &Requirements::signature());
        assert_eq!((tree.verdict(), codes(tree.reasons())), (U, vec![code]));
    }
    let mut root = node(&image("a"), &[]);
    root.push(AttestationOutcome::unread(Digest::of(b"b"), Format::BundleV03, unreachable()));
    assert_eq!(judge(root, Vec::new(), &Requirements::signature()).verdict(), U);
}

#[test]
fn reading_may_stop_once_the_requirements_are_met() {
    let mut root = node(&image("a"), SIGNATURE);
    root.push_problem(unreachable());
    assert!(root.has_all(SIGNATURE) && !root.has_all(&ALL));
    assert_eq!(judge(root, Vec::new(), &Requirements::signature()).verdict(), V);
}

#[test]
fn bytes_that_contradict_their_digest_refute_whatever_is_attached() {
    let reason = Reason::new(ReasonCode::DigestMismatch, "x");
    let mut root = NodeEvidence::contradicted(Digest::of(b"a"), NodeKind::Image, None, reason);
    root.push(good(&PredicateType::SIGNATURE));
    let tree = judge(root, Vec::new(), &Requirements::signature());
    assert_eq!((tree.verdict(), codes(tree.reasons())), (R, vec![ReasonCode::DigestMismatch]));
}

#[test]
fn a_missing_child_refutes_the_tree() {
    let (image_a, image_b) = (image("a"), image("b"));
    let root = node(&index_of(&[child(&image_a), child(&image_b)]), SIGNATURE);
    let missing = Reason::new(ReasonCode::ChildMissing, "x");
    let gone = NodeEvidence::contradicted(image_b.digest().clone(), NodeKind::Image, None, missing);
    let tree = judge(root, vec![node(&image_a, &[]), gone], &Requirements::signature());
    assert_eq!(verdicts(&tree), [V, V, R]);
    assert_eq!(codes(tree.reasons()), [ReasonCode::ChildMissing]);
}

#[test]
fn a_child_nobody_looked_at_is_unknown() {
    let (root, mut images) = tree(SIGNATURE, SIGNATURE, SIGNATURE);
    images.pop();
    let tree = judge(root, images, &Requirements::signature());
    assert_eq!((tree.verdict(), verdicts(&tree)), (U, vec![V, V, U]));
}

#[test]
fn a_child_without_a_signature_is_covered_by_a_verified_index() {
    let (root, images) = tree(SIGNATURE, SIGNATURE, &[]);
    let tree = judge(root, images, &Requirements::signature());
    assert_eq!((tree.verdict(), verdicts(&tree)), (V, vec![V, V, V]));
    assert_eq!(codes(tree.nodes()[1].reasons()), []);
    assert_eq!(codes(tree.nodes()[2].reasons()), [ReasonCode::CoveredByIndex]);
}

#[test]
fn children_signed_asks_for_their_own() {
    let (root, images) = tree(SIGNATURE, SIGNATURE, &[]);
    let tree = judge(root, images, &required(SIGNATURE, ChildrenRule::Signed));
    assert_eq!((tree.verdict(), verdicts(&tree)), (R, vec![V, V, R]));
}

#[test]
fn a_failed_look_up_at_a_child_is_not_covered() {
    let (root, mut images) = tree(SIGNATURE, &[], &[]);
    images[0].push_problem(unreachable());
    let tree = judge(root, images, &Requirements::signature());
    assert_eq!((tree.verdict(), verdicts(&tree)), (U, vec![V, U, V]));
}

#[test]
fn an_unsigned_index_is_refuted_even_if_all_children_are_signed() {
    let (root, images) = tree(&[], SIGNATURE, SIGNATURE);
    let tree = judge(root, images, &Requirements::signature());
    assert_eq!((tree.verdict(), verdicts(&tree)), (R, vec![R, V, V]));
}

#[test]
fn an_unreadable_index_leaves_its_unsigned_children_unknown() {
    let (mut root, images) = tree(&[], SIGNATURE, &[]);
    root.push_problem(unreachable());
    let tree = judge(root, images, &Requirements::signature());
    assert_eq!((tree.verdict(), verdicts(&tree)), (U, vec![U, V, U]));
    assert_eq!(codes(tree.reasons()), [ReasonCode::Unreachable]);
}

#[test]
fn sbom_and_vulnerability_report_are_the_images_own_and_never_covered() {
    let wanted = [PredicateType::SIGNATURE, PredicateType::CYCLONEDX, PredicateType::VULNERABILITY];
    let (root, images) = tree(SIGNATURE, &wanted, &wanted);
    assert_eq!(judge(root, images, &required(&wanted, ChildrenRule::Covered)).verdict(), V);
    let (root, images) = tree(&wanted, &wanted, SIGNATURE);
    let tree = judge(root, images, &required(&wanted, ChildrenRule::Covered));
    assert_eq!(verdicts(&tree), [V, V, R]);
    assert_eq!(codes(tree.reasons()), [ReasonCode::MissingAttestation, ReasonCode::MissingAttestation]);
}

#[test]
fn the_promotion_record_is_the_released_digests() {
    let (root, images) = tree(&[PredicateType::PROMOTION], &[], &[]);
    let wanted = required(&[PredicateType::PROMOTION], ChildrenRule::Signed);
    assert_eq!(judge(root, images, &wanted).verdict(), V);
    let (root, images) = tree(&[], &[PredicateType::PROMOTION], &[PredicateType::PROMOTION]);
    assert_eq!(verdicts(&judge(root, images, &wanted)), [R, V, V]);
}

#[test]
fn provenance_may_stand_on_the_index_or_on_every_image() {
    const P: &[PredicateType] = &[PredicateType::PROVENANCE];
    let wanted = required(P, ChildrenRule::Covered);
    let verdict = |(root, images): (NodeEvidence, Vec<NodeEvidence>)| judge(root, images, &wanted).verdict();
    assert_eq!(verdict(tree(P, &[], &[])), V);
    assert_eq!(verdict(tree(&[], P, P)), V);
    assert_eq!(verdict(tree(&[], P, &[])), R);
    let (mut root, images) = tree(&[], P, &[]);
    root.push_problem(unreachable());
    assert_eq!(verdict((root, images)), U);
    let (root, mut images) = tree(&[], P, &[]);
    images[1].push_problem(unreachable());
    assert_eq!(verdict((root, images)), U);
}

#[test]
fn a_single_manifest_carries_everything() {
    let wanted = Requirements::of_promote(NodeKind::Image);
    assert_eq!(judge(node(&image("a"), &ALL), Vec::new(), &wanted).verdict(), V);
    for missing in &ALL {
        let rest: Vec<_> = ALL.into_iter().filter(|t| t != missing).collect();
        assert_eq!(judge(node(&image("a"), &rest), Vec::new(), &wanted).verdict(), R, "without {missing}");
    }
}

#[test]
fn promotes_read_back_demands_the_childrens_own() {
    let images = [PredicateType::SIGNATURE, PredicateType::VSA, PredicateType::CYCLONEDX, PredicateType::VULNERABILITY];
    let on_index = [PredicateType::SIGNATURE, PredicateType::VSA, PredicateType::PROMOTION];
    let wanted = Requirements::of_promote(NodeKind::Index);
    let (root, nodes) = tree(&on_index, &images, &images);
    assert_eq!(judge(root, nodes, &wanted).verdict(), V);
    for missing in 0..images.len() {
        let rest: Vec<_> = images.iter().enumerate().filter(|(i, _)| *i != missing).map(|(_, t)| t.clone()).collect();
        let (root, nodes) = tree(&on_index, &images, &rest);
        assert_eq!(judge(root, nodes, &wanted).verdict(), R, "without {}", images[missing]);
    }
}

#[test]
fn buildkits_attestation_manifests_need_no_evidence_but_a_mark_on_a_real_platform_hides_nothing() {
    let (real, attestation) = (image("a"), image("attestation"));
    let mut marked = child(&attestation);
    marked["annotations"] = serde_json::json!({"vnd.docker.reference.type": "attestation-manifest"});
    marked["platform"] = serde_json::json!({"os": "unknown", "architecture": "unknown"});
    let index = NodeEvidence::of(&index_of(&[child(&real), marked.clone()]), None).unwrap();
    assert_eq!(index.children(), [real.digest().clone()]);
    marked["platform"] = serde_json::json!({"os": "linux", "architecture": "amd64"});
    let index = NodeEvidence::of(&index_of(&[child(&real), marked]), None).unwrap();
    assert_eq!(index.children().len(), 2);
}

#[test]
fn a_verdict_serialises_with_the_fields_of_the_contract() {
    let (root, images) = tree(SIGNATURE, &[], &[]);
    let value = serde_json::to_value(judge(root, images, &Requirements::signature())).unwrap();
    assert_eq!(value["verdict"], "verified");
    let node = &value["nodes"][0];
    assert_eq!((&node["kind"], &node["verdict"]), (&"index".into(), &"verified".into()));
    let attestation = node["attestations"][0].as_object().unwrap();
    let keys: Vec<_> = attestation.keys().map(String::as_str).collect();
    let expected = ["predicateType", "identity", "issuer", "loggedAt", "bundle", "format", "verdict", "reasons"];
    assert_eq!(keys, expected);
    assert_eq!(attestation["format"], "bundle-v0.3");
    assert_eq!(value["nodes"][1]["reasons"][0]["code"], "covered-by-index");
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn outcome() -> impl Strategy<Value = AttestationOutcome> {
        (0..ALL.len(), 0..3_u8).prop_map(|(at, kind)| match kind {
            0 => good(&ALL[at]),
            1 => bad(Some(&ALL[at]), ReasonCode::IdentityMismatch),
            _ => bad(None, ReasonCode::BundleMalformed),
        })
    }

    proptest! {
        /// I6: a failed look-up never improves a verdict, wherever it happens.
        #[test]
        fn a_failed_look_up_never_makes_a_verdict_better(
            index in prop::collection::vec(outcome(), 0..4),
            a in prop::collection::vec(outcome(), 0..4),
            b in prop::collection::vec(outcome(), 0..4),
            at in 0..3_usize,
            signed in any::<bool>(),
        ) {
            let build = |fault: Option<usize>| {
                let (mut root, mut images) = tree(&[], &[], &[]);
                index.iter().cloned().for_each(|o| root.push(o));
                a.iter().cloned().for_each(|o| images[0].push(o));
                b.iter().cloned().for_each(|o| images[1].push(o));
                match fault {
                    Some(0) => root.push_problem(unreachable()),
                    Some(n) => images[n - 1].push_problem(unreachable()),
                    None => {}
                }
                let children = if signed { ChildrenRule::Signed } else { ChildrenRule::Covered };
                judge(root, images, &required(&[PredicateType::SIGNATURE, PredicateType::CYCLONEDX], children))
            };
            let (before, after) = (build(None), build(Some(at)));
            for (before, after) in before.nodes().iter().zip(after.nodes()) {
                // Verified may become unknown, refuted may become unknown, nothing becomes verified.
                prop_assert!(after.verdict() != V || before.verdict() == V);
            }
        }

        /// Attestations that do not count change nothing.
        #[test]
        fn bad_attestations_beside_good_ones_change_no_verdict(
            index in prop::collection::vec(outcome(), 0..4),
            more in 0..3_usize,
        ) {
            let build = |more: usize| {
                let (mut root, images) = tree(&[], SIGNATURE, &[]);
                index.iter().cloned().for_each(|o| root.push(o));
                (0..more).for_each(|_| root.push(bad(None, ReasonCode::SignatureInvalid)));
                verdicts(&judge(root, images, &Requirements::signature()))
            };
            prop_assert_eq!(build(0), build(more));
        }
    }
}
