//! What one file of a layer gives, found while the layer streams past: the seam between `image` and the parsers.
//!
//! Pure and per file: nothing here knows of other files, layers or links, so that a layer's extracts can be kept for
//! the next image that has the same layer. Raw bytes end here. To add a database: a [`Candidate`], its parser, one arm
//! in [`extract`] (streamed) or in `whole` (small files).

use serde::{Deserialize, Serialize};

use crate::packages::candidate::{Candidate, Unsupported};
use crate::packages::{
    Content, Os, Parsed, apk, composer, conda, copyright, dotnet, dpkg, egg, embedded, executable, gem, java, npm,
    os_release, python, rpm,
};

/// Everything that later steps need of one file.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extract {
    /// The path that the parser was given; paths in `parsed` start with it.
    pub path: String,
    pub parsed: Parsed,
    /// Files of the image that belong to OS packages, one path a line.
    pub owned: String,
    /// From `os-release`.
    pub os: Option<Os>,
    /// Which stream of a release the packages follow: the release of Alpine's package repositories, or `ESM` of Ubuntu.
    pub stream: Option<String>,
    /// From which repositories a Red Hat image was built.
    pub repositories: Vec<String>,
    /// Of the Debian package that the file belongs to.
    pub licences: Vec<String>,
    /// A database of a kind that is only noticed.
    pub unsupported: Option<Unsupported>,
}

/// A package with its strings: the type has 400 bytes, a Debian package with its dependencies twice that.
const PACKAGE_BYTES: u64 = 1024;

impl Extract {
    /// Roughly what this takes in memory.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let parsed = &self.parsed;
        let texts = parsed.unreadable.iter().chain(&parsed.limits).map(|text| text.len() as u64);
        let packages = parsed.packages.len() as u64 * PACKAGE_BYTES;
        size_of::<Self>() as u64 + self.path.len() as u64 + self.owned.len() as u64 + packages + texts.sum::<u64>()
    }
}

impl From<Parsed> for Extract {
    fn from(parsed: Parsed) -> Self {
        Self { parsed, ..Self::default() }
    }
}

/// Reads `content`, a file of kind `kind` at `path`. `None`: after a look at the content, the file does not matter
/// (most executables).
#[must_use]
pub fn extract(kind: Candidate, path: &str, content: &mut Content<'_>) -> Option<Extract> {
    let extract = match kind {
        Candidate::Unsupported(kind) => Extract { unsupported: Some(kind), ..Extract::default() },
        // Not merged, but not passed over either. RPM leaves an empty one behind.
        Candidate::RpmLog => rpm::log(content.size())?.into(),
        // Streamed: executables and archives.
        // A failure of the stream is kept in `content`.
        Candidate::Executable => executable::read(path, content).ok()??.into(),
        Candidate::JavaArchive => {
            let size = content.size();
            java::read(path, content, size).into()
        }
        // Small files, whole.
        _ => {
            let max = kind.max_bytes();
            match content.read_all(max) {
                Some(bytes) => whole(kind, path, &bytes),
                None => too_large(content.size(), max),
            }
        }
    };
    Some(Extract { path: path.to_owned(), ..extract })
}

fn whole(kind: Candidate, path: &str, bytes: &[u8]) -> Extract {
    match kind {
        // Operating systems.
        Candidate::OsRelease => Extract { os: os_release::parse(bytes), ..Extract::default() },
        Candidate::DpkgStatus | Candidate::DpkgStatusPart => dpkg::parse(path, bytes).into(),
        Candidate::DpkgMd5sums => Extract { owned: dpkg::owned_paths(bytes), ..Extract::default() },
        Candidate::DpkgCopyright => Extract { licences: copyright::licences(bytes), ..Extract::default() },
        Candidate::UbuntuStatus => Extract { stream: os_release::ubuntu_stream(bytes), ..Extract::default() },
        Candidate::ApkInstalled => {
            let installed = apk::parse(path, bytes);
            Extract { owned: installed.owned, ..installed.parsed.into() }
        }
        Candidate::RpmDatabase => {
            let installed = rpm::parse(path, bytes);
            Extract { owned: installed.owned, ..installed.parsed.into() }
        }
        Candidate::RedHatContent => {
            let (repositories, parsed) = rpm::content::parse(bytes);
            Extract { repositories, ..parsed.into() }
        }
        Candidate::RpmManifest => rpm::manifest::parse(path, bytes).into(),
        Candidate::ApkRepositories => Extract { stream: os_release::alpine_repository(bytes), ..Extract::default() },
        // Languages.
        Candidate::NpmPackage => npm::parse(path, bytes).into(),
        Candidate::PythonPackage => python::parse(path, bytes).into(),
        Candidate::GemSpecification => gem::parse(path, bytes).into(),
        Candidate::ComposerInstalled => composer::parse(path, bytes).into(),
        Candidate::DotnetDeps => dotnet::parse(path, bytes).into(),
        Candidate::CondaPackage => conda::parse(path, bytes).into(),
        Candidate::PythonEgg => egg::parse(path, bytes).into(),
        Candidate::EmbeddedSbom => embedded::parse(path, bytes).into(),
        // Never whole; see `extract`.
        Candidate::JavaArchive | Candidate::Executable | Candidate::RpmLog | Candidate::Unsupported(_) => {
            Extract::default()
        }
    }
}

fn too_large(size: u64, max: u64) -> Extract {
    Parsed { limits: vec![format!("{size} bytes, more than the {max} that are read")], ..Parsed::default() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::candidate::MAX_ENTRY_BYTES;

    #[test]
    fn a_file_beyond_its_limit_is_a_limit_and_no_empty_database() {
        let bytes = vec![b' '; usize::try_from(MAX_ENTRY_BYTES).unwrap() + 1];
        let mut reader = &bytes[..];
        let mut content = Content::new(&mut reader, bytes.len() as u64, 0);
        let found = extract(Candidate::NpmPackage, "p", &mut content).unwrap();
        assert_eq!(found.parsed.limits.len(), 1);
        assert_eq!(found.path, "p");
    }
}
