//! The fuzz targets' template and seeds, run once each, so that they stay true without a nightly compiler.

use std::path::Path;

#[path = "../../fuzz/fuzz_targets/template.rs"]
mod template;

use template::Field;

/// Target, the field it replaces, and its kind.
const TARGETS: [(&str, &str, Field); 4] = [
    ("certificate", "/verificationMaterial/certificate/rawBytes", Field::Exact),
    ("checkpoint", "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope", Field::Text),
    ("log_entry", "/verificationMaterial/tlogEntries/0/canonicalizedBody", Field::Exact),
    ("timestamp", "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp", Field::Loose),
];

#[test]
fn only_the_templates_own_bytes_are_accepted() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for (target, pointer, field) in TARGETS {
        let source = std::fs::read_to_string(fuzz.join(format!("fuzz_targets/{target}.rs"))).unwrap();
        assert!(source.contains(pointer), "{target}");
        let mut seeds = 0;
        for seed in std::fs::read_dir(fuzz.join("corpus").join(target)).unwrap() {
            let seed = std::fs::read(seed.unwrap().path()).unwrap();
            template::verify_with(pointer, &seed, field);
            for at in (0..seed.len()).step_by(17) {
                let mut changed = seed.clone();
                changed[at] ^= 0x20;
                template::verify_with(pointer, &changed, field);
                template::verify_with(pointer, &seed[..at], field);
            }
            seeds += 1;
        }
        assert!(seeds > 0, "{target}");
    }
}
