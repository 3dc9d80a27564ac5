//! `countersign-sandbox`: the test bed as a server, and sample images on disk or in a registry.

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(cli::Command::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
