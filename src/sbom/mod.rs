//! Packages to CycloneDX documents.
