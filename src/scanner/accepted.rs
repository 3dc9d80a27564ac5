//! Which scanner binaries may run. A version string proves nothing, so acceptance is by SHA-256 of the whole file.
//!
//! The releases 0.69.4 to 0.69.6 were published by an attacker through the project's own automation in March 2026
//! (CVE-2026-33634) and carried valid-looking versions: they stay refused even if somebody lists their digest.

use crate::oci::Digest;

/// One binary that may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedBinary {
    pub version: String,
    /// Of the executable file.
    pub digest: Digest,
}

/// Releases checked by the project: version and SHA-256 of the executable. `scripts/install-trivy.sh` installs the first.
const BUILT_IN: &[(&str, &str)] =
    &[("0.76.0", "sha256:1f889576636db0623539cb339df7d06c40ebf39e7919489eafa1160e29808f19")];

const DENIED_VERSIONS: &[&str] = &["0.69.4", "0.69.5", "0.69.6"];

/// The accepted binary with this digest: built in, or in the caller's `extra`.
pub(crate) fn find(digest: &Digest, extra: &[AcceptedBinary]) -> Option<AcceptedBinary> {
    let built_in = BUILT_IN.iter().filter_map(|(version, digest)| {
        Some(AcceptedBinary { version: (*version).to_owned(), digest: digest.parse().ok()? })
    });
    built_in.chain(extra.iter().cloned()).find(|accepted| accepted.digest == *digest)
}

/// Is this a version that nobody may accept?
pub(crate) fn is_denied(version: &str) -> bool {
    DENIED_VERSIONS.contains(&version.trim_start_matches('v'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_parses_and_holds_no_denied_version() {
        for (version, digest) in BUILT_IN {
            let digest: Digest = digest.parse().unwrap();
            assert_eq!(find(&digest, &[]).unwrap().version, *version);
            assert!(!is_denied(version));
        }
    }

    #[test]
    fn an_unknown_digest_is_accepted_only_when_the_caller_lists_it() {
        let digest = Digest::of(b"some build");
        assert_eq!(find(&digest, &[]), None);
        let own = AcceptedBinary { version: "0.77.0".to_owned(), digest: digest.clone() };
        assert_eq!(find(&digest, std::slice::from_ref(&own)), Some(own));
    }

    #[test]
    fn the_compromised_releases_are_denied_by_version() {
        for version in ["0.69.4", "v0.69.5", "0.69.6"] {
            assert!(is_denied(version), "{version}");
        }
        assert!(!is_denied("0.69.3") && !is_denied("0.69.40"));
    }
}
