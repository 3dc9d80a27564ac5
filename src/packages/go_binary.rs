//! Go's build information (`debug/buildinfo`): version of the toolchain and list of modules, as the linker leaves them.
//!
//! What becomes a package, and in which version, is as in Trivy's parser: the standard library, every dependency or what
//! replaces it, the main module with its version from the build, the linker's flags, or none.

use std::str::{self, FromStr};

use crate::packages::go_version::main_version;
use crate::packages::{Ecosystem, Package, Parsed};

/// Mark, width of pointers, flags, and two pointers in old versions.
const HEADER: usize = 32;
/// A version with experiments; `go version` of a development build has about 100.
const MAX_VERSION_BYTES: u64 = 4096;
/// One line per module: Kubernetes' largest programs have 40 KiB.
pub(super) const MAX_MODULES_BYTES: u64 = 512 * 1024;
/// Longest number: ten bytes of seven bits.
const MAX_VARINT: usize = 10;
/// The marks before and after a module list.
const FRAME: usize = 16;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Blob<'a> {
    /// Since 1.18: both texts follow.
    Inline { version: &'a str, modules: &'a [u8] },
    /// Before: addresses of two string headers.
    Pointers { width: u64, little: bool, version: u64, modules: u64 },
}

/// Is this, as far as it is there, build information of Go before 1.18?
pub(super) fn is_old(blob: &[u8]) -> bool {
    blob.get(15).is_some_and(|flags| flags & 2 == 0)
}

/// How long the blob is that begins with `blob`, as far as that tells; `want` bytes are there.
pub(super) fn wanted(blob: &[u8], want: usize) -> usize {
    if is_old(blob) {
        return want;
    }
    let Some((version, rest)) = length(blob, HEADER, MAX_VERSION_BYTES) else { return want };
    let after = rest + version;
    let Some((modules, rest)) = length(blob, after, MAX_MODULES_BYTES) else {
        return want.max(after + MAX_VARINT);
    };
    want.max(rest + modules)
}

/// The length written at `at`, and where what it counts begins.
fn length(blob: &[u8], at: usize, max: u64) -> Option<(usize, usize)> {
    let (value, size) = varint(blob.get(at..)?)?;
    (value <= max).then_some((usize::try_from(value).ok()?, at + size))
}

/// `binary.Uvarint`: seven bits a byte, lowest first; more than 64 bits are none.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (i, byte) in bytes.iter().take(MAX_VARINT).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if i == MAX_VARINT - 1 && *byte > 1 {
            return None;
        }
        value |= bits << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    None
}

/// Takes the blob apart.
pub(super) fn blob(bytes: &[u8]) -> Result<Blob<'_>, String> {
    let header = bytes.get(..HEADER).ok_or("ends within its header")?;
    if !is_old(bytes) {
        let bad = |what: &str| format!("the {what} has no readable length, or does not end within the file");
        let text = |at, max, what: &str| {
            let (length, start) = length(bytes, at, max).ok_or_else(|| bad(what))?;
            let text = bytes.get(start..start + length).ok_or_else(|| bad(what))?;
            Ok::<_, String>((text, start + length))
        };
        let (version, after) = text(HEADER, MAX_VERSION_BYTES, "Go version")?;
        let (modules, _) = text(after, MAX_MODULES_BYTES, "module list")?;
        let version = str::from_utf8(version).map_err(|_| "the Go version is not UTF-8")?;
        return Ok(Blob::Inline { version, modules: unframed(modules) });
    }
    let little = header[15] & 1 == 0;
    let width = usize::from(header[14]);
    let pointer = |at: usize| {
        let bytes = header.get(at..at + width)?;
        let value = |byte: u64, next: &u8| (byte << 8) | u64::from(*next);
        Some(if little { bytes.iter().rev().fold(0, value) } else { bytes.iter().fold(0, value) })
    };
    match (width, pointer(16), pointer(16 + width)) {
        (4 | 8, Some(version), Some(modules)) => Ok(Blob::Pointers { width: width as u64, little, version, modules }),
        _ => Err(format!("pointers of {width} bytes")),
    }
}

/// The module list without the marks around it; empty for a program built without modules.
pub(super) fn unframed(modules: &[u8]) -> &[u8] {
    let end = modules.len().saturating_sub(FRAME);
    if modules.len() > 2 * FRAME && modules[end - 1] == b'\n' { &modules[FRAME..end] } else { &[] }
}

/// Packages of a program, from the two texts.
#[must_use]
pub fn parse(path: &str, go_version: &str, modules: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    if go_version.is_empty() {
        return Parsed::failed("Go build information without a version");
    }
    parsed.packages.push(Package::new(Ecosystem::Golang, "stdlib", standard_library(go_version), path));
    let text = String::from_utf8_lossy(modules);
    match text.parse::<BuildInfo>() {
        Ok(info) => info.packages(path, &mut parsed),
        Err(why) => parsed.unreadable.push(format!("Go module list: {why}")),
    }
    parsed
}

/// `go1.22.3 X:boringcrypto` and `go1.26.5 (Red Hat …)` are `v1.22.3` and `v1.26.5`.
fn standard_library(go_version: &str) -> String {
    let version = go_version.strip_prefix("go").unwrap_or(go_version);
    let version = version.split(' ').next().unwrap_or_default();
    let version = version.split("-X:").next().unwrap_or_default();
    format!("v{version}")
}

#[derive(Debug, Default)]
struct BuildInfo {
    main: Option<Module>,
    dependencies: Vec<Module>,
    settings: Vec<(String, String)>,
}

#[derive(Debug)]
struct Module {
    path: String,
    version: String,
    replaced_by: Option<(String, String)>,
}

impl FromStr for BuildInfo {
    type Err = String;

    /// As `runtime/debug.ParseBuildInfo`, but for lines of a kind it does not know, which it passes over too.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut info = Self::default();
        // The replacement belongs to the module of the line before.
        let mut replaceable = false;
        for (i, line) in text.split_terminator('\n').enumerate() {
            let (key, value) = line.split_once('\t').unwrap_or((line, ""));
            let at = |what: &str| format!("line {}: {what}", i + 1);
            match key {
                "mod" => info.main = Some(module(value).ok_or_else(|| at("no module"))?),
                "dep" => info.dependencies.push(module(value).ok_or_else(|| at("no module"))?),
                "=>" => {
                    let last = info.dependencies.last_mut().or(info.main.as_mut()).filter(|_| replaceable);
                    let replacement = module(value).filter(|_| value.matches('\t').count() == 2);
                    let (Some(last), Some(with)) = (last, replacement) else { return Err(at("no replacement")) };
                    last.replaced_by = Some((with.path, with.version));
                }
                "build" => info.settings.extend(setting(value)),
                _ => {}
            }
            replaceable = matches!(key, "mod" | "dep") || (replaceable && key != "=>");
        }
        Ok(info)
    }
}

/// Path, version and perhaps a checksum.
fn module(value: &str) -> Option<Module> {
    let mut columns = value.split('\t');
    let (path, version) = (columns.next()?.to_owned(), columns.next()?.to_owned());
    let _checksum = columns.next();
    columns.next().is_none().then_some(Module { path, version, replaced_by: None })
}

/// `key=value`, either of which may be quoted.
fn setting(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    let value = match value.strip_prefix('`').and_then(|v| v.strip_suffix('`')) {
        Some(raw) => raw.to_owned(),
        None if value.starts_with('"') => serde_json::from_str(value).ok()?,
        None => value.to_owned(),
    };
    Some((key.to_owned(), value))
}

impl BuildInfo {
    fn packages(&self, path: &str, parsed: &mut Parsed) {
        let package = |name: &str, version: &str| Package::new(Ecosystem::Golang, name, version, path);
        for module in self.dependencies.iter().filter(|module| !module.path.is_empty()) {
            let (name, version) = module.counts();
            parsed.packages.push(package(name, version));
        }
        // Programs of the Go distribution itself have no main module.
        let Some(main) = self.main.as_ref().filter(|main| !main.path.is_empty()) else { return };
        let flags = self.settings.iter().find(|(key, _)| key == "-ldflags").map(|(_, value)| value.as_str());
        let version = main_version(&main.path, released(&main.version), flags);
        parsed.packages.push(package(&main.path, &version));
    }
}

impl Module {
    /// Name and version that count. A folder in place of a module has no version, and its path names nothing outside
    /// the builder's machine, so the module keeps its name.
    fn counts(&self) -> (&str, &str) {
        match &self.replaced_by {
            Some((path, _)) if path.starts_with(['.', '/']) || path.contains('\\') => (&self.path, ""),
            Some((path, version)) => (path, released(version)),
            None => (&self.path, released(&self.version)),
        }
    }
}

fn released(version: &str) -> &str {
    if version == "(devel)" { "" } else { version }
}

#[cfg(test)]
#[path = "go_binary_tests.rs"]
mod tests;
