//! The scanner port and Trivy behind it.
