use super::*;
use crate::packages::zip::tests::{How, Writer};

const LOG4J: &str = "groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=2.14.1\n";
const PROPERTIES: &str = "META-INF/maven/g/a/pom.properties";
const MANIFEST: &str = "META-INF/MANIFEST.MF";

fn jar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::default();
    for (name, content) in entries {
        writer.add(name, content, How::Follow);
    }
    writer.end()
}

fn parse(path: &str, bytes: &[u8]) -> Parsed {
    read(path, &mut &*bytes, bytes.len() as u64)
}

fn names(parsed: &Parsed) -> Vec<(&str, &str, &str)> {
    parsed.packages.iter().map(|p| (p.name.as_str(), p.version.as_str(), p.path.as_str())).collect()
}

#[test]
fn an_archives_own_description_names_it_and_its_checksum_goes_with_it() {
    let bytes = jar(&[(MANIFEST, b"Implementation-Title: x\n"), (PROPERTIES, LOG4J.as_bytes())]);
    for path in ["app/log4j-core-2.14.1.jar", "app/log4j.jar", "app/org.apache.log4j-core-2.14.1.jar"] {
        let parsed = parse(path, &bytes);
        assert_eq!(names(&parsed), [("org.apache.logging.log4j:log4j-core", "2.14.1", path)]);
        let [(algorithm, value)] = &parsed.packages[0].hashes[..] else { panic!("one hash") };
        assert_eq!((algorithm.as_str(), value.len()), ("SHA-1", 40));
    }
}

#[test]
fn archives_inside_are_read_and_named_by_their_way() {
    let inner = jar(&[(PROPERTIES, LOG4J.as_bytes())]);
    for how in [How::Stored, How::Deflated, How::Follow, How::StoredFollow] {
        let mut war = Writer::default();
        war.add("WEB-INF/lib/log4j-core-2.14.1.jar", &inner, how);
        let ear = jar(&[("web.war", &war.end())]);
        let parsed = parse("opt/a.ear", &ear);
        let at = "opt/a.ear/web.war/WEB-INF/lib/log4j-core-2.14.1.jar";
        let first = names(&parsed)[0];
        assert_eq!(first, ("org.apache.logging.log4j:log4j-core", "2.14.1", at));
        assert!(parsed.unreadable.is_empty() && parsed.limits.is_empty());
    }
}

#[test]
fn merged_archives_leave_their_descriptions_and_the_whole_is_listed_too() {
    let other = "groupId=g\nartifactId=a\nversion=1.0\n";
    let repeated = "groupId=g\nartifactId=a\nversion=1.0.0\n";
    let bytes = jar(&[
        (PROPERTIES, LOG4J.as_bytes()),
        ("META-INF/maven/g/b/pom.properties", other.as_bytes()),
        ("META-INF/maven/g/c/pom.properties", repeated.as_bytes()),
    ]);
    let parsed = parse("shaded-3.0.jar", &bytes);
    let expect = [
        ("org.apache.logging.log4j:log4j-core", "2.14.1", "shaded-3.0.jar"),
        ("g:a", "1.0", "shaded-3.0.jar"),
        ("shaded", "3.0", "shaded-3.0.jar"),
    ];
    assert_eq!(names(&parsed), expect);
    assert!(parsed.packages[2].purl.as_deref().unwrap().starts_with("pkg:generic/shaded@3.0?checksum=sha1:"));
}

#[test]
fn an_archive_without_a_description_is_named_by_table_manifest_or_file() {
    let vendor = b"Implementation-Vendor-Id: org.x\nImplementation-Title: lib\nImplementation-Version: 1.2\n";
    for (path, entries, expect) in [
        (
            "spring-core-5.3.4.jar",
            vec![("org/springframework/core/A.class", &b""[..])],
            ("org.springframework:spring-core", "5.3.4"),
        ),
        ("lib.jar", vec![(MANIFEST, &vendor[..])], ("org.x:lib", "1.2")),
        ("lib-2.0.jar", vec![(MANIFEST, &vendor[..])], ("org.x:lib", "2.0")),
        ("lib-2.0.jar", vec![(MANIFEST, &b"Manifest-Version: 1.0\n"[..])], ("lib", "2.0")),
        ("tools.jar", vec![], ("tools", "")),
    ] {
        let parsed = parse(path, &jar(&entries));
        assert_eq!(names(&parsed), [(expect.0, expect.1, path)]);
        assert!(parsed.failed.is_none() && parsed.unreadable.is_empty(), "{path}: no anomaly");
    }
}

#[test]
fn an_archive_that_cannot_be_read_is_said_aloud() {
    assert_eq!(parse("empty.jar", b""), Parsed::default());
    assert!(parse("a.jar", b"no archive").failed.is_some());
    let outer = jar(&[("b.jar", b"no archive"), (PROPERTIES, LOG4J.as_bytes())]);
    let parsed = parse("log4j-core-2.14.1.jar", &outer);
    assert_eq!((parsed.packages.len(), parsed.unreadable.len()), (1, 1));
    assert!(parsed.unreadable[0].starts_with("b.jar: "), "{:?}", parsed.unreadable);
    let long = vec![b'x'; 300 * 1024];
    for (what, entry) in [("manifest", (MANIFEST, long.as_slice())), ("properties", (PROPERTIES, &long[..]))] {
        assert_eq!(parse("a-1.jar", &jar(&[entry])).unreadable.len(), 1, "{what}");
    }
}

#[test]
fn archives_inside_archives_end_somewhere() {
    let nest = |depth: usize| (1..depth).fold(jar(&[("x", b"")]), |inner, _| jar(&[("a.jar", &inner)]));
    assert_eq!(parse("a.jar", &nest(MAX_DEPTH)).limits, Vec::<String>::new());
    assert_eq!(parse("a.jar", &nest(MAX_DEPTH + 1)).limits.len(), 1);
    let bomb = jar(&[("b.jar", &jar(&[("c.jar", &vec![0; 40 * 1024 * 1024])]))]);
    let parsed = parse("a.jar", &bomb);
    assert_eq!((parsed.limits.len(), parsed.packages.len()), (1, 0));
}

#[test]
fn names_of_entries_lead_nowhere_else() {
    assert_eq!(inside("a/b.jar", "../../etc/x.jar"), "a/b.jar/etc/x.jar");
    assert_eq!(inside("a/b.jar", "/lib//x.jar"), "a/b.jar/lib/x.jar");
}

#[test]
fn what_an_archive_makes_us_remember_is_bounded() {
    let long = format!("{}/pom.properties", "x".repeat(60_000));
    let mut writer = Writer::default();
    for _ in 0..300 {
        writer.add(&long, LOG4J.as_bytes(), How::Stored);
    }
    assert_eq!(parse("a.jar", &writer.end()).limits.len(), 1);
}
