//! Finds keys that the schema does not know, with the nearest known name.
//!
//! Walks the document beside the JSON Schema that `schemars` derives from [`crate::config::file`], so that there is one
//! list of keys in the program.

use serde_json::Value;

use crate::config::ConfigError;
use crate::config::file::File;

/// A known name is offered up to this many edits away; farther ones are noise.
const MAX_EDITS: usize = 4;

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
        let schema = self.resolve(schema);
        match document {
            Value::Object(map) => map.iter().try_for_each(|(key, child)| self.member(schema, key, child, at)),
            Value::Array(list) => match schema.get("items") {
                Some(items) => {
                    list.iter().enumerate().try_for_each(|(i, v)| self.value(items, v, &format!("{at}[{i}]")))
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn member(&self, schema: &Value, key: &str, child: &Value, at: &str) -> Result<(), ConfigError> {
        let full = if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
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
