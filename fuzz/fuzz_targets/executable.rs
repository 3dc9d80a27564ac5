//! Programs of any format: ELF, PE, Mach-O, with lists of modules or crates inside.
#![no_main]

use countersign::packages::executable;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = executable::read("usr/bin/program", &mut &*data);
});
