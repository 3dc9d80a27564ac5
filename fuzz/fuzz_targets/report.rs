//! The scanner's report.
#![no_main]

use countersign::scanner::fuzzing::report;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    report(data);
});
