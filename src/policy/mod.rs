//! Policy: one input document, Rego, a decision with coded reasons.

pub mod reason;

pub use reason::{Reason, ReasonCode};
