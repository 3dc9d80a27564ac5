//! Bad input: one clear coded error each, the right exit code, a next step, and nothing written.

mod artifacts;
mod bed;
mod configuration;
mod options;
mod services;

pub(crate) use bed::{Bed, Run};

/// A digest that nothing has.
pub(crate) const NOWHERE: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
