//! Columns without a meaning of their own: what a report may be sliced by.

use std::collections::HashMap;
use std::sync::Arc;

/// Different words that a column may hold; one with more (file names, say) is left out.
const WORDS_MAX: usize = 1000;

/// A column, a value for every row.
#[derive(Debug, Clone, PartialEq)]
pub struct Further {
    /// Its name, in lower case.
    pub name: String,
    /// What it holds.
    pub values: Values,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Numbers; NaN where a cell was empty.
    Numbers(Vec<f32>),
    /// Words, and for each row the index of its own.
    Words(Vec<Arc<str>>, Vec<u32>),
}

impl Further {
    pub(super) fn filtered(self, kept: &[bool]) -> Self {
        fn chosen<T: Copy>(values: &[T], kept: &[bool]) -> Vec<T> {
            values.iter().zip(kept).filter(|(_, kept)| **kept).map(|(value, _)| *value).collect()
        }
        let values = match self.values {
            Values::Numbers(numbers) => Values::Numbers(chosen(&numbers, kept)),
            Values::Words(words, of) => Values::Words(words, chosen(&of, kept)),
        };
        Self { values, ..self }
    }
}

/// A column while its table is read.
#[derive(Debug)]
pub(super) struct Builder {
    name: String,
    /// Until a cell is no number.
    numbers: Option<Vec<f32>>,
    /// Until there are too many words.
    words: Option<Dictionary>,
}

/// Words, each once, and the word of every row.
#[derive(Debug, Default)]
struct Dictionary {
    words: Vec<Arc<str>>,
    indices: HashMap<Arc<str>, u32>,
    of: Vec<u32>,
}

impl Builder {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), numbers: Some(Vec::new()), words: Some(Default::default()) }
    }

    pub(super) fn push(&mut self, cell: &str) {
        if let Some(numbers) = &mut self.numbers {
            match (cell, cell.parse::<f32>()) {
                ("", _) => numbers.push(f32::NAN),
                (_, Ok(number)) => numbers.push(number),
                (_, Err(_)) => self.numbers = None,
            }
        }
        if let Some(Dictionary { words, indices, of }) = &mut self.words {
            if let Some(&index) = indices.get(cell) {
                of.push(index);
            } else if words.len() < WORDS_MAX {
                let (word, index): (Arc<str>, u32) = (cell.into(), words.len() as u32);
                words.push(word.clone());
                indices.insert(word, index);
                of.push(index);
            } else {
                self.words = None;
            }
        }
    }

    pub(super) fn finish(self) -> Option<Further> {
        // A column of empty cells is numbers that are all unknown.
        let numbers = self.numbers.filter(|numbers| numbers.iter().any(|number| number.is_finite()));
        let values = match (numbers, self.words) {
            (Some(numbers), _) => Values::Numbers(numbers),
            (None, Some(Dictionary { words, of, .. })) if words.iter().any(|word| !word.is_empty()) => {
                Values::Words(words, of)
            }
            _ => return None,
        };
        Some(Further { name: self.name, values })
    }
}
