//! XML of products: bounded, without DTDs, searched by local names.

use roxmltree::{Document, Node, ParsingOptions};

use crate::limits::METADATA_NODES_MAX;
use crate::{Error, Result};

/// Parses XML.
pub(super) fn parse(bytes: &[u8]) -> Result<Document<'_>> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::malformed("the metadata is no UTF-8 text"))?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: METADATA_NODES_MAX, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| Error::malformed(format!("no XML: {error}")))
}

/// The first element of this name, in any namespace.
pub(super) fn find<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.descendants().find(|node| node.tag_name().name() == name)
}

/// Text of the first element of this name.
pub(super) fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    find(node, name)?.text().map(str::trim).filter(|text| !text.is_empty())
}

/// Number in the first element of this name.
///
/// # Errors
/// [`crate::Kind::Malformed`] where it is none.
pub(super) fn number(node: Node<'_, '_>, name: &str) -> Result<Option<f64>> {
    text(node, name).map(|text| parse_number(text, name)).transpose()
}

/// A finite number.
pub(super) fn parse_number(text: &str, name: &str) -> Result<f64> {
    let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| Error::malformed(format!("{name} is `{text}`, and no number")))
}

/// A share of clouds in percent.
pub(super) fn percent(number: f64, name: &str) -> Result<f64> {
    let is_share = (0.0..=100.0).contains(&number);
    if is_share { Ok(number) } else { Err(Error::malformed(format!("{name} is {number}, and no percentage"))) }
}
