//! The table as CSV (RFC 4180, line feeds).

use super::text::{csv_cell, degrees, number};
use super::{Row, Sink, Stream};
use crate::Result;

const HEADER: &str = "tile,x,y,width,height,longitude,latitude,date,shift,score,threshold,decision,reason\n";

pub(super) struct Csv(Stream);

impl Csv {
    pub(super) fn new(mut stream: Stream) -> Result<Self> {
        stream.write(HEADER)?;
        Ok(Self(stream))
    }
}

impl Sink for Csv {
    fn write(&mut self, row: &Row) -> Result<()> {
        let window = row.window;
        let text = |text: &Option<String>| text.as_deref().map(csv_cell).unwrap_or_default();
        let place = row.longitude_latitude;
        let cells = [
            csv_cell(&row.tile),
            window.x.to_string(),
            window.y.to_string(),
            window.width.to_string(),
            window.height.to_string(),
            place.map(|(longitude, _)| degrees(longitude)).unwrap_or_default(),
            place.map(|(_, latitude)| degrees(latitude)).unwrap_or_default(),
            row.date.map(|date| date.to_string()).unwrap_or_default(),
            text(&row.shift),
            row.score.map(number).unwrap_or_default(),
            row.threshold.map(number).unwrap_or_default(),
            csv_cell(row.decision.text()),
            text(&row.reason),
        ];
        self.0.write(&(cells.join(",") + "\n"))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.0.finish()
    }
}
