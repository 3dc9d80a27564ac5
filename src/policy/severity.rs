//! Severity words of the configuration: `CRITICAL`, `HIGH`, `MEDIUM`, `LOW`, `UNKNOWN`, in any case.

use crate::evidence::scan::Severity;

/// A text that is no severity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown severity {text:?}: expected CRITICAL, HIGH, MEDIUM, LOW or UNKNOWN")]
pub struct UnknownSeverity {
    pub text: String,
}

/// # Errors
/// Any other word.
pub fn parse_severity(text: &str) -> Result<Severity, UnknownSeverity> {
    let all = [Severity::Unknown, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    let found = all.into_iter().find(|severity| severity.as_str().eq_ignore_ascii_case(text));
    found.ok_or_else(|| UnknownSeverity { text: text.chars().take(100).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_read_in_any_case_and_nothing_else_is() {
        assert_eq!(parse_severity("critical"), Ok(Severity::Critical));
        assert_eq!(parse_severity("UNKNOWN"), Ok(Severity::Unknown));
        assert!(parse_severity("SEVERE").is_err() && parse_severity("").is_err());
    }
}
