//! Every kind of file that an image may hold: the first byte chooses which. See targets.rs.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else { return };
    let files: Vec<_> = targets::TARGETS.iter().filter(|(name, _)| name.starts_with("files/")).collect();
    files[usize::from(*which) % files.len()].1.run(data);
});
