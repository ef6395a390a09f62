//! Directories and their values, under limits.

use std::collections::HashSet;

use super::tags;
use crate::limits::{TIFF_DIRECTORIES_MAX, TIFF_ENTRIES_MAX, TIFF_TEXT_BYTES_MAX};
use crate::raster::buffer;
use crate::raster::source::Source;
use crate::{Error, Result};

/// Reads numbers in the file's byte order and offset size.
pub(super) struct Reader<'s> {
    pub(super) source: &'s Source,
    pub(super) big_endian: bool,
    /// BigTIFF: offsets and counts of 8 bytes.
    big: bool,
}

/// One image file directory.
pub(super) struct Directory {
    entries: Vec<Entry>,
    next: u64,
}

struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// The value itself where it fits, else its offset.
    value: [u8; 8],
}

impl<'s> Reader<'s> {
    /// The reader and the offset of the first directory.
    pub(super) fn open(source: &'s Source) -> Result<(Self, u64)> {
        let mut scratch = Vec::new();
        let start = source.bytes(0, 8, &mut scratch)?;
        let mut reader = Self { source, big_endian: start.starts_with(b"MM"), big: false };
        reader.big = reader.number(start.get(2..4).unwrap_or_default()) == 43;
        if !reader.big {
            let first = reader.number(start.get(4..8).unwrap_or_default());
            return Ok((reader, first));
        }
        if reader.number(start.get(4..6).unwrap_or_default()) != 8 {
            return Err(Error::malformed("BigTIFF whose offsets are not 8 bytes long"));
        }
        let mut scratch = Vec::new();
        let first = reader.number(source.bytes(8, 8, &mut scratch)?);
        Ok((reader, first))
    }

    /// An unsigned number of up to 8 bytes.
    fn number(&self, bytes: &[u8]) -> u64 {
        let shift = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
        if self.big_endian { bytes.iter().fold(0, shift) } else { bytes.iter().rev().fold(0, shift) }
    }

    /// The directory at `first`, once the chain behind it is known to hold no other image of its size, and whether that
    /// chain holds a mask of it.
    pub(super) fn first_image(&self, first: u64) -> Result<(Directory, bool)> {
        let image = self.directory(first)?;
        let sides = |directory: &Directory| -> Result<_> {
            Ok((self.unsigned(directory, tags::IMAGE_WIDTH)?, self.unsigned(directory, tags::IMAGE_LENGTH)?))
        };
        let (mut next, mut visited, mut has_mask) = (image.next, HashSet::from([first]), false);
        while next != 0 {
            if !visited.insert(next) {
                return Err(Error::malformed(format!("the directory at offset {next} is linked in a loop")));
            }
            if visited.len() > TIFF_DIRECTORIES_MAX {
                return Err(Error::limit(format!("more than {TIFF_DIRECTORIES_MAX} TIFF directories")));
            }
            let page = self.directory(next)?;
            // Bit 0: reduced resolution; bit 2: transparency mask.
            let subfile = self.unsigned(&page, tags::NEW_SUBFILE_TYPE)?.unwrap_or(0);
            has_mask |= subfile & 0b100 != 0;
            let aside = subfile & 0b101 != 0;
            if !aside && sides(&page)? == sides(&image)? {
                return Err(Error::unsupported("several pages of one size; write them as the bands of one image"));
            }
            next = page.next;
        }
        Ok((image, has_mask))
    }

    fn directory(&self, offset: u64) -> Result<Directory> {
        let at = |error: Error| error.context(format!("directory at offset {offset}"));
        let (count_bytes, entry_bytes, link_bytes) = if self.big { (8, 20, 8) } else { (2, 12, 4) };
        let mut scratch = Vec::new();
        let count = self.number(self.source.bytes(offset, count_bytes, &mut scratch).map_err(at)?);
        if count == 0 {
            return Err(at(Error::malformed("no entries")));
        }
        if count > TIFF_ENTRIES_MAX as u64 {
            return Err(at(Error::limit(format!("{count} entries; at most {TIFF_ENTRIES_MAX} are read"))));
        }
        let body_bytes = count as usize * entry_bytes;
        let start = offset.saturating_add(count_bytes as u64);
        let mut scratch = Vec::new();
        let body = self.source.bytes(start, body_bytes, &mut scratch).map_err(at)?;
        let entries = body.chunks_exact(entry_bytes).map(|entry| self.entry(entry)).collect();
        let mut scratch = Vec::new();
        let link = start.saturating_add(body_bytes as u64);
        // A last directory without room for a link has no next one.
        let next = self.source.bytes(link, link_bytes, &mut scratch).map_or(0, |bytes| self.number(bytes));
        Ok(Directory { entries, next })
    }

    fn entry(&self, bytes: &[u8]) -> Entry {
        let (head, inline) = bytes.split_at(if self.big { 12 } else { 8 });
        let mut value = [0; 8];
        value[..inline.len()].copy_from_slice(inline);
        let number = |range| self.number(head.get(range).unwrap_or_default());
        Entry { tag: number(0..2) as u16, kind: number(2..4) as u16, count: number(4..head.len()), value }
    }

    /// The bytes of a tag's values, the size of each and their kind; at most `bytes_max` of them.
    fn values(&self, directory: &Directory, tag: u16, bytes_max: u64) -> Result<Option<(Vec<u8>, usize, u16)>> {
        let Some(entry) = directory.entries.iter().find(|entry| entry.tag == tag) else { return Ok(None) };
        let wrong = |what: String| Error::malformed(format!("tag {tag}: {what}"));
        let size = value_bytes(entry.kind).ok_or_else(|| wrong(format!("unknown field type {}", entry.kind)))?;
        let length = entry.count.checked_mul(size as u64).ok_or_else(|| wrong("count overflows".into()))?;
        if length > bytes_max {
            return Err(Error::limit(format!("tag {tag}: {length} bytes; at most {bytes_max} are read")));
        }
        let room = if self.big { 8 } else { 4 };
        if length <= room {
            return Ok(Some((entry.value[..length as usize].to_vec(), size, entry.kind)));
        }
        let offset = self.number(&entry.value[..room as usize]);
        let mut values = Vec::new();
        let mut scratch = Vec::new();
        let held =
            self.source.bytes(offset, length as usize, &mut scratch).map_err(|e| e.context(format!("tag {tag}")))?;
        buffer::resize(&mut values, held.len())?;
        values.copy_from_slice(held);
        Ok(Some((values, size, entry.kind)))
    }

    /// All values of a tag of unsigned integers; `None` without the tag or without values.
    pub(super) fn unsigneds(&self, directory: &Directory, tag: u16, count_max: u64) -> Result<Option<Vec<u64>>> {
        let Some((values, size, kind)) = self.values(directory, tag, count_max.saturating_mul(8))? else {
            return Ok(None);
        };
        if !matches!(kind, 1 | 3 | 4 | 13 | 16 | 18) {
            return Err(Error::malformed(format!("tag {tag}: unsigned integers expected, field type {kind} found")));
        }
        Ok(Some(values.chunks_exact(size).map(|value| self.number(value)).collect())
            .filter(|all: &Vec<_>| !all.is_empty()))
    }

    /// The first value of a tag of unsigned integers.
    pub(super) fn unsigned(&self, directory: &Directory, tag: u16) -> Result<Option<u64>> {
        Ok(self.unsigneds(directory, tag, TIFF_ENTRIES_MAX as u64)?.and_then(|values| values.first().copied()))
    }

    /// All values of a tag of doubles.
    pub(super) fn doubles(&self, directory: &Directory, tag: u16, count_max: u64) -> Result<Option<Vec<f64>>> {
        let Some((values, size, kind)) = self.values(directory, tag, count_max.saturating_mul(8))? else {
            return Ok(None);
        };
        if kind != 12 {
            return Err(Error::malformed(format!("tag {tag}: doubles expected, field type {kind} found")));
        }
        Ok(Some(values.chunks_exact(size).map(|value| f64::from_bits(self.number(value))).collect()))
    }

    /// A text tag up to its first NUL; bytes that are not UTF-8 are replaced.
    pub(super) fn text(&self, directory: &Directory, tag: u16) -> Result<Option<String>> {
        let Some((values, ..)) = self.values(directory, tag, TIFF_TEXT_BYTES_MAX)? else { return Ok(None) };
        let text = values.split(|&byte| byte == 0).next().unwrap_or_default();
        Ok(Some(String::from_utf8_lossy(text).into_owned()))
    }
}

impl Directory {
    pub(super) fn has(&self, tag: u16) -> bool {
        self.entries.iter().any(|entry| entry.tag == tag)
    }
}

/// Bytes of one value of a field type (TIFF 6.0, and BigTIFF's three).
fn value_bytes(kind: u16) -> Option<usize> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 | 17 | 18 => Some(8),
        _ => None,
    }
}
