//! Every limit of reading an image, with its reason (I12). Hitting one is a coded error, or an anomaly where the rest
//! of the image can still be read.

/// Index in index in index: nobody nests deeper, and each level costs a round trip.
pub const MAX_INDEX_DEPTH: usize = 3;
/// Nodes below the root, over all levels. The largest official images have about 40.
pub const MAX_CHILDREN: usize = 256;
/// Image configuration. Docker refuses more; real ones are below 100 KiB.
pub const MAX_CONFIG_BYTES: u64 = 8 * 1024 * 1024;
/// Layers of one image. Overlay file systems stop at 128; some builders make up to 500.
pub const MAX_LAYERS: usize = 512;
/// Children fetched at the same time: enough to hide latency, few enough for a registry's rate limit.
pub const CONCURRENT_MANIFESTS: usize = 8;

/// Uncompressed bytes of one layer. Machine-learning images reach 15 GiB.
pub const MAX_LAYER_BYTES: u64 = 32 * 1024 * 1024 * 1024;
/// Uncompressed bytes of all layers of one image. At the ratio below, a small upload could keep a reader busy for hours.
pub const MAX_IMAGE_BYTES: u64 = 64 * 1024 * 1024 * 1024;
/// Compression ratio above which a layer is a bomb; text-only layers stay below 20.
pub const MAX_RATIO: u64 = 200;
/// The ratio counts only after this many uncompressed bytes, so that small layers of zeros pass.
pub const RATIO_FREE_BYTES: u64 = 64 * 1024 * 1024;
/// Entries of one layer; the largest known image has 3 million files over all its layers.
pub const MAX_ENTRIES: u64 = 2_000_000;
/// `PATH_MAX`: a runtime could not create a longer one.
pub const MAX_PATH_BYTES: usize = 4096;
/// A pax header or GNU long name. Go's reader, and so every container runtime, stops at 1 MiB.
pub const MAX_PAX_BYTES: u64 = 1024 * 1024;
/// GNU long names in front of one entry. Writers make two, a name and a link target; without a bound an archive could
/// keep a reader busy without ever reaching an entry.
pub const MAX_LONG_NAMES: usize = 16;
/// Symbolic links of one layer that are remembered, to find databases behind links.
pub const MAX_LINKS: usize = 200_000;
/// As Linux: more hops than this are a loop.
pub const MAX_LINK_HOPS: usize = 40;
/// Whiteouts of one layer.
pub const MAX_WHITEOUTS: usize = 200_000;
/// What the parsers of all layers together may hold of the files they are reading. A database that is larger is read
/// alone.
pub const MAX_PARSER_MEMORY: u64 = 64 * 1024 * 1024;
/// Candidate files of one layer; a large Node.js image has 20,000.
pub const MAX_CANDIDATES: usize = 100_000;
/// zstd window (2^25 = 32 MiB): `zstd -19` uses 2^23. The decoder allocates this much per layer.
pub const MAX_ZSTD_WINDOW_LOG: u32 = 25;
/// The whole cache of read layers, and one entry of it (a layer of 76,000 files has 2 MiB, one of the largest 60).
pub const MAX_CACHE_BYTES: u64 = 512 * 1024 * 1024;
pub const MAX_CACHE_ENTRY_BYTES: u64 = 128 * 1024 * 1024;
/// An entry before compression: what reading the layer itself may take.
pub const MAX_STORED_BYTES: u64 = 256 * 1024 * 1024;
/// Files in the cache; listing more would cost more than it saves.
pub const CACHE_ENTRIES_KEPT: usize = 10_000;
/// What may be kept of all layers of a run: hashes of paths, links, packages. The largest known image, 3 million files,
/// takes 110 MiB; ordinary ones take 5.
pub const MAX_KEPT_BYTES: u64 = 144 * 1024 * 1024;
/// Uncompressed bytes between decompression and tar walk: 4 pieces of 256 KiB per layer.
pub const INFLATED_PIECES: usize = 3;
pub const INFLATED_PIECE_BYTES: usize = 256 * 1024;
/// Compressed bytes between download and decompression: 8 pieces of 128 KiB per layer.
pub const PIPE_PIECES: usize = 8;
pub const PIPE_PIECE_BYTES: usize = 128 * 1024;
