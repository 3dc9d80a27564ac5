//! The one integration target. One module per capability; `support` holds the shared language of the tests.

/// Which folder may use which: the arrows of docs/architecture.md.
mod architecture;
/// Bundles with exactly one defect.
mod attacks;
/// The ways around the gate do not compile.
mod compile_fail;
/// Bundles of real Sigstore software, verified offline.
mod evidence;
/// Rego unit tests of `policies/`, through the engine that decides.
mod policies;
/// Keyless signing against the sandbox's Sigstore.
mod signing;
