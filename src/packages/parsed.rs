//! What one file of a package database gave.

use serde::{Deserialize, Serialize};

use crate::packages::Package;

/// The packages and, for each entry that could not be fully understood, a sentence. Layers are set by who knows them.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parsed {
    pub packages: Vec<Package>,
    /// Each becomes an anomaly `entry-unreadable`.
    pub unreadable: Vec<String>,
    /// Why the file as a whole could not be read, if it could not; becomes `database-unreadable`.
    pub failed: Option<String>,
    /// Limits that were hit while reading; each becomes `limit-exceeded`.
    pub limits: Vec<String>,
}

/// More packages in one file than any real one names (a full desktop has 3,000); each costs us half a KiB.
pub const MAX_PACKAGES: usize = 20_000;
/// More unreadable entries of one file say nothing new.
pub const MAX_UNREADABLE: usize = 1_000;

impl Parsed {
    /// Takes a package in, up to [`MAX_PACKAGES`].
    pub(super) fn add(&mut self, package: Package) {
        if self.packages.len() < MAX_PACKAGES {
            self.packages.push(package);
        } else {
            self.limit(format!("more than the {MAX_PACKAGES} packages that are read"));
        }
    }

    /// Notes an entry that could not be read, up to [`MAX_UNREADABLE`].
    pub(super) fn complain(&mut self, why: String) {
        if self.unreadable.len() < MAX_UNREADABLE {
            self.unreadable.push(why);
        } else {
            self.limit(format!("more than {MAX_UNREADABLE} entries that cannot be read"));
        }
    }

    /// Notes a limit once.
    pub(super) fn limit(&mut self, what: String) {
        if !self.limits.contains(&what) {
            self.limits.push(what);
        }
    }

    /// Nothing of the file was readable.
    #[must_use]
    pub fn failed(why: impl Into<String>) -> Self {
        Self { failed: Some(why.into()), ..Self::default() }
    }
}
