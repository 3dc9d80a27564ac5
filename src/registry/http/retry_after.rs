//! How long a registry asks us to wait: the `Retry-After` header (RFC 9110 §10.2.3) and the texts that registries put
//! into bodies instead (GHCR: `retry-after: 12.5ms, allowed: 2000/minute`). Pure, total.

use std::time::Duration;

use jiff::Timestamp;

/// Seconds (whole or not), a duration with units (`12.5ms`, `1m30s`), or an HTTP date.
pub(super) fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Some(pause) = parse_duration(text) {
        return Some(pause);
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// The first `retry-after: …` inside an error text.
pub(super) fn retry_after_in(body: &str) -> Option<Duration> {
    const MARK: &str = "retry-after:";
    let at = body.to_ascii_lowercase().find(MARK)?;
    // Lower-casing ASCII moves no byte, so `at` is good in `body` too.
    let rest = body.get(at + MARK.len()..)?.trim_start();
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(rest.len());
    parse_duration(&rest[..end])
}

fn parse_duration(text: &str) -> Option<Duration> {
    if text.is_empty() {
        return None;
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        total += number
            * match &rest[..end] {
                "" | "s" => 1.0,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[end..];
    }
    Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Option<u128> {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        parse_retry_after(text, now).map(|pause| pause.as_millis())
    }

    #[test]
    fn seconds_dates_and_texts_are_understood() {
        let table = [
            ("2", Some(2_000)),
            (" 0.5 ", Some(500)),
            ("12.5ms", Some(12)),
            ("1m30s", Some(90_000)),
            ("Sat, 21 Nov 2026 10:00:07 GMT", Some(7_000)),
            ("Sat, 21 Nov 2026 09:00:00 GMT", Some(0)),
            ("", None),
            ("soon", None),
            ("-5", None),
            ("1.2.3", None),
            ("5 parsecs", None),
            ("99999999999999999999999999", None),
        ];
        for (text, expected) in table {
            assert_eq!(parsed(text), expected, "{text:?}");
        }
    }

    #[test]
    fn ghcr_tells_it_in_the_body() {
        let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"Retry-After: 12.5ms, allowed: 2000/minute"}]}"#;
        assert_eq!(retry_after_in(body), Some(Duration::from_micros(12_500)));
        assert_eq!(retry_after_in("retry-after: never"), None);
        assert_eq!(retry_after_in("slow down"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in "\\PC{0,60}") {
            parsed(&text);
            retry_after_in(&format!("retry-after:{text}"));
        }
    }
}
