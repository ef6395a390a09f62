//! Decoded chunks, kept for the windows of one raster that share them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Result;
use crate::limits::CHUNK_CACHE_BYTES;

/// The least recently used chunks are dropped once all together pass [`CHUNK_CACHE_BYTES`]; the newest stays always,
/// so that the windows of one large strip do not decode it each time.
#[derive(Default)]
pub(super) struct ChunkCache {
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    slots: HashMap<u64, Entry>,
    bytes: usize,
    clock: u64,
}

struct Entry {
    /// Locked while the chunk is decoded: whoever else needs it waits instead of decoding it too.
    slot: Arc<Slot>,
    bytes: usize,
    used: u64,
}

type Slot = Mutex<Option<Arc<Vec<u8>>>>;

impl ChunkCache {
    /// The decoded bytes of `chunk`, from the cache or from `decode`.
    pub(super) fn get(&self, chunk: u64, decode: impl FnOnce() -> Result<Vec<u8>>) -> Result<Arc<Vec<u8>>> {
        let slot = self.slot(chunk);
        let mut held = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = held.as_ref() {
            return Ok(Arc::clone(bytes));
        }
        let bytes = Arc::new(decode()?);
        *held = Some(Arc::clone(&bytes));
        self.account(chunk, bytes.len());
        Ok(bytes)
    }

    fn slot(&self, chunk: u64) -> Arc<Slot> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.clock += 1;
        let used = entries.clock;
        let entry =
            entries.slots.entry(chunk).or_insert_with(|| Entry { slot: Arc::new(Slot::default()), bytes: 0, used });
        entry.used = used;
        Arc::clone(&entry.slot)
    }

    fn account(&self, chunk: u64, bytes: usize) {
        let mut guard = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = &mut *guard;
        if let Some(entry) = entries.slots.get_mut(&chunk) {
            entries.bytes += bytes - entry.bytes;
            entry.bytes = bytes;
        }
        while entries.bytes > CHUNK_CACHE_BYTES {
            let oldest = entries.slots.iter().filter(|&(&key, entry)| key != chunk && entry.bytes > 0);
            let Some(key) = oldest.min_by_key(|(_, entry)| entry.used).map(|(&key, _)| key) else { break };
            entries.bytes -= entries.slots.remove(&key).map_or(0, |entry| entry.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use std::cell::Cell;

    #[test]
    fn chunk_is_decoded_once_until_it_is_pushed_out() {
        let cache = ChunkCache::default();
        let decoded = Cell::new(0);
        let get = |chunk, bytes| {
            let decode = || {
                decoded.set(decoded.get() + 1);
                Ok(vec![0; bytes])
            };
            cache.get(chunk, decode).unwrap().len()
        };
        assert_eq!((get(0, 10), get(0, 10), decoded.get()), (10, 10, 1));
        let half = CHUNK_CACHE_BYTES / 2;
        get(1, half);
        get(2, half);
        assert_eq!(decoded.get(), 3);
        get(0, 10);
        assert_eq!(decoded.get(), 4, "the oldest was dropped");
        get(3, CHUNK_CACHE_BYTES + 1);
        get(3, CHUNK_CACHE_BYTES + 1);
        assert_eq!(decoded.get(), 5, "a chunk larger than the cache is kept while it is the newest");
    }

    #[test]
    fn failed_decoding_is_tried_again() {
        let cache = ChunkCache::default();
        assert!(cache.get(0, || Err(Error::malformed("broken"))).is_err());
        assert_eq!(*cache.get(0, || Ok(vec![1])).unwrap(), [1]);
    }
}
