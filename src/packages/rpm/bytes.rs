//! Numbers at offsets, and which pages were read already.

pub(super) fn big16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn big32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn little32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Fixed-size pages of a file. Each may be taken once: a page in two chains, or in a ring, is damage or an attack, and
/// refusing it bounds all work by the file's size.
pub(super) struct Pages<'a> {
    bytes: &'a [u8],
    size: usize,
    taken: Vec<bool>,
}

impl<'a> Pages<'a> {
    /// `size` is not zero.
    pub(super) fn new(bytes: &'a [u8], size: usize) -> Self {
        Self { bytes, size, taken: vec![false; bytes.len().div_ceil(size.max(1))] }
    }

    pub(super) fn count(&self) -> usize {
        self.taken.len()
    }

    /// The page `number`, counted from 0.
    pub(super) fn take(&mut self, number: usize) -> Result<&'a [u8], String> {
        let page = number.checked_mul(self.size).and_then(|start| self.bytes.get(start..start.checked_add(self.size)?));
        let page = page.ok_or_else(|| format!("page {number} is beyond the end"))?;
        match self.taken.get_mut(number) {
            Some(taken) if !*taken => *taken = true,
            _ => return Err(format!("page {number} is used twice")),
        }
        Ok(page)
    }
}
