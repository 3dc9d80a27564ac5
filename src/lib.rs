//! countersign: a supply-chain verification and promotion gateway for container images.
//!
//! A build pushes images by digest, under no release tag. countersign expands each candidate, catalogues it, scans it,
//! decides by policy, signs and attaches the evidence, reads everything back as a stranger would, and only then moves
//! the tags. The modules below are in reading order; dependencies point up this list only
//! (`tests/it/architecture.rs` checks it).

// ── tier 1: core. Synchronous; no sockets, files, environment, clock, randomness ──
pub mod causes;
pub mod evidence;
pub mod identity;
pub mod oci;
pub mod packages;
pub mod policy;
pub mod promotion;
pub mod sbom;
pub mod tags;
// ── tier 2: edges. Each `mod.rs` is the port ──
pub mod github;
pub mod image;
pub mod registry;
pub mod scanner;
pub mod sigstore;
// ── tier 3: use cases ──
pub mod ops;
// ── tier 4: drivers and wiring ──
pub mod app;
pub mod cli;
pub mod config;
pub mod telemetry;
