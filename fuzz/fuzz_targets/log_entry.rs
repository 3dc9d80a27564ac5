//! Bodies of log entries.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod template;

fuzz_target!(|data: &[u8]| template::verify_with("/verificationMaterial/tlogEntries/0/canonicalizedBody", data, template::Field::Exact));
