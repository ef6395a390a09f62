//! Directories of TIFF files that this program writes: little-endian, classic or BigTIFF.

/// How wide offsets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// TIFF 6.0: 32-bit offsets.
    Classic,
    /// BigTIFF: 64-bit offsets.
    Big,
}

impl Form {
    /// The header of a file whose first directory lies at `directory`, which fits the form.
    pub(crate) fn header(self, directory: u64) -> Vec<u8> {
        match self {
            Self::Classic => [&b"II\x2a\0"[..], &(directory as u32).to_le_bytes()].concat(),
            Self::Big => [&b"II\x2b\0\x08\0\0\0"[..], &directory.to_le_bytes()].concat(),
        }
    }

    /// Bytes of the header.
    pub(crate) fn header_bytes(self) -> u64 {
        match self {
            Self::Classic => 8,
            Self::Big => 16,
        }
    }

    /// A count or an offset as wide as the form has it.
    fn word(self, value: u64) -> Vec<u8> {
        match self {
            Self::Classic => (value as u32).to_le_bytes().to_vec(),
            Self::Big => value.to_le_bytes().to_vec(),
        }
    }
}

/// A TIFF directory in the making: entries in ascending order of tag.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directory(Vec<Entry>);

#[derive(Debug, Clone)]
struct Entry {
    tag: u16,
    count: usize,
    value: Value,
}

#[derive(Debug, Clone)]
enum Value {
    /// Of a kind that both forms share.
    Bytes(u16, Vec<u8>),
    /// As wide as the form's offsets.
    Offsets(Vec<u64>),
}

impl Directory {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a tag of 16-bit numbers.
    pub(crate) fn shorts(&mut self, tag: u16, values: &[u16]) {
        self.add(tag, 3, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect());
    }

    /// Adds a tag of 32-bit numbers.
    pub(crate) fn longs(&mut self, tag: u16, values: &[u32]) {
        self.add(tag, 4, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect());
    }

    /// Adds a tag of offsets in the file.
    pub(crate) fn offsets(&mut self, tag: u16, values: Vec<u64>) {
        self.0.push(Entry { tag, count: values.len(), value: Value::Offsets(values) });
    }

    /// Adds a tag of 64-bit floating-point numbers.
    pub(crate) fn doubles(&mut self, tag: u16, values: &[f64]) {
        self.add(tag, 12, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect());
    }

    /// Adds a tag of ASCII text.
    pub(crate) fn text(&mut self, tag: u16, text: &str) {
        self.add(tag, 2, text.len() + 1, text.bytes().chain([0]).collect());
    }

    /// Adds the tags of `others`, which come after all that are there.
    pub(crate) fn append(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    fn add(&mut self, tag: u16, kind: u16, count: usize, bytes: Vec<u8>) {
        self.0.push(Entry { tag, count, value: Value::Bytes(kind, bytes) });
    }

    /// Bytes of the directory itself, without the values that are too long to stand in it.
    pub(crate) fn own_bytes(&self, form: Form) -> u64 {
        match form {
            Form::Classic => 6 + 12 * self.0.len() as u64,
            Form::Big => 16 + 20 * self.0.len() as u64,
        }
    }

    /// The directory, which names `next` as the one after it (0: none), and its long values, which will lie at
    /// `values_at`. An offset that the form cannot hold is cut: whoever writes the file chooses the form by its length.
    pub(crate) fn encode(&self, form: Form, values_at: u64, next: u64) -> [Vec<u8>; 2] {
        let (mut directory, mut values) = (Vec::new(), Vec::new());
        match form {
            Form::Classic => directory.extend((self.0.len() as u16).to_le_bytes()),
            Form::Big => directory.extend((self.0.len() as u64).to_le_bytes()),
        }
        for Entry { tag, count, value } in &self.0 {
            let (kind, mut bytes) = match (value, form) {
                (Value::Bytes(kind, bytes), _) => (*kind, bytes.clone()),
                (Value::Offsets(offsets), Form::Classic) => (4, words(form, offsets)),
                (Value::Offsets(offsets), Form::Big) => (16, words(form, offsets)),
            };
            directory.extend(tag.to_le_bytes());
            directory.extend(kind.to_le_bytes());
            directory.extend(form.word(*count as u64));
            let room = form.word(0).len();
            if bytes.len() > room {
                let offset = form.word(values_at + values.len() as u64);
                values.extend(bytes);
                values.resize(values.len().next_multiple_of(2), 0);
                bytes = offset;
            }
            bytes.resize(room, 0);
            directory.extend(bytes);
        }
        directory.extend(form.word(next));
        [directory, values]
    }
}

fn words(form: Form, values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| form.word(*value)).collect()
}
