//! The SBOM predicate: the `CycloneDX` document itself, as `cosign attest --type cyclonedx` writes it.

use serde_json::Value;

use crate::oci::Digest;
use crate::sbom::timeless;

/// Equal but for time and serial number, which differ each time the same image is catalogued.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    a.is_object() && timeless(a.clone()) == timeless(b.clone())
}

/// A digest that two documents share exactly when [`same`] holds: of the document without time and serial, with sorted
/// keys. Names the SBOM a vulnerability report is about.
#[must_use]
pub fn content_digest(document: &Value) -> Digest {
    let mut text = String::new();
    write_sorted(&timeless(document.clone()), &mut text);
    Digest::of(text.as_bytes())
}

fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for key in keys {
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write_sorted(&object[key], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_sorted(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => out.push_str(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_serial_do_not_make_another_sbom_but_a_component_does() {
        let sbom = |serial: &str, time: &str, name: &str| serde_json::json!({"serialNumber": serial, "metadata": {"timestamp": time, "tools": []}, "components": [{"name": name}]});
        let (a, b, c) = (sbom("1", "t1", "x"), sbom("2", "t2", "x"), sbom("1", "t1", "y"));
        assert!(same(&a, &b) && content_digest(&a) == content_digest(&b));
        assert!(!same(&a, &c) && content_digest(&a) != content_digest(&c));
        let reordered: Value =
            serde_json::from_str(r#"{"components":[{"name":"x"}],"metadata":{"tools":[]}}"#).unwrap();
        assert!(same(&a, &reordered) && content_digest(&a) == content_digest(&reordered));
    }
}
