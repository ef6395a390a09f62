//! `s2infer decode-jp2`: not for people; the program starts itself so, to decode JPEG 2000 apart from everything else.

use std::fs::File;
use std::io::stdin;
use std::os::fd::AsFd;

use s2infer::raster::serve_jp2_decoder;
use s2infer::{Error, Result};

/// Answers on standard input, which is a socket, until it closes.
pub fn run() -> Result<u8> {
    let channel = stdin().as_fd().try_clone_to_owned().map_err(Error::io)?;
    serve_jp2_decoder(File::from(channel)).map(|()| 0)
}
