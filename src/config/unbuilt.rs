//! Keys that the contract defines and this version cannot obey yet.
//!
//! A value that says "nothing" (an empty list, `false`, the default) needs no rule and is accepted; any other is
//! refused, because ignoring a security setting is worse than not offering it.

use crate::config::ConfigError;
use crate::config::file::File;

pub(super) fn check(path: &str, file: &File) -> Result<(), ConfigError> {
    let policy = &file.policy;
    let asked = [
        ("charts", !file.charts.is_empty()),
        ("tags.rules", file.tags.rules.as_ref().is_some_and(|r| !r.is_empty())),
        ("policy.vulnerabilities.regressions-only", policy.vulnerabilities.regressions_only),
        ("policy.exceptions", policy.exceptions.is_some()),
    ];
    match asked.iter().find(|(_, asked)| *asked) {
        Some((key, _)) => Err(ConfigError::NotBuilt { path: path.to_owned(), key: (*key).to_owned() }),
        None => Ok(()),
    }
}
