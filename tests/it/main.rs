//! The one integration target: one module per capability.

// bundles of real Sigstore software, verified offline
mod evidence;
