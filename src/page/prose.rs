//! Prose: plain text with three marks.

/// A stretch of prose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span<'a> {
    /// Text as it is.
    Plain(&'a str),
    /// `` `code` ``
    Code(&'a str),
    /// `**bold**`
    Bold(&'a str),
    /// `*italics*`
    Italics(&'a str),
}

/// Prose in stretches. Marks do not nest, and one that nothing closes, or that a space follows ("2 * 3"), is text.
pub(super) fn spans(prose: &str) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    let mut plain_from = 0;
    let mut at = 0;
    while let Some(rest) = prose.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some((span, length)) = marked(rest) {
            spans.extend(prose.get(plain_from..at).filter(|plain| !plain.is_empty()).map(Span::Plain));
            spans.push(span);
            at += length;
            plain_from = at;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    spans.extend(prose.get(plain_from..).filter(|plain| !plain.is_empty()).map(Span::Plain));
    spans
}

/// The prose without its marks.
pub(super) fn plain(prose: &str) -> String {
    let words = |span| match span {
        Span::Plain(words) | Span::Code(words) | Span::Bold(words) | Span::Italics(words) => words,
    };
    spans(prose).into_iter().map(words).collect()
}

/// The marked stretch that `rest` begins with, and its length with the marks.
fn marked<'a>(rest: &'a str) -> Option<(Span<'a>, usize)> {
    let (mark, make): (&str, fn(&'a str) -> Span<'a>) = match rest.as_bytes() {
        [b'`', ..] => ("`", Span::Code),
        [b'*', b'*', ..] => ("**", Span::Bold),
        [b'*', ..] => ("*", Span::Italics),
        _ => return None,
    };
    let inside = rest.strip_prefix(mark)?;
    let words = inside.get(..inside.find(mark)?)?;
    let is_tight = !words.is_empty() && (mark == "`" || words.trim() == words);
    is_tight.then(|| (make(words), words.len() + 2 * mark.len()))
}
