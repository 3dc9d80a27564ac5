//! Sample images as bytes, made without any code of the product: layers, one-platform images, indexes, OCI layouts.
//!
//! The same input gives the same digests on every machine. [`samples`] has small releases with real package metadata.

mod builder;
mod content;
mod index;
mod layer;
pub mod samples;

pub use self::builder::{Image, ImageBuilder};
pub use self::content::{Content, Node, write_layout};
pub use self::index::{Index, IndexBuilder};
pub use self::layer::{Layer, LayerBuilder, Packing};

#[cfg(test)]
mod tests;
