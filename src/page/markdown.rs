//! The document as Markdown, in GitHub's dialect: the same words and tables, without the pictures.

use std::fmt::Write;

use super::document::{Block, Cell, Column, Document, Gallery, Table, Tone};
use super::prose::{Span, spans};

impl Document {
    /// The document as GitHub-flavoured Markdown. Tables and figures have the numbers of the HTML; a figure is its number
    /// alone, and a gallery is a table of its lines.
    pub fn to_markdown(&self) -> String {
        let mut out = format!("# {}\n", escape(&self.title));
        let (mut tables, mut figures) = (0, 0);
        if !self.lead.is_empty() {
            out += &format!("\n{}\n", prose(&self.lead));
        }
        for section in &self.sections {
            out += &format!("\n## {}\n", escape(&section.title));
            for block in &section.blocks {
                let text = match block {
                    Block::Text(text) => prose(text),
                    Block::List(items) => {
                        items.iter().map(|item| format!("- {}", prose(item))).collect::<Vec<_>>().join("\n")
                    }
                    Block::Verdict { text, .. } => format!("> {}", prose(text)),
                    Block::Table(table) => {
                        tables += 1;
                        format!("**Table {tables}.** {}\n\n{}", prose(&table.caption), draw_table(table))
                    }
                    Block::Figures(drawn) => {
                        let first = figures + 1;
                        figures += drawn.len();
                        absent(first, figures)
                    }
                    Block::Gallery(gallery) => format!("{}\n\n{}", prose(&gallery.caption), draw_gallery(gallery)),
                    Block::Code(code) => fenced(code),
                };
                if !text.is_empty() {
                    out += &format!("\n{text}\n");
                }
            }
        }
        out
    }
}

/// A line in place of the figures from `first` to `last`.
fn absent(first: usize, last: usize) -> String {
    match last.saturating_sub(first) {
        _ if last < first => String::new(),
        0 => format!("*Figure {first} is in the HTML report.*"),
        _ => format!("*Figures {first}–{last} are in the HTML report.*"),
    }
}

fn draw_table(table: &Table) -> String {
    let titles = table.columns.iter().map(|column| escape(&column.title));
    let rules = table.columns.iter().map(|column| if column.number { "---:" } else { "---" }.to_owned());
    let empty = Cell::default();
    let rows = table.rows.iter().map(|row| {
        let cells = (0..table.columns.len()).map(|i| draw_cell(row.get(i).unwrap_or(&empty)));
        line_of(cells)
    });
    let lines: Vec<String> = [line_of(titles), line_of(rules)].into_iter().chain(rows).collect();
    lines.join("\n")
}

fn draw_cell(cell: &Cell) -> String {
    let text = escape(&cell.text);
    if cell.tone == Tone::Bad && !text.is_empty() { format!("**{text}**") } else { text }
}

fn draw_gallery(gallery: &Gallery) -> String {
    let rows = gallery.cards.iter();
    let rows = rows.map(|card| vec![Cell::from(card.title.as_str()), card.lines.join("; ").into()]).collect();
    let columns = vec![Column::text("tile"), Column::text("what is known of it")];
    draw_table(&Table { caption: String::new(), columns, rows })
}

fn line_of(cells: impl Iterator<Item = String>) -> String {
    cells.fold(String::from("|"), |mut line, cell| {
        let _ = write!(line, " {cell} |");
        line
    })
}

/// A block of code between fences longer than any in it.
fn fenced(code: &str) -> String {
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{}\n{fence}", code.trim_end_matches('\n'))
}

fn prose(text: &str) -> String {
    let marked = spans(text).into_iter().map(|span| match span {
        Span::Plain(words) => escape(words),
        Span::Code(words) => format!("`{}`", words.replace('\n', " ")),
        Span::Bold(words) => format!("**{}**", escape(words)),
        Span::Italics(words) => format!("*{}*", escape(words)),
    });
    start_as_text(&marked.collect::<String>())
}

/// Plain text that stays what it is: no markup, no HTML, one line.
fn escape(text: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_inside_word = before.is_alphanumeric() && chars.peek().is_some_and(|next| next.is_alphanumeric());
        match c {
            '<' => out += "&lt;",
            '&' => out += "&amp;",
            // An interval is no link.
            '[' if chars.peek().is_some_and(|next| "+-".contains(*next) || next.is_ascii_digit())
                && !text.contains("](") =>
            {
                out.push(c);
            }
            '\\' | '`' | '*' | '[' | '|' | '~' => out.extend(['\\', c]),
            '_' if !is_inside_word => out += "\\_",
            _ if c.is_control() => out.push(' '),
            _ => out.push(c),
        }
        before = c;
    }
    out
}

/// Keeps a line from being read as a heading, a quotation or an item of a list.
fn start_as_text(line: &str) -> String {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = line.split_at(digits);
    let begins = |marks: &[&str]| marks.iter().any(|mark| rest.starts_with(mark));
    let is_item = digits > 0 && begins(&[". ", ") "]);
    let is_mark = digits == 0 && begins(&["#", ">", "+ ", "- "]);
    if is_item || is_mark { format!("{number}\\{rest}") } else { line.to_owned() }
}
