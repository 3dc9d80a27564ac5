//! Which of the kept marks are the ones that the headers speak of.

use std::ops::Range;

use crate::packages::executable::layout::Layout;
use crate::packages::executable::marks::{Growing, Marks, State};
use crate::packages::executable::store::{Fields, Store};
use crate::packages::go_binary::{self, Blob};
use crate::packages::{Parsed, rust_binary};

/// Go's linker aligns build information to this, and its reader insists.
const GO_ALIGN: u64 = 16;

/// Go's build information. `None`: the file has none.
pub(super) fn go(path: &str, layout: &Layout, marks: &Marks, store: &Store) -> Option<Parsed> {
    if marks.blobs.is_empty() {
        return None;
    }
    let unreadable = |why: String| Some(Parsed::failed(format!("Go build information: {why}")));
    if let Some(why) = headers_unreadable(layout) {
        return unreadable(why);
    }
    let place = layout.go.clone()?;
    let in_place =
        |blob: &&Growing| layout.address(blob.at).is_some_and(|at| place.contains(&at) && at.is_multiple_of(GO_ALIGN));
    let Some(blob) = marks.blobs.iter().find(in_place) else {
        let lost =
            marks.go_lost.then(|| Parsed { limits: vec![too_many("Go build information")], ..Parsed::default() });
        return lost;
    };
    match go_binary::blob(&blob.bytes) {
        Ok(Blob::Inline { version, modules }) => Some(go_binary::parse(path, version, modules)),
        Ok(Blob::Pointers { .. }) => match old(layout, &blob.bytes, marks, store) {
            Ok((version, modules)) => Some(go_binary::parse(path, &version, modules)),
            Err(why) => unreadable(why),
        },
        Err(why) => unreadable(why),
    }
}

/// Crates from cargo-auditable's section. `None`: the file has none.
pub(super) fn audit(path: &str, layout: &Layout, marks: &Marks) -> Option<Parsed> {
    let named = !marks.names.audit.is_empty() || !marks.names.audit_before_1.is_empty();
    let unreadable = |why: &str| Some(Parsed::failed(format!("list of Rust crates: {why}")));
    if let Some(why) = headers_unreadable(layout).filter(|_| named) {
        return unreadable(&why);
    }
    let section = layout.audit.clone()?;
    let Some(stream) = marks.streams.iter().find(|stream| stream.at == section.start) else {
        if marks.audit_lost {
            return Some(Parsed { limits: vec![too_many("compressed documents")], ..Parsed::default() });
        }
        return unreadable("the section holds no compressed JSON object");
    };
    match stream.state {
        State::Complete if stream.at.saturating_add(stream.length) <= section.end => {
            Some(rust_binary::parse(path, &stream.json))
        }
        State::Complete | State::Open => unreadable("the compressed JSON does not end within the section"),
        State::Corrupt => unreadable("the compressed JSON is corrupt"),
        State::TooLarge => {
            let limit = format!("list of Rust crates unpacks to more than {} bytes", super::marks::MAX_AUDIT_BYTES);
            Some(Parsed { limits: vec![limit], ..Parsed::default() })
        }
    }
}

fn too_many(what: &str) -> String {
    format!("more marks of {what} than are remembered")
}

fn headers_unreadable(layout: &Layout) -> Option<String> {
    if let Some(why) = &layout.broken {
        return Some(why.clone());
    }
    (!layout.wants.is_empty()).then(|| "headers are not where the file says, or too long".to_owned())
}

/// Where the two string headers lie to which build information of Go before 1.18 points.
pub(super) fn old_strings(layout: &Layout, blob: &[u8]) -> Vec<Range<u64>> {
    let Ok(Blob::Pointers { width, version, modules, .. }) = go_binary::blob(blob) else { return Vec::new() };
    let range = |address| {
        let start = layout.offset(address)?;
        Some(start..start.checked_add(2 * width)?)
    };
    [version, modules].into_iter().filter_map(range).collect()
}

/// Version and module list of Go before 1.18: pointers to string headers, which point to texts that went by earlier.
fn old<'a>(layout: &Layout, blob: &[u8], marks: &'a Marks, store: &Store) -> Result<(String, &'a [u8]), String> {
    let Ok(Blob::Pointers { width, little, version, modules }) = go_binary::blob(blob) else {
        return Err("no pointers".to_owned());
    };
    let string = |address: u64| {
        let start = layout.offset(address)?;
        let fields = Fields { bytes: store.get(&(start..start.checked_add(2 * width)?))?, little };
        let data = fields.word(0, width == 8)?;
        let length = usize::try_from(fields.word(usize::try_from(width).ok()?, width == 8)?).ok()?;
        Some((data, length))
    };
    let text = |list: &'a [Growing], (data, length): (u64, usize)| {
        let at = layout.offset(data)?;
        list.iter().find(|growing| growing.at == at)?.bytes.get(..length)
    };
    let missing = |what: &str| format!("the {what} of a version before 1.18 is not where the file says");
    let header = string(version).ok_or_else(|| missing("Go version"))?;
    let bytes = text(&marks.versions, header).ok_or_else(|| missing("Go version"))?;
    let version = String::from_utf8(bytes.to_vec()).map_err(|_| "Go version is not UTF-8".to_owned())?;
    let header = string(modules).ok_or_else(|| missing("module list"))?;
    // Built without modules.
    if header.1 == 0 {
        return Ok((version, &[]));
    }
    let bytes = text(&marks.modules, header).ok_or_else(|| missing("module list"))?;
    Ok((version, go_binary::unframed(bytes)))
}
