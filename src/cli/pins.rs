//! References in text files: `REPO:TAG`, with or without a digest behind it. Whatever the format around them is —
//! Compose, Kubernetes, Helm values, Dockerfile, environment files — a reference is written the same way.

use crate::oci::{Digest, TagReference};

/// One mention of a reference in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention {
    /// Bytes of `REPO:TAG[@DIGEST]`.
    pub(crate) range: std::ops::Range<usize>,
    pub(crate) line: usize,
    pub(crate) pinned: Option<Digest>,
}

/// Every mention of exactly this reference. `a/b:1.2` is not mentioned by `a/b:1.2.3` nor by `x/a/b:1.2`.
pub(crate) fn mentions(text: &str, reference: &TagReference) -> Vec<Mention> {
    let name = reference.to_string();
    let found = text.match_indices(&name).filter(|(start, _)| begins(&text[..*start]));
    found
        .filter_map(|(start, _)| {
            let end = start + name.len();
            let (length, pinned) = pin(&text[end..])?;
            let line = text[..start].matches('\n').count() + 1;
            Some(Mention { range: start..end + length, line, pinned })
        })
        .collect()
}

/// The text with every mention of `reference` pinned to `digest`.
pub(crate) fn pinned(text: &str, reference: &TagReference, digest: &Digest) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for mention in mentions(text, reference) {
        out.push_str(&text[done..mention.range.start]);
        out.push_str(&format!("{reference}@{digest}"));
        done = mention.range.end;
    }
    out.push_str(&text[done..]);
    out
}

/// May a reference begin after this? A scheme may stand before it, as in `docker://`.
fn begins(before: &str) -> bool {
    match before.chars().next_back() {
        Some('/') => before.ends_with("//"),
        Some(c) => !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '@')),
        None => true,
    }
}

/// What follows the tag: nothing of the reference, or its digest. `None`: the tag goes on.
fn pin(after: &str) -> Option<(usize, Option<Digest>)> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    if let Some(rest) = after.strip_prefix('@') {
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == ':')).unwrap_or(rest.len());
        return Some((1 + length, rest[..length].parse().ok()));
    }
    let mut next = after.chars();
    match (next.next(), next.next()) {
        (Some(c), _) if is_word(c) => None,
        (Some('.'), Some(c)) if is_word(c) => None,
        _ => Some((0, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> TagReference {
        "ghcr.io/a/b:1.2".parse().unwrap()
    }

    #[test]
    fn exactly_the_reference_is_mentioned() {
        for (text, count) in [
            ("image: ghcr.io/a/b:1.2", 1),
            ("image: \"ghcr.io/a/b:1.2\"\n", 1),
            ("IMAGE=ghcr.io/a/b:1.2\nX=docker://ghcr.io/a/b:1.2,", 2),
            ("FROM ghcr.io/a/b:1.2 AS x. See ghcr.io/a/b:1.2.", 2),
            ("ghcr.io/a/b:1.2.3 ghcr.io/a/b:1.2-dev ghcr.io/a/b:1.20 xghcr.io/a/b:1.2 mirror/ghcr.io/a/b:1.2", 0),
            ("ghcr.io/a/b", 0),
        ] {
            assert_eq!(mentions(text, &reference()).len(), count, "{text}");
        }
    }

    #[test]
    fn pinning_twice_is_pinning_once_and_replaces_an_older_pin() {
        let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
        let text = format!("a: ghcr.io/a/b:1.2\nb: ghcr.io/a/b:1.2@{old} # c\nc: ghcr.io/a/b:1.3\n");
        let once = pinned(&text, &reference(), &new);
        let expected = format!("a: ghcr.io/a/b:1.2@{new}\nb: ghcr.io/a/b:1.2@{new} # c\nc: ghcr.io/a/b:1.3\n");
        assert_eq!(once, expected);
        assert_eq!(pinned(&once, &reference(), &new), once);
        let found = mentions(&once, &reference());
        assert_eq!(
            found.iter().map(|m| (m.line, m.pinned.clone())).collect::<Vec<_>>(),
            [(1, Some(new.clone())), (2, Some(new))]
        );
    }
}
