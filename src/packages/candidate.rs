//! Which files of an image matter, by path alone. Everything else streams past unread.
//!
//! Kinds whose database is not catalogued yet are candidates too: their presence must show as an anomaly, not as
//! silence. Paths are normalised: no leading slash, no `.` or `..`.

use serde::{Deserialize, Serialize};

/// What a file is, as far as its path tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Candidate {
    OsRelease,
    DpkgStatus,
    /// One stanza per file, as distroless images have them.
    DpkgStatusPart,
    /// `info/*.md5sums`: which files belong to a Debian package.
    DpkgMd5sums,
    /// `usr/share/doc/*/copyright`: the licences of a Debian package.
    DpkgCopyright,
    /// Whether Ubuntu's extended maintenance is on.
    UbuntuStatus,
    ApkInstalled,
    ApkRepositories,
    /// `Packages`, `Packages.db` or `rpmdb.sqlite`.
    RpmDatabase,
    /// Changes to `rpmdb.sqlite` that are not in it yet.
    RpmLog,
    /// Which repositories a Red Hat image was built from.
    RedHatContent,
    /// What Azure Linux's distroless images have instead.
    RpmManifest,
    /// Any `package.json`; which of them is a package the parser tells.
    NpmPackage,
    /// A jar, war, ear or par.
    JavaArchive,
    /// `METADATA` of a `.dist-info`, `PKG-INFO` of an egg, an `.egg-info` file.
    PythonPackage,
    /// A zip archive with a Python package in it.
    PythonEgg,
    /// A gem's installed specification.
    GemSpecification,
    /// `installed.json`.
    ComposerInstalled,
    /// `APP.deps.json`.
    DotnetDeps,
    /// A record in `conda-meta`.
    CondaPackage,
    /// An SPDX or CycloneDX document that somebody put into the image.
    EmbeddedSbom,
    /// Any file with an execute bit that is nothing else; only its content tells whether it matters.
    Executable,
    /// A database of a kind that is not catalogued.
    Unsupported(Unsupported),
}

/// Kinds of databases that we see but do not read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Unsupported {
    Opkg,
    Pacman,
    Portage,
}

impl Unsupported {
    /// For people: what the anomaly says was found.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Opkg => "opkg database",
            Self::Pacman => "pacman database",
            Self::Portage => "Portage database",
        }
    }
}

impl Unsupported {
    fn is_language(self) -> bool {
        !matches!(self, Self::Opkg | Self::Pacman | Self::Portage)
    }
}

impl Candidate {
    /// Largest file of this kind that is read into memory. The largest real ones we know stay below a quarter of it.
    #[must_use]
    pub fn max_bytes(self) -> u64 {
        match self {
            Self::DpkgStatus | Self::ApkInstalled | Self::RpmManifest => MAX_DATABASE_BYTES,
            Self::RpmDatabase => MAX_RPM_DATABASE_BYTES,
            Self::PythonEgg => MAX_EGG_BYTES,
            Self::ComposerInstalled | Self::EmbeddedSbom => MAX_LIST_BYTES,
            Self::DotnetDeps => MAX_DEPS_BYTES,
            Self::DpkgMd5sums => MAX_MD5SUMS_BYTES,
            Self::OsRelease
            | Self::ApkRepositories
            | Self::DpkgStatusPart
            | Self::DpkgCopyright
            | Self::UbuntuStatus
            | Self::RedHatContent
            | Self::NpmPackage
            | Self::PythonPackage
            | Self::GemSpecification
            | Self::CondaPackage => MAX_ENTRY_BYTES,
            Self::Executable | Self::JavaArchive | Self::RpmLog | Self::Unsupported(_) => 0,
        }
    }

    /// What reading a file of this kind and size may hold in memory.
    #[must_use]
    pub fn memory(self, size: u64) -> u64 {
        match self {
            Self::JavaArchive | Self::Executable => {
                MAX_STREAM_MEMORY.min(size.saturating_mul(4)).max(MIN_STREAM_MEMORY)
            }
            _ => size.min(self.max_bytes()),
        }
    }

    /// Does the file say something about language packages, which do not count where an OS package owns the file?
    #[must_use]
    pub fn is_language(self) -> bool {
        match self {
            Self::NpmPackage
            | Self::PythonPackage
            | Self::PythonEgg
            | Self::GemSpecification
            | Self::ComposerInstalled
            | Self::DotnetDeps
            | Self::CondaPackage
            | Self::JavaArchive
            | Self::Executable => true,
            Self::Unsupported(kind) => kind.is_language(),
            Self::OsRelease
            | Self::DpkgStatus
            | Self::DpkgStatusPart
            | Self::DpkgMd5sums
            | Self::ApkInstalled
            | Self::ApkRepositories
            | Self::RpmDatabase
            | Self::RpmLog
            | Self::RpmManifest
            | Self::RedHatContent
            | Self::DpkgCopyright
            | Self::UbuntuStatus
            // It may name packages of the system too; `inventory` looks at each.
            | Self::EmbeddedSbom => false,
        }
    }
}

/// A whole OS database: a desktop with 3,000 packages has 4 MiB.
pub const MAX_DATABASE_BYTES: u64 = 16 * 1024 * 1024;
/// An RPM database, which also names every file: 50 MiB for 500 packages.
pub const MAX_RPM_DATABASE_BYTES: u64 = 128 * 1024 * 1024;
/// File list of one package: Debian's largest (texlive, linux headers) is about 2 MiB.
pub const MAX_MD5SUMS_BYTES: u64 = 8 * 1024 * 1024;
/// A list of all packages of one application: Composer's for a shop with 400 packages and a Bitnami SPDX document with
/// 300 archives are about 1 MiB.
pub const MAX_LIST_BYTES: u64 = 8 * 1024 * 1024;
/// A `deps.json`: those of ASP.NET applications with 300 libraries have 300 KiB.
pub const MAX_DEPS_BYTES: u64 = 4 * 1024 * 1024;
/// A zipped egg: old and rare; the largest on PyPI are compiled libraries of a few MiB.
pub const MAX_EGG_BYTES: u64 = 16 * 1024 * 1024;
/// One entry: a `package.json`, a `status.d` stanza.
pub const MAX_ENTRY_BYTES: u64 = 1024 * 1024;

/// What the parser of a streamed file (executable, archive) may hold at once, however large the file is.
pub const MAX_STREAM_MEMORY: u64 = 16 * 1024 * 1024;
/// A small archive may still unpack to something larger than itself.
pub const MIN_STREAM_MEMORY: u64 = 256 * 1024;

/// The files that identify the operating system, in the order in which they are asked.
pub const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// Names that may be reached through symbolic links; `image` resolves them inside the root.
pub const WELL_KNOWN: [&str; 14] = [
    "etc/os-release",
    "usr/lib/os-release",
    "var/lib/dpkg",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d",
    "lib/apk/db",
    "lib/apk/db/installed",
    "usr/lib/apk/db",
    "etc/apk/repositories",
    "var/lib/rpm",
    "var/lib/rpm/Packages",
    "var/lib/rpm/Packages.db",
    "var/lib/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm",
];

/// What `path` is, or `None` for a file that does not matter.
#[must_use]
pub fn candidate(path: &str) -> Option<Candidate> {
    os_candidate(path).or_else(|| language_candidate(path))
}

fn os_candidate(path: &str) -> Option<Candidate> {
    match path {
        "etc/os-release" | "usr/lib/os-release" => return Some(Candidate::OsRelease),
        "var/lib/dpkg/status" => return Some(Candidate::DpkgStatus),
        "lib/apk/db/installed" | "usr/lib/apk/db/installed" => return Some(Candidate::ApkInstalled),
        "etc/apk/repositories" => return Some(Candidate::ApkRepositories),
        "usr/lib/opkg/status" | "var/lib/opkg/status" | "opt/lib/opkg/status" => {
            return Some(Candidate::Unsupported(Unsupported::Opkg));
        }
        "var/lib/rpmmanifest/container-manifest-2" => return Some(Candidate::RpmManifest),
        "var/lib/ubuntu-advantage/status.json" => return Some(Candidate::UbuntuStatus),
        _ => {}
    }
    if let Some(rest) = path.strip_prefix("var/lib/dpkg/") {
        let md5sums = rest.ends_with(".md5sums");
        return match rest.split_once('/') {
            Some(("status.d", _)) if !md5sums => Some(Candidate::DpkgStatusPart),
            Some(("info" | "status.d", _)) if md5sums => Some(Candidate::DpkgMd5sums),
            _ => None,
        };
    }
    let below = |prefix: &str| path.strip_prefix(prefix);
    match ["var/lib/rpm/", "usr/lib/sysimage/rpm/", "usr/share/rpm/"].into_iter().find_map(below) {
        Some("Packages" | "Packages.db" | "rpmdb.sqlite") => return Some(Candidate::RpmDatabase),
        Some("rpmdb.sqlite-wal") => return Some(Candidate::RpmLog),
        _ => {}
    }
    let manifest = ["root/buildinfo/content_manifests/", "usr/share/buildinfo/"].into_iter().find_map(below);
    if manifest.is_some_and(|name| name.ends_with(".json") && !name.contains('/')) {
        return Some(Candidate::RedHatContent);
    }
    if below("usr/share/doc/").and_then(|rest| rest.strip_suffix("/copyright")).is_some_and(|name| !name.contains('/'))
    {
        return Some(Candidate::DpkgCopyright);
    }
    if below("var/lib/pacman/local/").is_some_and(|rest| rest.ends_with("/desc")) {
        return Some(Candidate::Unsupported(Unsupported::Pacman));
    }
    if below("var/db/pkg/").is_some_and(|rest| rest.ends_with("/CONTENTS")) {
        return Some(Candidate::Unsupported(Unsupported::Portage));
    }
    None
}

fn language_candidate(path: &str) -> Option<Candidate> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = folder.rsplit('/').next().unwrap_or_default();
    match file {
        "package.json" => return Some(Candidate::NpmPackage),
        // Trivy looks below the folder as well.
        "METADATA" if folder.contains(".dist-info") || parent.ends_with(".egg-info") => {
            return Some(Candidate::PythonPackage);
        }
        "PKG-INFO" if parent.ends_with(".egg-info") || parent == "EGG-INFO" => return Some(Candidate::PythonPackage),
        "installed.json" => return Some(Candidate::ComposerInstalled),
        _ => {}
    }
    if file.ends_with(".deps.json") {
        return Some(Candidate::DotnetDeps);
    }
    // PEP 770 documents describe what was built into a wheel; Trivy passes over them.
    if [".spdx", ".spdx.json", ".cdx", ".cdx.json"].iter().any(|end| file.ends_with(end)) {
        return (!path.contains(".dist-info/sboms/")).then_some(Candidate::EmbeddedSbom);
    }
    let (stem, extension) = file.rsplit_once('.')?;
    if stem.is_empty() {
        return None;
    }
    match extension {
        "egg-info" => Some(Candidate::PythonPackage),
        "egg" => Some(Candidate::PythonEgg),
        "gemspec" if folder.split('/').any(|part| part == "specifications") => Some(Candidate::GemSpecification),
        "json" if parent == "conda-meta" => Some(Candidate::CondaPackage),
        // A program for Windows needs no execute bit.
        "exe" => Some(Candidate::Executable),
        _ if JAVA.iter().any(|java| extension.eq_ignore_ascii_case(java)) => Some(Candidate::JavaArchive),
        _ => None,
    }
}

const JAVA: [&str; 4] = ["jar", "war", "ear", "par"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_package_databases_are_candidates() {
        use Candidate as C;
        for (path, expect) in [
            ("etc/os-release", Some(C::OsRelease)),
            ("var/lib/dpkg/status", Some(C::DpkgStatus)),
            ("var/lib/dpkg/status.d/base", Some(C::DpkgStatusPart)),
            ("var/lib/dpkg/status.d/base.md5sums", Some(C::DpkgMd5sums)),
            ("var/lib/dpkg/info/libc6:amd64.md5sums", Some(C::DpkgMd5sums)),
            ("var/lib/dpkg/info/libc6:amd64.list", None),
            ("var/lib/dpkg/status-old", None),
            ("usr/lib/apk/db/installed", Some(C::ApkInstalled)),
            ("app/node_modules/left-pad/package.json", Some(C::NpmPackage)),
            ("package.json", Some(C::NpmPackage)),
            ("app/my-package.json", None),
            ("usr/lib/python3/dist-packages/x-1.dist-info/METADATA", Some(C::PythonPackage)),
            ("usr/lib/python3/dist-packages/x-1.dist-info/deep/METADATA", Some(C::PythonPackage)),
            ("usr/lib/python3/dist-packages/x-1.dist-info/RECORD", None),
            ("opt/METADATA", None),
            ("usr/lib/python3/dist-packages/x-1.egg-info", Some(C::PythonPackage)),
            ("usr/lib/python3/dist-packages/x-1.egg-info/PKG-INFO", Some(C::PythonPackage)),
            ("usr/lib/python3/dist-packages/x-1.egg-info/METADATA", Some(C::PythonPackage)),
            ("usr/lib/python3/dist-packages/x/EGG-INFO/PKG-INFO", Some(C::PythonPackage)),
            ("src/PKG-INFO", None),
            ("usr/lib/python3/dist-packages/x-1.egg", Some(C::PythonEgg)),
            ("var/lib/gems/3/specifications/rack-1.gemspec", Some(C::GemSpecification)),
            ("var/lib/gems/3/specifications/default/rack-1.gemspec", Some(C::GemSpecification)),
            ("var/lib/gems/3/gems/rack-1/rack.gemspec", None),
            ("opt/tool.exe", Some(C::Executable)),
            ("opt/APP.WAR", Some(C::JavaArchive)),
            ("opt/app.jar", Some(C::JavaArchive)),
            ("app/vendor/composer/installed.json", Some(C::ComposerInstalled)),
            ("app/App.deps.json", Some(C::DotnetDeps)),
            ("var/lib/rpm/rpmdb.sqlite", Some(C::RpmDatabase)),
            ("usr/lib/sysimage/rpm/Packages.db", Some(C::RpmDatabase)),
            ("var/lib/rpm/Packages", Some(C::RpmDatabase)),
            ("var/lib/rpm/rpmdb.sqlite-wal", Some(C::RpmLog)),
            ("root/buildinfo/content_manifests/ubi9-container-9.3-1.json", Some(C::RedHatContent)),
            ("root/buildinfo/Dockerfile-ubi9-9.3-1", None),
            ("var/lib/rpm/Name", None),
            ("usr/share/doc/libc6/copyright", Some(C::DpkgCopyright)),
            ("usr/share/doc/libc6/examples/copyright", None),
            ("var/lib/ubuntu-advantage/status.json", Some(C::UbuntuStatus)),
            ("var/lib/rpmmanifest/container-manifest-2", Some(C::RpmManifest)),
            ("opt/conda/conda-meta/zlib-1.json", Some(C::CondaPackage)),
            ("opt/conda/conda-meta/history", None),
            ("opt/bitnami/redis/.spdx-redis.spdx", Some(C::EmbeddedSbom)),
            ("var/lib/db/sbom/zlib-1.spdx.json", Some(C::EmbeddedSbom)),
            ("app/bom.cdx.json", Some(C::EmbeddedSbom)),
            ("x-1.dist-info/sboms/bom.cdx.json", None),
            (".jar", None),
            ("usr/bin/nginx", None),
        ] {
            assert_eq!(candidate(path), expect, "{path}");
        }
    }
}
