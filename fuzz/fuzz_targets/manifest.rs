//! Manifests and indexes of any media type.
#![no_main]

use countersign::oci::{RawManifest, media_type};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for media_type in [media_type::OCI_INDEX, media_type::OCI_MANIFEST, "text/plain"] {
        let _ = RawManifest::new(media_type, data.to_vec()).parse();
    }
});
