//! Protobuf's wire format, as far as stepping from field to field goes.

use crate::{Error, Result};

/// One field of a message.
pub struct Field<'a> {
    /// Its number.
    pub number: u64,
    /// Its content, if it is a message, a string, bytes or a packed list.
    pub content: Option<&'a [u8]>,
    /// All its bytes, key and length included.
    pub whole: &'a [u8],
}

/// The fields of the message `bytes`; ends after the first error.
pub fn fields(bytes: &[u8]) -> impl Iterator<Item = Result<Field<'_>>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = field(&mut rest);
        if field.is_none() {
            rest = &[];
        }
        Some(field.ok_or_else(|| {
            Error::refused("not a valid ONNX file (it is cut off or damaged); copy the model folder again")
        }))
    })
}

fn field<'a>(bytes: &mut &'a [u8]) -> Option<Field<'a>> {
    let start = *bytes;
    let key = varint(bytes)?;
    let length = match key & 7 {
        0 => varint(bytes).map(|_| 0)?,
        1 => 8,
        2 => usize::try_from(varint(bytes)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let whole = start.get(..start.len() - rest.len())?;
    let number = Some(key >> 3).filter(|number| *number > 0)?;
    Some(Field { number, content: (key & 7 == 2).then_some(content), whole })
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = bytes.get(index + 1..)?;
            return Some(value);
        }
    }
    None
}
