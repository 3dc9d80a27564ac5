use serde_json::{Value, json};

use super::*;
use crate::identity::{Builder, CiClaims, ExpectedIdentity, ExpectedProvenance, Issuer, NameKind, NamePattern};
use crate::oci::Digest;
use ReasonCode as R;

const REPOSITORY: &str = "https://github.com/org/app";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const REF: &str = "refs/tags/v1.2.3";

fn signer(workflow: &str) -> SignerIdentity {
    let name = format!("{REPOSITORY}/.github/workflows/{workflow}@{REF}");
    let claims = CiClaims {
        build_signer_uri: Some(name.clone()),
        source_repository_uri: Some(REPOSITORY.to_owned()),
        source_repository_digest: Some(COMMIT.to_owned()),
        source_repository_ref: Some(REF.to_owned()),
        ..CiClaims::default()
    };
    SignerIdentity { name, kind: NameKind::Uri, issuer: Issuer::github_actions().to_string(), claims }
}

fn expected() -> ExpectedIdentities {
    let name = NamePattern::exact(&signer("gate.yml").name).unwrap();
    let gate = ExpectedIdentity::Name { issuer: Issuer::github_actions(), name };
    let repository = "org/app".parse().unwrap();
    let builder = |text: &str| Builder::parse(text, Issuer::github_actions(), Some(&repository)).unwrap();
    let source = BuildSource {
        repository: Some(REPOSITORY.to_owned()),
        commit: Some(COMMIT.to_owned()),
        git_ref: Some(REF.to_owned()),
    };
    let builders = [".github/workflows/build.yml", ".github/workflows/gate.yml", "builder@example.com"];
    ExpectedIdentities::new(vec![(IdentityRole::Release, gate)])
        .unwrap()
        .with_provenance(ExpectedProvenance { builders: builders.map(builder).into(), source })
}

fn v1() -> Value {
    json!({
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {"workflow": {"ref": REF, "repository": REPOSITORY, "path": ".github/workflows/build.yml"}},
            "resolvedDependencies": [{"uri": format!("git+{REPOSITORY}@{REF}"), "digest": {"gitCommit": COMMIT}}],
        },
        "runDetails": {"builder": {"id": "https://github.com/actions/runner/github-hosted"}},
    })
}

fn v02() -> Value {
    let source = json!({"uri": format!("git+{REPOSITORY}@{REF}"), "digest": {"sha1": COMMIT}});
    json!({"builder": {"id": "b"}, "invocation": {"configSource": source}, "materials": [source]})
}

fn judged(kind: PredicateType, predicate: Value, signer: &SignerIdentity) -> Result<(), R> {
    let statement = Statement::new(Digest::of(b"image"), kind, predicate);
    check(&statement, signer, &expected()).map(|_| ()).map_err(|refusal| refusal.code)
}

#[test]
fn provenance_of_the_released_commit_by_a_listed_builder_counts() {
    let builder = signer("build.yml");
    assert_eq!(judged(PredicateType::PROVENANCE, v1(), &builder), Ok(()));
    assert_eq!(judged(PredicateType::PROVENANCE_V02, v02(), &builder), Ok(()));
    let mut with_others = v1();
    let other =
        json!({"uri": "git+https://github.com/org/submodule@refs/heads/main", "digest": {"gitCommit": "f".repeat(40)}});
    with_others["buildDefinition"]["resolvedDependencies"].as_array_mut().unwrap().push(other);
    assert_eq!(judged(PredicateType::PROVENANCE, with_others, &builder), Ok(()));
    let person = SignerIdentity {
        name: "builder@example.com".to_owned(),
        kind: NameKind::Email,
        claims: CiClaims::default(),
        ..builder
    };
    assert_eq!(judged(PredicateType::PROVENANCE, v1(), &person), Ok(()));
}

#[test]
fn every_difference_to_the_release_has_its_own_code() {
    let edit = |pointer: &str, value: Value| {
        let mut predicate = v1();
        *predicate.pointer_mut(pointer).unwrap() = value;
        judged(PredicateType::PROVENANCE, predicate, &signer("build.yml"))
    };
    let workflow = "/buildDefinition/externalParameters/workflow";
    let dependency = "/buildDefinition/resolvedDependencies/0";
    let cases = [
        (format!("{workflow}/repository"), json!("https://github.com/org/app-evil"), R::ProvenanceRepository),
        (format!("{workflow}/ref"), json!("refs/heads/main"), R::ProvenanceRef),
        (format!("{workflow}/ref"), json!(""), R::ProvenanceUnreadable),
        (format!("{dependency}/digest/gitCommit"), json!("f".repeat(40)), R::ProvenanceCommit),
        (format!("{dependency}/digest"), json!({}), R::ProvenanceCommit),
        (format!("{dependency}/uri"), json!("git+https://github.com/org/other@refs/tags/v1.2.3"), R::ProvenanceCommit),
        (format!("{dependency}/uri"), json!(format!("git+{REPOSITORY}@refs/tags/v1.2.4")), R::ProvenanceRef),
        ("/runDetails/builder/id".to_owned(), json!(""), R::ProvenanceUnreadable),
        ("/buildDefinition/resolvedDependencies".to_owned(), json!({}), R::ProvenanceUnreadable),
        ("/buildDefinition".to_owned(), json!({}), R::ProvenanceUnreadable),
    ];
    for (pointer, value, code) in cases {
        assert_eq!(edit(&pointer, value.clone()), Err(code), "{pointer} {value}");
    }
    assert_eq!(judged(PredicateType::PROVENANCE, json!("text"), &signer("build.yml")), Err(R::ProvenanceUnreadable));
    let mut other = v02();
    other["materials"][0]["digest"]["sha1"] = json!("f".repeat(40));
    assert_eq!(judged(PredicateType::PROVENANCE_V02, other, &signer("build.yml")), Err(R::ProvenanceCommit));
}

type Change = fn(&mut SignerIdentity);

#[test]
fn the_certificate_counts_as_much_as_the_predicate() {
    let judge = |change: fn(&mut SignerIdentity)| {
        let mut builder = signer("build.yml");
        change(&mut builder);
        judged(PredicateType::PROVENANCE, v1(), &builder)
    };
    let cases: [(Change, R); 6] = [
        (|s| s.claims.source_repository_uri = Some("https://github.com/org/evil".to_owned()), R::ProvenanceRepository),
        (|s| s.claims.source_repository_uri = None, R::ProvenanceRepository),
        (|s| s.claims.source_repository_digest = Some("f".repeat(40)), R::ProvenanceCommit),
        (|s| s.claims.source_repository_ref = Some("refs/heads/main".to_owned()), R::ProvenanceRef),
        (|s| *s = signer("other.yml"), R::ProvenanceBuilder),
        (|s| *s = signer("gate.yml"), R::ProvenanceOwnIdentity),
    ];
    for (i, (change, code)) in cases.into_iter().enumerate() {
        assert_eq!(judge(change), Err(code), "{i}");
    }
}

#[test]
fn the_identities_of_a_configuration_without_builders_prove_no_build() {
    let statement = Statement::new(Digest::of(b"image"), PredicateType::PROVENANCE, v1());
    let name = || NamePattern::exact(&signer("build.yml").name).unwrap();
    let identity = || ExpectedIdentity::Name { issuer: Issuer::github_actions(), name: name() };
    let configured = ExpectedIdentities::new(vec![(IdentityRole::Release, identity())]).unwrap();
    let found = check(&statement, &signer("build.yml"), &configured).map_err(|refusal| refusal.code);
    assert_eq!(found, Err(R::ProvenanceBuilder));
    let named = ExpectedIdentities::one(identity());
    assert_eq!(check(&statement, &signer("build.yml"), &named), Ok(vec![IdentityRole::Named]));
}

#[test]
fn a_level_is_never_higher_than_the_certificate_shows() {
    let mut builder = signer("build.yml");
    assert_eq!(BuildLevel::of(&builder), BuildLevel::One);
    for (runner, level) in [("github-hosted", BuildLevel::Two), ("self-hosted", BuildLevel::One)] {
        builder.claims.runner_environment = Some(runner.to_owned());
        assert_eq!(BuildLevel::of(&builder), level, "{runner}");
    }
}
