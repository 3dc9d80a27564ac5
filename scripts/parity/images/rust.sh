#!/usr/bin/env bash
# Programs of Rust with cargo-auditable's list inside: with symbols, stripped, unoptimised; and one without.
set -euo pipefail
root=$1/root work=$1/work
mkdir -p "$root/usr/local/bin" "$work/src"
export CARGO_TARGET_DIR=$work/target CARGO_TERM_COLOR=never
command -v cargo-auditable >/dev/null || cargo install --quiet --locked --root "$work" --version 0.7.7 cargo-auditable
cd "$work"
cat >Cargo.toml <<'TOML'
[package]
name = "parity"
version = "0.3.1"
edition = "2021"
[dependencies]
regex = "=1.5.4"
smallvec = "=1.6.0"
time = "=0.1.43"
[build-dependencies]
cc = "=1.0.70"
TOML
echo 'fn main() { let _ = cc::Build::new(); }' >build.rs
cat >src/main.rs <<'RUST'
fn main() {
    let list: smallvec::SmallVec<[u8; 4]> = smallvec::SmallVec::new();
    println!("{} {} {}", list.len(), time::now().tm_year, regex::Regex::new("a").unwrap().is_match("a"));
}
RUST
export PATH=$work/bin:$PATH
cargo auditable build --quiet --release
cp target/release/parity "$root/usr/local/bin/program"
strip -o "$root/usr/local/bin/stripped" target/release/parity
cargo auditable build --quiet
cp target/debug/parity "$root/usr/local/bin/debug"
touch src/main.rs
cargo build --quiet --release
cp target/release/parity "$root/usr/local/bin/plain"
