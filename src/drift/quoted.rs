//! What stands in a file, in a message.

/// Characters of it that tell which one it is.
const CHARACTERS: usize = 40;

/// Characters of a message about it.
const MESSAGE_CHARACTERS: usize = 300;

/// In quotation marks, cut off: a cell may be as long as its file.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// The words of a parser, which may repeat a whole key of the file.
pub(super) fn shortened(message: &impl ToString) -> String {
    message.to_string().chars().take(MESSAGE_CHARACTERS).collect()
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
