//! `countersign sbom REF|LAYOUT|TAR`

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use uuid::Uuid;

use crate::app::App;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::options::Shared;
use crate::cli::output::Outcome;
use crate::cli::source::{self, Opened};
use crate::image::{ImageTree, NodeKind, Options, catalog};
use crate::oci::{Manifest, Platform};
use crate::ops::promote::sbom_subject;
use crate::packages::Inventory;
use crate::sbom::{self, SbomSubject, SpecVersion};

#[derive(Debug, Args)]
pub(crate) struct SbomArgs {
    /// REPOSITORY:TAG, REPOSITORY@DIGEST, OCI layout folder or archive
    #[arg(value_name = "REF|LAYOUT|TAR")]
    subject: String,
    /// Which platform of an index, for example linux/arm64
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// CycloneDX version
    #[arg(long, value_name = "VERSION", default_value_t = SpecVersion::V1_5)]
    spec_version: SpecVersion,
    /// Time in the document instead of now, RFC 3339 [else `SOURCE_DATE_EPOCH`]
    #[arg(long, value_name = "TIME")]
    timestamp: Option<Timestamp>,
    /// Serial number, a UUID [default: random; with a given time, one that follows from the content]
    #[arg(long, value_name = "UUID")]
    serial: Option<Uuid>,
    #[command(flatten)]
    reading: Reading,
}

/// How layers are read.
#[derive(Debug, Args)]
pub(crate) struct Reading {
    /// Read every layer, whatever was cached
    #[arg(long)]
    no_cache: bool,
    /// Keep language packages whose files belong to packages of the operating system
    #[arg(long)]
    keep_os_owned: bool,
}

impl Reading {
    pub(crate) fn options(&self, app: &App) -> Options {
        let cache = if self.no_cache { None } else { app.layer_cache() };
        Options { cache, keep_os_owned: self.keep_os_owned }
    }
}

/// The SBOM itself has no `kind`; where there is none, this says so.
pub(crate) fn blank(args: &SbomArgs) -> (&'static str, serde_json::Value) {
    ("Sbom", serde_json::json!({ "subject": args.subject }))
}

pub(crate) async fn run(shared: &Shared, args: &SbomArgs) -> Result<Outcome, Failure> {
    let opened = source::open(shared, &args.subject).await?;
    let time = given_time(args.timestamp, opened.app.environment.source_date_epoch.as_deref())?;
    let tree = opened.tree().await?;
    if let Some(subject) = artifact(&opened, &tree) {
        return written(args, &Inventory::default(), &subject, time);
    }
    let images = opened.choose(&tree, args.platform.as_ref())?;
    let node = match images.as_slice() {
        [one] => one.clone(),
        [] => return Err(Failure::usage(format!("{} holds no image", args.subject))),
        several => {
            let known: Vec<String> =
                several.iter().filter_map(|n| n.platform.as_ref()).map(ToString::to_string).collect();
            let message = format!("{} has several platforms: {}", args.subject, known.join(", "));
            return Err(Failure::usage(message).help("choose one with --platform"));
        }
    };
    let inventories =
        catalog(opened.source.clone(), std::slice::from_ref(&node), args.reading.options(&opened.app)).await?;
    let internal = |why: String| Failure::new(Exit::Internal, "internal", why);
    let inventory = inventories.get(&node.digest).ok_or_else(|| internal("no inventory".to_owned()))?;
    for anomaly in &inventory.anomalies {
        tracing::warn!(code = %anomaly.code, path = %anomaly.path, "{}", anomaly.detail);
    }
    written(args, inventory, &sbom_subject(opened.repository.clone(), &node), time)
}

/// A chart or another artifact: its SBOM has its type and no component, because nobody looked inside.
fn artifact(opened: &Opened, tree: &ImageTree) -> Option<SbomSubject> {
    let (NodeKind::Artifact, Ok(Manifest::Image(manifest))) = (tree.root.kind, tree.root.manifest.parse()) else {
        return None;
    };
    Some(SbomSubject {
        repository: opened.repository.clone(),
        digest: tree.root.digest().clone(),
        platform: None,
        config: manifest.config.digest.clone(),
        diff_ids: Vec::new(),
        labels: BTreeMap::new(),
        size: manifest.layers.iter().map(|layer| layer.size).fold(manifest.config.size, u64::saturating_add),
        artifact_type: Some(manifest.effective_artifact_type().to_owned()),
    })
}

fn written(
    args: &SbomArgs,
    inventory: &Inventory,
    subject: &SbomSubject,
    time: Option<Timestamp>,
) -> Result<Outcome, Failure> {
    let internal = |why: String| Failure::new(Exit::Internal, "internal", why);
    let write =
        |created, serial| sbom::document(inventory, subject, created, serial).map_err(|e| internal(e.to_string()));
    let bytes = match (args.serial, time) {
        (Some(serial), time) => write(time.unwrap_or_else(|| App::clock()()), serial)?,
        (None, Some(time)) => write(time, sbom::content_serial(&write(time, Uuid::nil())?))?,
        (None, None) => write(App::clock()(), Uuid::new_v4())?,
    };
    let bytes = sbom::with_spec_version(&bytes, args.spec_version).map_err(|e| internal(e.to_string()))?;
    let document = serde_json::from_slice(&bytes).map_err(|e| internal(e.to_string()))?;
    let text = format!("{}\n", String::from_utf8_lossy(&bytes));
    Ok(Outcome { exit: Exit::Ok, document, text })
}

/// The flag wins; a `SOURCE_DATE_EPOCH` that is no number of seconds is refused, as its specification asks.
fn given_time(flag: Option<Timestamp>, epoch: Option<&str>) -> Result<Option<Timestamp>, Failure> {
    let Some(epoch) = epoch.filter(|_| flag.is_none()) else { return Ok(flag) };
    let seconds = epoch.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let malformed = || Failure::usage(format!("SOURCE_DATE_EPOCH is {epoch:?}, expected seconds since 1970"));
    seconds.map(Some).ok_or_else(malformed)
}
