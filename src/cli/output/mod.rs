//! Prints outcomes and failures: text for people, one JSON document for machines (product.md, "Machine output").

pub(crate) mod explain;
pub(crate) mod tree;

use std::ffi::OsString;
use std::io::Write;

use clap::CommandFactory;
use serde_json::{Value, json};

use crate::cli::Cli;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::options::{self, Format, OutputSpec};

/// `apiVersion` of every document.
pub(crate) const API_VERSION: &str = "countersign.dev/v1";

/// How a command ended that did its job, whatever the verdict.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exit: Exit,
    /// The document, complete with `apiVersion` and `kind`.
    pub(crate) document: Value,
    /// What a person reads on stdout.
    pub(crate) text: String,
}

impl Outcome {
    /// Wraps a command's fields into a document of `kind`.
    pub(crate) fn new(exit: Exit, kind: &str, fields: impl serde::Serialize, text: String) -> Result<Self, Failure> {
        Ok(Self { exit, document: document(kind, fields)?, text })
    }
}

/// A command's document before anything is known.
#[derive(Debug)]
pub(crate) struct Blank {
    pub(crate) kind: &'static str,
    /// Its fixed fields, null or empty.
    pub(crate) fields: Value,
}

/// `{apiVersion, kind, …fields}`.
pub(crate) fn document(kind: &str, fields: impl serde::Serialize) -> Result<Value, Failure> {
    let internal = |what: String| Failure::new(Exit::Internal, "internal", what);
    let fields = serde_json::to_value(fields).map_err(|e| internal(e.to_string()))?;
    let Value::Object(fields) = fields else { return Err(internal(format!("{kind} is no object"))) };
    let mut document = serde_json::Map::new();
    document.insert("apiVersion".to_owned(), json!(API_VERSION));
    document.insert("kind".to_owned(), json!(kind));
    document.extend(fields);
    Ok(Value::Object(document))
}

/// One item stays itself; several become `{kind: "…List", items}`.
pub(crate) fn list(kind: &str, mut items: Vec<Value>) -> Value {
    match items.len() {
        1 => items.remove(0),
        _ => json!({ "apiVersion": API_VERSION, "kind": format!("{kind}List"), "items": items }),
    }
}

/// A command that did not get to a result. Exit codes 1 and 2 give an `Error`; with all others the command's own
/// document says why, its fixed fields empty where nothing is known.
fn failure_document(failure: &Failure, blank: &Blank) -> Value {
    if matches!(failure.exit, Exit::Internal | Exit::Usage) {
        return error_document(failure);
    }
    let reasons = json!([{ "code": failure.code, "message": failure.message, "help": failure.help }]);
    let mut fields = blank.fields.clone();
    for (name, word) in [("state", state(failure.exit)), ("verdict", verdict(failure.exit))] {
        if let Some(field) = fields.get_mut(name) {
            *field = json!(word);
        }
    }
    let mut document = serde_json::Map::new();
    document.insert("apiVersion".to_owned(), json!(API_VERSION));
    document.insert("kind".to_owned(), json!(blank.kind));
    document.extend(fields.as_object().cloned().unwrap_or_default());
    document.insert("reasons".to_owned(), reasons);
    Value::Object(document)
}

fn verdict(exit: Exit) -> &'static str {
    if exit == Exit::Refuted { "refuted" } else { "unknown" }
}

fn state(exit: Exit) -> &'static str {
    match exit {
        Exit::Refuted => "refuted",
        Exit::Denied => "denied",
        Exit::Conflict => "conflict",
        _ => "unknown",
    }
}

fn error_document(failure: &Failure) -> Value {
    json!({ "apiVersion": API_VERSION, "kind": "Error", "code": failure.code, "message": failure.message, "help": failure.help })
}

/// Prints the result as asked for and returns the exit code.
pub(crate) fn print(output: &[OutputSpec], blank: &Blank, result: Result<Outcome, Failure>) -> Exit {
    let (exit, document, text) = match result {
        Ok(outcome) => (outcome.exit, outcome.document, outcome.text),
        Err(failure) => {
            print_failure(&failure);
            (failure.exit, failure_document(&failure, blank), String::new())
        }
    };
    match deliver(output, &document, &text) {
        Ok(()) => exit,
        Err(failure) => {
            print_failure(&failure);
            Exit::worst([exit, failure.exit])
        }
    }
}

fn deliver(output: &[OutputSpec], document: &Value, text: &str) -> Result<(), Failure> {
    let mut to_stdout = false;
    for spec in output {
        let json = || format!("{document:#}\n");
        match (&spec.path, spec.format) {
            (Some(path), format) => {
                let body = match format {
                    Format::Json => json(),
                    Format::Text => anstream::adapter::strip_str(text).to_string(),
                };
                std::fs::write(path, body).map_err(|e| {
                    Failure::usage(format!("cannot write {}: {e}", path.display()))
                        .help("check the path after --output")
                })?;
            }
            (None, format) => {
                to_stdout = true;
                match format {
                    Format::Json => write_stdout(&json()),
                    Format::Text => write_stdout(text),
                }
            }
        }
    }
    if !to_stdout {
        write_stdout(text);
    }
    Ok(())
}

/// A closed pipe is the reader's choice, not our error.
fn write_stdout(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn print_failure(failure: &Failure) {
    let mut text = format!("error: {} [{}]\n", failure.message, failure.code);
    if !failure.help.is_empty() {
        text.push_str(&format!("help: {}\n", failure.help));
    }
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Help and version go to stdout with exit 0; a wrong command line ends with exit 2, as JSON where asked for.
pub(crate) fn usage_error(error: &clap::Error, arguments: &[OsString]) -> Exit {
    if error.exit_code() == 0 {
        let _ = error.print();
        return Exit::Ok;
    }
    let failure = usage_failure(error, arguments);
    print_failure(&failure);
    let output = requested(arguments);
    match output.is_empty() {
        true => Exit::Usage,
        false => print_document(&output, &failure),
    }
}

fn print_document(output: &[OutputSpec], failure: &Failure) -> Exit {
    let document = error_document(failure);
    if let Err(failure) = deliver(output, &document, "") {
        print_failure(&failure);
    }
    Exit::Usage
}

/// clap's paragraphs: what is wrong, a tip, the usage, and where the help is.
fn usage_failure(error: &clap::Error, arguments: &[OsString]) -> Failure {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n").map(|p| p.lines().map(str::trim).collect::<Vec<_>>().join(" "));
    let message = paragraphs.next().unwrap_or_default();
    let message = message.trim_start_matches("error: ").trim_end().to_owned();
    let tip = paragraphs.find_map(|p| p.strip_prefix("tip: ").map(str::to_owned));
    let known = Cli::command();
    let command = arguments.iter().skip(1).filter_map(|a| a.to_str()).find(|a| known.find_subcommand(a).is_some());
    let command = command.map(|name| format!("countersign {name} --help")).unwrap_or("countersign --help".to_owned());
    Failure::usage(message).help(tip.map_or(command.clone(), |tip| format!("{tip}; {command}")))
}

/// What `--output` asks for on a command line that clap refused.
fn requested(arguments: &[OsString]) -> Vec<OutputSpec> {
    let given = options::outputs(arguments);
    if !given.is_empty() {
        return given;
    }
    let environment = crate::config::environment::output().unwrap_or_default();
    environment.split(',').filter_map(|value| value.parse().ok()).collect()
}
