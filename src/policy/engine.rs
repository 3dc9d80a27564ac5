//! The Rego engine: Rego v1, strict built-in errors, bounded time, no network, no clock, no randomness.
//!
//! The crate is built without `http`, `net`, `time`, `uuid` and `opa-runtime`; `rand.intn` it always has, so it is
//! covered by an extension of that name that fails.

use std::num::NonZeroU32;
use std::time::Duration;

use regex::Regex;
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};

use crate::policy::PolicyError;

/// A module's name and text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) text: String,
}

/// A rule that decides, in whatever package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DecisionRule {
    pub(super) path: String,
    pub(super) denies: bool,
}

/// Longest evaluation: built-in rules take milliseconds, a user's quadratic rule over 5,000 findings takes seconds.
const MAX_EVALUATION: Duration = Duration::from_secs(30);

/// Steps between looks at the time.
const CHECK_INTERVAL: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);

/// Always compiled into the engine, and never pure.
const IMPURE: &str = "rand.intn";
const IMPURE_ARGUMENTS: u8 = 2;

/// An engine with these modules and this input document.
pub(super) fn load(modules: &[Module], input: &str) -> Result<Engine, PolicyError> {
    let mut engine = parse(modules)?;
    engine.set_strict_builtin_errors(true);
    engine.set_execution_timer_config(ExecutionTimerConfig { limit: MAX_EVALUATION, check_interval: CHECK_INTERVAL });
    engine
        .set_input_json(input)
        .map_err(|e| PolicyError::Parse { module: "input".to_owned(), message: e.to_string() })?;
    Ok(engine)
}

/// Every `deny` and `warn` rule of `modules`, sorted, each once.
pub(super) fn decision_rules(modules: &[Module]) -> Result<Vec<DecisionRule>, PolicyError> {
    let engine = parse(modules)?;
    let mut rules = Vec::new();
    for (module, package) in modules.iter().zip(packages(modules)?) {
        if let Some(head) = dotted_decision(&engine, module) {
            return Err(PolicyError::DottedHead { module: module.name.clone(), head });
        }
        for (name, denies) in [("deny", true), ("warn", false)] {
            let declared = engine
                .has_declared_rule_rooted_at(&module.name, name)
                .map_err(|e| PolicyError::Parse { module: module.name.clone(), message: first_line(&e.to_string()) })?;
            if declared {
                rules.push(DecisionRule { path: format!("{package}.{name}"), denies });
            }
        }
    }
    rules.sort();
    rules.dedup();
    Ok(rules)
}

/// A head such as `sub.deny`, which is a rule of its own below the package that nobody would ask.
///
/// The text only proposes names; whether one is a rule's head the engine knows.
fn dotted_decision(engine: &Engine, module: &Module) -> Option<String> {
    let reference = Regex::new(r#"[A-Za-z_]\w*(?:\s*\.\s*\w+|\s*\[\s*["`]\w+["`]\s*\])+"#).ok()?;
    let component = Regex::new(r"\w+").ok()?;
    reference.find_iter(&module.text).find_map(|found| {
        let parts: Vec<&str> = component.find_iter(found.as_str()).map(|part| part.as_str()).collect();
        let end = parts.iter().skip(1).position(|part| matches!(*part, "deny" | "warn"))? + 2;
        let head = parts.get(..end)?.join(".");
        engine.has_declared_rule_rooted_at(&module.name, &head).is_ok_and(|declared| declared).then_some(head)
    })
}

/// The package of each module, as a path: `data["own"]["topic"]`.
pub(super) fn packages(modules: &[Module]) -> Result<Vec<String>, PolicyError> {
    let packages = parse(modules)?
        .get_policy_package_components()
        .map_err(|e| PolicyError::Parse { module: "package".to_owned(), message: first_line(&e.to_string()) })?;
    let path = |parts: Vec<String>| parts.iter().map(|part| format!("[{part:?}]")).collect::<String>();
    Ok(packages.into_iter().map(|package| format!("data{}", path(package.components))).collect())
}

/// The value of one rule.
pub(super) fn eval(engine: &mut Engine, rule: &str) -> Result<Value, PolicyError> {
    engine
        .eval_rule(rule.to_owned())
        .map_err(|e| PolicyError::Evaluate { rule: rule.to_owned(), message: first_line(&e.to_string()) })
}

pub(super) fn parse(modules: &[Module]) -> Result<Engine, PolicyError> {
    let mut engine = Engine::new();
    let refuse = |_: Vec<Value>| Err(std::io::Error::other("rand.intn differs from run to run").into());
    engine
        .add_extension(IMPURE.to_owned(), IMPURE_ARGUMENTS, Box::new(refuse))
        .map_err(|e| PolicyError::Parse { module: IMPURE.to_owned(), message: e.to_string() })?;
    for Module { name, text } in modules {
        engine
            .add_policy(name.clone(), text.clone())
            .map_err(|e| PolicyError::Parse { module: name.clone(), message: first_line(&e.to_string()) })?;
    }
    Ok(engine)
}

/// The engine draws the place in the source over several lines; the line that says what is wrong comes last.
fn first_line(message: &str) -> String {
    let said = message.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    let place = message.lines().map(str::trim).find(|line| line.starts_with("-->")).unwrap_or_default();
    format!("{} {}", said, place.trim_start_matches("-->").trim()).trim().to_owned()
}
