use super::*;

/// Databases on this machine, for a look: `RPMDB=FILE cargo test … -- --nocapture`.
#[test]
fn temporary_look() {
    for file in std::env::var("RPMDB").unwrap_or_default().split_whitespace() {
        let bytes = std::fs::read(file).unwrap();
        let at = std::time::Instant::now();
        let found = parse(file, &bytes);
        println!(
            "{file}: {} packages, {} owned bytes {:?} {:?} in {:?}",
            found.parsed.packages.len(),
            found.owned.len(),
            found.parsed.failed,
            found.parsed.unreadable,
            at.elapsed()
        );
        println!("{:#?}", found.parsed.packages.first());
    }
}
