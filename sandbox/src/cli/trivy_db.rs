//! The demo's vulnerability database, on disk.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use countersign_sandbox::trivy_db::{ADVISORIES, EMPTY, write};
use jiff::{SignedDuration, Timestamp};

use super::say;

/// `trivy-db`
#[derive(Debug, clap::Args)]
pub(super) struct TrivyDb {
    /// The cache folder to write: DIR/db/trivy.db and DIR/db/metadata.json
    #[arg(long)]
    out: PathBuf,
    /// As if it had been published this many hours ago
    #[arg(long, default_value_t = 0)]
    age_hours: i64,
    /// Without any advisory, as an attacker would like it
    #[arg(long, conflicts_with = "advisories")]
    empty: bool,
    /// With the advisories of this JSON file instead of the demo's
    #[arg(long)]
    advisories: Option<PathBuf>,
}

impl TrivyDb {
    pub(super) fn run(self) -> Result<()> {
        let advisories = match &self.advisories {
            Some(file) => std::fs::read_to_string(file).with_context(|| file.display().to_string())?,
            None => if self.empty { EMPTY } else { ADVISORIES }.to_owned(),
        };
        published(&self.out, &advisories, self.age_hours)?;
        say(&self.out.display().to_string())
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock is read here; the age of a database is relative to it")]
pub(super) fn published(folder: &Path, advisories: &str, age_hours: i64) -> Result<()> {
    let at = Timestamp::now().checked_sub(SignedDuration::from_hours(age_hours))?;
    write(folder, advisories, at).with_context(|| format!("write a database to {}", folder.display()))
}
