//! Policy: one pure input document, Rego rules over it, a decision with coded reasons.
//!
//! Everything a rule may know is in [`PolicyInput`]; rules have no network, no clock and no randomness. Denial is a
//! value; an error means that nobody could decide, which blocks as well. The rules stand in `policies/`, whose README
//! describes the input document.

pub mod age;
pub mod decision;
mod engine;
pub mod evaluate;
pub mod explanation;
pub mod input;
pub mod reason;
pub mod severity;
pub mod unit;

pub use age::Age;
pub use decision::Decision;
pub use evaluate::{PolicyError, PolicySet};
pub use explanation::{ComparedClaim, Explanation};
pub use input::PolicyInput;
pub use reason::{Reason, ReasonCode};
pub use severity::parse_severity;
