//! The one integration target. One module per capability; `support` holds the shared language of the tests.

/// Which folder may use which: the arrows of docs/architecture.md.
mod architecture;
/// Bundles of real Sigstore software, verified offline.
mod evidence;
/// Trees and layers of images, good and hostile.
mod image;
/// Layers to inventories and SBOMs.
mod sbom;
