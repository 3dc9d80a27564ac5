//! Checkpoints of the transparency log: signed notes.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod template;

fuzz_target!(|data: &[u8]| template::verify_with("/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope", data, template::Field::Text));
