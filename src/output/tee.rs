//! Several takers of the same rows.

use super::{Row, Sink};
use crate::Result;

struct Tee(Vec<Box<dyn Sink>>);

/// One sink that hands every row to all of these, and finishes them in their order.
pub fn tee(sinks: Vec<Box<dyn Sink>>) -> Box<dyn Sink> {
    Box::new(Tee(sinks))
}

impl Sink for Tee {
    fn write(&mut self, row: &Row) -> Result<()> {
        self.0.iter_mut().try_for_each(|sink| sink.write(row))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.0.into_iter().try_for_each(Sink::finish)
    }
}
