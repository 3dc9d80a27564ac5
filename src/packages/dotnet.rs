//! .NET dependencies: `APP.deps.json` beside an application
//! (github.com/dotnet/sdk, documentation/specs/runtime-configuration-file.md).
//!
//! `libraries` lists everything, `targets` says which of it the application's own target brings along. A library that
//! its target knows but gives no file at run time was needed only to compile.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::packages::json::Field;
use crate::packages::name::is_plain;
use crate::packages::{Ecosystem, Package, Parsed};

/// What the SDK puts before the name of a runtime that is bundled with the application.
const RUNTIME_PACK: &str = "runtimepack.";

#[derive(Deserialize)]
struct Deps<'a> {
    #[serde(borrow)]
    libraries: BTreeMap<String, Library<'a>>,
    #[serde(default, rename = "runtimeTarget")]
    runtime_target: Field,
    #[serde(default)]
    targets: BTreeMap<String, BTreeMap<String, Target>>,
}

/// Both are texts; they stay unread until the library counts.
#[derive(Deserialize)]
struct Library<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sha512: Option<&'a RawValue>,
}

/// The sections that bring files at run time; an empty one counts, `null` does not.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    runtime: Option<IgnoredAny>,
    runtime_targets: Option<IgnoredAny>,
    native: Option<IgnoredAny>,
}

/// The libraries that the application at `path` carries.
#[must_use]
pub fn parse(path: &str, bytes: &[u8]) -> Parsed {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // A list would be taken for the fields in order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Parsed::failed("not a deps.json: no object");
    }
    let deps: Deps<'_> = match serde_json::from_slice(bytes) {
        Ok(deps) => deps,
        Err(why) => return Parsed::failed(format!("not a deps.json: {why}")),
    };
    let target = deps.runtime_target.get("name").unwrap_or(&deps.runtime_target).as_str();
    let target = target.and_then(|name| deps.targets.get(name));
    let compile_only: BTreeSet<&str> = target
        .into_iter()
        .flatten()
        .filter(|(_, lib)| lib.runtime.is_none() && lib.runtime_targets.is_none() && lib.native.is_none())
        .map(|(id, _)| stripped(id))
        .collect();
    let mut parsed = Parsed::default();
    for (id, library) in &deps.libraries {
        let kind = text(library.kind).unwrap_or_default();
        let carried = ["package", "project", "runtimepack"].iter().any(|known| kind.eq_ignore_ascii_case(known));
        let id = stripped(id);
        if !carried || compile_only.contains(id) {
            continue;
        }
        match id.split_once('/') {
            Some((name, version)) if is_plain(name) && is_plain(version) => parsed.add(Package {
                hashes: checksum(library.sha512),
                ..Package::new(Ecosystem::Nuget, name, version, path)
            }),
            _ => parsed.complain(format!("library {id:?} is not of the form NAME/VERSION")),
        }
    }
    parsed
}

/// A JSON text; `None` for anything else.
fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

fn stripped(id: &str) -> &str {
    id.strip_prefix(RUNTIME_PACK).unwrap_or(id)
}

/// `sha512-` and base64, of the package that was unpacked.
fn checksum(sha512: Option<&RawValue>) -> Vec<(String, String)> {
    let text = text(sha512).unwrap_or_default();
    let encoded = text.strip_prefix("sha512-").unwrap_or_default();
    match STANDARD.decode(encoded) {
        Ok(sum) if sum.len() == 64 => vec![("SHA-512".to_owned(), hex::encode(sum))],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parsed: &Parsed) -> Vec<(&str, &str)> {
        parsed.packages.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect()
    }

    #[test]
    fn libraries_with_files_for_the_target_are_packages() {
        let json = r#"{"runtimeTarget":{"name":"t/linux","signature":""},
            "targets":{"t":{"Compile/1":{"runtime":{"a.dll":{}}}},"t/linux":{
                "App/1.0.0":{"dependencies":{"Lib":"2"},"runtime":{"App.dll":{}}},
                "Lib/2":{"runtime":{}},"Native/1":{"native":{"x.so":{}}},"Rid/1":{"runtimeTargets":{}},
                "Compile/1":{"compile":{"a.dll":{}}},"Null/1":{"runtime":null},
                "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.1":{"runtime":{}}}},
            "libraries":{"App/1.0.0":{"type":"project","sha512":""},
                "Lib/2":{"type":"Package","sha512":"sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="},
                "Native/1":{"type":"package"},"Rid/1":{"type":"package"},"Compile/1":{"type":"package"},
                "Null/1":{"type":"package"},"Unknown/1":{"type":"package"},"Ref/1":{"type":"reference"},"None/1":{},
                "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.1":{"type":"runtimepack"}}}"#;
        let found = parse("App.deps.json", json.as_bytes());
        let mut expect = vec![("App", "1.0.0"), ("Lib", "2"), ("Native", "1"), ("Rid", "1"), ("Unknown", "1")];
        expect.push(("Microsoft.NETCore.App.Runtime.linux-x64", "6.0.1"));
        assert_eq!((names(&found), found.unreadable.len()), (expect, 0));
        assert_eq!(found.packages[0].hashes, []);
        assert!(found.packages[1].hashes[0].1.starts_with("cf83e1357eefb8bd"));
    }

    #[test]
    fn without_a_known_target_everything_counts() {
        for json in [
            r#"{"libraries":{"X/1":{"type":"package"}}}"#,
            r#"{"runtimeTarget":{"name":"no"},"targets":{"t":{"X/1":{}}},"libraries":{"X/1":{"type":"package"}}}"#,
            r#"{"runtimeTarget":"no","targets":{},"libraries":{"X/1":{"type":"package"}}}"#,
        ] {
            assert_eq!(names(&parse("p", json.as_bytes())), [("X", "1")], "{json}");
        }
        let by_name = r#"{"runtimeTarget":"t","targets":{"t":{"X/1":{}}},"libraries":{"X/1":{"type":"package"}}}"#;
        assert_eq!(parse("p", by_name.as_bytes()), Parsed::default());
    }

    #[test]
    fn a_library_without_name_or_version_is_an_anomaly() {
        for bad in ["noslash", "/1", "x/", "x y\\n/1", "runtimepack./1"] {
            let json = format!(r#"{{"libraries":{{"{bad}":{{"type":"package"}},"A/1":{{"type":"package"}}}}}}"#);
            let found = parse("p", json.as_bytes());
            assert_eq!((names(&found), found.unreadable.len()), (vec![("A", "1")], 1), "{bad}");
        }
    }

    #[test]
    fn what_is_no_deps_json_is_unreadable_as_a_whole() {
        for bad in [
            &b""[..],
            b"[]",
            b"{}",
            b"{\"libraries\":[]}",
            b"{\"libraries\":{\"A/1\":3}}",
            b"{\"libraries\":{},\"targets\":[]}",
            b"{\"libraries\":{\"A\xff/1\":{}}}",
            b"{\"libraries\":{}",
        ] {
            assert!(parse("p", bad).failed.is_some(), "{:?}", String::from_utf8_lossy(bad));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_an_answer(text in r#"\{"libraries":\{("[A-Za-z./]{0,6}":\{"type":("package"|"project"|7)\},?){0,3}\}(,"runtimeTarget":.{0,6})?\}"#) {
            let found = parse("p", text.as_bytes());
            proptest::prop_assert!(found.packages.iter().all(|p| !p.name.is_empty() && !p.version.is_empty()));
        }
    }
}
