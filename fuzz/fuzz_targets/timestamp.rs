//! RFC 3161 timestamp tokens: CMS in DER.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod template;

fuzz_target!(|data: &[u8]| template::verify_with("/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp", data, template::Field::Loose));
