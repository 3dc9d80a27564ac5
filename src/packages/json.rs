//! Pieces of foreign JSON. A text of a few MiB must not become a hundred times that in memory, so lists and free-form
//! fields stay text until somebody needs them, and are bounded.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;

use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// Longest value of one field of one entry. Syft's list of CPEs for one package reaches 30 KiB.
pub(super) const MAX_FIELD_BYTES: usize = 256 * 1024;
/// Most entries of one list that are looked at; a record of a big application has a few thousand.
pub(super) const MAX_LISTED: usize = 200_000;

/// Any value, if it is short.
#[derive(Debug, Default)]
pub(super) struct Field(Value);

impl Deref for Field {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl Field {
    fn read(raw: &RawValue) -> Result<Self, serde_json::Error> {
        let text = raw.get();
        if text.len() > MAX_FIELD_BYTES {
            return Err(Error::custom(format!("a field of {} bytes, more than {MAX_FIELD_BYTES}", text.len())));
        }
        serde_json::from_str(text).map(Self)
    }

    /// The elements of a list; none for anything else.
    pub(super) fn list(&self) -> &[Value] {
        self.as_array().map(Vec::as_slice).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(<&RawValue>::deserialize(deserializer)?).map_err(Error::custom)
    }
}

/// The elements of a list as text.
#[derive(Debug, Default)]
pub(super) struct List<'a> {
    pub(super) entries: Vec<&'a RawValue>,
    /// How many there are beyond [`MAX_LISTED`].
    pub(super) more: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = List<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_unit<E: Error>(self) -> Result<List<'de>, E> {
                Ok(List::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<'de>, A::Error> {
                let mut list = List::default();
                while list.entries.len() < MAX_LISTED {
                    match seq.next_element::<&RawValue>()? {
                        Some(raw) => list.entries.push(raw),
                        None => return Ok(list),
                    }
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    list.more += 1;
                }
                Ok(list)
            }
        }
        deserializer.deserialize_any(Elements)
    }
}

/// The fields of one object. Of a repeated field the last counts, as in JavaScript and in Go.
#[derive(Debug)]
pub(super) struct Fields(HashMap<&'static str, Value>);

impl Fields {
    /// The fields `wanted` of the object at the start of `bytes`; what follows it is not looked at. Bytes that are no
    /// UTF-8 are replaced: they matter only where a name has them.
    pub(super) fn read(bytes: &[u8], wanted: &[&'static str]) -> Result<Self, serde_json::Error> {
        struct Object<'w>(&'w [&'static str]);
        impl<'de> Visitor<'de> for Object<'_> {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut found = HashMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    match self.0.iter().find(|wanted| **wanted == key) {
                        Some(wanted) => {
                            let Field(value) = Field::read(map.next_value()?).map_err(Error::custom)?;
                            found.insert(*wanted, value);
                        }
                        None => _ = map.next_value::<IgnoredAny>()?,
                    }
                }
                Ok(Fields(found))
            }
        }
        serde_json::Deserializer::from_str(&String::from_utf8_lossy(bytes)).deserialize_map(Object(wanted))
    }

    /// `null` is as good as absent.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_kept_up_to_its_bound_and_counted_beyond() {
        let text = format!("[{}0]", "0,".repeat(MAX_LISTED + 4));
        let list: List<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!((list.entries.len(), list.more), (MAX_LISTED, 5));
        assert!(serde_json::from_str::<List<'_>>("null").unwrap().entries.is_empty());
        assert!(serde_json::from_str::<List<'_>>("{}").is_err());
    }

    #[test]
    fn a_long_field_is_refused_before_it_is_taken_apart() {
        let long = format!("[{}0]", "0,".repeat(MAX_FIELD_BYTES));
        assert!(serde_json::from_str::<Field>(&long).is_err());
        assert_eq!(*serde_json::from_str::<Field>("[1]").unwrap(), serde_json::json!([1]));
    }

    #[test]
    fn of_a_repeated_field_the_last_counts_and_the_unwanted_cost_nothing() {
        let fields = Fields::read(br#"{"a":1,"b":{"a":3},"a":"2","c":null} x"#, &["a", "c"]).unwrap();
        assert_eq!((fields.text("a"), fields.get("b"), fields.get("c")), (Some("2"), None, None));
        for bad in [&b"[]"[..], b"{", b"", b"{\"a\":}"] {
            assert!(Fields::read(bad, &["a"]).is_err());
        }
        let latin1 = Fields::read(b"{\"a\":\"\xff\"}", &["a"]).unwrap();
        assert_eq!(latin1.text("a"), Some("\u{fffd}"));
    }
}
