//! `Packages` as a hash file of Berkeley DB, as RPM wrote it until 4.16 (RHEL 8 and before).

use std::borrow::Cow;

use crate::packages::rpm::Sink;
use crate::packages::rpm::bytes::Pages;

const HASH_MAGIC: u32 = 0x0006_1561;
/// Where the magic number is, in the byte order of the machine that wrote the file.
const MAGIC_AT: usize = 12;

const HEADER_BYTES: usize = 26;
const PAGE_FREE: u8 = 0;
const PAGE_HASH_UNSORTED: u8 = 2;
const PAGE_OVERFLOW: u8 = 7;
const PAGE_HASH_META: u8 = 8;
const PAGE_HASH: u8 = 13;
const ITEM_KEY_DATA: u8 = 1;
const ITEM_OFF_PAGE: u8 = 3;

/// The record with key 0 is a counter of four bytes, no package.
const COUNTER_BYTES: usize = 4;

pub(super) fn read(bytes: &[u8], sink: &mut dyn Sink) -> Result<(), String> {
    let order = Order::of(bytes).ok_or("neither SQLite, ndb nor a Berkeley DB hash file")?;
    let meta = |at| order.number(bytes, at).ok_or("shorter than its first page");
    let size = usize::try_from(meta(20)?).unwrap_or_default();
    if !size.is_power_of_two() || !(512..=65536).contains(&size) {
        return Err(format!("pages of {size} bytes"));
    }
    let (encryption, kind) = (bytes.get(24).copied(), bytes.get(25).copied());
    if encryption != Some(0) || kind != Some(PAGE_HASH_META) {
        return Err("encrypted, or its first page is no hash table's".to_owned());
    }
    let last = usize::try_from(meta(32)?).unwrap_or(usize::MAX);
    let mut file = File { order, size, pages: Pages::new(bytes, size) };
    if last >= file.pages.count() {
        return Err(format!("{} pages, where there should be {last} and one", file.pages.count()));
    }
    for number in 1..=last {
        let page = bytes.get(number * size..(number + 1) * size).ok_or("cut off within a page")?;
        match page.get(25) {
            Some(&(PAGE_HASH | PAGE_HASH_UNSORTED)) => {}
            Some(&(PAGE_FREE | PAGE_OVERFLOW)) => continue,
            kind => {
                sink.unreadable(format!("page {number} is of kind {kind:?}"));
                continue;
            }
        }
        match file.pages.take(number).and_then(|_| file.items(page)) {
            Ok(items) => file.values(page, &items, sink),
            Err(why) => sink.unreadable(format!("page {number}: {why}")),
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn of(bytes: &[u8]) -> Option<Self> {
        let orders = [Self::Little, Self::Big];
        orders.into_iter().find(|order| order.number(bytes, MAGIC_AT) == Some(HASH_MAGIC))
    }

    fn number(self, bytes: &[u8], at: usize) -> Option<u32> {
        let four = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(four),
            Self::Big => u32::from_be_bytes(four),
        })
    }

    fn short(self, bytes: &[u8], at: usize) -> Option<usize> {
        let two = *bytes.get(at..)?.first_chunk()?;
        Some(usize::from(match self {
            Self::Little => u16::from_le_bytes(two),
            Self::Big => u16::from_be_bytes(two),
        }))
    }
}

struct File<'a> {
    order: Order,
    size: usize,
    pages: Pages<'a>,
}

impl<'a> File<'a> {
    /// Where the page's items begin: keys and values in turn. Items are stored from the page's end downwards.
    fn items(&self, page: &[u8]) -> Result<Vec<usize>, String> {
        let count = self.order.short(page, 20).unwrap_or_default();
        if !count.is_multiple_of(2) {
            return Err("a key without a value".to_owned());
        }
        let items: Option<Vec<usize>> = (0..count).map(|n| self.order.short(page, HEADER_BYTES + 2 * n)).collect();
        items.ok_or_else(|| format!("{count} items do not fit"))
    }

    fn values(&mut self, page: &'a [u8], items: &[usize], sink: &mut dyn Sink) {
        for pair in items.windows(2).step_by(2) {
            let &[key, value] = pair else { continue };
            match self.value(page, key, value) {
                Ok(header) if header.len() <= COUNTER_BYTES => {}
                Ok(header) => sink.header(&header),
                Err(why) => sink.unreadable(why),
            }
        }
    }

    /// A value lies between its own offset and its key's, or in a chain of other pages.
    fn value(&mut self, page: &'a [u8], key: usize, value: usize) -> Result<Cow<'a, [u8]>, String> {
        let item = page.get(value..).filter(|item| !item.is_empty()).ok_or("a value outside of its page")?;
        match item[0] {
            ITEM_KEY_DATA => {
                let whole = page.get(value + 1..key).ok_or("a value that overlaps its key")?;
                Ok(Cow::Borrowed(whole))
            }
            ITEM_OFF_PAGE => {
                let field = |at| self.order.number(item, at).and_then(|n| usize::try_from(n).ok());
                let (Some(first), Some(length)) = (field(4), field(8)) else {
                    return Err("a value outside of its page".to_owned());
                };
                self.chain(first, length).map(Cow::Owned)
            }
            kind => Err(format!("a value of kind {kind}")),
        }
    }

    fn chain(&mut self, first: usize, length: usize) -> Result<Vec<u8>, String> {
        let mut whole = Vec::new();
        let mut next = first;
        while next != 0 {
            let page = self.pages.take(next)?;
            if page.get(25) != Some(&PAGE_OVERFLOW) {
                return Err(format!("page {next} is no overflow page"));
            }
            let following = self.order.number(page, 16).and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
            let used = self.order.short(page, 22).unwrap_or_default();
            let room = self.size - HEADER_BYTES;
            let used = if following == 0 { used.min(room) } else { room };
            whole.extend_from_slice(&page[HEADER_BYTES..HEADER_BYTES + used]);
            next = following;
        }
        if whole.len() != length {
            return Err(format!("a value of {} bytes that should have {length}", whole.len()));
        }
        Ok(whole)
    }
}
