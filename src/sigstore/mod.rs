//! Keyless signing and trust roots: the Sigstore edge.
