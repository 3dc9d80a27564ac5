//! The command line: one file per command, dispatch here, and nothing of the work itself.
//!
//! Data goes to stdout, everything else to stderr. A command ends as an `Outcome` (its document, its text and an exit
//! code) or as a [`Failure`]; both are printed in one place, `output`.

pub mod exit;
pub mod failure;
mod identity_args;
pub mod options;
mod output;
mod person;
mod progress;
pub mod reference;
mod wiring;

mod audit;
mod candidates;
mod conformance;
mod copy;
mod doctor;
mod git;
mod github;
mod history;
mod inspect;
mod operation;
mod pins;
mod policy;
mod promote;
mod provenance_args;
mod push;
mod resolve;
mod retain;
mod rollback;
mod saved_plan;
mod sbom;
mod scan;
mod source;
mod verify;
mod withdraw;

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::options::Shared;
use crate::cli::output::{Blank, Outcome};

/// Supply-chain verification and promotion gateway for container images.
///
/// A build pushes images by digest; countersign proves them and moves the tags last.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole gate: expand, SBOM, scan, decide, attest, read back, and only then move the tags
    Promote(promote::PromoteArgs),
    /// Verify signatures and attestations of a reference and all its platforms
    Verify(verify::VerifyArgs),
    /// The verified digest behind a tag
    Resolve(resolve::ResolveArgs),
    /// What a tag pointed to, when, and by whom
    History(history::HistoryArgs),
    /// All tags against the signed records: foreign moves, unsigned tags, downgraded channels, stale scans
    Audit(audit::AuditArgs),
    /// Mark a version as withdrawn; channels go to the best remaining version, nothing is deleted
    Withdraw(withdraw::WithdrawArgs),
    /// Take a channel back to an earlier version and hold it there until a release above
    Rollback(rollback::RollbackArgs),
    /// What a repository has to keep, and what may be deleted
    Retain(retain::RetainArgs),
    /// Index, platforms, labels, layers, referrers and tags of a reference
    Inspect(inspect::InspectArgs),
    /// CycloneDX SBOM of an image
    Sbom(sbom::SbomArgs),
    /// Trivy over our SBOM; the vulnerability policy decides the exit code
    Scan(scan::ScanArgs),
    /// Push an image layout by digest, under no tag; prints the digest
    Push(push::PushArgs),
    /// An image tree with all its evidence to another repository, verified before and there
    Copy(copy::CopyArgs),
    /// Look at the policy itself
    Policy(policy::PolicyArgs),
    /// Check clock, configuration, trust root, registry access, Trivy, database and isolation
    Doctor(doctor::DoctorArgs),
    /// The client protocol of sigstore-conformance
    #[command(hide = true)]
    Conformance(conformance::ConformanceArgs),
}

/// Runs the command line and says how the process ends.
pub async fn run(arguments: Vec<OsString>) -> Exit {
    let cli = match parse(&arguments) {
        Ok(cli) => cli,
        Err(error) => return output::usage_error(&error, &arguments),
    };
    cli.shared.color.choose();
    crate::telemetry::init(cli.shared.verbose, cli.shared.quiet);
    let result = dispatch(&cli).await.map_err(|failure| failure.or_help(&help(&cli.command)));
    output::print(&cli.shared.output, &blank(&cli.command), result)
}

fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = Cli::command().try_get_matches_from(arguments)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    if let Some((_, given)) = matches.subcommand() {
        // clap keeps only the last place where a shared option stands.
        let on_command_line = |option| given.value_source(option) == Some(ValueSource::CommandLine);
        if on_command_line("output") {
            cli.shared.output = options::outputs(arguments);
        }
        if on_command_line("plain_http") {
            cli.shared.plain_http = options::values(arguments, "--plain-http");
        }
        cli.shared
            .choose_sigstore(|option| given.value_source(option))
            .map_err(|message| Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message))?;
    }
    Ok(cli)
}

/// The next step where a failure names none.
fn help(command: &Command) -> String {
    let name = match command {
        Command::Promote(_) => "promote",
        Command::Verify(_) => "verify",
        Command::Resolve(_) => "resolve",
        Command::History(_) => "history",
        Command::Audit(_) => "audit",
        Command::Retain(_) => "retain",
        Command::Withdraw(_) => "withdraw",
        Command::Rollback(_) => "rollback",
        Command::Inspect(_) => "inspect",
        Command::Sbom(_) => "sbom",
        Command::Scan(_) => "scan",
        Command::Push(_) => "push",
        Command::Copy(_) => "copy",
        Command::Policy(_) => "policy",
        Command::Doctor(_) => "doctor",
        Command::Conformance(_) => "conformance",
    };
    format!("countersign {name} --help")
}

/// What each command prints where it could not do its job.
fn blank(command: &Command) -> Blank {
    let (kind, fields) = match command {
        Command::Promote(args) => promote::blank(args),
        Command::Verify(args) => verify::blank(args),
        Command::Resolve(args) => resolve::blank(args),
        Command::History(args) => history::blank(args),
        Command::Audit(args) => audit::blank(args),
        Command::Retain(args) => retain::blank(args),
        Command::Withdraw(args) => withdraw::blank(args),
        Command::Rollback(args) => rollback::blank(args),
        Command::Inspect(args) => inspect::blank(args),
        Command::Sbom(args) => sbom::blank(args),
        Command::Scan(args) => scan::blank(args),
        Command::Push(args) => push::blank(args),
        Command::Copy(args) => copy::blank(args),
        Command::Policy(_) => policy::blank(),
        Command::Doctor(_) => ("Doctor", serde_json::json!({ "checks": [] })),
        Command::Conformance(args) => conformance::blank(args),
    };
    Blank { kind, fields }
}

async fn dispatch(cli: &Cli) -> Result<Outcome, Failure> {
    match &cli.command {
        Command::Promote(args) => promote::run(&cli.shared, args).await,
        Command::Verify(args) => verify::run(&cli.shared, args).await,
        Command::Resolve(args) => resolve::run(&cli.shared, args).await,
        Command::History(args) => history::run(&cli.shared, args).await,
        Command::Audit(args) => audit::run(&cli.shared, args).await,
        Command::Retain(args) => retain::run(&cli.shared, args).await,
        Command::Withdraw(args) => withdraw::run(&cli.shared, args).await,
        Command::Rollback(args) => rollback::run(&cli.shared, args).await,
        Command::Inspect(args) => inspect::run(&cli.shared, args).await,
        Command::Sbom(args) => sbom::run(&cli.shared, args).await,
        Command::Scan(args) => scan::run(&cli.shared, args).await,
        Command::Push(args) => push::run(&cli.shared, args).await,
        Command::Copy(args) => copy::run(&cli.shared, args).await,
        Command::Policy(args) => policy::run(&cli.shared, args).await,
        Command::Doctor(args) => doctor::run(&cli.shared, args).await,
        Command::Conformance(args) => conformance::run(&cli.shared, args).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_definition_is_consistent() {
        Cli::command().debug_assert();
    }
}
