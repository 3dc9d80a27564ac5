//! What people read: texts on stdout and steps on stderr, with digests, addresses and times replaced.

use countersign_sandbox::image::samples::Sample;
use insta::assert_snapshot;
use regex::Regex;

use crate::bad_input::{Bed, NOWHERE, Run};

/// The text with what differs from run to run replaced.
fn stable(bed: &Bed, text: &str) -> String {
    let mut text = text.replace(&bed.registry.address(), "REGISTRY").replace(bed.sigstore.email_issuer(), "ISSUER");
    let rules = [
        (r"sha256:[0-9a-f]{64}", "DIGEST"),
        (r"sha256:[0-9a-f]{12}", "SHORT"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "TIME"),
        (r"\d+(\.\d)? (B|kB)\b", "SIZE"),
    ];
    for (pattern, name) in rules {
        text = Regex::new(pattern).unwrap().replace_all(&text, name).into_owned();
    }
    text
}

async fn ended(bed: &Bed, arguments: &[&str], code: i32) -> Run {
    let run = bed.run(arguments).await;
    assert_eq!(run.code, code, "{run}");
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_reads_calmly_from_denial_to_resolution() {
    let bed = Bed::start().await;
    let bad = bed.push("acme/app", &Sample::vulnerable().debian().unwrap());
    let good = bed.build("1");
    let tag = format!("{}:1.2", bed.repository("acme/app"));

    let run = ended(&bed, &["promote", &bad, "--version", "1.2.3"], 3).await;
    assert_snapshot!("denied", stable(&bed, &run.stdout));
    let run = ended(&bed, &["verify", &bad], 4).await;
    assert_snapshot!("unsigned", stable(&bed, &run.stdout));
    let run = ended(&bed, &["promote", &good, "--version", "1.2.3", "--plan"], 0).await;
    assert_snapshot!("planned", stable(&bed, &run.stdout));
    let run = ended(&bed, &["promote", &good, "--version", "1.2.3"], 0).await;
    assert_snapshot!("promoted", stable(&bed, &run.stdout));
    assert_snapshot!("steps", stable(&bed, &run.stderr));
    let run = ended(&bed, &["promote", &good, "--version", "1.2.3"], 0).await;
    assert_snapshot!("unchanged", stable(&bed, &run.stdout));
    let run = ended(&bed, &["promote", &good, "--version", "1.2.2", "--plan"], 0).await;
    assert_snapshot!("backport", stable(&bed, &run.stdout));
    let run = ended(&bed, &["verify", &tag], 0).await;
    assert_snapshot!("verified", stable(&bed, &run.stdout));
    let run = ended(&bed, &["resolve", &tag], 0).await;
    assert_eq!(run.stdout, format!("{tag}@{}\n", good.split_once('@').unwrap().1));
    assert_eq!(run.stderr, "");
    let run = ended(&bed, &["inspect", &tag], 0).await;
    assert_snapshot!("inspected", stable(&bed, &run.stdout));
    let run = ended(&bed, &["scan", &bad, "--platform", "linux/amd64"], 3).await;
    assert_snapshot!("scanned", stable(&bed, &run.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_leaves_results_and_errors() {
    let bed = Bed::start().await;
    let good = bed.build("1");
    let run = ended(&bed, &["promote", &good, "--version", "1.2.3", "--plan", "-q"], 0).await;
    assert_eq!(run.stderr, "");
    assert!(run.stdout.ends_with("planned 1.2.3: nothing was written\n"), "{run}");
    let run = ended(&bed, &["inspect", &format!("{}@{NOWHERE}", bed.repository("acme/app")), "-q"], 5).await;
    assert!(run.stderr.starts_with("error: "), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn colour_is_only_a_second_signal_and_only_where_asked_for() {
    let bed = Bed::start().await;
    let reference = bed.build("1");
    let plain = ended(&bed, &["verify", &reference], 4).await.stdout;
    assert!(!plain.contains('\x1b'), "{plain}");
    let coloured = ended(&bed, &["verify", &reference, "--color", "always"], 4).await.stdout;
    assert!(coloured.contains("\x1b[31mrefuted"), "{coloured}");
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
    let never = ended(&bed, &["verify", &reference, "--color", "never"], 4).await.stdout;
    assert_eq!(never, plain);
    ended(&bed, &["verify", &reference, "--color", "always", "--output", "text=copy.txt"], 4).await;
    assert_eq!(std::fs::read_to_string(bed.path("copy.txt")).unwrap(), plain);
}

#[tokio::test(flavor = "multi_thread")]
async fn relative_paths_of_scanner_and_database_are_those_of_the_working_folder() {
    let bed = Bed::start().await;
    let run = ended(&bed, &["scan", &bed.build("1"), "--platform", "linux/amd64", "--trivy-db", "trivy"], 0).await;
    assert!(run.stdout.contains("0 findings"), "{run}");
}
