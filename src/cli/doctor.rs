//! `countersign doctor`: what a gate needs, checked one by one, each with what to do.

use clap::Args;
use serde::Serialize;

use crate::app::App;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::options::Shared;
use crate::cli::output::Outcome;
use crate::cli::{promote, wiring};
use crate::oci::Repository;
use crate::registry::ReferrersAnswer;
use crate::scanner::Scanner;

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
    let mut checks = vec![clock(), configuration(&app), trust_root(&app), identity_token(&app).await];
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

fn trust_root(app: &App) -> Check {
    let result = app.trust_root().map(|_| app.trust_root_name()).map_err(|e| (e.message, e.help));
    check("trust root", result)
}

async fn identity_token(app: &App) -> Check {
    let result = match app.trust_root().and_then(|root| app.signer(root)) {
        Err(error) => Err((error.message, error.help)),
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
        (crate::ops::promote::chain(&error), help)
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
