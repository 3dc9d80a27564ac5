//! A stand-in with the interface of the Sigstore part, until that is merged: it starts nothing and writes empty documents.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

/// See the real one.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How often the log publishes.
    pub publication_interval: Duration,
}

/// Where the services listen.
#[derive(Debug, Clone, Default)]
pub struct Urls {
    /// The e-mail issuer.
    pub oidc: String,
    /// The certificate authority.
    pub fulcio: String,
    /// The transparency log.
    pub rekor: String,
    /// The timestamp authority.
    pub tsa: String,
}

/// Nothing yet.
#[derive(Debug, Default)]
pub struct Sigstore {
    urls: Urls,
}

impl Sigstore {
    /// Starts nothing.
    #[expect(clippy::unused_async, reason = "the real one binds ports")]
    pub async fn start(_options: Options) -> Result<Self> {
        Ok(Self::default())
    }

    /// Empty texts.
    #[must_use]
    pub fn urls(&self) -> &Urls {
        &self.urls
    }

    /// An empty text.
    #[must_use]
    pub fn email_issuer(&self) -> &str {
        &self.urls.oidc
    }

    /// An empty text.
    #[must_use]
    pub fn ci_issuer(&self) -> &str {
        &self.urls.oidc
    }

    /// Writes empty documents.
    pub fn write_files(&self, folder: &Path) -> Result<()> {
        std::fs::write(folder.join("trusted_root.json"), "{}")?;
        Ok(std::fs::write(folder.join("signing_config.json"), "{}")?)
    }
}
