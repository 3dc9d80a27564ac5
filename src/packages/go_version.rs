//! Which version the main module of a Go program has.
//!
//! The build writes a release for `go install module@version` only; else `(devel)` or, since 1.24, one made from the
//! commit. Many projects put their release into a variable with `-ldflags '-X main.version=…'` instead, and advisories
//! are matched with that, by the same rules as Trivy's parser.

/// The release in `version`, else the one in the linker's `flags`, else `version` as it is.
pub(super) fn main_version(module: &str, version: &str, flags: Option<&str>) -> String {
    if !version.is_empty() && !is_pseudo(version) {
        return version.to_owned();
    }
    let words = flags.and_then(words).unwrap_or_default();
    let stamped = variables(&words).and_then(|variables| stamped(module, &variables));
    stamped.unwrap_or_else(|| version.to_owned())
}

/// A version made from a commit: `v0.0.0-20240102150405-abcdef012345` and its kin (`module.IsPseudoVersion`).
fn is_pseudo(version: &str) -> bool {
    let version = version.split('+').next().unwrap_or_default();
    let Some((rest, revision)) = version.rsplit_once('-') else { return false };
    let Some((before, stamp)) = rest.rsplit_once(['-', '.']) else { return false };
    let digits = stamp.len() == 14 && stamp.bytes().all(|b| b.is_ascii_digit());
    let dashed = rest.as_bytes().get(before.len()) == Some(&b'-');
    let base = if dashed { before.ends_with(".0.0") } else { before.ends_with("-0") || before.ends_with(".0") };
    digits && base && is_semver(version) && !revision.is_empty() && revision.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// `semver.IsValid` of golang.org/x/mod: `v1`, `v1.2`, `v1.2.3-pre+build`.
fn is_semver(version: &str) -> bool {
    let Some(rest) = version.strip_prefix('v') else { return false };
    let (rest, build) = rest.split_once('+').map_or((rest, None), |(rest, build)| (rest, Some(build)));
    let (numbers, pre) = rest.split_once('-').map_or((rest, None), |(rest, pre)| (rest, Some(pre)));
    let number = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
    };
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let count = numbers.split('.').count();
    numbers.split('.').all(number)
        && (count == 3 || (count < 3 && pre.is_none() && build.is_none()))
        && pre.is_none_or(|pre| {
            pre.split('.').all(|part| word(part) && (number(part) || !part.bytes().all(|b| b.is_ascii_digit())))
        })
        && build.is_none_or(|build| build.split('.').all(word))
}

/// The flags as words, quoted as in a shell; `None` where they cannot be taken apart.
fn words(flags: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut inside) = (Vec::new(), String::new(), false);
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for c in flags.chars() {
        if escaped {
            word.push(c);
            (escaped, inside) = (false, true);
            continue;
        }
        match (c, quote) {
            ('\\', quote) if quote != Some('\'') => escaped = true,
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.push(c),
            ('\'' | '"', None) => (quote, inside) = (Some(c), true),
            (' ' | '\t' | '\r' | '\n', None) => {
                if inside {
                    words.push(std::mem::take(&mut word));
                }
                inside = false;
            }
            // Another command follows.
            (';' | '&' | '|' | '<' | '>', None) => break,
            ('(', None) => return None,
            (c, None) => {
                word.push(c);
                inside = true;
            }
        }
    }
    if escaped || quote.is_some() {
        return None;
    }
    if inside {
        words.push(word);
    }
    Some(words)
}

/// What `-X` sets, by variable. `None` where one of them is no assignment: then nothing counts.
fn variables(words: &[String]) -> Option<Vec<(String, String)>> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        if word == "--" {
            break;
        }
        if word.starts_with("--") {
            if !word.contains('=') {
                rest = without_value(rest);
            }
            continue;
        }
        let Some(letters) = word.strip_prefix('-') else { continue };
        let at = letters.char_indices();
        for (i, letter) in at {
            let behind = &letters[i + letter.len_utf8()..];
            match letter {
                'X' => {
                    let value = if behind.is_empty() {
                        let (value, after) = rest.split_first()?;
                        rest = after;
                        value.as_str()
                    } else if behind.len() > 1 {
                        behind.strip_prefix('=').unwrap_or(behind)
                    } else {
                        behind
                    };
                    assign(value, &mut found)?;
                    break;
                }
                // Trivy's flags know `-h`, so that it takes no value.
                'h' => {}
                _ if behind.len() > 1 && behind.starts_with('=') => break,
                _ => rest = without_value(rest),
            }
        }
    }
    Some(found)
}

/// A flag that nobody knows takes the next word, unless that is a flag.
fn without_value(words: &[String]) -> &[String] {
    match words.split_first() {
        Some((value, rest)) if !value.starts_with('-') => rest,
        _ => words,
    }
}

/// `name=value`; with several `=`, a list with commas.
fn assign(text: &str, found: &mut Vec<(String, String)>) -> Option<()> {
    let list: Vec<&str> = match text.matches('=').count() {
        0 => return None,
        1 => vec![text.trim_matches('"')],
        _ if text.contains('"') => return None,
        _ => text.split(',').collect(),
    };
    for pair in list {
        let (name, value) = pair.split_once('=')?;
        let name = name.trim_start_matches('\'').to_owned();
        found.retain(|(other, _)| *other != name);
        found.push((name, value.trim_end_matches('\'').to_owned()));
    }
    Some(())
}

/// The one release among the variables: first those of the module's commands, then those with a usual name, then any.
/// Two in one class are none.
fn stamped(module: &str, variables: &[(String, String)]) -> Option<String> {
    let mut classes: [Vec<&str>; 3] = Default::default();
    for (name, value) in variables {
        let lower = name.to_lowercase();
        let is_version = lower.ends_with(".version") || lower.ends_with(".ver");
        if !is_version || !(is_semver(value) || is_semver(&format!("v{value}"))) {
            continue;
        }
        let package = lower.rsplit('/').next().unwrap_or_default().split('.').next().unwrap_or_default();
        let class = if name.strip_prefix(module).is_some_and(|rest| rest.starts_with("/cmd/")) {
            0
        } else if matches!(package, "main" | "common" | "version" | "cmd") {
            1
        } else {
            2
        };
        classes[class].push(value);
    }
    match classes.iter().find(|class| !class.is_empty()).map(Vec::as_slice) {
        Some([one]) => Some((*one).to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_of_the_build_counts_before_the_flags_and_they_before_a_commit() {
        let flags = Some("-s -w -X main.version=1.2.3");
        for (version, flags, expect) in [
            ("v2.0.0", flags, "v2.0.0"),
            ("v2.0.0+incompatible", flags, "v2.0.0+incompatible"),
            ("", flags, "1.2.3"),
            ("v0.0.0-20240102150405-abcdef012345", flags, "1.2.3"),
            ("v1.2.4-0.20240102150405-abcdef012345+dirty", flags, "1.2.3"),
            ("v1.2.3-rc.1.0.20240102150405-abcdef012345", flags, "1.2.3"),
            ("v1.2.3-rc.1", flags, "v1.2.3-rc.1"),
            ("v0.0.0-20240102150405-abcdef012345", None, "v0.0.0-20240102150405-abcdef012345"),
            ("", None, ""),
        ] {
            assert_eq!(main_version("example.org/m", version, flags), expect, "{version} {flags:?}");
        }
    }

    #[test]
    fn flags_are_taken_apart_as_trivy_does() {
        for (flags, expect) in [
            ("-X=main.version=1.0.0", "1.0.0"),
            ("-X 'main.version=1.0.0'", "1.0.0"),
            ("-X=\"main.version=v1.0.0\"", "v1.0.0"),
            ("-extldflags '-static' -X main.Version=1.0.0", "1.0.0"),
            ("-linkmode external -X main.ver=1.0", "1.0"),
            ("-B gobuildid -X main.version=1.0.0", "1.0.0"),
            ("-X main.version=1.0.0 -X main.commit=abc -X main.other", ""),
            ("-X main.version=master", ""),
            ("-X main.versions=1.0.0", ""),
            ("-X main.version=1.0.0 -X cmd.version=2.0.0", ""),
            ("-X x.org/lib.version=3.0.0 -X main.version=1.0.0", "1.0.0"),
            ("-X x.org/lib.version=3.0.0", "3.0.0"),
            ("-X example.org/m/cmd/tool.version=4.0.0 -X main.version=1.0.0", "4.0.0"),
            ("-X main.version=1.0.0 -X main.version=1.0.1", "1.0.1"),
            ("-X 'main.version=1.0.0", ""),
            ("-X", ""),
        ] {
            assert_eq!(main_version("example.org/m", "", Some(flags)), expect, "{flags}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_flags_make_it_panic(flags in "[-X= '\"a-z.0-9,;h\\\\]{0,60}") {
            let _ = main_version("m", "", Some(&flags));
        }
    }
}
