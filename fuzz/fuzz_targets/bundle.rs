//! Sigstore bundles and the statements inside.
#![no_main]

use countersign::evidence::{Statement, Unverified};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = Unverified::from_bytes(data);
    if let Ok(statement) = Statement::parse(data) {
        assert_eq!(Statement::parse(&statement.to_bytes()), Ok(statement));
    }
});
