//! Filled by the Sigstore part of the sandbox.
