//! Use cases, callable alike from the command line and from a server: async, over ports and core only.
//!
//! Each reads all facts first, decides in core, and writes last. Progress goes to a [`Reporter`], time comes from a
//! [`Clock`]; neither ever decides anything.

pub mod gather;
pub mod tree;
pub mod verify;

use std::fmt::Debug;
use std::sync::Arc;

use jiff::Timestamp;

/// Told what is being done; for people only.
pub trait Reporter: Send + Sync + Debug {
    fn begin(&self, step: &str);
    fn done(&self, step: &str, result: &str);
}

/// The clock, handed in so that tests can stop it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    #[must_use]
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}
