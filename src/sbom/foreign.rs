//! Documents of other tools: what they leave out that findings depend on, and what they say about themselves.
//!
//! A scanner that is not told the distribution or the source package finds less and says nothing. So every such gap is
//! an [`Anomaly`], like a stanza that could not be read; what costs no finding is only a note. Documents of ours bring
//! the anomalies of their image along.

use serde_json::Value;

use crate::packages::{Anomaly, AnomalyCode, Ecosystem};
use crate::sbom::{ANOMALY_PROPERTY, SbomError};

/// Versions of the specification whose documents are read; what matters here means the same in all of them.
pub const READABLE: [&str; 4] = ["1.4", "1.5", "1.6", "1.7"];
/// Nested components are looked at this deep; the scanner's copy refuses deeper ones.
const MAX_DEPTH: usize = 16;

/// What a document lacks.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Review {
    /// Sorted. What makes findings go missing.
    pub anomalies: Vec<Anomaly>,
    /// For people: what is missing without harm to the findings.
    pub notes: Vec<String>,
}

/// What `document`, a CycloneDX JSON document of any tool, lacks.
///
/// # Errors
/// [`SbomError::Spdx`] for SPDX, [`SbomError::Unreadable`] for a version out of [`READABLE`], [`SbomError::Malformed`]
/// for anything else that is no CycloneDX document.
pub fn review(document: &[u8]) -> Result<Review, SbomError> {
    let document: Value = serde_json::from_slice(document).map_err(|e| SbomError::Malformed { why: e.to_string() })?;
    if is_spdx(&document) {
        return Err(SbomError::Spdx);
    }
    if text(&document, "bomFormat") != "CycloneDX" {
        return Err(SbomError::Malformed { why: "bomFormat is not CycloneDX".to_owned() });
    }
    let version = text(&document, "specVersion");
    if !READABLE.contains(&version) {
        return Err(SbomError::Unreadable { version: version.chars().take(40).collect() });
    }
    let mut seen = Seen::default();
    seen.components(&document, 0);
    let mut review = seen.review(&document);
    if version == "1.7" {
        let note = "CycloneDX 1.7 is read by recent scanners only; 1.6 is understood by all".to_owned();
        review.notes.push(note);
    }
    review.anomalies.sort();
    review.anomalies.dedup();
    Ok(review)
}

/// SPDX 2 names its version, SPDX 3 its context.
fn is_spdx(document: &Value) -> bool {
    let context = document.get("@context").map(ToString::to_string).unwrap_or_default();
    document.get("spdxVersion").is_some() || context.contains("spdx.org")
}

/// Counts over all components, however nested.
#[derive(Default)]
struct Seen {
    systems: Vec<(String, String)>,
    /// Kinds of OS packages that are there.
    kinds: Vec<Ecosystem>,
    all: usize,
    os_packages: usize,
    without_source: Vec<String>,
    without_purl: Vec<String>,
    without_layer: usize,
}

impl Seen {
    fn components(&mut self, of: &Value, depth: usize) {
        let list = of.get("components").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for component in list.iter().filter(|_| depth < MAX_DEPTH) {
            self.component(component);
            self.components(component, depth + 1);
        }
    }

    fn component(&mut self, component: &Value) {
        let (name, version) = (text(component, "name"), text(component, "version"));
        match text(component, "type") {
            "operating-system" => return self.systems.push((name.to_owned(), version.to_owned())),
            "library" | "framework" => {}
            // Files and lock files: nothing that an advisory could be about.
            _ => return,
        }
        self.all += 1;
        let purl = text(component, "purl");
        if purl.is_empty() {
            self.without_purl.push(format!("{name}@{version}"));
        }
        if !has(component, &["LayerDigest", "LayerDiffID", "syft:location:0:layerID"]) {
            self.without_layer += 1;
        }
        let Some(kind) = os_kind(purl) else { return };
        self.os_packages += 1;
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
        if !has(component, &["SrcName"]) {
            self.without_source.push(format!("{name}@{version}"));
        }
    }

    fn review(self, document: &Value) -> Review {
        let mut review = Review { anomalies: own_anomalies(document), notes: Vec::new() };
        let whole = |code, detail| Anomaly { code, path: String::new(), layer: None, detail };
        if review.anomalies.is_empty() && says_incomplete(document) {
            let detail = "the document says of itself that it is incomplete".to_owned();
            review.anomalies.push(whole(AnomalyCode::DocumentIncomplete, detail));
        }
        review.anomalies.extend(self.system().map(|detail| whole(AnomalyCode::OsUnknown, detail)));
        if !self.without_source.is_empty() {
            let detail = format!(
                "{} of {} OS packages do not name their source package, under which advisories are filed: {}",
                self.without_source.len(),
                self.os_packages,
                some(&self.without_source)
            );
            review.anomalies.push(whole(AnomalyCode::SourceUnknown, detail));
        }
        if !self.without_purl.is_empty() {
            let (without, all) = (self.without_purl.len(), self.all);
            let detail = format!("{without} of {all} components have no package URL: {}", some(&self.without_purl));
            review.anomalies.push(whole(AnomalyCode::IdentifierMissing, detail));
        }
        if self.all == 0 {
            let detail = "the document has no component that could be scanned".to_owned();
            review.anomalies.push(whole(AnomalyCode::NoComponents, detail));
        }
        if self.without_layer > 0 {
            let note = format!("{} of {} components do not tell their image layer", self.without_layer, self.all);
            review.notes.push(note);
        }
        review
    }

    /// Why the operating system of the OS packages is not known, if it is not.
    fn system(&self) -> Option<String> {
        let packages = self.os_packages;
        match self.systems.as_slice() {
            _ if packages == 0 => None,
            [] => Some(format!("{packages} OS packages, but no component of type operating-system")),
            [(name, version)] => {
                let rolling = matches!(name.as_str(), "wolfi" | "chainguard");
                let unmatched = self.kinds.iter().any(|kind| !kind.has_advisories_for(name));
                match (version.is_empty() && !rolling, unmatched) {
                    (true, _) => Some(format!("operating system {name:?} without a version")),
                    (_, true) => Some(format!("operating system {name:?}, for which no advisories are matched")),
                    _ => None,
                }
            }
            several => Some(format!("{} components of type operating-system, expected one", several.len())),
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn properties(component: &Value) -> impl Iterator<Item = (&str, &str)> {
    let list = component.get("properties").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|property| (text(property, "name"), text(property, "value")))
}

/// Trivy reads its own names with and without their prefix.
fn has(component: &Value, names: &[&str]) -> bool {
    properties(component).any(|(name, value)| {
        let name = name.strip_prefix("aquasecurity:trivy:").unwrap_or(name);
        !value.is_empty() && names.contains(&name)
    })
}

fn os_kind(purl: &str) -> Option<Ecosystem> {
    let kinds = [("pkg:deb/", Ecosystem::Dpkg), ("pkg:apk/", Ecosystem::Apk), ("pkg:rpm/", Ecosystem::Rpm)];
    kinds.into_iter().find_map(|(prefix, kind)| purl.starts_with(prefix).then_some(kind))
}

/// `a, b, c and more`
fn some(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    format!("{}{}", shown.join(", "), if names.len() > shown.len() { " and more" } else { "" })
}

/// The anomalies that a document of ours carries; a code of a later version counts as the document's own word.
fn own_anomalies(document: &Value) -> Vec<Anomaly> {
    let root = document.get("metadata").and_then(|metadata| metadata.get("component")).unwrap_or(&Value::Null);
    let written = properties(root).filter(|(name, _)| *name == ANOMALY_PROPERTY);
    let read = written.map(|(_, value)| {
        let end = value.find([' ', ':']).unwrap_or(value.len());
        let code = serde_json::from_value(Value::from(&value[..end])).unwrap_or(AnomalyCode::DocumentIncomplete);
        let detail = value[end..].trim_start_matches([' ', ':']).to_owned();
        Anomaly { code, path: String::new(), layer: None, detail }
    });
    read.collect()
}

/// `incomplete` and its four variants.
fn says_incomplete(document: &Value) -> bool {
    let list = document.get("compositions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().any(|composition| text(composition, "aggregate").starts_with("incomplete"))
}

#[cfg(test)]
#[path = "foreign_tests.rs"]
mod tests;
