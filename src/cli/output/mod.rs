//! Prints outcomes and failures: text for people, one JSON document for machines (product.md, "Machine output").

pub(crate) mod tree;

use std::ffi::OsString;
use std::io::Write;

use serde_json::{Value, json};

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::options::{Format, Shared};

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

fn error_document(failure: &Failure) -> Value {
    json!({ "apiVersion": API_VERSION, "kind": "Error", "code": failure.code, "message": failure.message, "help": failure.help })
}

/// Prints the result as asked for and returns the exit code.
pub(crate) fn print(shared: &Shared, result: Result<Outcome, Failure>) -> Exit {
    let (exit, document, text) = match result {
        Ok(outcome) => (outcome.exit, outcome.document, outcome.text),
        Err(failure) => {
            print_failure(&failure);
            (failure.exit, error_document(&failure), String::new())
        }
    };
    match deliver(shared, &document, &text) {
        Ok(()) => exit,
        Err(failure) => {
            print_failure(&failure);
            Exit::worst([exit, failure.exit])
        }
    }
}

fn deliver(shared: &Shared, document: &Value, text: &str) -> Result<(), Failure> {
    let mut to_stdout = false;
    for spec in &shared.output {
        let body = match spec.format {
            Format::Json => format!("{document:#}\n"),
            Format::Text => anstream::adapter::strip_str(text).to_string(),
        };
        match &spec.path {
            Some(path) => std::fs::write(path, body)
                .map_err(|e| Failure::usage(format!("cannot write {}: {e}", path.display())))?,
            None => {
                to_stdout = true;
                write_stdout(&body);
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
    let _ = error.print();
    if error.exit_code() == 0 {
        return Exit::Ok;
    }
    let message = error.to_string();
    let message = message.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    if asks_for_json(arguments) {
        let failure = Failure::usage(message).help("countersign --help");
        write_stdout(&format!("{:#}\n", error_document(&failure)));
    }
    Exit::Usage
}

fn asks_for_json(arguments: &[OsString]) -> bool {
    let texts: Vec<_> = arguments.iter().map(|a| a.to_string_lossy()).collect();
    texts.iter().any(|a| a == "--output=json") || texts.windows(2).any(|w| w[0] == "--output" && w[1] == "json")
}
