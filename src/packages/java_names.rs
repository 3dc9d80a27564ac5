//! What a Java archive says about itself: `pom.properties`, the manifest (JAR specification, OSGi core), its file name.

use std::sync::LazyLock;

use regex::Regex;

/// An artifact of a Maven repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Artifact {
    /// Empty where nothing tells.
    pub(super) group: String,
    pub(super) name: String,
    pub(super) version: String,
}

/// `name-1.2.3.jar`, as Trivy reads it, and the same for the other kinds of archives.
static FILE_NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^([a-zA-Z0-9._-]*[^-*])-(\d\S*(?:-SNAPSHOT)?)\.(?i:jar|war|ear|par)$").ok());

/// Artifact and version from the name of the file at `path`; without a group.
pub(super) fn file_name(path: &str) -> Option<Artifact> {
    let file = path.rsplit('/').next()?;
    let found = FILE_NAME.as_ref()?.captures(file)?;
    Some(Artifact { group: String::new(), name: found[1].to_owned(), version: found[2].to_owned() })
}

/// What Maven writes into `META-INF/maven/<group>/<artifact>/pom.properties`; `None` if a part is missing.
pub(super) fn pom_properties(bytes: &[u8]) -> Option<Artifact> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Artifact { group: String::new(), name: String::new(), version: String::new() };
    for line in text.lines().map(str::trim) {
        let Some((key, value)) = line.split_once('=') else { continue };
        match key {
            "groupId" => value.clone_into(&mut found.group),
            "artifactId" => value.clone_into(&mut found.name),
            "version" => value.clone_into(&mut found.version),
            _ => {}
        }
    }
    let parts = [&found.group, &found.name, &found.version];
    parts.iter().all(|part| is_plausible(part)).then_some(found)
}

/// A name that a Maven repository could have: no blanks, no variable that the build forgot to replace.
fn is_plausible(part: &str) -> bool {
    !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-+~".contains(c))
}

/// The attributes that are kept.
const ATTRIBUTES: [&str; 10] = [
    "Implementation-Title",
    "Implementation-Version",
    "Implementation-Vendor-Id",
    "Specification-Title",
    "Specification-Version",
    "Bundle-Name",
    "Bundle-Version",
    "Bundle-SymbolicName",
    "Bundle-License",
    LICENCE,
];
/// Jenkins' plugins number theirs.
const LICENCE: &str = "Plugin-License-Name";

/// The manifest's main section, which speaks of the archive as a whole.
#[derive(Debug, Default)]
pub(super) struct Manifest(Vec<(String, String)>);

impl Manifest {
    /// `None` if the main section does not end within `bytes`, of which the caller read one more than its limit.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let cut = bytes.len() as u64 > super::java::MAX_MANIFEST_BYTES;
        let main = match text.split_once("\n\n") {
            Some((main, _)) => main,
            None if cut => return None,
            None => text,
        };
        let mut attributes: Vec<(String, String)> = Vec::new();
        for line in main.lines() {
            match (line.strip_prefix(' '), attributes.last_mut()) {
                (Some(more), Some((_, value))) => value.push_str(more),
                _ => {
                    if let Some((key, value)) = line.split_once(':') {
                        attributes.push((key.to_owned(), value.trim_start().to_owned()));
                    }
                }
            }
        }
        attributes.retain(|(key, _)| ATTRIBUTES.contains(&key.as_str()) || key.starts_with(LICENCE));
        Some(Self(attributes))
    }

    /// Bytes of it.
    pub(super) fn size(&self) -> usize {
        self.0.iter().map(|(key, value)| key.len() + value.len() + 64).sum()
    }

    /// The first of `keys` with a value that is no reference into a table of translations.
    fn first(&self, keys: &[&str]) -> Option<&str> {
        let value = |key: &&str| self.0.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v.trim());
        keys.iter().filter_map(value).find(|v| !v.is_empty() && !v.starts_with('%'))
    }

    pub(super) fn version(&self) -> Option<String> {
        let found = self.first(&["Implementation-Version", "Specification-Version", "Bundle-Version"])?;
        is_plausible(found).then(|| found.to_owned())
    }

    fn group(&self) -> Option<String> {
        let vendor = self.first(&["Implementation-Vendor-Id"]).map(str::to_owned);
        let bundle = || {
            let name = self.first(&["Bundle-SymbolicName"])?.split(';').next()?.trim();
            Some(name.rsplit_once('.').map_or(name, |(group, _)| group).to_owned())
        };
        vendor.or_else(bundle).filter(|group| is_plausible(group))
    }

    /// The archive's artifact, as far as the manifest gives a group. The file name, where it tells, is right about name
    /// and version more often than the manifest, whose titles are meant for people.
    pub(super) fn artifact(&self, named: Option<&Artifact>) -> Option<Artifact> {
        let group = self.group()?;
        if let Some(named) = named {
            return Some(Artifact { group, ..named.clone() });
        }
        let name = self.first(&["Implementation-Title", "Specification-Title", "Bundle-Name"])?;
        is_plausible(name).then_some(())?;
        Some(Artifact { group, name: name.to_owned(), version: self.version()? })
    }

    /// Jenkins' and OSGi's ways to name licences.
    pub(super) fn licences(&self) -> Vec<String> {
        let jenkins = self.0.iter().filter(|(key, _)| key.starts_with(LICENCE));
        let mut found: Vec<String> = jenkins.map(|(_, value)| value.trim().to_owned()).collect();
        if found.is_empty() {
            let bundle = self.first(&["Bundle-License"]).unwrap_or_default();
            let names =
                bundle.split(',').map(|entry| entry.split(';').next().unwrap_or_default().trim().trim_matches('"'));
            found = names.filter(|name| spdx::license_id(name).is_some()).map(str::to_owned).collect();
        }
        found.retain(|text| !text.is_empty() && !text.chars().any(char::is_control));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(group: &str, name: &str, version: &str) -> Artifact {
        Artifact { group: group.to_owned(), name: name.to_owned(), version: version.to_owned() }
    }

    #[test]
    fn file_names_are_taken_apart_as_trivy_does() {
        for (path, expect) in [
            ("a/spring-core-5.3.4-SNAPSHOT.jar", Some(("spring-core", "5.3.4-SNAPSHOT"))),
            ("log4j-core-2.14.1.jar", Some(("log4j-core", "2.14.1"))),
            ("x/app-1.0.war", Some(("app", "1.0"))),
            ("guava-31.1-jre.jar", Some(("guava", "31.1-jre"))),
            ("tools.jar", None),
            ("a-b.jar", None),
            ("a b-1.jar", None),
        ] {
            let found = file_name(path);
            let found = found.as_ref().map(|a| (a.name.as_str(), a.version.as_str()));
            assert_eq!(found, expect, "{path}");
        }
    }

    #[test]
    fn properties_need_all_three_parts() {
        let text = "#Created by Apache Maven\nversion=2.17.0\r\ngroupId=org.a\n artifactId=b\nother=c\n";
        assert_eq!(pom_properties(text.as_bytes()), Some(artifact("org.a", "b", "2.17.0")));
        for bad in ["", "groupId=a\nartifactId=b\n", "groupId=a\nartifactId=b\nversion=${v}\n", "groupId=a\n"] {
            assert_eq!(pom_properties(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn only_the_manifests_main_section_speaks_of_the_archive() {
        let text = "Manifest-Version: 1.0\r\nImplementation-Title: a-very-long\r\n -name\r\n\
            Implementation-Vendor-Id: org.x\r\nImplementation-Version: 1.0\r\n\r\nName: y/\r\nImplementation-Version: 9\r\n";
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(manifest.artifact(None), Some(artifact("org.x", "a-very-long-name", "1.0")));
        let named = artifact("", "b", "2");
        assert_eq!(manifest.artifact(Some(&named)), Some(artifact("org.x", "b", "2")));
    }

    #[test]
    fn a_vendor_in_words_is_no_group() {
        for text in [
            "Implementation-Vendor: The Apache Software Foundation\nImplementation-Title: a\nImplementation-Version: 1\n",
            "Implementation-Vendor-Id: some one\nImplementation-Title: a\nImplementation-Version: 1\n",
            "Bundle-SymbolicName: %name\nBundle-Name: a\nBundle-Version: 1\n",
        ] {
            assert_eq!(Manifest::parse(text.as_bytes()).unwrap().artifact(None), None, "{text}");
        }
    }

    #[test]
    fn licences_are_read_from_jenkins_and_osgi() {
        let licences = |text: &str| Manifest::parse(text.as_bytes()).unwrap().licences();
        assert_eq!(licences("Plugin-License-Name: MIT License\nBundle-License: MIT\n"), ["MIT License"]);
        assert_eq!(licences("Bundle-License: \"Apache-2.0\";link=\"x\", <<EXTERNAL>>, MIT\n"), ["Apache-2.0", "MIT"]);
    }
}
