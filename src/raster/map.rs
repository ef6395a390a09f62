//! The memory map, under a guard against `SIGBUS`.
//!
//! A mapped file may shrink, or its disk may fail, while it is being read; the kernel then sends `SIGBUS`, whose
//! default is the death of the process. Here a handler looks the faulting address up in a fixed registry of live
//! maps, marks that map as broken and puts zero pages in its place, so that the interrupted read can end; the reader
//! then finds the mark and returns an error instead of what it read. A `SIGBUS` from elsewhere goes to whoever
//! handled it before.
//!
//! No reference into a map ever leaves this file: bytes are copied out, and the mark is checked after each copy.
//! So no decoder works on memory that can change under it.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::raw::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Mutex, OnceLock, PoisonError};

use memmap2::Mmap;

use crate::limits::GUARDED_MAPS_MAX;

/// A read-only map of a whole file that survives the file's truncation.
pub(super) struct GuardedMap {
    map: Mmap,
    slot: &'static Slot,
}

/// Why bytes could not be copied out of a map.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MapError {
    /// The range does not lie within the map.
    OutOfRange,
    /// The file shrank, or its storage failed, while it was mapped.
    Broken,
}

/// One place in the registry. `generation` is odd while `start..end` is a live map; the handler reads it before and
/// after the two bounds, so that it never pairs the bounds of two maps.
struct Slot {
    generation: AtomicUsize,
    start: AtomicUsize,
    end: AtomicUsize,
    broken: AtomicBool,
}

static REGISTRY: [Slot; GUARDED_MAPS_MAX] = [const { Slot::free() }; GUARDED_MAPS_MAX];
/// Held by those who take or give back a slot; never by the handler.
static REGISTRY_CHANGES: Mutex<()> = Mutex::new(());
/// What handled `SIGBUS` before the guard, or `None` if the guard could not be installed.
static PREVIOUS: OnceLock<Option<libc::sigaction>> = OnceLock::new();

impl GuardedMap {
    /// Maps `file`, or `None` if it cannot be mapped under the guard (no handler, no free slot, no address space, an
    /// empty file): the caller then reads instead.
    pub(super) fn new(file: &File) -> Option<Self> {
        install_handler()?;
        // SAFETY: the map's bytes may change while the file does, so no reference to them is ever made: they are
        // copied out through raw pointers only (`copy_to`), and the guard turns a fault during a copy into an error.
        let map = unsafe { Mmap::map(file) }.ok()?;
        if map.is_empty() {
            return None;
        }
        let slot = Slot::take(map.as_ptr() as usize, map.len())?;
        Some(Self { map, slot })
    }

    /// Copies `buffer.len()` bytes from `offset` on.
    pub(super) fn copy_to(&self, offset: usize, buffer: &mut [u8]) -> Result<(), MapError> {
        let end = offset.checked_add(buffer.len()).ok_or(MapError::OutOfRange)?;
        if end > self.map.len() {
            return Err(MapError::OutOfRange);
        }
        // SAFETY: `offset..end` lies in the map, which lives as long as `self`; `buffer` is ours alone and cannot
        // overlap a read-only map. A fault during the copy is answered by the handler, which maps zero pages over
        // the range; the registry holds the range for as long as `self` lives.
        unsafe { ptr::copy_nonoverlapping(self.map.as_ptr().add(offset), buffer.as_mut_ptr(), buffer.len()) };
        // The copy must be made, whether or not anyone looks at it, and complete before the mark is read.
        std::hint::black_box(&mut *buffer);
        fence(Ordering::SeqCst);
        if self.slot.broken.load(Ordering::SeqCst) { Err(MapError::Broken) } else { Ok(()) }
    }
}

impl Drop for GuardedMap {
    fn drop(&mut self) {
        // Before the field `map` unmaps the range.
        self.slot.give_back();
    }
}

impl Slot {
    const fn free() -> Self {
        Self {
            generation: AtomicUsize::new(0),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    fn take(start: usize, length: usize) -> Option<&'static Self> {
        let _changing = REGISTRY_CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = REGISTRY.iter().find(|slot| slot.generation.load(Ordering::SeqCst) % 2 == 0)?;
        slot.start.store(start, Ordering::SeqCst);
        slot.end.store(start.checked_add(length)?, Ordering::SeqCst);
        slot.broken.store(false, Ordering::SeqCst);
        slot.generation.fetch_add(1, Ordering::SeqCst);
        Some(slot)
    }

    fn give_back(&self) {
        let _changing = REGISTRY_CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// The bounds of the live map that holds `address`. Called from the handler: atomics only.
    fn bounds_around(&self, address: usize) -> Option<(usize, usize)> {
        let generation = self.generation.load(Ordering::SeqCst);
        let (start, end) = (self.start.load(Ordering::SeqCst), self.end.load(Ordering::SeqCst));
        let live = generation % 2 == 1 && self.generation.load(Ordering::SeqCst) == generation;
        (live && (start..end).contains(&address)).then_some((start, end))
    }
}

/// Installs the handler once per process; `None` if the system refuses.
fn install_handler() -> Option<()> {
    PREVIOUS
        .get_or_init(|| {
            // SAFETY: both calls get valid pointers to zero-initialised `sigaction` structures, for which all zeroes
            // is a valid value (default action, empty mask), and the handler has the signature SA_SIGINFO asks for.
            // It runs only once PREVIOUS is set or finds it unset and falls back to the default.
            unsafe {
                let mut previous: libc::sigaction = std::mem::zeroed();
                let mut guard: libc::sigaction = std::mem::zeroed();
                let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_sigbus;
                guard.sa_sigaction = handler as *const () as usize;
                guard.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigemptyset(&mut guard.sa_mask);
                (libc::sigaction(libc::SIGBUS, &guard, &mut previous) == 0).then_some(previous)
            }
        })
        .as_ref()
        .map(|_| ())
}

/// The handler. Async-signal-safe: it touches atomics and the system calls `mmap`, `signal` and `raise`, nothing else.
extern "C" fn on_sigbus(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid `siginfo_t` to a handler installed with SA_SIGINFO.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    // A code of 0 or less is a signal that a process sent; it has no address.
    let fault =
        if code > 0 { REGISTRY.iter().find_map(|slot| Some((slot, slot.bounds_around(address)?))) } else { None };
    if let Some((slot, (start, end))) = fault {
        // First the mark, so that whoever sees the zeroes sees the mark as well.
        slot.broken.store(true, Ordering::SeqCst);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
        // SAFETY: `start..end` is a whole live map of ours: the faulting thread is copying out of it, so it cannot be
        // unmapped or handed to anyone else now. Replacing it is what MAP_FIXED does.
        let zeroes = unsafe { libc::mmap(start as *mut c_void, end - start, libc::PROT_READ, flags, -1, 0) };
        if zeroes != libc::MAP_FAILED {
            return;
        }
    }
    pass_on(signal, info, context);
}

/// Gives a signal that is not the guard's to the handler before it, or to the system's default.
fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let previous = PREVIOUS.get().and_then(Option::as_ref);
    match previous.map(|action| (action.sa_sigaction, action.sa_flags)) {
        None | Some((libc::SIG_DFL | libc::SIG_IGN, _)) => {
            // SAFETY: plain system calls. `raise` takes effect when this handler returns.
            unsafe {
                libc::signal(signal, libc::SIG_DFL);
                libc::raise(signal);
            }
        }
        Some((handler, flags)) if flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: SA_SIGINFO says that the handler has this signature.
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                unsafe { std::mem::transmute(handler) };
            handler(signal, info, context);
        }
        Some((handler, _)) => {
            // SAFETY: without SA_SIGINFO a handler takes the signal's number alone.
            let handler: extern "C" fn(c_int) = unsafe { std::mem::transmute(handler) };
            handler(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file_of(length: usize) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; length]).unwrap();
        file
    }

    #[test]
    fn map_of_a_truncated_file_reports_it_and_the_process_lives() {
        let file = file_of(1 << 20);
        let map = GuardedMap::new(&file).unwrap();
        let mut buffer = vec![0; 1 << 20];
        assert_eq!(map.copy_to(0, &mut buffer), Ok(()));
        assert!(buffer.iter().all(|&byte| byte == 7));
        file.set_len(4096).unwrap();
        assert_eq!(map.copy_to(0, &mut buffer), Err(MapError::Broken));
        assert_eq!(map.copy_to(0, &mut buffer[..1]), Err(MapError::Broken), "once broken, always broken");
    }

    #[test]
    fn broken_map_leaves_other_maps_and_later_ones_whole() {
        let (broken, whole) = (file_of(1 << 16), file_of(1 << 16));
        let broken_map = GuardedMap::new(&broken).unwrap();
        let whole_map = GuardedMap::new(&whole).unwrap();
        broken.set_len(0).unwrap();
        let mut byte = [0];
        assert_eq!(broken_map.copy_to(9000, &mut byte), Err(MapError::Broken));
        assert_eq!(whole_map.copy_to(9000, &mut byte), Ok(()));
        drop(broken_map);
        let later = GuardedMap::new(&whole).unwrap();
        assert_eq!(later.copy_to(9000, &mut byte), Ok(()));
    }

    #[test]
    fn ranges_outside_the_map_are_refused() {
        let map = GuardedMap::new(&file_of(100)).unwrap();
        assert_eq!(map.copy_to(99, &mut [0; 2]), Err(MapError::OutOfRange));
        assert_eq!(map.copy_to(usize::MAX, &mut [0; 2]), Err(MapError::OutOfRange));
    }
}
