//! An installed Ruby gem: the specification that `RubyGems` writes (guides.rubygems.org, "Specification reference").
//!
//! A gemspec is a Ruby program. `RubyGems` writes the installed ones with one literal a line; only those are read. A
//! value that would have to be computed is an anomaly, never a guess.

use crate::packages::name::{contact, few, is_plain, one_line};
use crate::packages::{Ecosystem, Package, Parsed};

/// The one gem that the specification at `path` describes.
#[must_use]
pub fn parse(path: &str, bytes: &[u8]) -> Parsed {
    match read(path, bytes) {
        Ok(package) => Parsed { packages: vec![package], ..Parsed::default() },
        Err(why) => Parsed { unreadable: vec![why], ..Parsed::default() },
    }
}

#[derive(Default)]
struct Spec {
    name: Option<Result<String, String>>,
    version: Option<Result<String, String>>,
    licences: Vec<String>,
    authors: Vec<String>,
    emails: Vec<String>,
}

fn read(path: &str, bytes: &[u8]) -> Result<Package, String> {
    let mut variable: Option<String> = None;
    let mut spec = Spec::default();
    for line in bytes.split(|b| *b == b'\n') {
        let line = line.trim_ascii();
        if let Some(start) = find(line, b"Gem::Specification.new") {
            variable = block_variable(line.get(start..).unwrap_or_default());
        }
        let Some(variable) = &variable else { continue };
        let assignment = line.strip_prefix(variable.as_bytes()).and_then(|rest| rest.strip_prefix(b"."));
        if let Some((attribute, value)) = assignment.and_then(assigned) {
            spec.set(attribute, value);
        }
    }
    if variable.is_none() {
        return Err("not a gem specification: no `Gem::Specification.new do |…|`".to_owned());
    }
    let needed = |value: Option<Result<String, String>>, what: &str| match value {
        Some(Ok(text)) if is_plain(&text) => Ok(text),
        Some(Ok(_)) => Err(format!("{what} is empty or not readable")),
        Some(Err(why)) => Err(format!("{what} {why}")),
        None => Err(format!("{what} is missing")),
    };
    let (name, version) = (needed(spec.name, "name")?, needed(spec.version, "version")?);
    let supplier = contact(spec.authors.first().map(String::as_str), spec.emails.first().map(String::as_str));
    Ok(Package { licences: spec.licences, supplier, ..Package::new(Ecosystem::Gem, name, version, path) })
}

impl Spec {
    fn set(&mut self, attribute: &[u8], value: &[u8]) {
        let one = || match literals(value).as_deref() {
            Some([one]) => Ok(one.clone()),
            _ => Err("is not a literal text".to_owned()),
        };
        let readable = || few(literals(value).unwrap_or_default().iter().filter_map(|text| one_line(text)));
        match attribute {
            b"name" => self.name = Some(one()),
            b"version" => self.version = Some(one()),
            b"license" | b"licenses" => self.licences = readable(),
            b"author" | b"authors" => self.authors = readable(),
            b"email" => self.emails = readable(),
            _ => {}
        }
    }
}

fn find(line: &[u8], what: &[u8]) -> Option<usize> {
    line.windows(what.len()).position(|window| window == what)
}

/// `s` of `Gem::Specification.new do |s|`.
fn block_variable(line: &[u8]) -> Option<String> {
    let mut parts = line.split(|b| *b == b'|');
    let (_, variable, _) = (parts.next()?, parts.next()?, parts.next()?);
    let variable = std::str::from_utf8(variable).ok()?.trim();
    (!variable.is_empty()).then(|| variable.to_owned())
}

/// `attribute = value`.
fn assigned(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = rest.iter().position(|b| *b == b'=')?;
    let attribute = rest.get(..equals)?.trim_ascii();
    let word = attribute.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    (word && !attribute.is_empty()).then_some((attribute, rest.get(equals + 1..)?.trim_ascii()))
}

/// `"a".freeze`, `'a'` or a list of such in brackets, perhaps with a comment behind. `None` for anything else.
fn literals(value: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(value).ok()?;
    match text.strip_prefix('[') {
        None => literal(text).filter(|(_, rest)| is_end(rest)).map(|(one, _)| vec![one]),
        Some(list) => {
            let (mut list, mut found) = (list.trim_start(), Vec::new());
            while !list.starts_with(']') {
                let (one, rest) = literal(list)?;
                found.push(one);
                list = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            }
            is_end(&list[1..]).then_some(found)
        }
    }
}

/// A quoted text without interpolation, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.push(chars.next().map(|(_, c)| c).filter(|c| matches!(c, '"' | '\'' | '\\'))?),
            '#' if quote == '"' && text[at + 1..].starts_with('{') => return None,
            c if c == quote => {
                let rest = &text[at + 1..];
                return Some((value, rest.strip_prefix(".freeze").unwrap_or(rest).trim_start()));
            }
            c => value.push(c),
        }
    }
    None
}

fn is_end(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.is_empty() || rest.starts_with('#') || rest.starts_with(';') || rest == ".freeze"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(body: &str) -> Parsed {
        parse("p", format!("# stub: x\n\nGem::Specification.new do |s|\n{body}\nend\n").as_bytes())
    }

    #[test]
    fn what_rubygems_writes_is_read() {
        let found = spec(
            "  s.name = \"rack\".freeze\n  s.version = \"2.0.1\"\n  s.platform = \"x86_64-linux\".freeze\n\
               s.required_rubygems_version = Gem::Requirement.new(\">= 0\".freeze) if s.respond_to? :x=\n\
               s.authors = [\"A. Uthor\".freeze, \"B\".freeze]\n  s.email = \"a@example.com\".freeze\n\
               s.licenses = [\"MIT\".freeze, \"Ruby\".freeze]\n  s.rubygems_version = \"3.3.15\".freeze",
        );
        let [package] = &found.packages[..] else { panic!("{found:?}") };
        assert_eq!((package.name.as_str(), package.version.as_str()), ("rack", "2.0.1"));
        assert_eq!(package.licences, ["MIT", "Ruby"]);
        assert_eq!(package.supplier.as_deref(), Some("A. Uthor <a@example.com>"));
    }

    #[test]
    fn hand_written_specifications_with_literals_are_read() {
        for body in [
            "s.name='a'\ns.version='1'",
            "s.name = \"a\" # the name\ns.version = \"1\";",
            "s.namespace = \"q\"\ns.version_requirements = \"2\"\ns.name = \"a\"\ns.version = \"1\"",
            "s.name = \"b\"\ns.name = \"a\"\ns.version = Gem::Version.new(\"3\")\ns.version = \"1\"",
        ] {
            let found = spec(body);
            let names: Vec<_> = found.packages.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect();
            assert_eq!(names, [("a", "1")], "{body}");
        }
        let braces = parse("p", b"Gem::Specification.new { |gem|\r\ngem.name = \"a\"\r\ngem.version = \"1\"\r\n}");
        assert_eq!(braces.packages.len(), 1);
        let long = format!("s.name = \"a\"\ns.version = \"1\"\ns.files = [\"{}\"]", "x".repeat(100_000));
        assert_eq!(spec(&long).packages.len(), 1, "a line may be long");
    }

    #[test]
    fn what_is_no_literal_is_an_anomaly() {
        for bad in [
            "s.version = \"1\"",
            "s.name = \"a\"",
            "s.name = \"a\"\ns.version = Foo::VERSION",
            "s.name = \"a#{b}\"\ns.version = \"1\"",
            "s.name = \"a\"\ns.version = \"1\" + x",
            "s.name = \"a\ns.version = \"1\"",
            "s.name = \"\"\ns.version = \"1\"",
            "s.name = [\"a\", \"b\"]\ns.version = \"1\"",
            "t.name = \"a\"\nt.version = \"1\"",
        ] {
            let found = spec(bad);
            assert_eq!((found.packages.len(), found.unreadable.len()), (0, 1), "{bad}");
        }
        for bad in [
            &b""[..],
            b"Gem::Specification.new(\"a\", \"1\")",
            b"s.name = \"a\"\ns.version = \"1\"",
            b"Gem::Specification.new do |s|\ns.name = \"a\xff\"\ns.version = \"1\"\nend",
        ] {
            assert_eq!(parse("p", bad).unreadable.len(), 1, "{:?}", String::from_utf8_lossy(bad));
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_a_gem_or_an_anomaly(body in "(s\\.(name|version|licenses) = [\"'\\[]?.{0,12}[\"'\\]]?\n){0,4}") {
            let found = spec(&body);
            prop_assert_eq!(found.packages.len() + found.unreadable.len(), 1);
        }
    }
}
