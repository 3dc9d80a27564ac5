//! `countersign scan REF|LAYOUT|TAR|SBOM`

use std::path::Path;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::causes::chain;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::options::Shared;
use crate::cli::output::{Outcome, document, list, tree};
use crate::cli::sbom::Reading;
use crate::cli::{promote, source, wiring};
use crate::evidence::scan::{Finding, Scan, Severity};
use crate::image::{NodeKind, catalog};
use crate::oci::Platform;
use crate::ops::promote::sbom_subject;
use crate::packages::Anomaly;
use crate::policy::input::Settings;
use crate::policy::{Reason, ReasonCode};
use crate::sbom::foreign::Review;
use crate::sbom::{self, SbomError};
use crate::scanner::{ScanError, ScanErrorKind, Scanner};

/// Larger SBOM files are refused; 20,000 components make 8 MB.
const MAX_SBOM_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// REPOSITORY:TAG, REPOSITORY@DIGEST, OCI layout, archive, or a CycloneDX file
    #[arg(value_name = "REF|LAYOUT|TAR|SBOM")]
    subject: String,
    /// Only this platform of an index
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    #[command(flatten)]
    reading: Reading,
}

/// One document to scan.
struct Subject {
    name: String,
    sbom: Vec<u8>,
    anomalies: Vec<Anomaly>,
    /// What a foreign SBOM lacks without harm to the findings.
    notes: Vec<String>,
}

pub(crate) fn blank(args: &ScanArgs) -> (&'static str, Value) {
    let fields = json!({
        "subject": args.subject,
        "scanner": null,
        "database": null,
        "findings": [],
        "completeness": { "complete": false, "anomalies": [] },
        "notes": [],
    });
    ("Scan", fields)
}

pub(crate) async fn run(shared: &Shared, args: &ScanArgs) -> Result<Outcome, Failure> {
    let (app, subjects) = subjects(shared, args).await?;
    let scanner = app.scanner()?;
    let settings = promote::settings(shared, &app.config);
    let now = App::clock()();
    let (mut items, mut text, mut exits) = (Vec::new(), String::new(), Vec::new());
    for subject in subjects {
        let scan = scanner.scan(&subject.sbom).await.map_err(failure)?;
        let reasons = reasons(&subject, &scan, &settings, now.as_second());
        exits.push(if reasons.is_empty() { Exit::Ok } else { Exit::Denied });
        text.push_str(&scan_text(&subject, &scan, &reasons));
        items.push(scan_document(&subject, &scan, &reasons)?);
    }
    Ok(Outcome { exit: Exit::worst(exits), document: list("Scan", items), text })
}

async fn subjects(shared: &Shared, args: &ScanArgs) -> Result<(std::sync::Arc<App>, Vec<Subject>), Failure> {
    if let Some(sbom) = sbom_file(Path::new(&args.subject))? {
        let review = sbom::foreign::review(&sbom).map_err(unreadable_document)?;
        let app = wiring::app(shared, &[])?;
        let Review { anomalies, notes } = review;
        return Ok((app, vec![Subject { name: args.subject.clone(), sbom, anomalies, notes }]));
    }
    let opened = source::open(shared, &args.subject).await?;
    let tree = opened.tree().await?;
    let nodes = opened.choose(&tree, args.platform.as_ref())?;
    if tree.root.kind == NodeKind::Artifact {
        return Err(Failure::usage(format!("{} is an artifact, no image: there is nothing to scan", args.subject))
            .help("scan the images that a chart names"));
    }
    if nodes.is_empty() {
        return Err(Failure::usage(format!("{} holds no image", args.subject)));
    }
    let inventories = catalog(opened.source.clone(), &nodes, args.reading.options(&opened.app)).await?;
    let internal = |why: String| Failure::new(Exit::Internal, "internal", why);
    let mut subjects = Vec::new();
    for node in nodes {
        let inventory = inventories.get(&node.digest).ok_or_else(|| internal("no inventory".to_owned()))?;
        let described = sbom_subject(opened.repository.clone(), &node);
        let sbom = sbom::document(inventory, &described, App::clock()(), Uuid::new_v4());
        let platform = node.platform.as_ref().map(|p| format!(" ({p})")).unwrap_or_default();
        subjects.push(Subject {
            name: format!(
                "{}{platform}",
                opened.repository.as_ref().map_or_else(|| node.digest.to_string(), |r| format!("{r}@{}", node.digest))
            ),
            sbom: sbom.map_err(|e| internal(e.to_string()))?,
            anomalies: inventory.anomalies.clone(),
            notes: Vec::new(),
        });
    }
    Ok((opened.app, subjects))
}

/// A file that begins like JSON is an SBOM; archives never do.
fn sbom_file(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let Ok(metadata) = std::fs::metadata(path) else { return Ok(None) };
    let unreadable = |e: std::io::Error| Failure::usage(format!("cannot read {}: {e}", path.display()));
    let beginning = || {
        use std::io::Read;
        let mut first = Vec::new();
        let file = std::fs::File::open(path);
        let read = file.and_then(|file| file.take(64).read_to_end(&mut first));
        read.map(|_| first.trim_ascii_start().to_vec()).unwrap_or_default()
    };
    let first = if metadata.is_file() { beginning() } else { Vec::new() };
    // The other spellings of SBOMs are known well enough to say what they are.
    if first.starts_with(b"SPDXVersion:") {
        return Err(unreadable_document(SbomError::Spdx));
    }
    if first.starts_with(b"<") {
        let message = format!("{} is XML, only CycloneDX in JSON is read", path.display());
        return Err(Failure::new(Exit::Usage, "sbom-format", message).help("make the document again as JSON"));
    }
    if !first.starts_with(b"{") {
        return Ok(None);
    }
    if metadata.len() > MAX_SBOM_BYTES {
        let message = format!("{}: {} bytes, at most {MAX_SBOM_BYTES} are read", path.display(), metadata.len());
        return Err(Failure::usage(message));
    }
    std::fs::read(path).map(Some).map_err(unreadable)
}

fn unreadable_document(error: SbomError) -> Failure {
    let (code, help) = match error {
        SbomError::Spdx => ("sbom-format", "make a CycloneDX document of it, or scan the image itself"),
        SbomError::Unreadable { .. } => ("sbom-version", "make the document again in CycloneDX 1.6"),
        SbomError::Malformed { .. } | SbomError::SpecVersion { .. } | SbomError::Write { .. } => ("sbom", ""),
    };
    Failure::new(Exit::Usage, code, error.to_string()).help(help)
}

pub(crate) fn failure(error: ScanError) -> Failure {
    let (exit, code) = match error.kind() {
        ScanErrorKind::Setup => (Exit::Usage, "scanner"),
        ScanErrorKind::NotAccepted => (Exit::Refuted, "scanner-not-accepted"),
        ScanErrorKind::Undecided => (Exit::Unknown, "scan-failed"),
        ScanErrorKind::Document => (Exit::Usage, "sbom"),
    };
    let help = error.help();
    Failure::new(exit, code, chain(&error)).help(help)
}

/// The vulnerability part of the policy, as `promote` would apply it to this subject.
fn reasons(subject: &Subject, scan: &Scan, settings: &Settings, now: i64) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let counts = |f: &&Finding| settings.deny.contains(&f.severity) && (!settings.fixable_only || f.fixed.is_some());
    for finding in scan.findings.iter().filter(counts) {
        let fixed = finding.fixed.as_ref().map(|v| format!(", fixed in {v}")).unwrap_or_default();
        let message = format!(
            "{} ({}) in {} {}{fixed}",
            finding.id,
            finding.severity.as_str(),
            finding.package,
            finding.installed
        );
        reasons.push(Reason::new(ReasonCode::VulnerabilityDenied, message));
    }
    let age = now - scan.database.updated_at.as_second();
    if age > settings.max_database_age_seconds {
        let message = format!(
            "the database is {} hours old, at most {} are allowed",
            age / 3600,
            settings.max_database_age_seconds / 3600
        );
        reasons.push(Reason::new(ReasonCode::DatabaseTooOld, message));
    }
    if let Some(first) = subject.anomalies.first() {
        let message = format!(
            "{} anomalies, first {} at {:?}: {}",
            subject.anomalies.len(),
            first.code,
            first.path,
            first.detail
        );
        reasons.push(Reason::new(ReasonCode::SbomIncomplete, message));
    }
    reasons
}

/// The fixed fields of product.md, `Scan`.
fn scan_document(subject: &Subject, scan: &Scan, reasons: &[Reason]) -> Result<Value, Failure> {
    document(
        "Scan",
        json!({
            "subject": subject.name,
            "scanner": scan.scanner,
            "database": scan.database,
            "findings": scan.findings,
            "completeness": { "complete": subject.anomalies.is_empty(), "anomalies": subject.anomalies },
            "notes": subject.notes,
            "reasons": reasons,
        }),
    )
}

fn scan_text(subject: &Subject, scan: &Scan, reasons: &[Reason]) -> String {
    let mut text = format!("{}\n", subject.name);
    let mut findings: Vec<&Finding> = scan.findings.iter().collect();
    findings.sort_by(|a, b| (b.severity, &a.package, &a.id).cmp(&(a.severity, &b.package, &b.id)));
    if !findings.is_empty() {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["severity", "id", "package", "installed", "fixed"]);
        for finding in findings {
            let fixed = finding.fixed.clone().unwrap_or_else(|| "–".to_owned());
            table.add_row([
                finding.severity.as_str().to_owned(),
                finding.id.clone(),
                finding.package.clone(),
                finding.installed.clone(),
                fixed,
            ]);
        }
        text.extend(table.lines().map(|line| line.trim_end().to_owned() + "\n"));
    }
    let count = |severity: Severity| scan.findings.iter().filter(|f| f.severity == severity).count();
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Unknown];
    let counts: Vec<String> = severities.iter().map(|s| format!("{} {}", count(*s), s.as_str())).collect();
    text.push_str(&format!("{} findings: {}\n", scan.findings.len(), counts.join(", ")));
    for Anomaly { code, path, detail, .. } in &subject.anomalies {
        let place = if path.is_empty() { String::new() } else { format!(" {path}") };
        text.push_str(&format!("incomplete {code}{place}: {detail}\n"));
    }
    text.extend(subject.notes.iter().map(|note| format!("note       {note}\n")));
    text.push_str(&tree::Reasons::default().lines("", "", reasons));
    text
}
