//! The test bed of countersign: an OCI registry with fault switches, a small Sigstore, sample images, and hostile ones.
//!
//! Real protocols over loopback HTTP, in process (`registry::Registry::start`) or as a server (`countersign-sandbox serve`).
//! It shares no parser with the product, so that a mistake of ours shows as a disagreement and not as two equal mistakes.

pub mod github;
pub mod hostile;
pub mod image;
pub mod registry;
pub mod sigstore;
pub mod trivy_db;
