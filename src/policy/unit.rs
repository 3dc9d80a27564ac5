//! Rego unit tests: every rule named `test_…` in a `*_test.rego` file, run by the engine that decides.

use std::collections::BTreeSet;

use regorus::Value;

use crate::policy::PolicyError;
use crate::policy::engine::{self, Module};

/// One test rule and how it came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutcome {
    pub file: String,
    /// The rule's name, `test_…`.
    pub name: String,
    /// `None` where it is true; else why it is not.
    pub failure: Option<String>,
}

/// Runs the tests of `files` (rules and tests together), sorted by file and name.
///
/// # Errors
/// A file that does not parse. A test that cannot be evaluated is a failed test.
pub fn run_tests(files: &[(&str, &str)]) -> Result<Vec<TestOutcome>, PolicyError> {
    let modules: Vec<Module> =
        files.iter().map(|(name, text)| Module { name: (*name).to_owned(), text: (*text).to_owned() }).collect();
    let packages = engine::packages(&modules)?;
    let mut outcomes = Vec::new();
    for (module, package) in modules.iter().zip(packages).filter(|(module, _)| module.name.ends_with("_test.rego")) {
        for name in test_names(&module.text) {
            let rule = format!("{package}.{name}");
            let mut engine = engine::load(&modules, "{}")?;
            let failure = match engine::eval(&mut engine, &rule) {
                Ok(Value::Bool(true)) => None,
                Ok(_) => Some("not true".to_owned()),
                Err(error) => Some(error.to_string()),
            };
            outcomes.push(TestOutcome { file: module.name.clone(), name: name.to_owned(), failure });
        }
    }
    outcomes.sort_by(|a, b| (&a.file, &a.name).cmp(&(&b.file, &b.name)));
    Ok(outcomes)
}

/// Rule heads start a line; a rule with several bodies is one test.
fn test_names(text: &str) -> BTreeSet<&str> {
    let heads = text.lines().filter(|line| line.starts_with("test_"));
    heads.filter_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_not_true_or_cannot_be_evaluated_fails() {
        let text =
            "package own_test\n\ntest_good if 1 == 1\n\ntest_bad if 1 == 2\n\ntest_broken if to_number(\"x\") == 1\n";
        let outcomes = run_tests(&[("own_test.rego", text)]).unwrap();
        let failed: Vec<(&str, bool)> = outcomes.iter().map(|o| (o.name.as_str(), o.failure.is_some())).collect();
        assert_eq!(failed, [("test_bad", true), ("test_broken", true), ("test_good", false)]);
    }
}
