//! `Warning: 299 - "…"` of registries (distribution spec, "Warnings"): shown once each, never acted on.

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;

use crate::registry::http::limits::{MAX_ERROR_TEXT, MAX_WARNINGS};

/// What registries wanted people to know in one run; clones share it, so that fresh clients repeat nothing.
#[derive(Debug, Clone, Default)]
pub struct Warnings {
    texts: Arc<Mutex<Vec<String>>>,
}

impl Warnings {
    /// `scrub` removes secrets that a registry sends back to us (I10).
    pub(super) fn collect(&self, registry: &str, headers: &HeaderMap, scrub: impl Fn(&str) -> String) {
        for value in headers.get_all(http::header::WARNING) {
            let Some(text) = value.to_str().ok().and_then(parse_warning) else { continue };
            let text = format!("{registry}: {}", scrub(&text));
            let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
            if texts.len() < MAX_WARNINGS && !texts.contains(&text) {
                tracing::warn!("{text}");
                texts.push(text);
            }
        }
    }

    /// Each text once, in order of arrival.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The text of `299 - "text"`; other codes are HTTP caches talking.
fn parse_warning(value: &str) -> Option<String> {
    let rest = value.trim().strip_prefix("299 ")?;
    let (_, quoted) = rest.split_once('"')?;
    let (text, _) = quoted.rsplit_once('"')?;
    let clean = text.replace("\\\"", "\"");
    Some(clean.chars().filter(|c| !c.is_control()).take(MAX_ERROR_TEXT).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_kept_once_and_only_code_299() {
        let warnings = Warnings::default();
        let mut headers = HeaderMap::new();
        for value in [r#"299 - "image is \"old\"""#, r#"299 - "image is \"old\"""#, r#"110 - "stale""#, "nonsense"] {
            headers.append(http::header::WARNING, value.parse().unwrap());
        }
        warnings.collect("r.example.com", &headers, |text| text.replace("s3cret", "***"));
        assert_eq!(warnings.texts(), [r#"r.example.com: image is "old""#]);
    }
}
