//! What is looked for in every byte of an executable while it streams past.
//!
//! Where something lies is often told only after it went by: section headers stand at a file's end. So everything that
//! might be it is kept, small and bounded, and the headers then say which it was.

use std::io::Read;
use std::sync::LazyLock;

use flate2::{Decompress, FlushDecompress, Status};
use regex::bytes::Regex;

/// What must still be in hand behind a mark: enough to see whether a zlib stream begins, and every short text.
pub(super) const AHEAD: usize = 1024;
/// Marks of one kind that are remembered. Real files have fewer than ten; version texts, some hundreds.
const MAX_MARKS: usize = 1024;
/// Zlib streams that look like JSON, in one file: a program with many compressed documents inside has a few.
const MAX_STREAMS: usize = 32;
/// Inflated bytes kept of all of them. 1,000 crates take 200 KiB.
pub(super) const MAX_AUDIT_BYTES: usize = 4 * 1024 * 1024;
/// Module lists of old Go, as they stand alone in the file.
const MAX_GO_BYTES: usize = 512 * 1024;
/// Blobs of build information that are kept: a file has one, programs that read such blobs contain the mark once more.
const MAX_BLOBS: usize = 16;
/// Places that are tried for a zlib stream: by chance there is one in 16 KiB.
const MAX_PROBES: usize = 200_000;
/// A version text is `go1.17.13` or `devel +` with a commit and a date.
const VERSION_BYTES: usize = 128;

pub(super) const GO_MAGIC: &[u8] = b"\xff Go buildinf:";
/// `cmd/go` puts module lists between these two (modload/build.go), in versions before 1.18 anywhere in the file.
pub(super) const GO_MODULES: &[u8] = b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
const GO_MODULES_END: &[u8] = b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2";

/// All texts that are marks by themselves.
static TEXTS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let modules = r"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
    let names = r"\.dep-v0\x00|\.rust-deps-v0\x00|\.go\.buildinfo\x00";
    Regex::new(&format!(r"(?-u)\xff Go buildinf:|{modules}|{names}|go1\.|devel ")).ok()
});

/// Where the names of sections stand that matter, in ascending order.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) go: Vec<u64>,
    pub(super) audit: Vec<u64>,
    /// As rust-audit, the predecessor of cargo-auditable, called the section.
    pub(super) audit_before_1: Vec<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) names: Names,
    /// Blobs that begin with Go's mark.
    pub(super) blobs: Vec<Growing>,
    /// Module lists as they stand alone in files of Go before 1.18.
    pub(super) modules: Vec<Growing>,
    /// Texts that may be the version of Go.
    pub(super) versions: Vec<Growing>,
    pub(super) streams: Vec<JsonStream>,
    json_bytes: usize,
    probe: Option<Decompress>,
    probes: usize,
    /// There were more marks of Go's build information, or of the section that holds it, than are remembered.
    pub(super) go_lost: bool,
    /// The same for lists of crates.
    pub(super) audit_lost: bool,
}

/// Bytes from a place in the file on, until they are complete.
#[derive(Debug)]
pub(super) struct Growing {
    pub(super) at: u64,
    pub(super) bytes: Vec<u8>,
    want: usize,
}

impl Growing {
    fn feed(&mut self, offset: u64, piece: &[u8], grow: impl Fn(&[u8], usize) -> usize) {
        loop {
            let next = self.at + self.bytes.len() as u64;
            let Some(skip) = next.checked_sub(offset).and_then(|n| usize::try_from(n).ok()) else { return };
            let missing = self.want.saturating_sub(self.bytes.len());
            let Some(rest) = piece.get(skip..).filter(|rest| !rest.is_empty() && missing > 0) else { return };
            self.bytes.extend_from_slice(&rest[..rest.len().min(missing)]);
            if self.bytes.len() == self.want {
                self.want = grow(&self.bytes, self.want);
            }
        }
    }
}

/// The module list grows until its end mark.
fn modules_wanted(bytes: &[u8], want: usize) -> usize {
    let ends = bytes.windows(GO_MODULES_END.len()).any(|w| w == GO_MODULES_END);
    if ends { want } else { (want * 2).min(MAX_GO_BYTES) }
}

impl Marks {
    /// Looks at the piece of the file at `offset`; marks that begin in its last [`AHEAD`] bytes are left for the next
    /// call, unless this is the `last` one. `blob` says how long a blob of build information is.
    pub(super) fn look(&mut self, offset: u64, piece: &[u8], last: bool, blob: fn(&[u8], usize) -> usize) {
        self.feed(offset, piece, blob);
        let limit = if last { piece.len() } else { piece.len().saturating_sub(AHEAD) };
        for found in TEXTS.iter().flat_map(|texts| texts.find_iter(piece)).take_while(|m| m.start() < limit) {
            self.text(offset + found.start() as u64, found.as_bytes());
        }
        for at in memchr::memchr_iter(b'x', &piece[..limit]) {
            let rest = &piece[at..];
            // RFC 1950: deflate with a window of 32 KiB, a check of the two bytes, no dictionary.
            if matches!(rest, [_, 0x01 | 0x5e | 0x9c | 0xda, ..]) && self.begins_json(rest) {
                self.stream(offset + at as u64);
            }
        }
        self.feed(offset, piece, blob);
    }

    fn text(&mut self, at: u64, text: &[u8]) {
        let (list, lost) = match text {
            b".go.buildinfo\0" => (&mut self.names.go, &mut self.go_lost),
            b".dep-v0\0" => (&mut self.names.audit, &mut self.audit_lost),
            b".rust-deps-v0\0" => (&mut self.names.audit_before_1, &mut self.audit_lost),
            _ => return self.content(at, text),
        };
        if list.len() < MAX_MARKS {
            list.push(at);
        } else {
            *lost = true;
        }
    }

    fn content(&mut self, at: u64, text: &[u8]) {
        let (list, max, want) = match text {
            GO_MAGIC => (&mut self.blobs, MAX_BLOBS, 42),
            GO_MODULES => (&mut self.modules, MAX_BLOBS, 4096),
            _ => (&mut self.versions, MAX_MARKS, VERSION_BYTES),
        };
        if list.len() < max {
            list.push(Growing { at, bytes: Vec::new(), want });
        } else if text == GO_MAGIC {
            self.go_lost = true;
        }
    }

    /// Does a zlib stream begin here that unpacks to an object in JSON?
    fn begins_json(&mut self, bytes: &[u8]) -> bool {
        if self.probes >= MAX_PROBES {
            self.audit_lost = true;
            return false;
        }
        self.probes += 1;
        let probe = self.probe.get_or_insert_with(|| Decompress::new(true));
        probe.reset(true);
        let mut out = [0; 16];
        let bytes = &bytes[..bytes.len().min(AHEAD)];
        if probe.decompress(bytes, &mut out, FlushDecompress::None).is_err() {
            return false;
        }
        let length = usize::try_from(probe.total_out()).unwrap_or(0).min(out.len());
        out[..length].trim_ascii_start().starts_with(b"{")
    }

    fn stream(&mut self, at: u64) {
        if self.streams.len() < MAX_STREAMS {
            self.streams.push(JsonStream::new(at));
        } else {
            self.audit_lost = true;
        }
    }

    fn feed(&mut self, offset: u64, piece: &[u8], blob: fn(&[u8], usize) -> usize) {
        for growing in &mut self.blobs {
            growing.feed(offset, piece, blob);
        }
        for growing in &mut self.modules {
            growing.feed(offset, piece, modules_wanted);
        }
        for growing in &mut self.versions {
            growing.feed(offset, piece, |_, want| want);
        }
        for stream in &mut self.streams {
            self.json_bytes += stream.feed(offset, piece, MAX_AUDIT_BYTES.saturating_sub(self.json_bytes));
        }
    }
}

/// A zlib stream that is unpacked as it goes by.
pub(super) struct JsonStream {
    pub(super) at: u64,
    /// Compressed bytes taken so far; at the end, the length of the stream.
    pub(super) length: u64,
    pub(super) json: Vec<u8>,
    pub(super) state: State,
    inflate: Option<Box<Decompress>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Complete,
    Corrupt,
    TooLarge,
}

impl std::fmt::Debug for JsonStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonStream").field("at", &self.at).field("state", &self.state).finish_non_exhaustive()
    }
}

impl JsonStream {
    fn new(at: u64) -> Self {
        let inflate = Some(Box::new(Decompress::new(true)));
        Self { at, length: 0, json: Vec::new(), state: State::Open, inflate }
    }

    /// Unpacks what comes next, at most `room` bytes more; gives how many it took.
    fn feed(&mut self, offset: u64, piece: &[u8], room: usize) -> usize {
        let before = self.json.len();
        let next = self.at + self.length;
        let Some(skip) = next.checked_sub(offset).and_then(|n| usize::try_from(n).ok()) else { return 0 };
        let Some(mut rest) = piece.get(skip..) else { return 0 };
        let mut out = [0; 4096];
        while let Some(inflate) = self.inflate.as_mut() {
            let (read, written) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(rest, &mut out, FlushDecompress::None);
            let read = inflate.total_in() - read;
            let written = usize::try_from(inflate.total_out() - written).unwrap_or(0);
            self.length += read;
            rest = rest.get(usize::try_from(read).unwrap_or(usize::MAX)..).unwrap_or_default();
            if self.json.len() + written - before > room {
                self.end(State::TooLarge);
                break;
            }
            self.json.extend_from_slice(&out[..written]);
            match status {
                Ok(Status::StreamEnd) => self.end(State::Complete),
                Ok(_) if read == 0 && written == 0 => break,
                Ok(_) => {}
                Err(_) => self.end(State::Corrupt),
            }
        }
        self.json.len().saturating_sub(before)
    }

    fn end(&mut self, state: State) {
        self.state = state;
        self.inflate = None;
        if state != State::Complete {
            self.json = Vec::new();
        }
    }
}

/// Fills `piece` from `kept` on; gives how much of it is filled, and whether the file has ended.
pub(super) fn fill(reader: &mut dyn Read, piece: &mut [u8], kept: usize) -> std::io::Result<(usize, bool)> {
    let mut filled = kept;
    while let Some(free) = piece.get_mut(filled..).filter(|free| !free.is_empty()) {
        match reader.read(free) {
            Ok(0) => return Ok((filled, true)),
            Ok(n) => filled += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok((filled, false))
}
