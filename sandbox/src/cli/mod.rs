//! The commands: serve, layout, push-sample, token, trivy-db.

mod http;
mod sample;
mod serve;
mod token;
mod trivy_db;

use std::io::Write as _;

use anyhow::Result;

/// An OCI registry and a small Sigstore on loopback ports, and sample images. For tests and demonstrations only.
#[derive(Debug, clap::Parser)]
#[command(name = "countersign-sandbox", version)]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Start the registry and Sigstore, write DIR/env, and run until SIGINT or SIGTERM
    Serve(serve::Serve),
    /// Write a sample image as an OCI layout folder; prints its digest
    Layout(sample::Layout),
    /// Push a sample image by digest into a registry without TLS; prints REPOSITORY@DIGEST
    PushSample(sample::PushSample),
    /// Print an identity token of a running sandbox
    Token(token::Token),
    /// Write the small vulnerability database of the demo; prints its folder
    TrivyDb(trivy_db::TrivyDb),
}

pub(crate) async fn run(command: Command) -> Result<()> {
    match command.verb {
        Verb::Serve(serve) => serve.run().await,
        Verb::Layout(layout) => layout.run(),
        Verb::PushSample(push) => push.run(),
        Verb::Token(token) => token.run(),
        Verb::TrivyDb(database) => database.run(),
    }
}

/// A line on standard output.
fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// A line on standard error; there is nobody to tell if that fails.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
