//! sandbox
pub mod sigstore;
