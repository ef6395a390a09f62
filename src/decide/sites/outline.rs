//! The union of rectangles, and its outline.

use std::collections::HashMap;

use crate::raster::Window;

/// The pixels that are in at least one rectangle.
pub(super) struct Union {
    pub(super) extent: Window,
    pub(super) area_px: u64,
    /// Column and row.
    pub(super) centroid: (f64, f64),
    /// As [`super::Site::outline`] says.
    pub(super) outline: Vec<Vec<[u32; 2]>>,
}

/// The union of rectangles; there must be at least one. Time and memory go with the cells of the grid that their edges
/// span, whatever the overlap.
pub(super) fn union(windows: &[Window]) -> Union {
    let columns = edges(windows.iter().map(|window| (window.x, window.width)));
    let rows = edges(windows.iter().map(|window| (window.y, window.height)));
    let cells = Cells::cover(windows, &columns, &rows);
    let (mut area_px, mut moments) = (0, (0.0, 0.0));
    for (row, y) in rows.windows(2).enumerate() {
        for (column, x) in columns.windows(2).enumerate() {
            if cells.is_covered(cells.at(row, column)) {
                let area = u64::from(x[1] - x[0]) * u64::from(y[1] - y[0]);
                area_px += area;
                moments.0 += area as f64 * (f64::from(x[0]) + f64::from(x[1])) / 2.0;
                moments.1 += area as f64 * (f64::from(y[0]) + f64::from(y[1])) / 2.0;
            }
        }
    }
    let rings = cells.outline().into_iter().flat_map(simple_rings);
    let outline = rings.map(|ring| ring.into_iter().map(|[row, column]| [columns[column], rows[row]]).collect());
    let (left, top) = (columns[0], rows[0]);
    let (right, bottom) = (columns[columns.len() - 1], rows[rows.len() - 1]);
    Union {
        extent: Window { x: left, y: top, width: right - left, height: bottom - top },
        area_px,
        centroid: (moments.0 / area_px as f64, moments.1 / area_px as f64),
        outline: outline.collect(),
    }
}

/// Where rectangles begin and end along one axis, ascending, each once.
fn edges(sides: impl Iterator<Item = (u32, u32)>) -> Vec<u32> {
    let mut edges: Vec<u32> = sides.flat_map(|(start, length)| [start, start.saturating_add(length)]).collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// The cells between neighbouring edges, with a frame of one uncovered cell around them.
struct Cells {
    /// Cells of a row with its frame.
    stride: usize,
    covered: Vec<bool>,
}

/// The sides of a cell in the order of a walk around it with the cell on the right hand: top, right, bottom, left. A
/// walk along the top goes to the right, and so on.
const SIDES: usize = 4;

impl Cells {
    /// A sum over the corners of rectangles counts how many of them cover each cell.
    fn cover(windows: &[Window], columns: &[u32], rows: &[u32]) -> Self {
        let stride = columns.len() + 1;
        let mut counts = vec![0i32; stride * (rows.len() + 1)];
        let place = |edges: &[u32], edge: u32| edges.partition_point(|known| *known < edge);
        for window in windows {
            let (left, right) = (place(columns, window.x), place(columns, window.x.saturating_add(window.width)));
            let (top, bottom) = (place(rows, window.y), place(rows, window.y.saturating_add(window.height)));
            for (row, column, sign) in [(top, left, 1), (top, right, -1), (bottom, left, -1), (bottom, right, 1)] {
                counts[(row + 1) * stride + column + 1] += sign;
            }
        }
        for cell in stride + 1..counts.len() {
            counts[cell] += counts[cell - 1] + counts[cell - stride] - counts[cell - stride - 1];
        }
        Self { stride, covered: counts.into_iter().map(|count| count > 0).collect() }
    }

    fn at(&self, row: usize, column: usize) -> usize {
        (row + 1) * self.stride + column + 1
    }

    fn is_covered(&self, cell: usize) -> bool {
        self.covered[cell]
    }

    /// The cell next to `cell` in the direction of a walk along `side`.
    fn ahead(&self, cell: usize, side: usize) -> usize {
        match side {
            0 => cell + 1,
            1 => cell + self.stride,
            2 => cell - 1,
            _ => cell - self.stride,
        }
    }

    /// Whether a covered cell has nothing beyond `side`, which is to the left of a walk along it.
    fn is_border(&self, cell: usize, side: usize) -> bool {
        !self.covered[self.ahead(cell, (side + 3) % SIDES)]
    }

    /// The closed walks along all borders, as the corners (row and column of edges) at which they turn. Where two covered
    /// cells meet at a corner alone, a walk stays with its own.
    fn outline(&self) -> Vec<Vec<[usize; 2]>> {
        let mut is_walked = vec![[false; SIDES]; self.covered.len()];
        let mut rings = Vec::new();
        for start in (0..self.covered.len()).filter(|cell| self.covered[*cell]) {
            for first_side in 0..SIDES {
                let (mut cell, mut side) = (start, first_side);
                let mut ring = Vec::new();
                while self.is_border(cell, side) && !std::mem::replace(&mut is_walked[cell][side], true) {
                    let right_turn = (side + 1) % SIDES;
                    let ahead = self.ahead(cell, side);
                    let beyond = self.ahead(ahead, (side + 3) % SIDES);
                    let next = if self.is_border(cell, right_turn) {
                        (cell, right_turn)
                    } else if self.covered[beyond] {
                        (beyond, (side + 3) % SIDES)
                    } else {
                        (ahead, side)
                    };
                    if next.1 != side {
                        ring.push(self.end(cell, side));
                    }
                    (cell, side) = next;
                }
                if !ring.is_empty() {
                    rings.push(ring);
                }
            }
        }
        rings
    }

    /// The corner (row and column of edges) where a walk along `side` ends.
    fn end(&self, cell: usize, side: usize) -> [usize; 2] {
        let (row, column) = (cell / self.stride - 1, cell % self.stride - 1);
        match side {
            0 => [row, column + 1],
            1 => [row + 1, column + 1],
            2 => [row + 1, column],
            _ => [row, column],
        }
    }
}

/// A ring cut where it meets itself, so that no ring has a corner twice.
fn simple_rings(ring: Vec<[usize; 2]>) -> Vec<Vec<[usize; 2]>> {
    let mut simple = Vec::new();
    let (mut path, mut places) = (Vec::new(), HashMap::new());
    for corner in ring {
        if let Some(&place) = places.get(&corner) {
            let part: Vec<_> = path.drain(place..).collect();
            part.iter().for_each(|corner| _ = places.remove(corner));
            simple.push(part);
        }
        places.insert(corner, path.len());
        path.push(corner);
    }
    simple.push(path);
    simple
}
