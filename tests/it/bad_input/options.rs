//! Candidates and options.

use countersign_sandbox::image::write_layout;

use super::bed::sample;
use super::{Bed, NOWHERE, Run};

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_instead_of_a_digest_is_refused_with_the_way_to_the_digest() {
    let bed = Bed::start().await;
    let tag = format!("{}:1", bed.repository("acme/app"));
    let run = bed.promote(&tag, &[]).await;
    run.refused("usage", &[&tag, "is a tag", "expected REPOSITORY@sha256:"]);
    assert!(run.document()["help"].as_str().unwrap().contains(&format!("countersign inspect {tag}")), "{run}");
    assert!(bed.registry.log().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_exactly_the_configured_images_with_one_digest_each() {
    let bed = Bed::start().await;
    let (app, agent) = (bed.repository("acme/app"), bed.repository("acme/agent"));
    let digest = |c: char| format!("sha256:{}", c.to_string().repeat(64));
    let (a, b) = (format!("{app}@{}", digest('a')), format!("{app}@{}", digest('b')));
    bed.promote(&a, &[&b]).await.refused("usage", &["two digests for", &app, &digest('a'), &digest('b')]);
    bed.configure(&format!("images: [ {{ repository: {app} }}, {{ repository: {agent} }} ]"));
    bed.promote(&a, &[]).await.refused("usage", &[&agent, "is configured, but no digest"]);
    let other = format!("{}@{NOWHERE}", bed.repository("acme/other"));
    let both = format!("{agent}@{NOWHERE}");
    bed.promote(&a, &[&both, &other]).await.refused("usage", &["acme/other is not configured"]);
    bed.json(&["promote"]).await.refused("usage", &["nothing to promote"]);
    assert!(bed.registry.log().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digests_file_that_is_none_is_refused() {
    let bed = Bed::start().await;
    let cases: [(&str, &[&str]); 6] = [
        ("{", &["digests"]),
        ("{\"ghcr.io/a/b\":\"latest\"}", &["ghcr.io/a/b@latest"]),
        ("{\"containerimage.digest\":\"sha256:x\"}", &["no image.name"]),
        ("ghcr.io/a/b:1\n", &["is a tag"]),
        ("", &["nothing to promote"]),
        ("{}", &["nothing to promote"]),
    ];
    for (text, said) in cases {
        bed.write("digests", text);
        bed.json(&["promote", "--digests", "digests", "--version", "1.2.3"]).await.refused("usage", said);
    }
    let missing = bed.json(&["promote", "--digests", "missing", "--version", "1.2.3"]).await;
    missing.refused("usage", &["--digests missing", "No such file"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_are_none_and_contradictions_are_refused() {
    let bed = Bed::start().await;
    let candidate = format!("{}@{NOWHERE}", bed.repository("acme/app"));
    for version in ["1.2.3+build", "one", "1.2"] {
        bed.json(&["promote", &candidate, "--version", version]).await.refused("usage", &[version]);
    }
    let run = bed.promote(&candidate, &["--git-ref", "refs/tags/v1.2.4"]).await;
    run.refused("usage", &["1.2.3", "1.2.4"]);
    assert!(bed.registry.log().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_platform_names_those_that_are_there() {
    let bed = Bed::start().await;
    write_layout(&bed.path("layout"), &[("sample", &sample("1"))]).unwrap();
    let candidate = bed.build("1");
    for subject in ["layout", candidate.as_str()] {
        let run = bed.json(&["sbom", subject, "--platform", "linux/s390x"]).await;
        run.refused("usage", &["no platform linux/s390x", "linux/amd64", "linux/arm64"]);
        let run = bed.json(&["sbom", subject]).await;
        run.refused("usage", &["several platforms", "linux/amd64", "linux/arm64"]);
    }
    bed.json(&["sbom", "layout", "--platform", "pdp11"]).await.refused("usage", &["pdp11"]);
    bed.json(&["scan", "layout", "--platform", "linux/s390x"]).await.refused("usage", &["no platform linux/s390x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_signature_would_be_good_must_be_said_and_well_formed() {
    let bed = Bed::start().await;
    bed.write("countersign.yaml", "version: 1\n");
    let reference = format!("{}@{NOWHERE}", bed.repository("acme/app"));
    let tag = format!("{}:1", bed.repository("acme/app"));
    bed.json(&["verify", &reference]).await.refused("no-expected-identity", &["no expected identity"]);
    bed.json(&["resolve", &tag]).await.refused("no-expected-identity", &["no expected identity"]);
    bed.promote(&reference, &[]).await.refused("no-expected-identity", &["no expected identity"]);
    let issuer = bed.sigstore.email_issuer();
    let run = bed.json(&["verify", &reference, "--issuer", issuer, "--identity-regexp", "("]).await;
    run.refused("usage", &["--identity-regexp"]);
    bed.json(&["verify", &reference, "--issuer", issuer]).await.refused("usage", &["--issuer needs"]);
    bed.json(&["verify", &reference, "--identity", "x"]).await.refused("usage", &["--issuer"]);
    let run = bed.json(&["verify", &reference, "--github-repository", "no-slash"]).await;
    run.refused("usage", &["--github-repository"]);
    let run = bed.json(&["verify", &reference, "--issuer", issuer, "--identity", "x", "--require", "sauce"]).await;
    run.refused("usage", &["--require", "sauce"]);
    let flags = ["--issuer", issuer, "--identity", "x", "--trust-root"];
    for root in ["missing.json", "countersign.yaml"] {
        let run = bed.json(&[&["verify", &reference], &flags[..], &[root]].concat()).await;
        run.refused("trust-root", &[root]);
    }
    assert!(bed.registry.log().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_command_line_says_what_is_wrong_and_gives_json_where_asked_for() {
    let bed = Bed::start().await;
    let tag = format!("{}:1", bed.repository("acme/app"));
    bed.json(&["inspect", &tag, "--output", "yaml"]).await.refused("usage", &["yaml", "expected text or json"]);
    bed.json(&["inspect"]).await.refused("usage", &["<REF>"]);
    bed.json(&["promoter"]).await.refused("usage", &["promoter"]);
    bed.json(&["inspect", "not a reference"]).await.refused("usage", &["not a reference"]);
    bed.json(&["verify", &tag, "--timeout", "soon"]).await.refused("usage", &["--timeout", "60s", "soon"]);
    let run = bed.run(&["inspect", "--output=json"]).await;
    run.refused("usage", &["<REF>"]);
    assert!(run.document()["help"].as_str().unwrap().contains("countersign inspect --help"), "{run}");
    let run = bed.run(&["inspect", "--output", "yaml"]).await;
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run}");
    let run = bed.run(&["--output", "json=result.json", "inspect"]).await;
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run}");
    assert!(std::fs::read_to_string(bed.path("result.json")).unwrap().contains("\"kind\": \"Error\""));
    let mut command = bed.command(&["inspect"]);
    command.env("COUNTERSIGN_OUTPUT", "json");
    Run::of(command).await.refused("usage", &["<REF>"]);
    let run = bed.run(&["inspect", &tag, "--output", "json=/none/result.json"]).await;
    assert_eq!(run.code, 2, "{run}");
    assert!(run.stderr.contains("cannot write /none/result.json"), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sigstore_instance_is_named_or_given_by_files_and_a_flag_replaces_the_environment() {
    let bed = Bed::start().await;
    let reference = format!("{}@{NOWHERE}", bed.repository("acme/app"));
    let run = bed.json(&["verify", &reference, "--sigstore", "github", "--trust-root", "trusted_root.json"]).await;
    run.refused("usage", &["--sigstore cannot be used with --trust-root"]);
    // The bed names its files in the environment.
    let run = bed.json(&["--sigstore", "nonsense", "verify", &reference]).await;
    run.refused("sigstore", &["nonsense"]);
    let mut command = bed.command(&["verify", &reference, "--output=json", "--trust-root", "trusted_root.json"]);
    command.env_remove("COUNTERSIGN_TRUST_ROOT").env_remove("COUNTERSIGN_SIGNING_CONFIG");
    command.env("COUNTERSIGN_SIGSTORE", "nonsense");
    Run::of(command).await.gives("Verification", 5, "not-found", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn flag_wins_over_environment_and_environment_over_file() {
    let bed = Bed::start().await;
    bed.configure("trust-root: from-file.json");
    let reference = format!("{}@{NOWHERE}", bed.repository("acme/app"));
    let with = |flags: Vec<&str>, environment: Option<&str>| {
        let mut arguments = vec!["verify", &reference, "--output", "json"];
        arguments.extend(flags);
        let mut command = bed.command(&arguments);
        command.env_remove("COUNTERSIGN_TRUST_ROOT").env_remove("COUNTERSIGN_SIGNING_CONFIG");
        if let Some(path) = environment {
            command.env("COUNTERSIGN_TRUST_ROOT", path);
        }
        Run::of(command)
    };
    with(vec![], None).await.refused("trust-root", &["from-file.json"]);
    with(vec![], Some("from-environment.json")).await.refused("trust-root", &["from-environment.json"]);
    let both = with(vec!["--trust-root", "from-flag.json"], Some("from-environment.json")).await;
    both.refused("trust-root", &["from-flag.json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_options_stand_before_or_after_the_command() {
    let bed = Bed::start().await;
    let reference = format!("{}@{NOWHERE}", bed.repository("acme/app"));
    let before = bed.run(&["--output", "json", "-q", "--timeout", "30s", "verify", &reference]).await;
    let after = bed.run(&["verify", &reference, "--timeout", "30s", "-q", "--output", "json"]).await;
    before.gives("Verification", 5, "not-found", &[]);
    assert_eq!(before.stdout, after.stdout);
    let both = bed.run(&["--output", "json", "verify", &reference, "--output", "text=copy.txt"]).await;
    both.gives("Verification", 5, "not-found", &[]);
    assert!(bed.path("copy.txt").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_token_from_stdin_is_for_exactly_one_registry() {
    let bed = Bed::start().await;
    let references = [format!("127.0.0.1:1/a@{NOWHERE}"), format!("127.0.0.1:2/a@{NOWHERE}")];
    let verify = ["verify", &references[0], &references[1], "--registry-token-stdin", "--output", "json"];
    let run = Run::fed(bed.command(&verify), "secret-token").await;
    run.refused("usage", &["exactly one registry", "found 2"]);
    assert!(!run.to_string().contains("secret-token"));
    let one = ["verify", &references[0], "--registry-token-stdin", "--output", "json"];
    Run::fed(bed.command(&one), "").await.refused("usage", &["standard input is empty"]);
}
