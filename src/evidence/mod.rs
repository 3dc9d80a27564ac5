//! Statements, predicates and bundles; verification of them.

pub mod scan;
pub mod verified;
