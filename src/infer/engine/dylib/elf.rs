//! A shared library checked before it is loaded: loading a truncated one ends the process with SIGBUS.
//!
//! Layout after the System V ABI, "Object Files": the 64-bit little-endian header, program headers and section headers.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

const HEADER_BYTES: usize = 64;
const SEGMENT_BYTES: u64 = 56;
const SECTION_BYTES: u64 = 64;
const SHARED_OBJECT: u16 = 3;
const LOADED_SEGMENT: u32 = 1;
const STRING_TABLE: u32 = 3;
const NO_BITS: u32 = 8;
const ALLOCATED: u64 = 2;
/// Names of dynamic symbols are few where they are looked at: ONNX Runtime's are 26 kB, those of OpenVINO's C API 25 kB.
const NAMES_BYTES_MAX: u64 = 4 << 20;

/// `e_machine` of the processor this program was built for, where it is known.
const MACHINE: Option<(u16, &str)> = match () {
    () if cfg!(target_arch = "x86_64") => Some((62, "x86-64")),
    () if cfg!(target_arch = "aarch64") => Some((183, "AArch64")),
    () => None,
};

/// A library file that is whole.
pub struct Checked {
    /// The names of its dynamic symbols, versions and needed libraries, each ended by a zero.
    names: Vec<u8>,
}

impl Checked {
    /// Those names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.split(|&byte| byte == 0).filter_map(|name| str::from_utf8(name).ok())
    }
}

/// Checks that `path` is a shared library for this machine and that no part of it is cut off.
pub fn check(path: &Path) -> Result<Checked, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    let elf = Elf { file, size: metadata.len() };
    let header = elf.header()?;
    elf.check_segments(&header)?;
    Ok(Checked { names: elf.check_sections(&header)? })
}

struct Elf {
    file: File,
    size: u64,
}

/// Where the two tables lie: offset and number of entries.
struct Header {
    segments: (u64, u64),
    sections: (u64, u64),
}

impl Elf {
    fn header(&self) -> Result<Header, String> {
        let Ok(bytes) = self.read(0, HEADER_BYTES as u64) else {
            return Err(format!("it is no shared library: {} bytes", self.size));
        };
        if !bytes.starts_with(b"\x7fELF") {
            return Err("it is no shared library: the ELF signature is missing".to_owned());
        }
        if bytes[4] != 2 || bytes[5] != 1 || u16_at(&bytes, 16) != SHARED_OBJECT {
            return Err("it is no 64-bit little-endian shared library".to_owned());
        }
        match MACHINE {
            Some((machine, name)) if u16_at(&bytes, 18) != machine => {
                return Err(format!(
                    "it is built for another processor (ELF machine {}), not {name}",
                    u16_at(&bytes, 18)
                ));
            }
            _ => {}
        }
        let sized = |entry: usize, bytes_each: u64| u64::from(u16_at(&bytes, entry)) == bytes_each;
        let (segments, sections) = (u64::from(u16_at(&bytes, 56)), u64::from(u16_at(&bytes, 60)));
        if segments == 0 || !sized(54, SEGMENT_BYTES) || (sections > 0 && !sized(58, SECTION_BYTES)) {
            return Err("its ELF header is damaged".to_owned());
        }
        Ok(Header { segments: (u64_at(&bytes, 32), segments), sections: (u64_at(&bytes, 40), sections) })
    }

    fn check_segments(&self, header: &Header) -> Result<(), String> {
        let (offset, count) = header.segments;
        let table = self.read(offset, count * SEGMENT_BYTES)?;
        for segment in table.chunks_exact(SEGMENT_BYTES as usize) {
            if u32_at(segment, 0) == LOADED_SEGMENT {
                self.contains(u64_at(segment, 8), u64_at(segment, 32))?;
            }
        }
        Ok(())
    }

    /// Checks the sections, and gives the dynamic symbols' names.
    fn check_sections(&self, header: &Header) -> Result<Vec<u8>, String> {
        let (offset, count) = header.sections;
        let table = self.read(offset, count * SECTION_BYTES)?;
        let mut names = Vec::new();
        for section in table.chunks_exact(SECTION_BYTES as usize) {
            let (kind, flags) = (u32_at(section, 4), u64_at(section, 8));
            let (offset, length) = (u64_at(section, 24), u64_at(section, 32));
            if kind != NO_BITS {
                self.contains(offset, length)?;
            }
            if kind == STRING_TABLE && flags & ALLOCATED != 0 && length <= NAMES_BYTES_MAX {
                names.append(&mut self.read(offset, length)?);
            }
        }
        Ok(names)
    }

    fn contains(&self, offset: u64, length: u64) -> Result<(), String> {
        match offset.checked_add(length) {
            Some(end) if end <= self.size => Ok(()),
            Some(end) => Err(format!("the file is truncated: it ends at byte {}, its contents at {end}", self.size)),
            None => Err("its ELF header is damaged".to_owned()),
        }
    }

    /// Reads a part that was checked to lie in the file, so that nothing is allocated beyond its size.
    fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>, String> {
        self.contains(offset, length)?;
        let mut bytes = vec![0; length as usize];
        self.file.read_exact_at(&mut bytes, offset).map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|part| part.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|part| part.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|part| part.try_into().ok()).map_or(0, u64::from_le_bytes)
}
