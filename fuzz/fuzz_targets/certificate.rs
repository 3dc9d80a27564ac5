//! The signing certificate: DER, extensions, names.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod template;

fuzz_target!(|data: &[u8]| template::verify_with("/verificationMaterial/certificate/rawBytes", data, template::Field::Exact));
