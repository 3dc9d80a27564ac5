//! The part of JSON Schema that docs/reference/schemas/ uses. An unknown keyword is an error, so that none is skipped.

use regex::Regex;
use serde_json::Value;

/// Where `document` differs from `schema`, one sentence each.
pub(super) fn differences(schema: &Value, document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, document, "$", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    for (keyword, argument) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "required" | "additionalProperties" => {}
            "$ref" => {
                let target = argument.as_str().and_then(|r| r.strip_prefix('#')).and_then(|r| root.pointer(r));
                check(root, target.unwrap_or_else(|| panic!("no {argument}")), value, at, found);
            }
            "const" if argument == value => {}
            "enum" if argument.as_array().unwrap().contains(value) => {}
            "const" | "enum" => found.push(format!("{at}: {value} is not {argument}")),
            "anyOf" => {
                let fits = |option: &Value| {
                    let mut own = Vec::new();
                    check(root, option, value, at, &mut own);
                    own.is_empty()
                };
                if !argument.as_array().unwrap().iter().any(fits) {
                    found.push(format!("{at}: {value} fits none of {argument}"));
                }
            }
            "type" if !has_type(argument, value) => found.push(format!("{at}: {value} is not of type {argument}")),
            "type" => {}
            "pattern" => {
                let pattern = Regex::new(argument.as_str().unwrap()).unwrap();
                if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                    found.push(format!("{at}: {value} does not match {argument}"));
                }
            }
            "format" => {
                assert_eq!(argument, "date-time");
                if value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_err()) {
                    found.push(format!("{at}: {value} is no time"));
                }
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, argument, item, &format!("{at}[{i}]"), found);
                }
            }
            "properties" => members(root, schema, argument, value, at, found),
            other => panic!("{other} is not understood by this checker"),
        }
    }
}

/// Required members are there, and no member is unknown: a new field of the program must be added to the schema.
fn members(root: &Value, schema: &Value, known: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let Some(object) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(name) {
            found.push(format!("{at}.{name}: missing"));
        }
    }
    for (name, member) in object {
        match known.get(name) {
            Some(schema) => check(root, schema, member, &format!("{at}.{name}"), found),
            None => found.push(format!("{at}.{name}: unknown")),
        }
    }
}

fn has_type(names: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type {other}"),
    };
    names.as_array().map_or_else(|| is(names), |names| names.iter().any(is))
}

#[test]
fn the_checker_finds_what_is_missing_unknown_and_wrong() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"], "properties": { "a": { "type": "string" }, "b": { "enum": [1] } },
    });
    let count = |document: Value| differences(&schema, &document).len();
    assert_eq!(count(serde_json::json!({ "a": "x", "b": 1 })), 0);
    assert_eq!(count(serde_json::json!({ "b": 2, "c": 3 })), 3);
    assert_eq!(count(serde_json::json!([])), 1);
}
