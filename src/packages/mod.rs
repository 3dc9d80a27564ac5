//! Packages and the databases they are read from, as pure functions over bounded bytes.

pub mod anomaly;

pub use anomaly::{Anomaly, AnomalyCode};
