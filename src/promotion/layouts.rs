//! In which layouts a release's signatures and attestations are written, and so must be found again.

use crate::evidence::verdict::Format;

/// `signatures:` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layouts {
    /// Sigstore bundles as referrers.
    #[default]
    Bundle,
    /// cosign's older `.sig` and `.att` tags alone.
    Legacy,
    Both,
}

impl Layouts {
    /// Each of these must hold the whole evidence.
    #[must_use]
    pub fn formats(self) -> &'static [Format] {
        match self {
            Self::Bundle => &[Format::BundleV03],
            Self::Legacy => &[Format::CosignLegacy],
            Self::Both => &[Format::BundleV03, Format::CosignLegacy],
        }
    }

    /// The older layout can be verified only by a promise of Rekor v1.
    #[must_use]
    pub fn needs_rekor_v1(self) -> bool {
        self.formats().contains(&Format::CosignLegacy)
    }
}

impl std::str::FromStr for Layouts {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "bundle" => Ok(Self::Bundle),
            "legacy" => Ok(Self::Legacy),
            "both" => Ok(Self::Both),
            other => Err(format!("expected bundle, legacy or both, found {other:?}")),
        }
    }
}
