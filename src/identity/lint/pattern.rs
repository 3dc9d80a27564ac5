//! What can be told from the text of a regexp without understanding all of it: its anchors, and names it may be meant
//! for, built on the literal text it begins with. Whoever uses an example asks the regexp whether it matches.

use super::{ANY_BRANCH, NOBODY, REFS};

/// Does the pattern begin and end with an anchor?
pub(super) fn is_anchored(pattern: &str) -> bool {
    let starts = pattern.starts_with('^') || pattern.starts_with(r"\A");
    // `\$` is a dollar sign, `\\$` a backslash before the end.
    let escaped = |text: &str| text.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1;
    let dollar = pattern.strip_suffix('$').is_some_and(|rest| !escaped(rest));
    starts && (dollar || pattern.ends_with(r"\z"))
}

/// Names that complete the literal beginning of `pattern`: workflow runs and e-mail addresses.
pub(super) fn examples(pattern: &str) -> Vec<String> {
    let start = literal_start(pattern);
    let mut examples = Vec::new();
    for git_ref in REFS.into_iter().chain([ANY_BRANCH]) {
        let parts = ["https://github.com/", NOBODY, "/", NOBODY, "/.github/workflows/", NOBODY, ".yml", "@", git_ref];
        examples.extend(completions(&start, &parts));
    }
    if let Some(domain) = pattern.rsplit_once('@').map(|(_, domain)| literal_start(domain)) {
        examples.push(format!("{NOBODY}@{domain}"));
        examples.push(format!("{start}{NOBODY}@{domain}"));
        examples.push(format!("{NOBODY}@{NOBODY}{}", domain.trim_start_matches(NOBODY)));
    }
    examples.push(format!("{NOBODY}@{NOBODY}.example"));
    examples.extend([sample(pattern, NOBODY), sample(pattern, "1")]);
    examples
}

/// The pattern with `filler` in place of everything that may vary; of alternatives the first. Often a name it matches.
fn sample(pattern: &str, filler: &str) -> String {
    let mut text = String::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '^' | '$' | '(' | ')' | '*' | '+' | '?' => {}
            '\\' => match chars.next() {
                Some('A' | 'z' | 'b') | None => {}
                Some(class) if class.is_ascii_alphanumeric() => text.push_str(filler),
                Some(literal) => text.push(literal),
            },
            '.' if chars.peek().is_some_and(|next| next.is_ascii_alphanumeric()) => text.push('.'),
            '.' => text.push_str(filler),
            '[' => {
                // A bracket expression ends at the first `]` that is neither first nor escaped.
                let mut first = true;
                while let Some(c) = chars.next().filter(|c| *c != ']' || first) {
                    first = c == '^' && first;
                    _ = c == '\\' && chars.next().is_some();
                }
                text.push_str(filler);
            }
            '{' => while chars.next().is_some_and(|c| c != '}') {},
            '|' => {
                let mut depth = 0;
                for c in chars.by_ref() {
                    match c {
                        '(' => depth += 1,
                        ')' if depth == 0 => break,
                        ')' => depth -= 1,
                        _ => {}
                    }
                }
            }
            plain => text.push(plain),
        }
    }
    text
}

/// `start`, followed by the rest of a workflow name from each place where `start` may have broken off.
fn completions(start: &str, parts: &[&str]) -> Vec<String> {
    let rest = (0..parts.len()).map(|from| parts[from..].concat());
    let joined = |rest: String| match start.ends_with('/') {
        true => format!("{start}{}", rest.trim_start_matches('/')),
        false => format!("{start}{rest}"),
    };
    rest.map(joined).collect()
}

/// The text before the first character that means something else than itself.
fn literal_start(pattern: &str) -> String {
    let mut text = String::new();
    let pattern = pattern.strip_prefix('^').or_else(|| pattern.strip_prefix(r"\A")).unwrap_or(pattern);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let literal = match c {
            '\\' => match chars.next() {
                Some(escaped) if !escaped.is_ascii_alphanumeric() => escaped,
                _ => break,
            },
            // A dot that was meant as a dot.
            '.' if chars.peek().is_some_and(|next| next.is_ascii_alphanumeric()) => '.',
            '.' | '[' | '(' | ')' | '|' | '*' | '+' | '?' | '{' | '$' | '^' => break,
            plain => plain,
        };
        if chars.peek().is_some_and(|next| matches!(next, '*' | '+' | '?' | '{')) {
            break;
        }
        text.push(literal);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_told_from_escaped_characters() {
        for anchored in ["^a$", r"\Aa\z", r"^a\\$"] {
            assert!(is_anchored(anchored), "{anchored}");
        }
        for open in ["a", "^a", "a$", r"^a\$", ""] {
            assert!(!is_anchored(open), "{open}");
        }
    }

    #[test]
    fn a_sample_fills_what_may_vary() {
        let cases = [
            (r"^https://github\.com/o/[^/]+/x@refs/tags/v\d+$", "https://github.com/o/N/x@refs/tags/vN"),
            ("(a|b(c)d)e.*", "aeN"),
            (r"[]x]{1,3}y", "Ny"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(sample(pattern, "N"), expected, "{pattern}");
        }
    }

    #[test]
    fn the_literal_start_ends_at_the_first_meaning() {
        let cases = [
            (r"^https://github\.com/o/.*$", "https://github.com/o/"),
            ("https://github.com/o/r", "https://github.com/o/r"),
            ("ab*c", "a"),
            ("(a|b)c", ""),
            (".*@example.com", ""),
            (r"a\d", "a"),
        ];
        for (pattern, start) in cases {
            assert_eq!(literal_start(pattern), start, "{pattern}");
        }
    }
}
