//! Directories of TIFF files that this program writes: classic, little-endian.

/// A TIFF directory in the making: entries in ascending order of tag, and the values too long to stand in them.
pub(crate) struct Directory {
    entries: Vec<[u8; 12]>,
    pub(crate) values: Vec<u8>,
    /// Where `values` will lie in the file.
    offset: u64,
}

impl Directory {
    /// Starts a directory whose long values will lie at `offset` in the file.
    pub(crate) fn new(offset: u64) -> Self {
        Self { entries: Vec::new(), values: Vec::new(), offset }
    }

    /// Adds a tag of 16-bit numbers.
    pub(crate) fn shorts(&mut self, tag: u16, values: &[u16]) {
        self.entry(tag, 3, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect());
    }

    /// Adds a tag of 32-bit numbers.
    pub(crate) fn longs(&mut self, tag: u16, values: &[u32]) {
        self.entry(tag, 4, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect());
    }

    /// Adds a tag of 64-bit floating-point numbers.
    pub(crate) fn doubles(&mut self, tag: u16, values: &[f64]) {
        self.entry(tag, 12, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect());
    }

    /// Adds a tag of ASCII text.
    pub(crate) fn text(&mut self, tag: u16, text: &str) {
        self.entry(tag, 2, text.len() + 1, text.bytes().chain([0]).collect());
    }

    fn entry(&mut self, tag: u16, kind: u16, count: usize, mut value: Vec<u8>) {
        if value.len() > 4 {
            // An offset that does not fit makes the whole file too large, which `finish` reports.
            let offset = self.offset.saturating_add(self.values.len() as u64).min(u32::MAX.into()) as u32;
            self.values.extend(value);
            self.values.resize(self.values.len().next_multiple_of(2), 0);
            value = offset.to_le_bytes().to_vec();
        }
        value.resize(4, 0);
        let mut entry = [0; 12];
        let bytes = [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &(count as u32).to_le_bytes(), &value].concat();
        entry.copy_from_slice(&bytes);
        self.entries.push(entry);
    }

    /// The directory itself, the only one of its file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let count = (self.entries.len() as u16).to_le_bytes();
        [&count[..], &self.entries.concat(), &[0; 4]].concat()
    }
}
