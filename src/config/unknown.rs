//! Finds keys that the schema does not know, with the nearest known name, and values that are not of their key's type.
//!
//! Walks the document beside the JSON Schema that `schemars` derives from [`crate::config::file`], so that there is one
//! list of keys in the program.

use serde_json::{Map, Value};

use crate::config::ConfigError;
use crate::config::file::File;

/// A known name is offered up to this many edits away; farther ones are noise.
const MAX_EDITS: usize = 4;

/// JSON Schema's types, as they are said in messages.
const EXPECTED: [(&str, &str); 5] = [
    ("object", "keys and values"),
    ("array", "a list"),
    ("string", "a text"),
    ("boolean", "true or false"),
    ("integer", "a whole number"),
];

pub(super) fn check(path: &str, document: &Value) -> Result<(), ConfigError> {
    let schema = schemars::schema_for!(File).to_value();
    Walk { path, root: &schema }.value(&schema, document, "")
}

struct Walk<'a> {
    path: &'a str,
    root: &'a Value,
}

impl Walk<'_> {
    fn value(&self, schema: &Value, document: &Value, at: &str) -> Result<(), ConfigError> {
        if document.is_null() && allows(schema, "null") {
            return Ok(());
        }
        let schema = self.resolve(schema);
        self.of_type(schema, document, at)?;
        match document {
            Value::Object(map) => self
                .complete(schema, map, at)
                .and_then(|()| map.iter().try_for_each(|(key, child)| self.member(schema, key, child, at))),
            Value::Array(list) => match schema.get("items") {
                Some(items) => {
                    list.iter().enumerate().try_for_each(|(i, v)| self.value(items, v, &format!("{at}[{i}]")))
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn of_type(&self, schema: &Value, document: &Value, at: &str) -> Result<(), ConfigError> {
        let (name, found) = match document {
            Value::Null => ("null", "nothing".to_owned()),
            Value::Bool(value) => ("boolean", value.to_string()),
            Value::Number(value) => ("number", value.to_string()),
            Value::String(value) => ("string", format!("the text {value:?}")),
            Value::Array(_) => ("array", "a list".to_owned()),
            Value::Object(_) => ("object", "keys and values".to_owned()),
        };
        let whole = document.is_u64() && allows(schema, "integer");
        if schema.get("type").is_none() || allows(schema, name) || whole {
            return Ok(());
        }
        let expected = EXPECTED.iter().find(|(name, _)| allows(schema, name)).map_or("another type", |(_, said)| *said);
        Err(self.refuse(at, format!("expected {expected}, found {found}")))
    }

    fn complete(&self, schema: &Value, map: &Map<String, Value>, at: &str) -> Result<(), ConfigError> {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        match required.filter_map(Value::as_str).find(|key| !map.contains_key(*key)) {
            Some(key) => Err(self.refuse(&joined(at, key), "is required, and missing".to_owned())),
            None => Ok(()),
        }
    }

    fn refuse(&self, key: &str, message: String) -> ConfigError {
        let key = if key.is_empty() { "the whole file" } else { key };
        ConfigError::Value { path: self.path.to_owned(), key: key.to_owned(), message }
    }

    fn member(&self, schema: &Value, key: &str, child: &Value, at: &str) -> Result<(), ConfigError> {
        let full = joined(at, key);
        let properties = schema.get("properties").and_then(Value::as_object);
        if let Some(known) = properties.and_then(|p| p.get(key)) {
            return self.value(known, child, &full);
        }
        if let Some(any) = schema.get("additionalProperties").filter(|a| a.is_object()) {
            return self.value(any, child, &full);
        }
        let Some(properties) = properties else { return Ok(()) };
        let nearest = properties
            .keys()
            .map(|known| (edits(key, known), known))
            .filter(|(distance, known)| *distance <= MAX_EDITS.min(known.len() - 1))
            .min()
            .map(|(_, known)| known.clone());
        Err(ConfigError::UnknownKey { path: self.path.to_owned(), key: full, nearest })
    }

    /// Follows `$ref`, and the non-null side of an optional.
    fn resolve<'b>(&'b self, schema: &'b Value) -> &'b Value {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#")) {
            return self.root.pointer(name).map_or(schema, |target| self.resolve(target));
        }
        let options = schema.get("anyOf").and_then(Value::as_array);
        let non_null =
            options.and_then(|list| list.iter().find(|s| s.get("type").and_then(Value::as_str) != Some("null")));
        non_null.map_or(schema, |option| self.resolve(option))
    }
}

fn joined(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

fn allows(schema: &Value, name: &str) -> bool {
    let named = |value: &Value| value.as_str() == Some(name);
    let own =
        schema.get("type").is_some_and(|kind| named(kind) || kind.as_array().is_some_and(|l| l.iter().any(named)));
    own || schema.get("anyOf").and_then(Value::as_array).is_some_and(|l| l.iter().any(|s| allows(s, name)))
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replace = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_edits() {
        assert_eq!(
            (edits("", "abc"), edits("abc", "abc"), edits("polcy", "policy"), edits("kitten", "sitting")),
            (3, 0, 1, 3)
        );
    }
}
