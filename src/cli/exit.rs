//! Exit codes: stable API (docs/reference/exit-codes.md), one enum.

use std::process::ExitCode;

/// What a finished command tells its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Done, allowed, verified.
    Ok,
    /// Internal error: a bug.
    Internal,
    /// Usage, configuration, missing tool, isolation below what is required.
    Usage,
    /// Denied by policy.
    Denied,
    /// Refuted: evidence missing or wrong, scanner binary not accepted, withdrawn version resolved.
    Refuted,
    /// Not found.
    NotFound,
    /// Not authenticated or not authorised, expired token.
    Unauthorised,
    /// Unknown: could not reach or could not decide; safe to retry.
    Unknown,
    /// Conflict: write-once tag taken, foreign channel target, tag moved meanwhile.
    Conflict,
}

impl Exit {
    /// With several outcomes the first of these present wins.
    pub(crate) const PRECEDENCE: [Self; 8] = [
        Self::Internal,
        Self::Usage,
        Self::Refuted,
        Self::Conflict,
        Self::Unauthorised,
        Self::Denied,
        Self::Unknown,
        Self::NotFound,
    ];

    /// Every exit, by code.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Internal,
        Self::Usage,
        Self::Denied,
        Self::Refuted,
        Self::NotFound,
        Self::Unauthorised,
        Self::Unknown,
        Self::Conflict,
    ];

    /// For docs/reference/exit-codes.md.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done, allowed, verified",
            Self::Internal => "internal error (a bug)",
            Self::Usage => "usage, configuration, missing tool, isolation below what is required",
            Self::Denied => "denied by policy (stale database and incomplete SBOM included)",
            Self::Refuted => {
                "refuted: evidence missing or wrong, scanner binary not accepted, withdrawn version resolved"
            }
            Self::NotFound => "not found",
            Self::Unauthorised => "not authenticated or not authorised, expired token",
            Self::Unknown => {
                "unknown: could not reach or could not decide; scanner crashed or printed garbage; safe to retry"
            }
            Self::Conflict => "conflict: write-once tag taken, foreign channel target, tag moved meanwhile",
        }
    }

    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Denied => 3,
            Self::Refuted => 4,
            Self::NotFound => 5,
            Self::Unauthorised => 6,
            Self::Unknown => 7,
            Self::Conflict => 8,
        }
    }

    /// One code for several outcomes.
    #[must_use]
    pub fn worst(outcomes: impl IntoIterator<Item = Self>) -> Self {
        let all: Vec<Self> = outcomes.into_iter().collect();
        Self::PRECEDENCE.into_iter().find(|exit| all.contains(exit)).unwrap_or(Self::Ok)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_several_outcomes_the_first_of_1_2_4_8_6_3_7_5_wins() {
        let order: Vec<u8> = Exit::PRECEDENCE.iter().map(|e| e.code()).collect();
        assert_eq!(order, [1, 2, 4, 8, 6, 3, 7, 5]);
        assert_eq!(Exit::worst([Exit::Ok, Exit::NotFound, Exit::Unknown]), Exit::Unknown);
        assert_eq!(Exit::worst([Exit::Denied, Exit::Refuted, Exit::Unknown]), Exit::Refuted);
        assert_eq!(Exit::worst([Exit::Denied, Exit::Conflict]), Exit::Conflict);
        assert_eq!(Exit::worst([Exit::Ok]), Exit::Ok);
        assert_eq!(Exit::worst([]), Exit::Ok);
    }
}
