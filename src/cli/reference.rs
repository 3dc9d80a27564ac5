//! The pages of docs/reference/ that are made from the program: command line, configuration, reason and exit codes.
//!
//! `tests/it/reference.rs` compares them with the files and rewrites these on request; nothing else uses them.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};
use serde_json::{Map, Value, json};

use crate::cli::Cli;
use crate::cli::exit::Exit;
use crate::config::file::File;
use crate::config::{DEFAULT_PATHS, PolicyConfig};
use crate::packages::AnomalyCode;
use crate::policy::ReasonCode;
use crate::tags::Preset;

const GENERATED: &str = "<!-- generated: UPDATE_REFERENCE=1 cargo test --test it reference -->";

/// File names below docs/reference/, with their text.
#[must_use]
pub fn pages() -> Vec<(&'static str, String)> {
    let schema = schema();
    vec![
        ("anomaly-codes.md", anomaly_codes()),
        ("cli.md", command_line()),
        ("configuration.md", configuration(&schema)),
        ("configuration.schema.json", format!("{schema:#}\n")),
        ("exit-codes.md", exit_codes()),
        ("reason-codes.md", reason_codes()),
    ]
}

fn exit_codes() -> String {
    let mut page = format!("# Exit codes\n\n{GENERATED}\n\n| code | meaning |\n|---|---|\n");
    for exit in Exit::ALL {
        let _ = writeln!(page, "| {} | {} |", exit.code(), exit.meaning());
    }
    let order: Vec<String> = Exit::PRECEDENCE.iter().map(|exit| exit.code().to_string()).collect();
    let _ = writeln!(page, "\nWith several outcomes the first of {} present wins.", order.join(", "));
    page
}

fn reason_codes() -> String {
    let mut page = format!(
        "# Reason codes\n\n{GENERATED}\n\nCodes are stable; the sentences beside them are not.\n\n\
         | code | given when | help |\n|---|---|---|\n"
    );
    for code in ReasonCode::ALL {
        let _ = writeln!(page, "| `{code}` | {} | {} |", cell(code.when()), cell(code.help()));
    }
    page
}

fn anomaly_codes() -> String {
    let mut page = format!(
        "# Anomaly codes\n\n{GENERATED}\n\nWhat makes an SBOM incomplete. Each stands with path, layer and detail in the \
         policy input, in `scan --output json` and, as property `{}` of the root component, in the SBOM itself, whose \
         composition is then `incomplete`. The default policy denies all of them (`sbom-incomplete`). Codes are \
         stable.\n\n| code | given when |\n|---|---|\n",
        crate::sbom::ANOMALY_PROPERTY
    );
    for code in AnomalyCode::ALL {
        let _ = writeln!(page, "| `{code}` | {} |", cell(code.when()));
    }
    page
}

fn command_line() -> String {
    let mut command = Cli::command();
    command.build();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let mut page = format!("# Command line\n\n{GENERATED}\n\n{about}\n\n`countersign [OPTIONS] COMMAND`\n");
    let is_shared = |arg: &&Arg| arg.is_global_set() && !arg.is_hide_set();
    page.push_str(
        "\n## Shared options\n\nThey stand before or after the command. Flag > environment > configuration.\n\n",
    );
    page.push_str(&arguments(command.get_arguments().filter(is_shared)));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        if sub.has_subcommands() {
            for below in sub.get_subcommands().filter(|below| below.get_name() != "help") {
                page.push_str(&section(below, &format!("{} {}", sub.get_name(), below.get_name())));
            }
        } else {
            page.push_str(&section(sub, sub.get_name()));
        }
    }
    page
}

fn section(command: &Command, name: &str) -> String {
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let own = |arg: &&Arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help";
    let positional: Vec<String> =
        command.get_positionals().map(|arg| arg.to_string()).map(|arg| format!(" {arg}")).collect();
    let mut page = format!("\n## {name}\n\n{about}.\n\n`countersign {name} [OPTIONS]{}`\n\n", positional.concat());
    page.push_str(&arguments(command.get_arguments().filter(own)));
    page
}

fn arguments<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let mut table = "| option | meaning | environment |\n|---|---|---|\n".to_owned();
    for arg in arguments {
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
        let environment = arg.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
        let short =
            arg.get_short().filter(|_| arg.get_long().is_some()).map(|c| format!("`-{c}`, ")).unwrap_or_default();
        let mut spelled = arg.to_string();
        if arg.get_long().is_some() && !spelled.starts_with("--") {
            spelled = format!("--{}", arg.get_long().unwrap_or_default());
        }
        let defaults: Vec<_> = arg.get_default_values().iter().map(|v| v.to_string_lossy()).collect();
        let default = if defaults.is_empty() || !arg.get_action().takes_values() {
            String::new()
        } else {
            format!(" [default: {}]", defaults.join(","))
        };
        let _ = writeln!(table, "| {short}`{}` | {}{default} | {environment} |", cell(&spelled), cell(&help));
    }
    table
}

/// The schema with real defaults instead of the absent values that stand for them.
fn schema() -> Value {
    let mut schema = schemars::schema_for!(File).to_value();
    let policy = PolicyConfig::default();
    let names = |list: &[crate::evidence::scan::Severity]| json!(list.iter().map(|s| s.as_str()).collect::<Vec<_>>());
    let defaults = [
        ("/properties/transparency", json!("auto")),
        ("/properties/signatures", json!("bundle")),
        ("/properties/sigstore", json!("public-good")),
        ("/$defs/Tags/properties/preset", json!(Preset::default().to_string())),
        ("/$defs/Vulnerabilities/properties/deny", names(&policy.deny)),
        ("/$defs/Vulnerabilities/properties/warn", names(&policy.warn)),
        ("/$defs/Scan/properties/max-age", json!(policy.max_scan_age.to_string())),
        ("/$defs/Scan/properties/max-db-age", json!(policy.max_db_age.to_string())),
    ];
    for (pointer, default) in defaults {
        if let Some(Value::Object(property)) = schema.pointer_mut(pointer) {
            property.insert("default".to_owned(), default);
        }
    }
    // The program refuses unknown keys; an editor with this schema should too.
    let definitions = schema.get("$defs").and_then(Value::as_object).map(|d| d.keys().cloned().collect::<Vec<_>>());
    for pointer in definitions.unwrap_or_default().iter().map(|name| format!("/$defs/{name}")).chain([String::new()]) {
        if let Some(Value::Object(object)) = schema.pointer_mut(&pointer) {
            object.insert("additionalProperties".to_owned(), json!(false));
        }
    }
    schema
}

fn configuration(schema: &Value) -> String {
    let mut page = format!(
        "# Configuration\n\n{GENERATED}\n\nRead from `--config FILE`, else {}. Unknown keys are refused; a key whose rule is \
         not built yet is refused as well, unless its value says nothing. Empty lists mean \"nothing\". The JSON Schema is \
         [configuration.schema.json](configuration.schema.json).\n\n| key | type | default | meaning |\n|---|---|---|---|\n",
        DEFAULT_PATHS.map(|path| format!("`{path}`")).join(", then ")
    );
    rows(&mut page, schema, schema, "");
    page
}

fn rows(page: &mut String, root: &Value, object: &Value, at: &str) {
    let none = Map::new();
    let required: Vec<&str> =
        object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in object.get("properties").and_then(Value::as_object).unwrap_or(&none) {
        let key = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let inner = resolve(root, property);
        let doc = property.get("description").or(inner.get("description")).and_then(Value::as_str).unwrap_or_default();
        let default = match property.get("default") {
            _ if required.contains(&name.as_str()) => "required".to_owned(),
            None | Some(Value::Null) => String::new(),
            Some(Value::Object(_)) => String::new(),
            Some(value) => format!("`{value}`"),
        };
        let _ = writeln!(page, "| `{key}` | {} | {default} | {} |", kind(root, property), cell(doc));
        if let Some(items) = inner.get("items") {
            rows(page, root, resolve(root, items), &format!("{key}[]"));
        } else if let Some(values) = inner.get("additionalProperties").filter(|v| v.is_object()) {
            rows(page, root, resolve(root, values), &format!("{key}.HOST"));
        } else {
            rows(page, root, inner, &key);
        }
    }
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(pointer) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) {
        return root.pointer(pointer).map_or(schema, |target| resolve(root, target));
    }
    let options = schema.get("anyOf").and_then(Value::as_array);
    let present = options.and_then(|list| list.iter().find(|s| s.get("type").and_then(Value::as_str) != Some("null")));
    present.map_or(schema, |option| resolve(root, option))
}

fn kind(root: &Value, schema: &Value) -> String {
    let inner = resolve(root, schema);
    let names: Vec<&str> = match inner.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let name = names.into_iter().find(|name| *name != "null").unwrap_or("any");
    match name {
        "array" => format!("list of {}", inner.get("items").map(|items| kind(root, items)).unwrap_or_default()),
        "object" => "keys".to_owned(),
        "boolean" => "true or false".to_owned(),
        "string" => "text".to_owned(),
        "integer" => "whole number".to_owned(),
        other => other.to_owned(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}
