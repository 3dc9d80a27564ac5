//! Bundles of every version, and the statements they may hold, as the conformance protocol reads them.
#![no_main]

use countersign::evidence::{PublicKey, Unverified};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = Unverified::of_blob(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = PublicKey::from_pem(text);
    }
});
