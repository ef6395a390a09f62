//! One tile under two names, in two parts of the data.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{Leak, Part};

/// Bytes read at once.
const PIECE_BYTES: usize = 1 << 16;

struct Candidate<'a> {
    part: usize,
    name: &'a str,
    path: PathBuf,
    bytes: u64,
}

/// Looks for files with the same bytes in two parts, paths relative to `folder`. Only files of one size can be the same, so
/// that most are not read where they are compressed. What is no plain file, or cannot be read, is passed over: it is told
/// when it is its turn.
pub fn copies(parts: &[Part<'_>], folder: &Path) -> Vec<Leak> {
    let files = candidates(parts, folder);
    let mut parts_of: HashMap<u64, (usize, bool)> = HashMap::new();
    for file in &files {
        let (first, in_several) = parts_of.entry(file.bytes).or_insert((file.part, false));
        *in_several |= *first != file.part;
    }
    let hashed: Vec<_> = files
        .par_iter()
        .filter(|file| parts_of.get(&file.bytes).is_some_and(|(_, in_several)| *in_several))
        .filter_map(|file| Some((sha256(&file.path).ok()?, file)))
        .collect();
    let mut first: HashMap<[u8; 32], &Candidate<'_>> = HashMap::new();
    let mut leaks = Vec::new();
    for (hash, file) in hashed {
        let other = *first.entry(hash).or_insert(file);
        if other.part != file.part {
            let parts = [other.part, file.part].map(|part| parts[part].name.clone());
            leaks.push(Leak { what: "tile", name: format!("{} (the same file as {})", other.name, file.name), parts });
        }
    }
    leaks
}

fn candidates<'a>(parts: &[Part<'a>], folder: &Path) -> Vec<Candidate<'a>> {
    let mut files = Vec::new();
    for (part, row) in parts.iter().enumerate().flat_map(|(part, of)| of.rows.iter().map(move |row| (part, *row))) {
        let path = folder.join(&row.tile);
        if let Some(metadata) = path.metadata().ok().filter(std::fs::Metadata::is_file) {
            files.push(Candidate { part, name: &row.tile, path, bytes: metadata.len() });
        }
    }
    files
}

fn sha256(path: &Path) -> io::Result<[u8; 32]> {
    let (mut file, mut hash, mut piece) = (File::open(path)?, Sha256::new(), vec![0; PIECE_BYTES]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&piece[..n]),
        }
    }
}
