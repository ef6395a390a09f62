//! The document as one HTML file.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use maud::{Markup, PreEscaped, html};

use super::document::{Block, Card, Cell, Column, Document, Figure, Gallery, Section, Table, Tone};
use super::prose::{Span, plain, spans};

const STYLE: &str = include_str!("style.css");

impl Document {
    /// One HTML file that needs nothing else: no network, no script, no font.
    pub fn to_html(&self) -> String {
        let ids = section_ids(&self.sections);
        let mut numbers = Numbers::default();
        let page = html! {
            (PreEscaped("<!DOCTYPE html>\n"))
            html lang="en-GB" {
                head {
                    // Written with a slash, so that the page is XML too.
                    (PreEscaped("<meta charset=\"utf-8\"/>"))
                    (PreEscaped("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"))
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main {
                        header {
                            h1 { (self.title) }
                            @if !self.lead.is_empty() { p class="lead" { (prose(&self.lead)) } }
                        }
                        (contents(&self.sections, &ids))
                        @for (section, id) in self.sections.iter().zip(&ids) {
                            section aria-labelledby=(id) {
                                h2 id=(id) { (section.title) }
                                @for block in &section.blocks { (numbers.block(block)) }
                            }
                        }
                    }
                }
            }
        };
        // Characters that neither HTML nor XML allows could come with a file's name.
        page.into_string().replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "\u{fffd}")
    }
}

/// An address for each section: its title in small letters with hyphens, and a number where that is taken.
fn section_ids(sections: &[Section]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut unique = |title: &str| {
        let words = title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let slug = words.map(str::to_lowercase).collect::<Vec<_>>().join("-");
        let slug = if slug.is_empty() { "section".to_owned() } else { slug };
        let numbered = (2u32..).map(|n| format!("{slug}-{n}"));
        let id = std::iter::once(slug.clone()).chain(numbered).find(|id| !taken.contains(id)).unwrap_or(slug);
        taken.insert(id.clone());
        id
    };
    sections.iter().map(|section| unique(&section.title)).collect()
}

/// Open where there is room; on a phone, a line to tap.
fn contents(sections: &[Section], ids: &[String]) -> Markup {
    html! {
        nav aria-label="Contents" {
            details {
                summary { "Contents" }
                ol {
                    @for (section, id) in sections.iter().zip(ids) { li { a href=(format!("#{id}")) { (section.title) } } }
                }
            }
        }
    }
}

/// Tables and figures counted so far.
#[derive(Debug, Default)]
struct Numbers {
    tables: usize,
    figures: usize,
}

impl Numbers {
    fn block(&mut self, block: &Block) -> Markup {
        match block {
            Block::Text(text) => html! { p { (prose(text)) } },
            Block::List(items) => html! { ul { @for item in items { li { (prose(item)) } } } },
            Block::Verdict { tone, text } => html! { p class={ "verdict" (class(*tone)) } { (prose(text)) } },
            Block::Table(table) => self.table(table),
            Block::Figures(figures) => self.figures(figures),
            Block::Gallery(gallery) => draw_gallery(gallery),
            Block::Code(code) => html! { pre tabindex="0" { code { (code) } } },
        }
    }

    /// A table in a box of its own, which scrolls sideways where the table is wider than the screen.
    fn table(&mut self, table: &Table) -> Markup {
        self.tables += 1;
        let name = format!("Table {}", self.tables);
        html! {
            div class="wide" role="region" tabindex="0" aria-label=(format!("{name}. {}", plain(&table.caption))) {
                table {
                    caption { span { (numbered(&name, &table.caption)) } }
                    thead {
                        tr { @for column in &table.columns { th scope="col" class=[number(column)] { (column.title) } } }
                    }
                    tbody { @for row in &table.rows { (draw_row(&table.columns, row)) } }
                }
            }
        }
    }

    fn figures(&mut self, figures: &[Figure]) -> Markup {
        // Two or four stand in pairs, other numbers in rows of three.
        let columns = if let 1 | 2 | 4 = figures.len() { figures.len().min(2) } else { 3 };
        html! {
            div class="figures" style=(format!("--columns: {columns}")) {
                @for figure in figures { (self.figure(figure)) }
            }
        }
    }

    fn figure(&mut self, figure: &Figure) -> Markup {
        self.figures += 1;
        let drawing = figure.plot.draw();
        let title = plain(&figure.caption);
        html! {
            figure class=[(drawing.width > 361.0).then_some("large")] {
                div class="plot" { (drawing.svg(&title)) }
                figcaption { (numbered(&format!("Figure {}", self.figures), &figure.caption)) }
            }
        }
    }
}

fn draw_row(columns: &[Column], row: &[Cell]) -> Markup {
    let cell = |i: usize, column: &Column| {
        let empty = Cell::default();
        let cell = row.get(i).unwrap_or(&empty);
        let class = format!("{}{}", number(column).unwrap_or_default(), class(cell.tone));
        let class = Some(class.trim()).filter(|class| !class.is_empty());
        html! {
            @if i == 0 && !column.number { th scope="row" class=[class] { (cell.text) } }
            @else { td class=[class] { (cell.text) } }
        }
    };
    html! { tr { @for (i, column) in columns.iter().enumerate() { (cell(i, column)) } } }
}

fn draw_gallery(gallery: &Gallery) -> Markup {
    html! {
        figure class="gallery" {
            figcaption { (prose(&gallery.caption)) }
            div class="cards" { @for card in &gallery.cards { (draw_card(card)) } }
        }
    }
}

fn draw_card(card: &Card) -> Markup {
    let alt = html! { (card.title) }.into_string();
    let (width, height) = (card.width_px, card.height_px);
    let data = BASE64.encode(&card.png);
    html! {
        div class="card" {
            (PreEscaped(format!(
                r#"<img src="data:image/png;base64,{data}" width="{width}" height="{height}" alt="{alt}"/>"#
            )))
            p class="name" { (card.title) }
            @for line in &card.lines { p { (line) } }
        }
    }
}

fn numbered(name: &str, caption: &str) -> Markup {
    html! { b { (name) "." } " " (prose(caption)) }
}

fn prose(text: &str) -> Markup {
    html! {
        @for span in spans(text) {
            @match span {
                Span::Plain(words) => { (words) }
                Span::Code(words) => { code { (words) } }
                Span::Bold(words) => { strong { (words) } }
                Span::Italics(words) => { em { (words) } }
            }
        }
    }
}

fn number(column: &Column) -> Option<&'static str> {
    column.number.then_some("number")
}

/// With a space in front, so that it can follow another class.
fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Neutral => "",
        Tone::Good => " good",
        Tone::Bad => " bad",
        Tone::Warning => " warning",
    }
}
