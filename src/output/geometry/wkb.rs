//! Well-known binary (OGC 06-103r4, clause 8), little-endian.

use super::{Ring, Shape};

const LITTLE_ENDIAN: u8 = 1;
const POLYGON: u32 = 3;
const MULTI_POLYGON: u32 = 6;

impl Shape {
    /// A polygon where there is one, else a multi-polygon.
    pub(in super::super) fn to_wkb(&self) -> Vec<u8> {
        match self.0.as_slice() {
            [one] => polygon(one),
            _ => self.to_multi_wkb(),
        }
    }

    /// A multi-polygon, for layers of one type.
    pub(in super::super) fn to_multi_wkb(&self) -> Vec<u8> {
        let mut bytes = start(MULTI_POLYGON, self.0.len());
        self.0.iter().for_each(|rings| bytes.extend(polygon(rings)));
        bytes
    }
}

fn polygon(rings: &[Ring]) -> Vec<u8> {
    let mut bytes = start(POLYGON, rings.len());
    for ring in rings {
        bytes.extend((ring.len() as u32 + 1).to_le_bytes());
        for (x, y) in ring.iter().chain(ring.first()) {
            bytes.extend(x.to_le_bytes());
            bytes.extend(y.to_le_bytes());
        }
    }
    bytes
}

fn start(kind: u32, parts: usize) -> Vec<u8> {
    [&[LITTLE_ENDIAN][..], &kind.to_le_bytes(), &(parts as u32).to_le_bytes()].concat()
}
