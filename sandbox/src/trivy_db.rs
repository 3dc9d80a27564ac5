//! Filled by the scanner part of the sandbox.
