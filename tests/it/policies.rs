//! The built-in rules' own unit tests, and that each rule file has some.

use std::path::Path;

use countersign::policy::evaluate::topics;
use countersign::policy::unit::run_tests;

#[test]
fn every_rego_test_of_the_builtin_policy_is_true() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut files: Vec<(String, String)> = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "rego") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            files.push((name, std::fs::read_to_string(path).unwrap()));
        }
    }
    let borrowed: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let outcomes = run_tests(&borrowed).unwrap();
    let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.failure.is_some()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    for topic in topics() {
        let own = outcomes.iter().filter(|outcome| outcome.file == format!("{topic}_test.rego")).count();
        assert!(own >= 4, "{topic}.rego has {own} tests");
        assert!(files.iter().any(|(name, _)| *name == format!("{topic}.rego")), "{topic} is built in but no file");
    }
}
