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

impl Parsed {
    /// Nothing of the file was readable.
    #[must_use]
    pub fn failed(why: impl Into<String>) -> Self {
        Self { failed: Some(why.into()), ..Self::default() }
    }
}
