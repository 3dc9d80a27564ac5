//! `countersign inspect REF`

use clap::Args;
use serde_json::{Value, json};

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::options::Shared;
use crate::cli::output::Outcome;
use crate::cli::source;
use crate::oci::Reference;
use crate::ops::inspect::{Inspection, inspect};

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// REPOSITORY:TAG or REPOSITORY@DIGEST
    #[arg(value_name = "REF")]
    reference: Reference,
}

pub(crate) fn blank(args: &InspectArgs) -> (&'static str, Value) {
    let fields = json!({
        "reference": args.reference.to_string(),
        "repository": args.reference.repository().to_string(),
        "digest": null,
        "nodes": [],
        "tags": [],
        "notes": [],
    });
    ("Inspection", fields)
}

pub(crate) async fn run(shared: &Shared, args: &InspectArgs) -> Result<Outcome, Failure> {
    let opened = source::open(shared, &args.reference.to_string()).await?;
    let inspection = inspect(&opened.app.registry()?, &args.reference, &opened.root).await?;
    Outcome::new(Exit::Ok, "Inspection", inspection_document(&inspection), text(&inspection))
}

fn inspection_document(inspection: &Inspection) -> Value {
    let nodes: Vec<Value> = inspection
        .nodes
        .iter()
        .map(|node| {
            json!({
                "digest": node.digest.to_string(),
                "kind": node.kind,
                "platform": node.platform.as_ref().map(ToString::to_string),
                "compressedSize": node.compressed_size,
                "labels": node.labels,
                "layers": node.layers.iter().map(|l| json!({ "digest": l.digest.to_string(), "size": l.size, "mediaType": l.media_type })).collect::<Vec<_>>(),
                "referrers": node.referrers.iter().map(|r| json!({ "digest": r.digest.to_string(), "artifactType": r.artifact_type, "predicateType": r.predicate_type, "place": r.place })).collect::<Vec<_>>(),
                "notes": node.notes,
            })
        })
        .collect();
    json!({
        "reference": inspection.reference.to_string(),
        "repository": inspection.reference.repository().to_string(),
        "digest": inspection.digest.to_string(),
        "nodes": nodes,
        "tags": inspection.tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "notes": inspection.notes,
    })
}

fn text(inspection: &Inspection) -> String {
    let mut text = format!("{}\n", inspection.reference);
    for (i, node) in inspection.nodes.iter().enumerate() {
        let (branch, rest) = if i + 1 == inspection.nodes.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let platform = node.platform.as_ref().map(|p| format!(" {p}")).unwrap_or_default();
        let size = node.compressed_size.map(|s| format!(" {}", human(s))).unwrap_or_default();
        text.push_str(&format!("{branch}{}{platform} {}{size}\n", node.kind, node.digest));
        for (key, value) in &node.labels {
            text.push_str(&format!("{rest}label    {key}={value}\n"));
        }
        for layer in &node.layers {
            text.push_str(&format!("{rest}layer    {} {}\n", layer.digest.short(), human(layer.size)));
        }
        let mut attached: Vec<_> =
            node.referrers.iter().map(|r| (r.predicate_type.as_deref().or(r.artifact_type.as_deref()), r)).collect();
        attached.sort_by_key(|(what, _)| *what);
        for (what, referrer) in attached {
            let what = what.unwrap_or("referrer");
            text.push_str(&format!("{rest}attached {what} {} ({})\n", referrer.digest.short(), referrer.place));
        }
        for note in &node.notes {
            text.push_str(&format!("{rest}note     {note}\n"));
        }
    }
    let tags: Vec<String> = inspection.tags.iter().map(ToString::to_string).collect();
    text.push_str(&format!("tags     {}\n", if tags.is_empty() { "none".to_owned() } else { tags.join(" ") }));
    for note in &inspection.notes {
        text.push_str(&format!("note     {note}\n"));
    }
    text
}

/// Powers of ten, as registries and the configuration count.
fn human(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
