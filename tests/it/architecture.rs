//! Dependencies point one way: drivers → ops → ports → core. Reads the sources, so that a wrong arrow fails the build.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders by tier; a module may name modules of its own tier and of lower ones.
const TIERS: [(&str, u8); 20] = [
    ("causes", 1),
    ("oci", 1),
    ("identity", 1),
    ("packages", 1),
    ("sbom", 1),
    ("evidence", 1),
    ("policy", 1),
    ("tags", 1),
    ("promotion", 1),
    ("github", 2),
    ("registry", 2),
    ("image", 2),
    ("sigstore", 2),
    ("scanner", 2),
    ("ops", 3),
    ("cli", 4),
    ("app", 4),
    ("config", 4),
    ("telemetry", 4),
    ("main", 4),
];

/// Tier 1 computes; whatever reaches out of the process or asks the clock belongs to an edge.
const IMPURE: [&str; 8] =
    ["tokio::", "reqwest::", "std::fs", "std::env", "std::net::Tcp", "::now()", "std::process", "rand::"];

/// Implementations that only the wiring may name; everybody else uses the port in `mod.rs`.
const CONCRETE: [&str; 6] =
    ["github::http", "registry::http", "registry::memory", "scanner::trivy", "sigstore::keyless", "sigstore::oidc"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// Production lines of a file: comments and the in-file test module are left out.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let production = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
    production.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn tier(module: &str) -> Option<u8> {
    TIERS.iter().find(|(name, _)| *name == module).map(|(_, tier)| *tier)
}

fn each_source(mut check: impl FnMut(&str, u8, &Path, &str)) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in sources(&root) {
        let relative = path.strip_prefix(&root).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if module == "lib" || relative.file_name().unwrap() == "tests.rs" {
            continue;
        }
        let tier = tier(&module).unwrap_or_else(|| panic!("{module} has no tier: add it to the table"));
        check(&module, tier, relative, &code(&path));
    }
}

#[test]
fn dependencies_point_from_drivers_to_ops_to_ports_to_core() {
    let mut wrong = Vec::new();
    each_source(|_, own, path, code| {
        for (position, _) in code.match_indices("crate::") {
            let rest = &code[position + "crate::".len()..];
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if tier(&name).is_some_and(|used| used > own) {
                wrong.push(format!("{} (tier {own}) uses crate::{name}", path.display()));
            }
        }
    });
    assert!(wrong.is_empty(), "wrong arrows:\n{}", wrong.join("\n"));
}

#[test]
fn the_core_has_no_io_no_clock_and_no_environment() {
    let mut wrong = Vec::new();
    each_source(|_, tier, path, code| {
        for word in IMPURE.iter().filter(|word| tier == 1 && code.contains(**word)) {
            wrong.push(format!("{} uses {word}", path.display()));
        }
    });
    assert!(wrong.is_empty(), "core that reaches out:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_wiring_names_implementations_of_ports() {
    let mut wrong = Vec::new();
    each_source(|module, _, path, code| {
        for name in CONCRETE.iter().filter(|name| code.contains(&format!("crate::{name}"))) {
            if module != "app" && !name.starts_with(module) {
                wrong.push(format!("{} names {name}", path.display()));
            }
        }
    });
    assert!(wrong.is_empty(), "implementations named outside app:\n{}", wrong.join("\n"));
}
