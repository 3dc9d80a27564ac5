//! Use cases, callable alike from the command line and from a server: async, over ports and core only.
//!
//! Each reads all facts first, decides in core, and writes last. Progress goes to a [`Reporter`], time comes from a
//! [`crate::sigstore::Clock`]; neither ever decides anything.

pub mod assemble;
pub mod audit;
pub mod builders;
pub mod channels;
pub mod copy;
pub mod gather;
pub mod history;
pub mod inspect;
pub mod kept;
pub mod listed;
pub mod lists;
pub mod look;
pub mod operate;
pub mod promote;
pub mod push;
pub mod remembered;
pub mod resolve;
pub mod retain;
pub mod tag_writes;
pub mod tree;
pub mod verify;

use std::fmt::Debug;

/// Told what is being done; for people only.
pub trait Reporter: Send + Sync + Debug {
    fn begin(&self, step: &str);
    fn done(&self, step: &str, result: &str);
}
