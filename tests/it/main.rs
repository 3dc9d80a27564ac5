//! The one integration target. One module per capability; `support` holds the shared language of the tests.

/// The registry client over real HTTP, against the sandbox and, on demand, real registries.
mod registry;
