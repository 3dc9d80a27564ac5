//! Candidates: digests from the command line and from files that builds write.

use std::path::Path;

use serde_json::Value;

use crate::cli::failure::Failure;
use crate::oci::{DigestReference, Reference};

/// Build metadata files are small; a larger one is another file.
const MAX_DIGESTS_BYTES: usize = 1024 * 1024;

/// All candidates, each repository once.
pub(crate) fn read(arguments: &[String], file: Option<&Path>) -> Result<Vec<DigestReference>, Failure> {
    let mut found = arguments.iter().map(|text| candidate(text)).collect::<Result<Vec<_>, _>>()?;
    if let Some(path) = file {
        found.extend(from_file(path)?);
    }
    if found.is_empty() {
        return Err(Failure::usage("nothing to promote: no REPO@DIGEST and no --digests FILE")
            .help("countersign promote ghcr.io/org/app@sha256:… --version 1.2.3"));
    }
    let mut candidates: Vec<DigestReference> = Vec::new();
    for reference in found {
        match candidates.iter().find(|known| known.repository == reference.repository) {
            Some(known) if known.digest != reference.digest => {
                let message =
                    format!("two digests for {}: {} and {}", known.repository, known.digest, reference.digest);
                return Err(Failure::usage(message).help("one release has one digest of each image"));
            }
            Some(_) => {}
            None => candidates.push(reference),
        }
    }
    Ok(candidates)
}

fn candidate(text: &str) -> Result<DigestReference, Failure> {
    match text.parse::<Reference>() {
        Ok(Reference::Digest(reference)) => Ok(reference),
        Ok(Reference::Tag(reference)) => {
            Err(Failure::usage(format!("{reference} is a tag, and a tag may move: expected REPOSITORY@sha256:…"))
                .help(format!("countersign inspect {reference} shows the digest")))
        }
        Err(error) => {
            Err(Failure::usage(format!("{text} is no candidate: {error}")).help("expected REPOSITORY@sha256:…"))
        }
    }
}

fn from_file(path: &Path) -> Result<Vec<DigestReference>, Failure> {
    let refuse = |why: String| Failure::usage(format!("--digests {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| refuse(e.to_string()))?;
    if text.len() > MAX_DIGESTS_BYTES {
        return Err(refuse(format!("{} bytes, at most {MAX_DIGESTS_BYTES} are read", text.len())));
    }
    if !text.trim_start().starts_with('{') {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        return lines.map(candidate).collect();
    }
    let document: Value = serde_json::from_str(&text).map_err(|e| refuse(e.to_string()))?;
    let Value::Object(map) = &document else { return Err(refuse("expected a JSON object".to_owned())) };
    if map.contains_key("containerimage.digest") {
        return one_of_buildx(&document).ok_or_else(|| refuse("no image.name in the buildx metadata".to_owned()))?;
    }
    let mut found = Vec::new();
    for (key, value) in map {
        match value {
            Value::String(digest) if !key.starts_with("buildx.") => found.push(candidate(&format!("{key}@{digest}"))?),
            Value::Object(_) if value.get("containerimage.digest").is_some() => {
                let target = one_of_buildx(value).ok_or_else(|| refuse(format!("target {key} has no image.name")))?;
                found.extend(target?);
            }
            // buildx adds keys such as "buildx.build.ref" beside its targets.
            _ => {}
        }
    }
    Ok(found)
}

/// One target of buildx's metadata file: names may be several, and carry tags that are dropped here.
fn one_of_buildx(target: &Value) -> Option<Result<Vec<DigestReference>, Failure>> {
    let digest = target.get("containerimage.digest")?.as_str()?;
    let names = target.get("image.name")?.as_str()?;
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    Some(names.map(|name| candidate(&format!("{name}@{digest}"))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn file(text: &str) -> Result<Vec<DigestReference>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digests");
        std::fs::write(&path, text).unwrap();
        read(&[], Some(&path))
    }

    #[test]
    fn digests_come_from_a_map_from_buildx_metadata_and_from_lines() {
        let expected = format!("localhost:5000/a/b@{DIGEST}");
        let texts = [
            format!(r#"{{"localhost:5000/a/b":"{DIGEST}"}}"#),
            format!(
                r#"{{"containerimage.digest":"{DIGEST}","image.name":"localhost:5000/a/b:1,localhost:5000/a/b:2"}}"#
            ),
            format!(
                r#"{{"buildx.build.ref":"x/y","app":{{"containerimage.digest":"{DIGEST}","image.name":"localhost:5000/a/b"}}}}"#
            ),
            format!("# built\nlocalhost:5000/a/b@{DIGEST}\n\n"),
        ];
        for text in texts {
            let found = file(&text).unwrap();
            assert_eq!(
                found.iter().map(ToString::to_string).collect::<Vec<_>>(),
                std::slice::from_ref(&expected),
                "{text}"
            );
        }
    }

    #[test]
    fn a_tag_is_refused_and_two_digests_for_one_repository_too() {
        let tag = read(&["ghcr.io/a/b:1".to_owned()], None).unwrap_err();
        assert!(tag.message.contains("is a tag"), "{tag}");
        let other = DIGEST.replace("sha256:e", "sha256:f");
        let two = read(&[format!("ghcr.io/a/b@{DIGEST}"), format!("ghcr.io/a/b@{other}")], None).unwrap_err();
        assert!(two.message.starts_with("two digests for ghcr.io/a/b"), "{two}");
        assert!(read(&[], None).is_err());
    }
}
