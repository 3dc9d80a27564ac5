//! `countersign push LAYOUT|TAR REPO`

use clap::Args;
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::options::Shared;
use crate::cli::output::Outcome;
use crate::cli::{source, wiring};
use crate::oci::Repository;
use crate::ops::push::{PushError, push};
use crate::policy::Reason;

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// OCI layout folder or archive
    #[arg(value_name = "LAYOUT|TAR")]
    layout: String,
    /// Where to push it, by digest and under no tag
    #[arg(value_name = "REPO")]
    repository: Repository,
}

pub(crate) fn blank(args: &PushArgs) -> (&'static str, serde_json::Value) {
    ("Push", json!({ "repository": args.repository.to_string(), "digest": null, "reference": null }))
}

pub(crate) async fn run(shared: &Shared, args: &PushArgs) -> Result<Outcome, Failure> {
    if !std::path::Path::new(&args.layout).exists() {
        return Err(Failure::new(Exit::NotFound, "not-found", format!("{} does not exist", args.layout))
            .help("expected an OCI layout folder or an archive"));
    }
    let opened = source::open(shared, &args.layout).await?;
    let registry = wiring::app(shared, &[&args.repository])?.registry()?;
    let pushed = push(&opened.source, &opened.root, &registry, &args.repository).await.map_err(failure)?;
    let fields = json!({
        "repository": pushed.repository.to_string(),
        "digest": pushed.digest.to_string(),
        "reference": pushed.to_string(),
    });
    Outcome::new(Exit::Ok, "Push", fields, format!("{pushed}\n"))
}

fn failure(error: PushError) -> Failure {
    match error {
        PushError::Image(error) => error.into(),
        PushError::Registry(error) => {
            let reason: Reason = crate::ops::gather::lookup_failure(&error);
            let reasons = [reason.clone()];
            Failure::new(wiring::unknown_exit(&reasons), reason.code.as_str(), reason.message).help(reason.help)
        }
        error @ (PushError::Missing { .. } | PushError::Blob { .. }) => {
            Failure::new(Exit::Refuted, "child-missing", error.to_string())
                .help("the layout is incomplete: build it again")
        }
    }
}
