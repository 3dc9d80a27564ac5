//! The fuzz targets on a stable compiler: seeds, and mutations of them that are the same for the same `FUZZ_SEED`.
//!
//! No replacement for coverage (fuzz/README.md), but it runs everywhere, and every parser's panics, hangs and overflows
//! that a broken length or a cut file can cause show within seconds.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use targets::{TARGETS, Target};

#[path = "../../fuzz/targets.rs"]
mod targets;

/// One input may take this long in a build without optimisation, on a machine that does other things.
const MAX_TIME: Duration = Duration::from_secs(10);
/// Inputs do not grow beyond this: what matters are structures, not megabytes.
const MAX_BYTES: usize = 64 * 1024;
/// Numbers at which lengths and offsets go wrong.
const EDGES: [u64; 12] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, i64::MAX as u64, u64::MAX];
const WORDS: [&[u8]; 24] = [
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\0",
    b":",
    b"=",
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b" ",
    b"%",
    b"..",
    b"/",
    b"-1",
    b"1e999",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\\u0000",
    b"99999999999999999999",
    b"null",
    b"PK\x01\x02",
];

/// xorshift64*: no quality needed, only the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }
}

/// One to eight changes to one of the seeds.
fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut data = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(8) {
        change(&mut data, seeds, random);
        data.truncate(MAX_BYTES);
    }
    data
}

fn change(data: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let at = random.below(data.len() + 1);
    let end = at + random.below((data.len() - at).min(64) + 1);
    match random.below(10) {
        0 if at < data.len() => data[at] ^= 1 << random.below(8),
        1 if at < data.len() => data[at] = u8::try_from(random.below(256)).unwrap(),
        2 => _ = data.drain(at..end),
        3 => {
            let piece = data[at..end].to_vec();
            let times = 1 + random.below(16);
            data.splice(at..at, piece.repeat(times));
        }
        4 => _ = data.splice(at..at, WORDS[random.below(WORDS.len())].iter().copied()),
        5 => {
            // A number of one, two, four or eight bytes, in either order.
            let width = 1 << random.below(4);
            let edge = EDGES[random.below(EDGES.len())];
            let bytes = if random.below(2) == 0 {
                edge.to_le_bytes()[..width].to_vec()
            } else {
                edge.to_be_bytes()[8 - width..].to_vec()
            };
            let end = (at + width).min(data.len());
            data.splice(at..end, bytes);
        }
        6 => data.truncate(at),
        7 => {
            // The beginning of this and the end of another.
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len() + 1);
            data.truncate(at);
            data.extend_from_slice(&other[from..]);
        }
        8 => {
            let digit = data.iter().skip(at).position(u8::is_ascii_digit);
            if let Some(digit) = digit {
                data[at + digit] = b'0' + u8::try_from(random.below(10)).unwrap();
            }
        }
        _ => {
            let piece = data[at..end].to_vec();
            let to = random.below(data.len() + 1);
            data.splice(to..to, piece);
        }
    }
}

/// Gives every block that looks like a tar header the checksum that its content has, so that changes get past it.
fn with_checksums(mut data: Vec<u8>) -> Vec<u8> {
    for block in data.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    data
}

/// Kinds of files that have a target of their own for `cargo fuzz`, with seeds.
fn kin(name: &str) -> &'static str {
    match name.trim_start_matches("files/") {
        "jar" | "war" => "java",
        "egg" => "egg",
        "python" | "egg-info" => "python",
        "gem" => "gem",
        "composer" => "composer",
        "dotnet" => "dotnet",
        "conda" => "conda",
        "spdx" | "spdx-json" | "cyclonedx" => "embedded",
        "executable" => "executable",
        "rpm-sqlite" | "rpm-ndb" | "rpm-bdb" | "rpm-manifest" => "rpm",
        _ => "none",
    }
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let folders = [corpus.join(name), corpus.join(kin(name))];
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    seeds.push(Vec::new());
    seeds
}

/// Runs one target until `time` is up or `most` inputs are through; returns how many were, and what went wrong.
fn fuzz(name: &str, target: Target, seed: u64, most: usize, time: Duration) -> (usize, Vec<String>) {
    let seeds = seeds(name);
    let mut random = Random(
        seed ^ name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)),
    );
    let began = Instant::now();
    let (mut count, mut wrong) = (0, Vec::new());
    while count < most && (began.elapsed() < time || count < seeds.len()) && wrong.len() < 3 {
        let mut data = seeds.get(count).cloned().unwrap_or_else(|| mutated(&seeds, &mut random));
        if name == "layer" && random.below(4) > 0 {
            data = with_checksums(data);
        }
        let start = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| target.run(&data)));
        let took = start.elapsed();
        if ended.is_err() || took > MAX_TIME {
            let path = std::env::temp_dir().join(format!("countersign-fuzz-{}-{count}", name.replace('/', "-")));
            fs::write(&path, &data).unwrap();
            wrong.push(format!(
                "{name}: {} after {took:?}: {}",
                if ended.is_err() { "panic" } else { "too slow" },
                path.display()
            ));
        }
        count += 1;
    }
    (count, wrong)
}

#[expect(clippy::disallowed_methods, reason = "options of this test")]
fn smoke(most: usize, time: Duration) {
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let share = time / u32::try_from(TARGETS.len()).unwrap();
    let (mut all, mut wrong) = (0, Vec::new());
    for (name, target) in TARGETS {
        let (count, bad) = fuzz(name, target, seed, most, share);
        eprintln!("fuzz: {count:>8} inputs  {name}");
        all += count;
        wrong.extend(bad);
    }
    eprintln!("fuzz: {all} inputs for {} targets with FUZZ_SEED={seed}, {} went wrong", TARGETS.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_target_survives_its_seeds_and_some_mutations() {
    smoke(2_000, Duration::from_secs(10));
}

#[test]
#[ignore = "a minute: make fuzz-smoke"]
#[expect(clippy::disallowed_methods, reason = "options of this test")]
fn every_target_survives_a_minute_of_mutations() {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    smoke(usize::MAX, Duration::from_secs(seconds));
}

#[test]
fn every_target_has_seeds() {
    for (name, _) in TARGETS.iter().filter(|(name, _)| *name != "files/nothing") {
        assert!(seeds(name).len() > 1, "no seed for {name}");
    }
}
