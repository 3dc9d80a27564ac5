//! `WWW-Authenticate` (RFC 9110 §11.6.1): which schemes a registry offers. Pure, total, linear.

use crate::registry::http::limits::MAX_HEADER_TEXT;

/// One challenge. Scheme and parameter names are lower-cased; of a repeated parameter the first counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) scheme: String,
    params: Vec<(String, String)>,
}

impl Challenge {
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// All challenges of one header value; what is no challenge is skipped.
pub(super) fn parse_challenges(header: &str) -> Vec<Challenge> {
    if header.len() > MAX_HEADER_TEXT {
        return Vec::new();
    }
    let mut scanner = Scanner { text: header };
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        scanner.skip(|c| c == ',' || c.is_ascii_whitespace());
        let Some(word) = scanner.token() else {
            if scanner.text.is_empty() {
                return challenges;
            }
            scanner.skip_one();
            continue;
        };
        match (scanner.value(), challenges.last_mut()) {
            (Some(value), Some(challenge)) => {
                let name = word.to_ascii_lowercase();
                if challenge.param(&name).is_none() {
                    challenge.params.push((name, value));
                }
            }
            (Some(_), None) => {}
            (None, _) => challenges.push(Challenge { scheme: word.to_ascii_lowercase(), params: Vec::new() }),
        }
    }
}

struct Scanner<'a> {
    text: &'a str,
}

impl<'a> Scanner<'a> {
    fn skip(&mut self, skipped: impl Fn(char) -> bool) {
        self.text = self.text.trim_start_matches(skipped);
    }

    fn skip_one(&mut self) {
        let mut chars = self.text.chars();
        chars.next();
        self.text = chars.as_str();
    }

    fn token(&mut self) -> Option<&'a str> {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c);
        let end = self.text.find(|c| !is_token(c)).unwrap_or(self.text.len());
        let (token, rest) = self.text.split_at(end);
        self.text = rest;
        (!token.is_empty()).then_some(token)
    }

    /// `= value` or `= "value"` at this place, if there is one.
    fn value(&mut self) -> Option<String> {
        let rest = self.text.trim_start_matches([' ', '\t']).strip_prefix('=')?;
        self.text = rest.trim_start_matches([' ', '\t']);
        match self.text.strip_prefix('"') {
            Some(quoted) => {
                self.text = quoted;
                Some(self.quoted())
            }
            None => Some(self.unquoted()),
        }
    }

    fn quoted(&mut self) -> String {
        let mut value = String::new();
        let mut chars = self.text.chars();
        loop {
            match chars.next() {
                None | Some('"') => break,
                Some('\\') => value.extend(chars.next()),
                Some(c) => value.push(c),
            }
        }
        self.text = chars.as_str();
        value
    }

    fn unquoted(&mut self) -> String {
        let end = self.text.find(|c: char| c == ',' || c.is_ascii_whitespace()).unwrap_or(self.text.len());
        let (value, rest) = self.text.split_at(end);
        self.text = rest;
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bearer_challenges_of_the_field_are_read() {
        let header = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        let challenges = parse_challenges(header);
        assert_eq!(challenges.len(), 1);
        assert_eq!(challenges[0].scheme, "bearer");
        assert_eq!(challenges[0].param("realm"), Some("https://auth.docker.io/token"));
        assert_eq!(challenges[0].param("scope"), Some("repository:a/b:pull,push"));
    }

    #[test]
    fn several_challenges_in_one_header_stay_apart() {
        let challenges =
            parse_challenges(r#"Negotiate, Basic realm="a, \"b\"" , BEARER Realm=https://x/t , service = y"#);
        let schemes: Vec<&str> = challenges.iter().map(|c| c.scheme.as_str()).collect();
        assert_eq!(schemes, ["negotiate", "basic", "bearer"]);
        assert_eq!(challenges[1].param("realm"), Some(r#"a, "b""#));
        assert_eq!((challenges[2].param("realm"), challenges[2].param("service")), (Some("https://x/t"), Some("y")));
    }

    #[test]
    fn the_first_of_repeated_parameters_counts() {
        let challenges = parse_challenges(r#"Bearer realm="https://good/",realm="https://evil/""#);
        assert_eq!(challenges[0].param("realm"), Some("https://good/"));
    }

    #[test]
    fn unfinished_and_oversized_headers_do_no_harm() {
        assert_eq!(parse_challenges(r#"Bearer realm="abc"#)[0].param("realm"), Some("abc"));
        assert!(parse_challenges(&"Bearer ".repeat(10_000)).is_empty());
        assert!(parse_challenges("=== ,,, \"\"").is_empty());
    }

    proptest! {
        #[test]
        fn any_header_is_parsed_without_panic(header in "\\PC{0,200}") {
            parse_challenges(&header);
        }

        #[test]
        fn a_realm_round_trips(realm in "[ -~]{0,60}") {
            let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("Bearer realm=\"{quoted}\", service=\"s\"");
            let challenges = parse_challenges(&header);
            prop_assert_eq!(challenges[0].param("realm"), Some(realm.as_str()));
            prop_assert_eq!(challenges[0].param("service"), Some("s"));
        }
    }
}
