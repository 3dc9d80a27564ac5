//! What a name or a version must be like to stand in an SBOM.

/// Longer than any name or version of a public registry (npm allows 214, Go module paths reach 250).
const MAX_BYTES: usize = 1024;

/// Not empty, of bounded length, no control characters or replaced bytes, no blanks around it.
#[must_use]
pub(super) fn is_plain(text: &str) -> bool {
    let odd = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
    !text.is_empty() && text.len() <= MAX_BYTES && text.trim() == text && !text.chars().any(odd)
}

/// Free text (a licence, an author) as one line; `None` where nothing readable is left.
#[must_use]
pub(super) fn one_line(text: &str) -> Option<String> {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let line = words.join(" ");
    (!line.is_empty() && line.len() <= MAX_BYTES).then_some(line)
}

/// Most licences or authors of one package that are kept; the longest real lists have about twenty.
const MAX_TEXTS: usize = 64;

/// The first of many.
#[must_use]
pub(super) fn few(texts: impl Iterator<Item = String>) -> Vec<String> {
    texts.take(MAX_TEXTS).collect()
}

/// `Name <address>` of what is known of the two.
#[must_use]
pub(super) fn contact(name: Option<&str>, address: Option<&str>) -> Option<String> {
    let name = name.and_then(one_line);
    let address = address.and_then(one_line);
    match (name, address) {
        (_, Some(address)) if address.contains('<') => Some(address),
        (Some(name), Some(address)) => Some(format!("{name} <{address}>")),
        (name, address) => name.or(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_bounded_piece_of_readable_text() {
        assert!(is_plain("left-pad") && is_plain("1.0 beta"));
        for bad in ["", " a", "a\n", "a\0b", "a\u{fffd}", &"x".repeat(MAX_BYTES + 1)] {
            assert!(!is_plain(bad), "{bad:?}");
        }
    }

    #[test]
    fn free_text_is_folded_into_one_line() {
        assert_eq!(one_line(" MIT\n  or\tBSD ").as_deref(), Some("MIT or BSD"));
        assert_eq!(one_line("\u{0}\n"), None);
        assert_eq!(contact(Some("A"), Some("a@b")).as_deref(), Some("A <a@b>"));
        assert_eq!(contact(Some("A"), Some("A. B <a@b>")).as_deref(), Some("A. B <a@b>"));
        assert_eq!(contact(None, Some("a@b")).as_deref(), Some("a@b"));
        assert_eq!(contact(None, None), None);
    }
}
