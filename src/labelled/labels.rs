//! What a label may be.

use crate::{Error, Result};

/// The classes that labels are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    classes: Vec<String>,
}

impl Labels {
    /// Two classes without names.
    pub fn binary() -> Self {
        Self { classes: vec!["negative".into(), "positive".into()] }
    }

    /// A model's classes.
    pub fn of(classes: &[String]) -> Self {
        // A binary model may name the positive class alone.
        match classes {
            [] | [_] => Self::binary(),
            classes => Self { classes: classes.to_vec() },
        }
    }

    /// The names, in the order of the labels.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Whether there are just two.
    pub fn is_binary(&self) -> bool {
        self.classes.len() == 2
    }

    /// The class of a name, if it is one.
    pub(super) fn class(&self, name: &str) -> Option<u16> {
        let index = self.classes.iter().position(|class| class == name)?;
        u16::try_from(index).ok()
    }

    /// A label: the number of a class or its name; of two classes also true or false, positive or negative.
    pub(super) fn parse(&self, text: &str) -> Result<u16> {
        // pandas writes a column of whole numbers with a gap in it as 1.0.
        let number = text
            .strip_suffix(".0")
            .unwrap_or(text)
            .parse::<u16>()
            .ok()
            .filter(|&number| usize::from(number) < self.classes.len());
        let word = || match text.to_ascii_lowercase().as_str() {
            "true" | "positive" if self.is_binary() => Some(1),
            "false" | "negative" if self.is_binary() => Some(0),
            _ => None,
        };
        number.or_else(|| self.class(text)).or_else(word).ok_or_else(|| match (text, self.is_binary()) {
            ("", _) => Error::usage("label is empty; every tile needs one"),
            (_, true) => Error::usage(format!("label {text:?}: give 1 or 0, true or false, positive or negative")),
            (_, false) => Error::usage(format!(
                "label {text:?}: give the name of a class ({}) or its number, 0 to {}",
                self.classes.join(", "),
                self.classes.len() - 1
            )),
        })
    }
}
