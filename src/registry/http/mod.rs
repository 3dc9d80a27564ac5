//! The registry port over HTTP (OCI distribution spec 1.1), on `reqwest` with rustls.

pub mod credentials;
pub mod options;

pub use credentials::{CredentialOptions, ExplicitToken};
pub use options::{HttpOptions, HttpSetupError};

#[derive(Debug)]
pub struct HttpRegistry {}

impl HttpRegistry {
    pub fn new(_options: HttpOptions) -> Result<Self, HttpSetupError> {
        Ok(Self {})
    }
}
