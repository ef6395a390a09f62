//! Plots: plain data in, SVG out.
//!
//! Every drawing is 360 units wide, about a phone's width, so that its text of 12.5 units stays above 11 px there; only a
//! [`Heat`] with many columns is wider. Colours are classes whose values the page's style sheet sets, for a light and a
//! dark screen and for paper. What is not a finite number, or not positive on a logarithmic axis, is not drawn.

mod axes;
mod bars;
mod curves;
mod forest;
mod heat;
mod histogram;
mod label;
mod legend;
mod ramp;
mod reliability;
mod scale;
mod svg;
mod thin;

pub use bars::Bars;
pub use curves::{Axis, Curves, Mark, Reference, Series};
pub use forest::{Forest, ForestRow};
pub use heat::{Heat, HeatCell};
pub use histogram::Histogram;
pub use reliability::{Reliability, ReliabilityBin};
pub(super) use svg::Drawing;

/// A kind of plot with its data.
#[derive(Debug, Clone, PartialEq)]
pub enum Plot {
    /// Estimates with intervals, a row each.
    Forest(Forest),
    /// Lines over two axes.
    Curves(Curves),
    /// Shares per bin, laid over each other.
    Histogram(Histogram),
    /// Observed shares against predicted scores.
    Reliability(Reliability),
    /// A matrix of coloured cells.
    Heat(Heat),
    /// Bars in groups.
    Bars(Bars),
}

impl Plot {
    pub(super) fn draw(&self) -> Drawing {
        match self {
            Self::Forest(plot) => plot.draw(),
            Self::Curves(plot) => plot.draw(),
            Self::Histogram(plot) => plot.draw(),
            Self::Reliability(plot) => plot.draw(),
            Self::Heat(plot) => plot.draw(),
            Self::Bars(plot) => plot.draw(),
        }
    }
}

#[cfg(test)]
mod tests;
