//! What a report is made of.

use super::plot::Plot;

/// A report: a title, a paragraph that says what it finds, and sections in the order of reading.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// The one heading of the first level, and the title of the browser's tab.
    pub title: String,
    /// The first paragraph; prose as in [`Block::Text`].
    pub lead: String,
    /// In the order of reading.
    pub sections: Vec<Section>,
}

/// A heading and what stands under it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Section {
    /// Plain text. The section's address (`#…`) is made of it, and unique in the document.
    pub title: String,
    /// From top to bottom.
    pub blocks: Vec<Block>,
}

/// One piece of a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A paragraph of prose: `` `code` ``, `**bold**` and `*italics*`, not nested; everything else is text.
    Text(String),
    /// Items of prose, with bullets.
    List(Vec<String>),
    /// Prose that stands out, in the colour of what it says.
    Verdict {
        /// What it says, as a colour.
        tone: Tone,
        /// What it says, in words: no reader depends on the colour.
        text: String,
    },
    /// Rows and columns.
    Table(Table),
    /// Plots in a grid: one column on a phone, up to three on a desk. Markdown names them and leaves them out.
    Figures(Vec<Figure>),
    /// Pictures with a few lines each.
    Gallery(Gallery),
    /// Text as typed: a command, a file.
    Code(String),
}

/// What a cell or a verdict says, as a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// The colour of the text around it.
    #[default]
    Neutral,
    /// A demand is met.
    Good,
    /// A demand is not met.
    Bad,
    /// To be read before trusting the rest.
    Warning,
}

/// Rows and columns under a caption.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Prose. The number in front of it ("Table 3") is added.
    pub caption: String,
    /// From left to right. A first column of text heads its rows.
    pub columns: Vec<Column>,
    /// One cell a column; cells that a short row lacks stay empty.
    pub rows: Vec<Vec<Cell>>,
}

/// The head of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Plain text.
    pub title: String,
    /// Whether its cells are numbers: right-aligned and never wrapped.
    pub number: bool,
}

impl Column {
    /// A column of words.
    pub fn text(title: impl Into<String>) -> Self {
        Self { title: title.into(), number: false }
    }

    /// A column of numbers.
    pub fn number(title: impl Into<String>) -> Self {
        Self { title: title.into(), number: true }
    }
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// Plain text.
    pub text: String,
    /// The colour of the text; [`Tone::Bad`] is bold as well.
    pub tone: Tone,
}

impl Cell {
    /// A cell that says something with its colour.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::toned(text, Tone::Neutral)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::toned(text, Tone::Neutral)
    }
}

/// A plot and what it shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Prose. The number in front of it ("Figure 3") is added.
    pub caption: String,
    /// The data; how it is drawn is the plot's own matter.
    pub plot: Plot,
}

/// Pictures under a caption.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gallery {
    /// Prose.
    pub caption: String,
    /// In the order of reading.
    pub cards: Vec<Card>,
}

/// A picture with a few lines under it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Card {
    /// A PNG file, embedded as it is.
    pub png: Vec<u8>,
    /// The width it is shown at where there is room; its pixels stay squares.
    pub width_px: u32,
    /// The height it is shown at where there is room.
    pub height_px: u32,
    /// Plain text; also what a screen reader says of the picture.
    pub title: String,
    /// Plain text.
    pub lines: Vec<String>,
}
