//! Images from registries, layouts and archives; layers as streams.
