//! Build provenance: does what an authentic statement says agree with its certificate and with the release?
//!
//! Read are SLSA provenance v1 (<https://slsa.dev/spec/v1.0/provenance>) and v0.2, as far as they name the source: where
//! the definition came from, and what was checked out. A statement that names no source proves nothing about one. The
//! builder is who signed; `builder.id` is that signer's own word and only has to be there.

use serde_json::Value;

use crate::evidence::{PredicateType, Refusal, Statement};
use crate::identity::{BuildSource, ExpectedIdentities, IdentityRole, SignerIdentity};
use crate::policy::ReasonCode;

/// Most materials looked at; a workflow run names one.
const MAX_MATERIALS: usize = 1024;

/// The levels of SLSA's build track that countersign states.
///
/// Level 3 is never stated: it needs a builder whose users cannot reach its keys, which no certificate shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BuildLevel {
    /// Provenance is there, and says what was built from what.
    One,
    /// It was signed by a run on a hosted runner, by the certificate (.11).
    Two,
}

impl BuildLevel {
    #[must_use]
    pub fn of(signer: &SignerIdentity) -> Self {
        match signer.claims.runner_environment.as_deref() {
            Some("github-hosted") => Self::Two,
            _ => Self::One,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::One => "SLSA_BUILD_LEVEL_1",
            Self::Two => "SLSA_BUILD_LEVEL_2",
        }
    }
}

/// Who may claim it, then certificate against release, then predicate against both.
pub(super) fn check(
    statement: &Statement,
    signer: &SignerIdentity,
    expected: &ExpectedIdentities,
) -> Result<Vec<IdentityRole>, Refusal> {
    let Some(provenance) = expected.provenance() else {
        // Named for this one command: whoever names a signer means all that the command asks for.
        if expected.are_named() {
            return expected.matches(signer).map_err(|mismatch| Refusal::new(mismatch.code(), mismatch.to_string()));
        }
        return Err(Refusal::new(
            ReasonCode::ProvenanceBuilder,
            "no builder is listed, so nobody may claim provenance",
        ));
    };
    if !expected.are_named() && expected.matches(signer).is_ok() {
        let message = format!("{} approves releases, and cannot prove the build of what it approves", signer.name);
        return Err(Refusal::new(ReasonCode::ProvenanceOwnIdentity, message));
    }
    if !provenance.builders.iter().any(|builder| builder.matches(signer)) {
        let listed = provenance.builders.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        let message = format!("builder: expected {listed}, found {signer}");
        return Err(Refusal::new(ReasonCode::ProvenanceBuilder, message));
    }
    let claimed = BuildSource {
        repository: signer.claims.source_repository_uri.clone(),
        commit: signer.claims.source_repository_digest.clone(),
        git_ref: signer.claims.source_repository_ref.clone(),
    };
    // Certificates of persons and services name no source; their predicate has to.
    if claimed != BuildSource::default() {
        compare("certificate", &provenance.source, &claimed)?;
    }
    let stated = stated(&statement.predicate_type, &statement.predicate)?;
    for stated in &stated {
        compare("predicate", &provenance.source, stated)?;
        let both = BuildSource {
            repository: claimed.repository.clone().filter(|_| stated.repository.is_some()),
            commit: claimed.commit.clone().filter(|_| stated.commit.is_some()),
            git_ref: claimed.git_ref.clone().filter(|_| stated.git_ref.is_some()),
        };
        compare("predicate", &both, stated)?;
        if stated.commit.is_none() {
            return Err(unreadable("it names no commit of its source"));
        }
    }
    Ok(vec![IdentityRole::Builder])
}

/// The first difference; what is not expected may be anything, what is expected and not said differs.
fn compare(what: &str, expected: &BuildSource, found: &BuildSource) -> Result<(), Refusal> {
    let repository = |url: &Option<String>| url.as_deref().map(canonical);
    let fields = [
        (
            "repository",
            repository(&expected.repository),
            repository(&found.repository),
            ReasonCode::ProvenanceRepository,
        ),
        ("commit", expected.commit.clone(), found.commit.clone(), ReasonCode::ProvenanceCommit),
        ("ref", expected.git_ref.clone(), found.git_ref.clone(), ReasonCode::ProvenanceRef),
    ];
    match fields.into_iter().find(|(_, expected, found, _)| expected.is_some() && expected != found) {
        None => Ok(()),
        Some((name, expected, found, code)) => {
            let text =
                |value: Option<String>| value.map_or_else(|| "none".to_owned(), |v| v.chars().take(200).collect());
            let message = format!("source {name} of the {what}: expected {}, found {}", text(expected), text(found));
            Err(Refusal::new(code, message))
        }
    }
}

/// GitHub compares owner and repository without case, and takes the address with and without `.git`.
fn canonical(url: &str) -> String {
    let url = url.trim_end_matches('/');
    url.strip_suffix(".git").unwrap_or(url).to_ascii_lowercase()
}

/// The sources that a predicate names: of the build's definition, and of every checkout of that repository. Each names
/// repository and, once what they leave out is taken from the others, commit and ref.
fn stated(predicate_type: &PredicateType, predicate: &Value) -> Result<Vec<BuildSource>, Refusal> {
    let v1 = *predicate_type == PredicateType::PROVENANCE;
    let builder = if v1 { "/runDetails/builder/id" } else { "/builder/id" };
    if text(predicate.pointer(builder)).is_none() {
        return Err(unreadable("it names no builder"));
    }
    let definition = if v1 { workflow(predicate) } else { config_source(predicate) }.map_err(unreadable)?;
    let materials = if v1 { "/buildDefinition/resolvedDependencies" } else { "/materials" };
    let materials = match predicate.pointer(materials) {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(materials)) if materials.len() <= MAX_MATERIALS => materials,
        Some(_) => return Err(unreadable("its materials are no list, or too long a one")),
    };
    let mut checkouts: Vec<BuildSource> = materials.iter().filter_map(git_material).collect();
    // Submodules and tools are somebody else's; without a definition the first checkout is the source.
    let source = definition.as_ref().or_else(|| checkouts.first()).and_then(|source| source.repository.clone());
    let source = source.as_deref().map(canonical).ok_or_else(|| unreadable("it names no source repository"))?;
    checkouts.retain(|checkout| checkout.repository.as_deref().map(canonical).as_ref() == Some(&source));
    let mut sources: Vec<BuildSource> = definition.into_iter().chain(checkouts).collect();
    let commit = sources.iter().find_map(|source| source.commit.clone());
    let git_ref = sources.iter().find_map(|source| source.git_ref.clone());
    for source in &mut sources {
        source.commit = source.commit.take().or_else(|| commit.clone());
        source.git_ref = source.git_ref.take().or_else(|| git_ref.clone());
    }
    Ok(sources)
}

fn unreadable(why: &str) -> Refusal {
    Refusal::new(ReasonCode::ProvenanceUnreadable, format!("provenance: {why}"))
}

/// v1, `https://actions.github.io/buildtypes/workflow/v1` and whoever writes alike.
fn workflow(predicate: &Value) -> Result<Option<BuildSource>, &'static str> {
    let Some(workflow) = predicate.pointer("/buildDefinition/externalParameters/workflow") else { return Ok(None) };
    match (text(workflow.get("repository")), text(workflow.get("ref"))) {
        (Some(repository), Some(git_ref)) => {
            Ok(Some(BuildSource { repository: Some(repository), commit: None, git_ref: Some(git_ref) }))
        }
        _ => Err("its workflow names no repository or no ref"),
    }
}

/// v0.2, `invocation.configSource`.
fn config_source(predicate: &Value) -> Result<Option<BuildSource>, &'static str> {
    match predicate.pointer("/invocation/configSource") {
        None | Some(Value::Null) => Ok(None),
        Some(source) => git_material(source).map(Some).ok_or("its configSource names no git repository"),
    }
}

/// `git+https://HOST/OWNER/REPO@REF` with the commit as digest; `None` for anything else.
fn git_material(material: &Value) -> Option<BuildSource> {
    let uri = text(material.get("uri"))?;
    let uri = uri.strip_prefix("git+")?;
    let path = uri.find("://").map_or(0, |at| at + 3);
    let (repository, git_ref) = match uri[path..].rfind('@') {
        Some(at) => (&uri[..path + at], Some(uri[path + at + 1..].to_owned())),
        None => (uri, None),
    };
    let commit = ["gitCommit", "sha1"].iter().find_map(|name| text(material.get("digest")?.get(name)));
    Some(BuildSource { repository: Some(repository.to_owned()), commit, git_ref })
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
#[path = "provenance_tests.rs"]
mod tests;
