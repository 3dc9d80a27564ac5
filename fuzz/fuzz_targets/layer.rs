//! An uncompressed layer.
#![no_main]

use countersign::image::fuzzing::layer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    layer(data);
});
