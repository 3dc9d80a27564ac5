//! Where trust roots come from: a file, which is the operator's to keep fresh, or a known instance, whose snapshots came
//! with this binary and are refreshed by [`super::tuf`].

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use sigstore_trust_root::SigstoreInstance;

use crate::evidence::{MAX_TRUST_ROOT_BYTES, TrustRoot};
use crate::sigstore::{Services, SigstoreError};

/// Reads `trusted_root.json` from a file.
pub fn load_trust_root(path: &Path) -> Result<TrustRoot, SigstoreError> {
    let origin = path.display().to_string();
    let unreadable = |e: std::io::Error| SigstoreError::File { path: origin.clone(), why: e.to_string() };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_TRUST_ROOT_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    TrustRoot::from_json(&bytes).map_err(|e| SigstoreError::TrustRoot { origin: origin.clone(), why: e.to_string() })
}

/// A known Sigstore instance, as `--sigstore` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instance {
    PublicGood,
    GitHub,
    Staging,
}

impl Instance {
    pub(super) fn known(self) -> SigstoreInstance {
        match self {
            Self::PublicGood => SigstoreInstance::PublicGood,
            Self::GitHub => SigstoreInstance::GitHub,
            Self::Staging => SigstoreInstance::Staging,
        }
    }

    /// The embedded trust root.
    pub fn trust_root(self) -> Result<TrustRoot, SigstoreError> {
        let json = self.known().embedded_trusted_root_json();
        TrustRoot::from_json(json.as_bytes())
            .map_err(|e| SigstoreError::TrustRoot { origin: self.to_string(), why: e.to_string() })
    }

    /// The embedded signing configuration; GitHub's instance signs only for GitHub itself and has none.
    pub fn services(self) -> Result<Services, SigstoreError> {
        let json = self.known().embedded_signing_config_json();
        let json = json.ok_or_else(|| SigstoreError::SigningConfig { why: format!("instance {self} has none") })?;
        Services::from_json(json.as_bytes())
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PublicGood => "public-good",
            Self::GitHub => "github",
            Self::Staging => "staging",
        })
    }
}

/// A text that names no instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown Sigstore instance {text:?}: expected public-good, github or staging")]
pub struct UnknownInstance {
    pub text: String,
}

impl FromStr for Instance {
    type Err = UnknownInstance;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = [Self::PublicGood, Self::GitHub, Self::Staging];
        let found = known.into_iter().find(|instance| instance.to_string() == text);
        found.ok_or_else(|| UnknownInstance { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_trust_roots_load() {
        for instance in [Instance::PublicGood, Instance::Staging, Instance::GitHub] {
            assert!(instance.trust_root().is_ok(), "{instance}: {:?}", instance.trust_root());
            assert_eq!(instance.to_string().parse(), Ok(instance));
        }
        assert!(Instance::PublicGood.services().is_ok());
    }

    #[test]
    fn a_missing_or_unreadable_trust_root_is_a_configuration_error() {
        let error = load_trust_root(Path::new("/nonexistent/trusted_root.json")).unwrap_err();
        assert_eq!(error.kind(), crate::sigstore::SigstoreErrorKind::Configuration);
    }
}
