//! `Link: <…>; rel="next"` (RFC 8288), the paging of tag and referrers lists, and which of them we follow.

use url::Url;

use crate::registry::http::limits::MAX_HEADER_TEXT;

/// The address of the first link with relation `next`. Pure, total, linear.
pub(super) fn parse_next(header: &str) -> Option<&str> {
    if header.len() > MAX_HEADER_TEXT {
        return None;
    }
    let mut rest = header;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (target, after) = after.split_once('>')?;
        let end = end_of_params(after);
        if after[..end].split(';').any(is_next) {
            return Some(target.trim());
        }
        rest = &after[end..];
    }
}

/// Where this link's parameters end: the first comma outside of quotes.
fn end_of_params(text: &str) -> usize {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn is_next(param: &str) -> bool {
    let Some((name, value)) = param.split_once('=') else { return false };
    let relations = value.trim().trim_matches('"');
    name.trim().eq_ignore_ascii_case("rel")
        && relations.split_ascii_whitespace().any(|r| r.eq_ignore_ascii_case("next"))
}

/// Why a list cannot be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PagingError {
    #[error("the next page {0:?} is no address")]
    Address(String),
    #[error("the next page is on another host: {0}")]
    ForeignOrigin(String),
    #[error("the pages lead back to {0}")]
    Loop(String),
}

/// The pages of one list. Only the origin that was asked may continue it, and no page comes twice.
#[derive(Debug)]
pub(crate) struct Pages {
    visited: Vec<Url>,
}

impl Pages {
    pub(crate) fn new(first: Url) -> Self {
        Self { visited: vec![first] }
    }

    pub(crate) fn count(&self) -> usize {
        self.visited.len()
    }

    /// The page after the present one, from its `Link` header.
    pub(crate) fn next(&mut self, header: Option<&str>) -> Result<Option<Url>, PagingError> {
        let Some(target) = header.and_then(parse_next) else { return Ok(None) };
        let current = &self.visited[self.visited.len() - 1];
        let next = current.join(target).map_err(|_| PagingError::Address(target.chars().take(200).collect()))?;
        if next.origin() != current.origin() {
            return Err(PagingError::ForeignOrigin(next.origin().ascii_serialization()));
        }
        if self.visited.contains(&next) {
            return Err(PagingError::Loop(next.path().to_owned()));
        }
        self.visited.push(next.clone());
        Ok(Some(next))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_next_link_is_found_among_others() {
        let table = [
            (r#"</v2/a/tags/list?last=b&n=2>; rel="next""#, Some("/v2/a/tags/list?last=b&n=2")),
            (r#"</a>; rel=prev, </b>; title="x, y"; rel="foo next""#, Some("/b")),
            (r#"</a>; REL=next"#, Some("/a")),
            (r#"</a>; rel="prev""#, None),
            ("</a>", None),
            ("garbage", None),
            ("<unfinished", None),
        ];
        for (header, expected) in table {
            assert_eq!(parse_next(header), expected, "{header}");
        }
    }

    #[test]
    fn pages_stay_on_their_origin_and_never_loop() {
        let first: Url = "https://r.example.com/v2/a/tags/list?n=2".parse().unwrap();
        let mut pages = Pages::new(first);
        assert_eq!(pages.next(None), Ok(None));
        let second = pages.next(Some(r#"</v2/a/tags/list?n=2&last=b>; rel="next""#)).unwrap().unwrap();
        assert_eq!(second.as_str(), "https://r.example.com/v2/a/tags/list?n=2&last=b");
        let foreign = pages.next(Some(r#"<https://evil.example.com/v2/>; rel="next""#));
        assert!(matches!(foreign, Err(PagingError::ForeignOrigin(_))));
        let plain = pages.next(Some(r#"<http://r.example.com/v2/>; rel="next""#));
        assert!(matches!(plain, Err(PagingError::ForeignOrigin(_))));
        let back = pages.next(Some(r#"</v2/a/tags/list?n=2>; rel="next""#));
        assert!(matches!(back, Err(PagingError::Loop(_))));
    }

    proptest! {
        #[test]
        fn any_header_is_parsed_without_panic(header in "\\PC{0,200}") {
            parse_next(&header);
        }
    }
}
