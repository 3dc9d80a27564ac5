//! `rpmdb.sqlite`: the table `Packages` of an SQLite file, by walking its b-tree.
//!
//! Just enough of the format for this one table: leaves, interior pages and overflow chains. Pages that only a
//! write-ahead log holds are not seen.

use std::borrow::Cow;
use std::ops::Range;

use crate::packages::rpm::Sink;
use crate::packages::rpm::bytes::{Pages, big16, big32};

pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";

const FILE_HEADER_BYTES: usize = 100;
const LEAF: u8 = 0x0d;
const INTERIOR: u8 = 0x05;
/// A record of the schema or of `Packages` has five or two columns; more are not looked at.
const MAX_COLUMNS: usize = 16;

pub(super) fn read(bytes: &[u8], sink: &mut dyn Sink) -> Result<(), String> {
    let size = match big16(bytes, 16).ok_or("shorter than its header")? {
        1 => 65536,
        size => usize::from(size),
    };
    let reserved = usize::from(bytes.get(20).copied().unwrap_or_default());
    if !size.is_power_of_two() || size < 512 || size - reserved < 480 {
        return Err(format!("pages of {size} bytes, {reserved} of them reserved"));
    }
    let mut file = File { usable: size - reserved, pages: Pages::new(bytes, size) };
    let mut root = Err("no table Packages".to_owned());
    let mut damaged = Vec::new();
    file.table(1, &mut |row| match row {
        Ok(record) => match packages_root(&record) {
            Ok(None) => {}
            found => root = found.map(|page| page.unwrap_or_default()),
        },
        Err(why) => damaged.push(why),
    });
    // Without its schema a file says nothing, and a damaged one may say the wrong thing.
    if let Some(why) = damaged.pop() {
        return Err(format!("schema: {why}"));
    }
    file.table(root?, &mut |row| match row.and_then(header) {
        Ok(blob) => sink.header(&blob),
        Err(why) => sink.unreadable(why),
    });
    Ok(())
}

/// Root page of `Packages`, if this row of the schema (type, name, `tbl_name`, rootpage, sql) is about it.
fn packages_root(record: &[u8]) -> Result<Option<usize>, String> {
    let columns = columns(record)?;
    let [Column::Text(kind), Column::Text(name), _, root, rest @ ..] = &columns[..] else { return Ok(None) };
    if *kind != b"table" || !name.eq_ignore_ascii_case(b"packages") {
        return Ok(None);
    }
    let (Column::Number(root), Some(Column::Text(sql))) = (root, rest.first()) else {
        return Err("schema of Packages is malformed".to_owned());
    };
    // The header is the second column in every release of RPM. In a table of another shape it would be some other value.
    let sql = String::from_utf8_lossy(sql).to_ascii_lowercase();
    let second = sql.split_once('(').and_then(|(_, columns)| columns.split(',').nth(1));
    if second
        .is_none_or(|column| !column.trim_start_matches([' ', '\n', '\t', '"', '\'', '`', '[']).starts_with("blob"))
    {
        return Err(format!("table Packages has an unknown shape: {:?}", sql.chars().take(120).collect::<String>()));
    }
    usize::try_from(*root).ok().filter(|page| *page > 1).map(Some).ok_or_else(|| "Packages has no root page".to_owned())
}

fn header(record: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, String> {
    let place = match columns(&record)?.get(1) {
        Some(Column::Blob(place)) => place.clone(),
        _ => return Err("a row without a header".to_owned()),
    };
    Ok(match record {
        Cow::Borrowed(whole) => Cow::Borrowed(&whole[place]),
        Cow::Owned(mut whole) => {
            whole.truncate(place.end);
            whole.drain(..place.start);
            Cow::Owned(whole)
        }
    })
}

type Row<'r, 'a> = &'r mut dyn FnMut(Result<Cow<'a, [u8]>, String>);

struct File<'a> {
    /// Bytes of a page that are used.
    usable: usize,
    pages: Pages<'a>,
}

impl<'a> File<'a> {
    /// All rows of the table with this root page, as records.
    fn table(&mut self, root: usize, row: Row<'_, 'a>) {
        // A stack of our own: a chain of interior pages must not become recursion.
        let mut todo = vec![root];
        while let Some(number) = todo.pop() {
            if let Err(why) = self.page(number, &mut todo, row) {
                row(Err(format!("page {number}: {why}")));
            }
        }
    }

    fn page(&mut self, number: usize, todo: &mut Vec<usize>, row: Row<'_, 'a>) -> Result<(), String> {
        let page = self.take(number)?;
        let at = if number == 1 { FILE_HEADER_BYTES } else { 0 };
        let kind = page.get(at).copied();
        let cells = usize::from(big16(page, at + 3).unwrap_or_default());
        let head = match kind {
            Some(LEAF) => 8,
            Some(INTERIOR) => 12,
            _ => return Err(format!("kind {kind:?} is no page of a table")),
        };
        if at + head + 2 * cells > self.usable {
            return Err(format!("{cells} cells do not fit"));
        }
        let children = todo.len();
        for cell in 0..cells {
            let offset = usize::from(big16(page, at + head + 2 * cell).unwrap_or_default());
            let cell = page.get(offset..self.usable).ok_or("a cell outside of its page")?;
            if kind == Some(LEAF) {
                row(self.record(cell));
            } else {
                todo.push(child(cell, 0)?);
            }
        }
        if kind == Some(INTERIOR) {
            todo.push(child(page, at + 8)?);
            // The first child is the next one to read.
            todo[children..].reverse();
        }
        Ok(())
    }

    fn take(&mut self, number: usize) -> Result<&'a [u8], String> {
        self.pages.take(number.checked_sub(1).ok_or("page 0 does not exist")?)
    }

    /// A leaf's cell: length, row number, and the record or its beginning.
    fn record(&mut self, cell: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        let parts = varint(cell).and_then(|(length, rest)| Some((usize::try_from(length).ok()?, varint(rest)?.1)));
        let (length, rest) = parts.ok_or("a cell without a length")?;
        let most = self.usable - 35;
        if length <= most {
            return rest.get(..length).map(Cow::Borrowed).ok_or_else(|| "a record outside of its page".to_owned());
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let wanted = least + (length - least) % (self.usable - 4);
        let local = if wanted <= most { wanted } else { least };
        let mut whole = rest.get(..local).ok_or("a record outside of its page")?.to_vec();
        let mut next = child(rest, local)?;
        while whole.len() < length {
            let page = self.take(next)?;
            let wanted = (length - whole.len()).min(self.usable - 4);
            whole.extend_from_slice(&page[4..4 + wanted]);
            next = child(page, 0)?;
        }
        Ok(Cow::Owned(whole))
    }
}

fn child(bytes: &[u8], at: usize) -> Result<usize, String> {
    big32(bytes, at).and_then(|n| usize::try_from(n).ok()).ok_or_else(|| "a page number outside of its page".to_owned())
}

enum Column<'a> {
    Number(u64),
    Text(&'a [u8]),
    /// Where in the record.
    Blob(Range<usize>),
    Other,
}

/// A record: the types of its columns, then their values.
fn columns(record: &[u8]) -> Result<Vec<Column<'_>>, String> {
    let malformed = || "a malformed record".to_owned();
    let (head, mut types) = varint(record).ok_or_else(malformed)?;
    let head = usize::try_from(head).ok().filter(|head| *head <= record.len()).ok_or_else(malformed)?;
    let before = record.len() - types.len();
    types = record.get(before..head).ok_or_else(malformed)?;
    let mut values = &record[head..];
    let mut found = Vec::new();
    while !types.is_empty() && found.len() < MAX_COLUMNS {
        let (kind, rest) = varint(types).ok_or_else(malformed)?;
        types = rest;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return Err(malformed()),
            _ => (kind - 12) / 2,
        };
        let value;
        (value, values) =
            usize::try_from(length).ok().and_then(|n| values.split_at_checked(n)).ok_or_else(malformed)?;
        found.push(match kind {
            1..=6 => Column::Number(value.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
            8 => Column::Number(0),
            9 => Column::Number(1),
            13.. if kind % 2 == 1 => Column::Text(value),
            12.. => Column::Blob(record.len() - values.len() - value.len()..record.len() - values.len()),
            _ => Column::Other,
        });
    }
    Ok(found)
}

/// SQLite's variable-length number: seven bits a byte, and eight in the ninth.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        if at == 8 {
            return Some((number << 8 | u64::from(*byte), &bytes[9..]));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}
