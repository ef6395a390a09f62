//! What stands in a file, in a message.

use crate::limits::{MESSAGE_CHARS_MAX, QUOTED_CHARS_MAX};

/// In quotation marks, cut off: a cell may be as long as its file.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// The words of a parser, which may repeat a whole key of the file.
pub(crate) fn shortened(message: &impl ToString) -> String {
    message.to_string().chars().take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_cells_are_cut_between_characters() {
        assert_eq!(quoted("a\"b"), "\"a\\\"b\"");
        assert_eq!(shortened(&"ä".repeat(1000)).chars().count(), 300);
        assert_eq!(quoted(&"ä".repeat(1000)), format!("\"{}\"…", "ä".repeat(40)));
    }
}
