//! Evaluation: built-in rules, then the user's own, in engines of their own.
//!
//! The user's modules never share an engine with the built-in ones: whatever package and rule names they choose, they
//! can add reasons and never remove one. An evaluation error, an undefined result, a malformed reason or an unknown code
//! is an error, not silence (fail closed).

use std::collections::BTreeSet;

use regorus::{Engine, Value};
use serde::Deserialize;

use crate::oci::Digest;
use crate::oci::digest::{Algorithm, Hasher};
use crate::policy::engine::{self, Module};
use crate::policy::input::{InputError, Requirements, Settings};
use crate::policy::{Decision, PolicyInput, Reason, ReasonCode};

/// The built-in rules by topic; each module's package is `countersign.<topic>` and defines `deny` and `warn`.
const BUILTIN: [(&str, &str); 6] = [
    ("labels", include_str!("../../policies/labels.rego")),
    ("platforms", include_str!("../../policies/platforms.rego")),
    ("provenance", include_str!("../../policies/provenance.rego")),
    ("sbom", include_str!("../../policies/sbom.rego")),
    ("scan", include_str!("../../policies/scan.rego")),
    ("vulnerabilities", include_str!("../../policies/vulnerabilities.rego")),
];

/// Most reasons taken from one rule: more is a broken rule, and nobody reads a thousandth reason of a user's policy.
/// Images with thousands of findings exist, so it is generous.
const MAX_REASONS: usize = 100_000;

/// Largest total of user policy text; ten times OPA's own large examples.
pub const MAX_USER_POLICY_BYTES: usize = 4 * 1024 * 1024;

/// Why nobody could decide. Blocks promotion as a denial does, with another exit code.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error("policy input cannot be handed to the rules")]
    Encode(#[source] serde_json::Error),
    #[error("policy {module} cannot be read: {message}")]
    Parse { module: String, message: String },
    #[error("policy text is {bytes} bytes, at most {MAX_USER_POLICY_BYTES} are read")]
    TooLarge { bytes: usize },
    #[error("policy {module} is given twice")]
    ModuleTwice { module: String },
    #[error("no policy file has a rule named deny or warn")]
    NoRule,
    #[error("policy {module}: the rule {head} would be ignored, only deny and warn of the package itself decide")]
    DottedHead { module: String, head: String },
    #[error("rule {rule} cannot be evaluated: {message}")]
    Evaluate { rule: String, message: String },
    #[error("rule {rule} is undefined or no set: write it as `deny contains …`")]
    NotASet { rule: String },
    #[error("rule {rule} gave a malformed reason: {found}")]
    MalformedReason { rule: String, found: String },
    #[error("rule {rule} gave the unknown reason code {code:?}")]
    UnknownCode { rule: String, code: String },
}

/// Built-in rules with or without the user's own. Cheap to make; evaluation is pure and takes milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySet {
    user: Vec<Module>,
}

impl PolicySet {
    #[must_use]
    pub fn builtin() -> Self {
        Self { user: Vec::new() }
    }

    /// Adds the user's files, `(name, text)`. Files named `*_test.rego` are left out.
    ///
    /// # Errors
    /// A file that does not parse, is too large or given twice; or no `deny` or `warn` rule anywhere:
    /// a policy that decides nothing is more likely a mistake than meant.
    pub fn with_user(files: &[(&str, &str)]) -> Result<Self, PolicyError> {
        let bytes = files.iter().map(|(_, text)| text.len()).sum();
        if bytes > MAX_USER_POLICY_BYTES {
            return Err(PolicyError::TooLarge { bytes });
        }
        let rules = files.iter().filter(|(name, _)| !name.ends_with("_test.rego"));
        let mut user: Vec<Module> =
            rules.map(|(name, text)| Module { name: (*name).to_owned(), text: (*text).to_owned() }).collect();
        user.sort();
        if let Some(pair) = user.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(PolicyError::ModuleTwice { module: pair[0].name.clone() });
        }
        let set = Self { user };
        if engine::decision_rules(&set.user)?.is_empty() {
            return Err(PolicyError::NoRule);
        }
        Ok(set)
    }

    /// Digest of all rules, built-in and the user's.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        for (name, text) in BUILTIN {
            update(&mut hasher, &["builtin", name, text]);
        }
        for module in &self.user {
            update(&mut hasher, &["user", &module.name, &module.text]);
        }
        hasher.finish()
    }

    /// Digest of all rules and of the settings and requirements they are applied with: what "the same policy" means.
    ///
    /// # Errors
    /// Only if the settings cannot be written as JSON.
    pub fn digest_under(&self, settings: &Settings, requirements: &Requirements) -> Result<Digest, PolicyError> {
        let settings = serde_json::to_string(settings).map_err(PolicyError::Encode)?;
        let requirements = serde_json::to_string(requirements).map_err(PolicyError::Encode)?;
        let mut hasher = Hasher::new(Algorithm::Sha256);
        update(&mut hasher, &[&self.digest().to_string(), &settings, &requirements]);
        Ok(hasher.finish())
    }

    /// Applies every rule to `input`.
    ///
    /// # Errors
    /// Whatever keeps any rule from an answer; then there is no decision.
    pub fn evaluate(&self, input: &PolicyInput) -> Result<Decision, PolicyError> {
        input.check()?;
        let document = serde_json::to_string(&input.clone().normalised()).map_err(PolicyError::Encode)?;
        let (mut reasons, mut warnings) = (Vec::new(), Vec::new());
        let builtin = BUILTIN.map(|(topic, text)| Module { name: format!("{topic}.rego"), text: text.to_owned() });
        let mut rules = engine::load(&builtin, &document)?;
        for (topic, _) in BUILTIN {
            reasons.extend(builtin_reasons(&mut rules, &format!("data.countersign.{topic}.deny"))?);
            warnings.extend(builtin_reasons(&mut rules, &format!("data.countersign.{topic}.warn"))?);
        }
        if !self.user.is_empty() {
            let mut rules = engine::load(&self.user, &document)?;
            for rule in engine::decision_rules(&self.user)? {
                let found = user_reasons(&mut rules, &rule.path)?;
                if rule.denies { reasons.extend(found) } else { warnings.extend(found) }
            }
        }
        Ok(Decision::from_reasons(reasons, warnings))
    }
}

/// Length before text, so that no two lists of parts hash alike.
fn update(hasher: &mut Hasher, parts: &[&str]) {
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
}

/// A reason as built-in rules give it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodedReason {
    code: String,
    message: String,
}

/// A reason as a user's rule gives it: `"text"` or `{"message": …, "help": …}`.
#[derive(Deserialize)]
#[serde(untagged)]
enum UserReason {
    Text(String),
    Object { message: String, help: Option<String> },
}

fn builtin_reasons(rules: &mut Engine, rule: &str) -> Result<Vec<Reason>, PolicyError> {
    let reason = |found: CodedReason| {
        let code: ReasonCode = found
            .code
            .parse()
            .map_err(|_| PolicyError::UnknownCode { rule: rule.to_owned(), code: found.code.clone() })?;
        Ok(Reason::new(code, found.message))
    };
    members(rules, rule)?.into_iter().map(reason).collect()
}

fn user_reasons(rules: &mut Engine, rule: &str) -> Result<Vec<Reason>, PolicyError> {
    let reason = |found: UserReason| match found {
        UserReason::Text(message) | UserReason::Object { message, help: None } => {
            Reason::new(ReasonCode::PolicyRule, message)
        }
        UserReason::Object { message, help: Some(help) } => {
            Reason::new(ReasonCode::PolicyRule, message).with_help(help)
        }
    };
    Ok(members(rules, rule)?.into_iter().map(reason).collect())
}

/// The members of the set that `rule` evaluates to.
fn members<T: for<'de> Deserialize<'de>>(rules: &mut Engine, rule: &str) -> Result<Vec<T>, PolicyError> {
    let value = engine::eval(rules, rule)?;
    let Value::Set(_) = &value else { return Err(PolicyError::NotASet { rule: rule.to_owned() }) };
    let malformed = |found: String| PolicyError::MalformedReason {
        rule: rule.to_owned(),
        found: found.chars().take(200).collect(),
    };
    let json = value.to_json_str().map_err(|e| malformed(e.to_string()))?;
    let found: Vec<serde_json::Value> = serde_json::from_str(&json).map_err(|e| malformed(e.to_string()))?;
    if found.len() > MAX_REASONS {
        return Err(malformed(format!("{} reasons", found.len())));
    }
    found.into_iter().map(|one| T::deserialize(&one).map_err(|_| malformed(one.to_string()))).collect()
}

/// Names of the built-in topics, for documentation and tests.
#[must_use]
pub fn topics() -> BTreeSet<&'static str> {
    BUILTIN.iter().map(|(topic, _)| *topic).collect()
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
