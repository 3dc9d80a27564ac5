use std::io::Write as _;

use super::*;

/// Loaded at this address, from offset 0 of the file.
const BASE: u64 = 0x40_0000;
/// Where the writable segment begins, in the file and behind [`BASE`].
const DATA: usize = 0x400;
const SIZE: usize = 0x1000;
const JSON: &[u8] = br#"{"packages":[{"name":"a","version":"1.0.0"},{"name":"b","version":"2.0.0","kind":"build"}]}"#;
const MODULES: &[u8] = b"path\tm\nmod\texample.org/m\tv1.2.3\th1:x=\ndep\tgithub.com/a/b\tv1.0.0\th1:y=\n";

/// A little program, written by hand so that it can be wrong in one place: 64 bits, headers of segments in front,
/// those of sections at the end.
struct Program {
    bytes: Vec<u8>,
    sections: Vec<(&'static str, u64, u64, u64)>,
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    bytes[at..at + what.len()].copy_from_slice(what);
}

fn framed(modules: &[u8]) -> Vec<u8> {
    [marks::GO_MODULES, modules, b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2"].concat()
}

fn inline(modules: &[u8]) -> Vec<u8> {
    let modules = framed(modules);
    let length = [u8::try_from(modules.len() & 0x7f).unwrap() | 0x80, u8::try_from(modules.len() >> 7).unwrap()];
    [marks::GO_MAGIC, &[8, 2], &[0; 16], &[6], b"go1.20", &length, &modules].concat()
}

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

impl Program {
    fn new() -> Self {
        let mut bytes = vec![0; SIZE];
        put(&mut bytes, 0, b"\x7fELF\x02\x01\x01");
        put(&mut bytes, 32, &64_u64.to_le_bytes());
        put(&mut bytes, 54, &56_u16.to_le_bytes());
        put(&mut bytes, 56, &2_u16.to_le_bytes());
        let mut program = Self { bytes, sections: Vec::new() };
        program.segment(0, 5, 0, DATA);
        program.segment(1, 6, DATA, SIZE - DATA);
        program
    }

    fn segment(&mut self, number: usize, flags: u32, offset: usize, size: usize) {
        let at = 64 + 56 * number;
        put(&mut self.bytes, at, &[1_u32.to_le_bytes(), flags.to_le_bytes()].concat());
        let words = [offset as u64, BASE + offset as u64, 0, size as u64, size as u64, 4096];
        put(&mut self.bytes, at + 8, &words.map(u64::to_le_bytes).concat());
    }

    fn section(&mut self, name: &'static str, offset: usize, size: usize) -> &mut Self {
        self.sections.push((name, BASE + offset as u64, offset as u64, size as u64));
        self
    }

    /// With the headers of the sections, their names in front of them.
    fn end(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        if self.sections.is_empty() {
            return bytes;
        }
        let names_at = bytes.len() as u64;
        let mut names = b"\0.shstrtab\0".to_vec();
        let mut headers = vec![0; 64];
        headers.extend(Self::header(1, 0, names_at, 0));
        for (name, address, offset, size) in &self.sections {
            headers.extend(Self::header(names.len(), *address, *offset, *size));
            names.extend([name.as_bytes(), b"\0"].concat());
        }
        bytes.extend(&names);
        let at = bytes.len() as u64;
        put(&mut bytes, 40, &at.to_le_bytes());
        let count = u16::try_from(headers.len() / 64).unwrap();
        put(&mut bytes, 58, &[64_u16, count, 1].map(u16::to_le_bytes).concat());
        bytes.extend(headers);
        bytes
    }

    fn header(name: usize, address: u64, offset: u64, size: u64) -> Vec<u8> {
        let mut header = vec![0; 64];
        put(&mut header, 0, &[u32::try_from(name).unwrap(), 1].map(u32::to_le_bytes).concat());
        put(&mut header, 16, &[address, offset, size].map(u64::to_le_bytes).concat());
        header
    }
}

fn parse(bytes: &[u8]) -> Option<Parsed> {
    read("p", &mut &*bytes).unwrap()
}

fn names(bytes: &[u8]) -> Vec<String> {
    let parsed = parse(bytes).expect("a list");
    assert_eq!((&parsed.failed, &parsed.unreadable, &parsed.limits), (&None, &vec![], &vec![]));
    parsed.packages.iter().map(|p| format!("{}@{}", p.name, p.version)).collect()
}

const GO: [&str; 3] = ["stdlib@v1.20", "github.com/a/b@v1.0.0", "example.org/m@v1.2.3"];

fn go(at: usize) -> Program {
    let mut program = Program::new();
    put(&mut program.bytes, at, &inline(MODULES));
    program
}

fn rust(at: usize, content: &[u8]) -> Program {
    let mut program = Program::new();
    let packed = zlib(content);
    put(&mut program.bytes, at, &packed);
    program.section(".dep-v0", at, packed.len());
    program
}

#[test]
fn go_build_information_is_found_by_section_or_in_the_first_writable_segment() {
    assert_eq!(names(&go(DATA).end()), GO);
    assert_eq!(names(&go(0x200).section(".go.buildinfo", 0x200, 0x100).end()), GO);
    // A program that looks for marks contains them.
    let mut reader = go(DATA + 0x40);
    put(&mut reader.bytes, 0x200, marks::GO_MAGIC);
    assert_eq!(names(&reader.section(".go.buildinfo", DATA + 0x40, 0x100).end()), GO);
}

#[test]
fn the_mark_alone_is_nothing() {
    for at in [0x200, DATA + 8] {
        let mut program = Program::new();
        put(&mut program.bytes, at, marks::GO_MAGIC);
        assert_eq!(parse(&program.end()), None, "{at}");
    }
    let mut program = Program::new();
    put(&mut program.bytes, 0x200, b".dep-v0\0");
    assert_eq!(parse(&program.end()), None);
    for other in [&b""[..], b"#!/bin/sh\n", b"\x7fEL", b"MZ", b"\xca\xfe\xba\xbe\0\0\0\x34"] {
        assert_eq!(parse(other), None);
    }
}

/// Pointers lead to string headers behind, those to texts in front.
fn old() -> Program {
    let mut program = Program::new();
    let modules = framed(MODULES);
    put(&mut program.bytes, 0x110, b"....go1.17.13....");
    put(&mut program.bytes, 0x200, &modules);
    let strings = BASE + DATA as u64 + 0x80;
    let header = [marks::GO_MAGIC, &[8, 0], &strings.to_le_bytes(), &(strings + 16).to_le_bytes()].concat();
    put(&mut program.bytes, DATA, &header);
    let words = [BASE + 0x114, 9, BASE + 0x200, modules.len() as u64];
    put(&mut program.bytes, DATA + 0x80, &words.map(u64::to_le_bytes).concat());
    program
}

#[test]
fn pointers_of_old_go_are_followed() {
    let expect = ["stdlib@v1.17.13", GO[1], GO[2]];
    assert_eq!(names(&old().end()), expect);
    assert_eq!(names(&old().section(".go.buildinfo", DATA, 32).end()), expect);
    let mut without_modules = old();
    put(&mut without_modules.bytes, DATA + 0x90, &[0; 16]);
    assert_eq!(names(&without_modules.end()), ["stdlib@v1.17.13"]);
}

#[test]
fn crates_are_found_by_section_wherever_it_lies() {
    for at in [0x200, 0x203, DATA, SIZE - 0x100] {
        assert_eq!(names(&rust(at, JSON).end()), ["a@1.0.0"]);
    }
    let mut both = rust(0x200, JSON);
    put(&mut both.bytes, DATA, &inline(MODULES));
    assert_eq!(names(&both.end()).len(), 4);
    let legacy = {
        let mut program = rust(0x200, JSON);
        program.sections[0].0 = ".rust-deps-v0";
        program
    };
    assert_eq!(names(&legacy.end()), ["a@1.0.0"]);
}

#[test]
fn it_makes_no_difference_how_the_bytes_come() {
    struct Slow<'a>(&'a [u8]);
    impl Read for Slow<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let n = buf.len().min(self.0.len()).min(7);
            buf[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }
    // Everything that matters lies behind, before and across the end of a piece.
    for shift in [0, PIECE_BYTES - DATA - AHEAD - 20, PIECE_BYTES - DATA - 20, 3 * PIECE_BYTES] {
        let mut program = old();
        let packed = zlib(JSON);
        put(&mut program.bytes, SIZE - packed.len(), &packed);
        let mut bytes = program.bytes;
        bytes.splice(0x100..0x100, std::iter::repeat_n(0, shift));
        let mut program = Program { bytes, sections: Vec::new() };
        program.section(".dep-v0", shift + SIZE - packed.len(), packed.len());
        for (number, start, end) in [(0, 0, DATA), (1, DATA, SIZE)] {
            let at = 64 + 56 * number;
            let start = if number == 0 { start } else { start + shift };
            put(&mut program.bytes, at + 8, &(start as u64).to_le_bytes());
            // Addresses stay: what moved in the file did not move in memory.
            let from = if number == 0 { 0 } else { DATA };
            let size = if number == 0 { end + shift } else { end - from };
            put(&mut program.bytes, at + 32, &(size as u64).to_le_bytes());
        }
        // The first segment now spans the gap; its texts moved with it.
        let at = DATA + 0x80 + shift;
        put(&mut program.bytes, at, &(BASE + 0x114 + shift as u64).to_le_bytes());
        put(&mut program.bytes, at + 16, &(BASE + 0x200 + shift as u64).to_le_bytes());
        // So that no address lies in both.
        let far = BASE + 0x1000_0000;
        put(&mut program.bytes, 64 + 56 + 16, &(far + DATA as u64).to_le_bytes());
        let strings = far + DATA as u64 + 0x80;
        put(&mut program.bytes, DATA + shift + 16, &[strings, strings + 16].map(u64::to_le_bytes).concat());
        let bytes = program.end();
        let expect = ["stdlib@v1.17.13", GO[1], GO[2], "a@1.0.0"];
        assert_eq!(names(&bytes), expect, "{shift}");
        assert_eq!(read("p", &mut Slow(&bytes)).unwrap(), parse(&bytes), "{shift}");
    }
}

#[test]
fn a_program_with_one_defect_is_said_aloud() {
    let change = |program: Program, at: usize, what: &[u8]| {
        let mut bytes = program.end();
        put(&mut bytes, at, what);
        bytes
    };
    let mut short = rust(0x200, JSON);
    short.sections[0].3 -= 9;
    let mut elsewhere = rust(0x200, JSON);
    elsewhere.sections[0].2 += 4;
    let sections_far = {
        let mut bytes = rust(0x200, JSON).end();
        put(&mut bytes, 40, &u64::MAX.to_le_bytes());
        bytes
    };
    let too_many_sections = {
        let mut bytes = rust(0x200, JSON).end();
        put(&mut bytes, 60, &0xff00_u16.to_le_bytes());
        bytes
    };
    for (what, bytes) in [
        ("go: length of the version", change(go(DATA), DATA + 32, &[0xff; 10])),
        ("go: version is not UTF-8", change(go(DATA), DATA + 33, &[0xff])),
        ("go: end of the file", go(DATA).bytes[..DATA + 60].to_vec()),
        ("go: size of segment headers", change(go(DATA), 54, &[55])),
        ("go: segment headers behind the end", change(go(DATA), 32, &0xffff_u64.to_le_bytes())),
        ("go: class", change(go(DATA), 4, &[9])),
        ("old go: pointers nowhere", change(old(), DATA + 16, &[0xff; 8])),
        ("old go: text of the version elsewhere", change(old(), DATA + 0x80, &[0x15])),
        ("old go: modules elsewhere", change(old(), DATA + 0x90, &[0x01])),
        ("old go: endless modules", change(old(), DATA + 0x98, &[0xff; 8])),
        ("rust: sections behind the end", sections_far),
        ("rust: sections beyond the file", too_many_sections),
        ("rust: section ends too soon", short.end()),
        ("rust: section begins elsewhere", elsewhere.end()),
        ("rust: corrupt", change(rust(0x200, JSON), 0x220, &[0xff; 16])),
        ("rust: no list", rust(0x200, b"{\"packages\":1}").end()),
        ("rust: no object", rust(0x200, b"[1,2,3]").end()),
    ] {
        let parsed = parse(&bytes).unwrap_or_else(|| panic!("{what}: silence"));
        assert!(parsed.failed.is_some() && parsed.packages.is_empty(), "{what}: {parsed:?}");
    }
}

#[test]
fn a_list_that_unpacks_to_too_much_is_a_limit() {
    let mut json = JSON[..JSON.len() - 2].to_vec();
    json.extend(vec![b' '; marks::MAX_AUDIT_BYTES]);
    json.extend(b"]}");
    let packed = zlib(&json);
    let mut program = Program::new();
    let at = program.bytes.len();
    program.bytes.extend(&packed);
    program.section(".dep-v0", at, packed.len());
    let parsed = parse(&program.end()).unwrap();
    assert_eq!((parsed.limits.len(), parsed.packages.len()), (1, 0), "{parsed:?}");
}

#[test]
fn decoys_do_not_hide_the_list() {
    let mut program = rust(0x200, JSON);
    let decoy = zlib(b"{}");
    for _ in 0..100 {
        program.bytes.splice(0x300..0x300, decoy.iter().copied());
    }
    assert_eq!(names(&program.end()), ["a@1.0.0"]);
    let mut hidden = Program::new();
    hidden.bytes.truncate(0x200);
    for _ in 0..100 {
        hidden.bytes.extend(&decoy);
    }
    let (at, packed) = (hidden.bytes.len(), zlib(JSON));
    hidden.bytes.extend(&packed);
    hidden.section(".dep-v0", at, packed.len());
    assert_eq!(parse(&hidden.end()).unwrap().limits.len(), 1);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(at in 0..SIZE, bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..17), what in 0..3) {
        let program = match what {
            0 => go(DATA).end(),
            1 => old().section(".go.buildinfo", DATA, 32).end(),
            _ => rust(0x200, JSON).end(),
        };
        let mut changed = program.clone();
        let at = if at > 512 { at % 256 } else { at };
        put(&mut changed, at, &bytes);
        let _ = parse(&changed);
        let _ = parse(&program[..at]);
        let magic: [&[u8]; 3] = [b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe\0\0\0\x01"];
        let mut other = magic[usize::try_from(what).unwrap()].to_vec();
        other.extend(&program[other.len()..]);
        let _ = parse(&other);
    }
}
