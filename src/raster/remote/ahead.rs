//! What of a remote file is fetched with one request: more and more while it is read from front to back, as the pages of
//! a local file are, and little where single places are read. Requests cost their latency, whatever they bring.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::limits::{REMOTE_AHEAD_BYTES_MAX, REMOTE_AHEAD_BYTES_MIN, REMOTE_PIECES};

/// The pieces of one file that were fetched last.
#[derive(Default)]
pub(super) struct Pieces {
    kept: VecDeque<(u64, Bytes)>,
    ahead_bytes: u64,
    /// Where the last piece ends.
    next: u64,
}

impl Pieces {
    /// Copies what is there of `offset..` into the front of `out`; how much that is.
    pub(super) fn copy(&self, offset: u64, out: &mut [u8]) -> usize {
        let holds = |(start, bytes): &&(u64, Bytes)| (*start..start + bytes.len() as u64).contains(&offset);
        let Some((start, bytes)) = self.kept.iter().find(holds) else { return 0 };
        let from = &bytes[(offset - start) as usize..];
        let length = from.len().min(out.len());
        out[..length].copy_from_slice(&from[..length]);
        length
    }

    /// How many bytes to fetch at `offset`, of which `length` are needed.
    pub(super) fn plan(&mut self, offset: u64, length: u64) -> u64 {
        let goes_on = (self.next..=self.next + REMOTE_AHEAD_BYTES_MIN).contains(&offset) && self.next > 0;
        self.ahead_bytes = if goes_on {
            (self.ahead_bytes * 2).clamp(REMOTE_AHEAD_BYTES_MIN, REMOTE_AHEAD_BYTES_MAX)
        } else {
            REMOTE_AHEAD_BYTES_MIN
        };
        length.max(self.ahead_bytes)
    }

    /// Keeps a piece, in the place of the oldest.
    pub(super) fn keep(&mut self, offset: u64, bytes: Bytes) {
        if self.kept.len() == REMOTE_PIECES {
            self.kept.pop_front();
        }
        self.next = offset + bytes.len() as u64;
        self.kept.push_back((offset, bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_on_fetches_more_and_jumping_little() {
        let mut pieces = Pieces::default();
        let mut fetch = |offset: u64, length: u64| {
            let planned = pieces.plan(offset, length);
            pieces.keep(offset, Bytes::from(vec![0; planned as usize]));
            planned
        };
        let least = REMOTE_AHEAD_BYTES_MIN;
        assert_eq!(fetch(0, 100), least);
        assert_eq!(fetch(least, 100), 2 * least);
        assert_eq!(fetch(3 * least, 100), 4 * least);
        assert_eq!(fetch(100 * least, 100), least);
        assert_eq!(fetch(50 * least, 3 * least), 3 * least);
        let mut at = 53 * least;
        for _ in 0..20 {
            at += fetch(at, 1);
        }
        assert_eq!(fetch(at, 1), REMOTE_AHEAD_BYTES_MAX);
    }

    #[test]
    fn bytes_come_from_the_piece_that_holds_them() {
        let mut pieces = Pieces::default();
        pieces.keep(10, Bytes::from_static(b"abcdef"));
        let mut out = [0; 4];
        assert_eq!(pieces.copy(14, &mut out), 2);
        assert_eq!(&out[..2], b"ef");
        assert_eq!((pieces.copy(16, &mut out), pieces.copy(9, &mut out)), (0, 0));
        for index in 0..REMOTE_PIECES as u64 {
            pieces.keep(100 + index, Bytes::from_static(b"x"));
        }
        assert_eq!(pieces.copy(10, &mut out), 0);
    }
}
