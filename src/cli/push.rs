//! `countersign push LAYOUT|TAR REPO` and `push --index REPO@DIGEST… REPO`

use clap::Args;
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::options::Shared;
use crate::cli::output::Outcome;
use crate::cli::{source, wiring};
use crate::oci::{DigestReference, Reference, Repository};
use crate::ops::assemble::{AssembleError, assemble};
use crate::ops::push::{PushError, push};
use crate::policy::Reason;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign push ./layout ghcr.io/acme/app\n  countersign push --index ghcr.io/acme/app@sha256:aaa… ghcr.io/acme/app@sha256:bbb… ghcr.io/acme/app"
)]
pub(crate) struct PushArgs {
    /// OCI layout folder or archive; with --index per-platform builds by digest
    #[arg(value_name = "LAYOUT|TAR")]
    layout: String,
    /// Where to push it, by digest and under no tag; with --index more builds before it
    #[arg(value_name = "REPO", required = true)]
    rest: Vec<String>,
    /// Assemble an index from per-platform builds that lie in the repository
    #[arg(long)]
    index: bool,
}

impl PushArgs {
    /// Everything before the last argument, and the last: the repository.
    fn split(&self) -> Result<(Vec<&str>, Repository), Failure> {
        let all: Vec<&str> = std::iter::once(&self.layout).chain(&self.rest).map(String::as_str).collect();
        let Some((last, sources)) = all.split_last() else { return Err(Failure::usage("no repository to push to")) };
        let repository = last.parse().map_err(|e| {
            Failure::usage(format!("{last:?} is no repository: {e}")).help("the last argument is the repository")
        })?;
        if !self.index && sources.len() > 1 {
            return Err(Failure::usage(format!("expected one layout and a repository, found {} arguments", all.len()))
                .help("--index assembles several builds"));
        }
        Ok((sources.to_vec(), repository))
    }
}

pub(crate) fn blank(args: &PushArgs) -> (&'static str, serde_json::Value) {
    ("Push", json!({ "repository": args.rest.last(), "digest": null, "reference": null }))
}

pub(crate) async fn run(shared: &Shared, args: &PushArgs) -> Result<Outcome, Failure> {
    let (sources, repository) = args.split()?;
    let pushed = match args.index {
        true => index(shared, &sources, &repository).await?,
        false => layout(shared, sources.first().copied().unwrap_or_default(), &repository).await?,
    };
    let fields = json!({
        "repository": pushed.repository.to_string(),
        "digest": pushed.digest.to_string(),
        "reference": pushed.to_string(),
    });
    Outcome::new(Exit::Ok, "Push", fields, format!("{pushed}\n"))
}

async fn layout(shared: &Shared, layout: &str, repository: &Repository) -> Result<DigestReference, Failure> {
    if !std::path::Path::new(layout).exists() {
        return Err(Failure::new(Exit::NotFound, "not-found", format!("{layout} does not exist"))
            .help("expected an OCI layout folder or an archive"));
    }
    let opened = source::open(shared, layout).await?;
    let registry = wiring::app(shared, &[repository])?.registry()?;
    push(&opened.source, &opened.root, &registry, repository).await.map_err(failure)
}

async fn index(shared: &Shared, sources: &[&str], repository: &Repository) -> Result<DigestReference, Failure> {
    let member = |text: &&str| match text.parse::<Reference>() {
        Ok(Reference::Digest(reference)) => Ok(reference),
        Ok(Reference::Tag(_)) | Err(_) => {
            Err(Failure::usage(format!("{text} is no build by digest")).help("expected REPOSITORY@sha256:…"))
        }
    };
    let members = sources.iter().map(member).collect::<Result<Vec<_>, _>>()?;
    let registry = wiring::app(shared, &[repository])?.registry()?;
    assemble(&registry, &members, repository).await.map_err(not_assembled)
}

fn not_assembled(error: AssembleError) -> Failure {
    match error {
        AssembleError::Image(error) => error.into(),
        AssembleError::Registry(error) => unreachable_registry(&error),
        error @ AssembleError::Missing { .. } => Failure::new(Exit::NotFound, "not-found", error.to_string())
            .help("push each platform's build first: countersign push LAYOUT REPO"),
        error @ AssembleError::Elsewhere { .. } => {
            Failure::usage(error.to_string()).help("push the build to the repository of the index")
        }
        error @ (AssembleError::NoPlatform { .. }
        | AssembleError::PlatformTwice { .. }
        | AssembleError::TooMany { .. }) => Failure::usage(error.to_string()).help("one build for each platform"),
    }
}

fn unreachable_registry(error: &crate::registry::RegistryError) -> Failure {
    let reason: Reason = crate::ops::gather::lookup_failure(error);
    let reasons = [reason.clone()];
    Failure::new(wiring::unknown_exit(&reasons), reason.code.as_str(), reason.message).help(reason.help)
}

fn failure(error: PushError) -> Failure {
    match error {
        PushError::Image(error) => error.into(),
        PushError::Registry(error) => unreachable_registry(&error),
        error @ (PushError::Missing { .. } | PushError::Blob { .. }) => {
            Failure::new(Exit::Refuted, "child-missing", error.to_string())
                .help("the layout is incomplete: build it again")
        }
    }
}
