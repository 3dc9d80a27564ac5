//! `countersign doctor`: what a gate needs, checked one by one, each with what to do.

use clap::Args;
use serde::Serialize;

use crate::app::{App, WiringError};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::options::Shared;
use crate::cli::output::Outcome;
use crate::cli::{promote, wiring};
use crate::evidence::TrustRoot;
use crate::oci::Repository;
use crate::registry::ReferrersAnswer;
use crate::scanner::Scanner;
use crate::sigstore::{EXPIRY_NOTICE, Origin};

/// Nobody runs this program before it was written; an older clock is wrong.
const EARLIEST: &str = "2026-01-01T00:00:00Z";

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Repositories to look at [default: those of the configuration]
    #[arg(value_name = "REPO")]
    repositories: Vec<Repository>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    ok: bool,
    message: String,
    help: String,
}

fn check(name: impl Into<String>, result: Result<String, (String, String)>) -> Check {
    match result {
        Ok(message) => Check { name: name.into(), ok: true, message, help: String::new() },
        Err((message, help)) => Check { name: name.into(), ok: false, message, help },
    }
}

pub(crate) async fn run(shared: &Shared, args: &DoctorArgs) -> Result<Outcome, Failure> {
    let app = wiring::app(shared, &args.repositories.iter().collect::<Vec<_>>())?;
    let mut checks = vec![clock(), configuration(&app), trust_root(&app).await, identity_token(&app).await];
    checks.extend(scanner(shared, &app).await);
    let configured = app.config.images.iter().map(|image| &image.repository);
    let repositories: Vec<&Repository> =
        if args.repositories.is_empty() { configured.collect() } else { args.repositories.iter().collect() };
    for repository in repositories {
        checks.push(registry(&app, repository).await);
    }
    let text = checks.iter().map(|c| {
        let help = if c.help.is_empty() { String::new() } else { format!("\n     help: {}", c.help) };
        format!("{} {}: {}{help}\n", if c.ok { "ok  " } else { "FAIL" }, c.name, c.message)
    });
    let text = text.collect();
    let exit = if checks.iter().all(|check| check.ok) { Exit::Ok } else { Exit::Usage };
    Outcome::new(exit, "Doctor", serde_json::json!({ "checks": checks }), text)
}

fn clock() -> Check {
    let now = App::clock()();
    let plausible = EARLIEST.parse().is_ok_and(|earliest: jiff::Timestamp| now > earliest);
    let wrong = || (format!("{now} is before this program was written"), "set this machine's clock".to_owned());
    check("clock", if plausible { Ok(seconds(now)) } else { Err(wrong()) })
}

fn seconds(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn configuration(app: &App) -> Check {
    let message = match &app.config_path {
        Some(path) => format!("{}, {} images", path.display(), app.config.images.len()),
        None => "none; countersign.yaml is not here".to_owned(),
    };
    let identity = app.config.identities.is_some();
    let help =
        || (format!("{message}; no identity"), "set identity in countersign.yaml, or pass it by flags".to_owned());
    check("configuration", if identity { Ok(message) } else { Err(help()) })
}

async fn trust_root(app: &App) -> Check {
    let material = async {
        let root = app.trust_root().await?;
        Ok::<_, WiringError>((root, app.trust_origin().await?))
    };
    let result = match material.await {
        Ok((root, origin)) => trust_expiry(app, &root, origin.as_ref()),
        Err(error) => Err((error.message, error.help)),
    };
    check("trust root", result)
}

/// Where the trust root is from; a failure when it ends within the notice.
fn trust_expiry(app: &App, root: &TrustRoot, origin: Option<&Origin>) -> Result<String, (String, String)> {
    let mut message = app.trust_root_name();
    let mut ends = root.ends();
    if let Some(origin) = origin {
        message = format!("{message}, {origin}");
        if let Origin::Tuf { expires, .. } = origin {
            ends = ends.into_iter().chain(*expires).min();
        }
    }
    let Some(ends) = ends else { return Ok(message) };
    message = format!("{message}, good until {}", seconds(ends));
    if ends.duration_since(App::clock()()) < EXPIRY_NOTICE {
        return Err((format!("{message}: less than 14 days"), "get the new trust root of this instance".to_owned()));
    }
    Ok(message)
}

async fn identity_token(app: &App) -> Check {
    let signer = async { app.signer(app.trust_root().await?).await };
    let result = match signer.await {
        Err(error) => Err((error.message, error.help)),
        Ok(signer) if signer.asks_a_person() => Ok("by a browser login when something is signed".to_owned()),
        Ok(signer) => match signer.token().await {
            Ok(token) => Ok(format!("from issuer {}", token.issuer())),
            Err(error) => Err((error.to_string(), "in GitHub Actions: permissions: id-token: write".to_owned())),
        },
    };
    check("identity token", result)
}

async fn scanner(shared: &Shared, app: &App) -> Vec<Check> {
    let scanner = match app.scanner() {
        Ok(scanner) => scanner,
        Err(error) => return vec![check("scanner", Err((error.message, error.help)))],
    };
    let said = |error: crate::scanner::ScanError| {
        let help = error.help().to_owned();
        (crate::causes::chain(&error), help)
    };
    let binary = scanner.identity().await.map_err(said);
    let binary = binary.map(|id| {
        format!(
            "{} {} at {}, {}, isolation {}",
            id.name,
            id.version,
            scanner.path().display(),
            id.digest.short(),
            id.isolation
        )
    });
    let limit = promote::settings(shared, &app.config).max_database_age_seconds;
    let database = scanner.database().await.map_err(said).and_then(|database| {
        let age = App::clock()().as_second() - database.updated_at.as_second();
        let message = format!("{}, updated {}", database.digest.short(), seconds(database.updated_at));
        let stale = || (format!("{message}: older than {} hours", limit / 3600), "update the database".to_owned());
        if age > limit { Err(stale()) } else { Ok(message) }
    });
    vec![check("scanner", binary), check("database", database)]
}

async fn registry(app: &App, repository: &Repository) -> Check {
    let name = format!("registry {repository}");
    let client = match app.registry() {
        Ok(client) => client,
        Err(error) => return check(name, Err((error.message, error.help))),
    };
    let failed = |e: crate::registry::RegistryError| {
        let reason = crate::ops::gather::lookup_failure(&e);
        (reason.message, reason.help)
    };
    let tags = match client.tags(repository).await {
        Ok(tags) => tags.map_or(0, |tags| tags.len()),
        Err(error) => return check(name, Err(failed(error))),
    };
    let probe = crate::oci::Digest::of(b"countersign doctor");
    let referrers = match client.referrers(repository, &probe).await {
        Ok(ReferrersAnswer::Supported(_)) => "referrers API",
        Ok(ReferrersAnswer::Absent) => "no referrers API (fallback tag is used)",
        Ok(ReferrersAnswer::Unclear { .. }) => "referrers API unclear (fallback tag is used)",
        Err(error) => return check(name, Err(failed(error))),
    };
    check(name, Ok(format!("{tags} tags, {referrers}")))
}
