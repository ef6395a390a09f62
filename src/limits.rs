//! Every bound on what comes from outside, with its unit and its reason.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::{Error, Result};

/// The whole of a file of at most `bytes_max` bytes; a device or pipe is read no further than that.
///
/// # Errors
/// [`crate::Kind::Usage`], naming the file, if it cannot be read or holds more.
pub fn read_bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|error| Error::usage(error).context(path.display()))?;
    read_bounded_from(file, bytes_max).map_err(|error| error.context(path.display()))
}

/// As [`read_bounded`], from a stream that is already open; the message names no file.
///
/// # Errors
/// As [`read_bounded`].
pub fn read_bounded_from(stream: impl Read, bytes_max: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(bytes_max + 1).read_to_end(&mut bytes).map_err(Error::usage)?;
    if bytes.len() as u64 > bytes_max {
        return Err(Error::usage(format!("more than the {bytes_max} bytes that are read")));
    }
    Ok(bytes)
}

/// Bytes of a JSON, CSV side table or profile that is read whole: 1 MiB for a profile or manifest.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a drift reference: one of six bands and five groups has about 100 KB.
pub const REFERENCE_BYTES_MAX: u64 = 16 << 20;
/// Bytes of a side table such as `--metadata`: 256 MiB holds more than three million tiles.
pub const TABLE_BYTES_MAX: u64 = 256 << 20;
/// Columns of a table of labelled tiles.
pub const TABLE_COLUMNS_MAX: usize = 1000;
/// Width or height of a raster in pixels.
pub const RASTER_SIDE_PX_MAX: u32 = 1 << 20;
/// Bands of a raster.
pub const RASTER_BANDS_MAX: usize = 4096;
/// Strips or tiles of a raster.
pub const RASTER_CHUNKS_MAX: u64 = 1 << 22;
/// Bytes of one decoded strip or tile: 256 MiB.
pub const CHUNK_BYTES_MAX: u64 = 256 << 20;
/// Decoded bytes over encoded bytes of one chunk: no real Deflate stream gets past about 1,030.
pub const CHUNK_INFLATION_MAX: u64 = 1 << 16;
/// Image file directories followed in one TIFF.
pub const TIFF_DIRECTORIES_MAX: usize = 256;
/// Entries of one TIFF directory.
pub const TIFF_ENTRIES_MAX: usize = 4096;
/// Bytes of one text tag (GDAL metadata, geo parameters).
pub const TIFF_TEXT_BYTES_MAX: u64 = 4 << 20;
/// Bytes of decoded chunks kept for the windows of one tile that overlap them.
pub const CHUNK_CACHE_BYTES: usize = 64 << 20;
/// Bytes of a raster file that is read whole and closed at once; larger ones are mapped or read in pieces. Measured on
/// raw tiles, opened and read: 12 µs whole against 16 µs mapped at 32 KB, 33 against 42 at 128 KB, 111 against 125 at
/// 512 KB; above 1 MiB what is not asked for begins to cost.
pub const WHOLE_READ_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a file that is mapped; of a larger one the pages that were read would count as this process's memory until its
/// end, 900 MB for a whole scene. Reading in pieces costs the same, since pixels are copied out of the map anyway.
pub const MAPPED_BYTES_MAX: u64 = 64 << 20;
/// Bytes that one request fetches of a remote file where single places of it are read.
pub const REMOTE_AHEAD_BYTES_MIN: u64 = 64 << 10;
/// The same where it is read from front to back.
pub const REMOTE_AHEAD_BYTES_MAX: u64 = 4 << 20;
/// Pieces kept of one remote file.
pub const REMOTE_PIECES: usize = 3;
/// Seconds until a server must have taken a connection.
pub const REMOTE_CONNECT_S_MAX: u64 = 10;
/// Seconds until a request must be answered whole.
pub const REMOTE_REQUEST_S_MAX: u64 = 120;
/// Times that a request is sent again after a fault of the server or the network.
pub const REMOTE_RETRIES_MAX: usize = 3;
/// Bytes of the file of certificates that the environment names; a system's whole store has 220 kB.
pub const CERTIFICATES_BYTES_MAX: u64 = 16 << 20;
/// Memory maps alive at one time; a raster opened beyond that is read in pieces instead.
pub const GUARDED_MAPS_MAX: usize = 1024;
/// Scans of a JPEG: a progressive file has about ten, and each one costs a pass over the image.
pub const JPEG_SCANS_MAX: usize = 500;
/// Boxes of a JP2 file: one as ESA delivers it has ten.
pub const JP2_BOXES_MAX: usize = 4096;
/// Bytes of a JP2 box that says where on Earth an image lies: GMLJP2 has about 2,000.
pub const JP2_GEO_BYTES_MAX: u64 = 1 << 20;
/// Bytes of the main header of a JPEG 2000 codestream: a list of the lengths of 65,535 tiles needs 400 KB.
pub const JP2_HEADER_BYTES_MAX: usize = 1 << 20;
/// Tiles of a JPEG 2000 image: their index has 16 bits, and the last is reserved.
pub const JP2_TILES_MAX: u32 = 65_535;
/// Tile-parts of a JPEG 2000 image: each tile may come in 255, by resolution and layer; four are common.
pub const JP2_TILE_PARTS_MAX: usize = 1 << 18;
/// Width and height in pixels of a JPEG 2000 tile that is decoded whole; of larger ones, areas are.
pub const JP2_TILE_SIDE_PX_MAX: u32 = 2048;
/// Width and height in pixels of those areas.
pub const JP2_CHUNK_SIDE_PX: u32 = 1024;
/// Samples decoded at once from JPEG 2000, over all bands: eight bands of 2048 × 2048, for which OpenJPEG takes 4 bytes
/// each, twice.
pub const JP2_CHUNK_SAMPLES_MAX: u64 = 1 << 25;
/// Bytes of address space of a process that decodes JPEG 2000: 2 GiB, of which the program itself takes some 100 MB.
pub const JP2_DECODER_BYTES_MAX: u64 = 2 << 30;
/// Seconds of processor time for one JPEG 2000 tile: one of 1024 × 1024 needs 0.2.
pub const JP2_DECODE_CPU_S_MAX: u64 = 60;
/// Seconds until a process that decodes JPEG 2000 has to answer, on however busy a machine.
pub const JP2_ANSWER_WAIT_S_MAX: u64 = 300;
/// Seconds until a process that decodes JPEG 2000 has to be ready: it needs 0.01.
pub const JP2_GREETING_WAIT_S_MAX: u64 = 30;
/// Bytes of the header of an NPY file: NumPy itself writes 118 and reads 10,000.
pub const NPY_HEADER_BYTES_MAX: u64 = 10_000;
/// Bytes of one window of pixels: 1 GiB.
pub const WINDOW_BYTES_MAX: u64 = 1 << 30;
/// Bytes of an ONNX file: protobuf itself ends at 2 GiB.
pub const MODEL_BYTES_MAX: u64 = (2 << 30) - 1;
/// Windows of one tile: a whole Sentinel-2 scene in 64 px windows that overlap by 60 has 7.5 million.
pub const WINDOWS_MAX: u64 = 1 << 23;
/// Elements of any tensor of a graph.
pub const TENSOR_ELEMENTS_MAX: u64 = 1 << 31;
/// Nodes of a graph.
pub const GRAPH_NODES_MAX: usize = 1 << 16;
/// Values of one tensor of a graph on tract that does not grow with the batch: 256 MiB of float32, since an allocation
/// that fails there ends the process.
pub const TRACT_CONSTANT_ELEMENTS_MAX: u64 = 1 << 26;
/// Values of one tensor of a graph on tract, per row of the batch: 64 channels of 512 × 512.
pub const TRACT_ROW_ELEMENTS_MAX: u64 = 1 << 24;
/// Bytes of the name of a threshold group.
pub const NAME_BYTES_MAX: usize = 128;
/// Groups of one calibration: far more than anyone has positives for.
pub const GROUPS_MAX: usize = 1024;
/// Bytes of one line of the resume journal: a whole Sentinel-2 scene's windows need about 10 MiB.
pub const JOURNAL_LINE_BYTES_MAX: u64 = 256 << 20;
/// Bytes of a map's compressed tiles of one resolution that are kept in memory until the map is put together; more go to a
/// temporary file. The map of a small tile never touches one.
pub const MAP_SPOOL_BYTES_MAX: usize = 1 << 20;
/// Classes that a map of bytes can hold: 254 stands for abstained and 255 for no data.
pub const MAP_CLASSES_MAX: usize = 254;
/// Bytes of the band of class probabilities over which overlapping windows are blended: width × window × classes × 4. A
/// whole Sentinel-2 scene in 512 px windows with 20 classes has 450 MB.
pub const BLEND_BYTES_MAX: u64 = 4 << 30;
/// Longer side of a quick-look picture in pixels.
pub const QUICKLOOK_SIDE_PX_MAX: u32 = 1200;
/// Rows of one row group of a Parquet file: about 6 MB of cells in memory.
pub const PARQUET_GROUP_ROWS: usize = 1 << 13;
/// Failed tiles, and warnings, that a run record lists by name; it counts them all.
pub const RECORD_ENTRIES_MAX: usize = 1000;
/// Bytes of the tiles that a segmentation model is trained on, in memory at once: 14,000 of 512 × 512 pixels and four
/// bands, at two bytes a value and one a label.
pub const TRAINING_BYTES_MAX: u64 = 32 << 30;
/// Width and height of a model's input in pixels.
pub const MODEL_TILE_PX_MAX: u32 = 1 << 13;
/// Bands of a model's input.
pub const MODEL_BANDS_MAX: usize = 256;
/// Characters of a cell, a name or an expression that a message repeats: they tell which one it is.
pub const QUOTED_CHARS_MAX: usize = 40;
/// Characters of a parser's own message that are passed on.
pub const MESSAGE_CHARS_MAX: usize = 300;
/// Bytes of the expression of a derived channel.
pub const EXPRESSION_BYTES_MAX: usize = 1024;
/// Depth of its parentheses, signs and functions.
pub const EXPRESSION_DEPTH_MAX: usize = 32;
/// Its numbers, bands and operators together: each costs a pass over the pixels.
pub const EXPRESSION_STEPS_MAX: usize = 128;
/// Classes of a model.
pub const MODEL_CLASSES_MAX: usize = 4096;
/// Networks that one model is made of: they run one after the other, and the largest ensembles of the field have twenty.
pub const MODEL_MEMBERS_MAX: usize = 64;
/// Nodes of a tree ensemble: a thousand trees of depth nine.
pub const TREE_NODES_MAX: usize = 1 << 20;
/// Files a manifest may list.
pub const MODEL_ASSETS_MAX: usize = 4096;
/// Bytes of a golden batch: 64 windows of 512 × 512 × 4 as f32 are 256 MiB.
pub const GOLDEN_BYTES_MAX: u64 = 256 << 20;
/// Windows of a golden batch: it runs before every job.
pub const GOLDEN_WINDOWS_MAX: usize = 64;
/// Bytes of a model card.
pub const CARD_BYTES_MAX: u64 = 4 << 20;
/// Dimensions of any tensor of a graph; ONNX Runtime itself ends at 8 in many kernels.
pub const TENSOR_RANK_MAX: usize = 16;
/// Bytes that the pieces of a graph (nodes, attributes, names) may take beside the weights: 128 MiB,
/// a hundred times what ResNet-152 takes.
pub const GRAPH_PIECES_BYTES_MAX: usize = 128 << 20;
/// Positives, and negatives, of a group that a model in another precision is judged by, at least: of fewer, a single tile
/// is more than ten points of recall.
pub const GATE_LABELLED_MIN: usize = 10;
/// The same in tiles, of models with several classes or maps.
pub const GATE_TILES_MIN: usize = 2 * GATE_LABELLED_MIN;
/// Tiles that ranges are observed on, at least: half of them find ranges, the others judge them.
pub const RANGE_TILES_MIN: usize = 16;
/// Bytes of one metadata file of a product (XML, STAC): ESA's have about 70 KB, or 600 KB with their grids of angles.
pub const METADATA_BYTES_MAX: u64 = 16 << 20;
/// Nodes of one XML document.
pub const METADATA_NODES_MAX: u32 = 1 << 20;
/// Folders below a product's own that are searched for its bands.
pub const PRODUCT_DEPTH_MAX: usize = 6;
/// Files of a product: a real one has about 120, an old one with twelve granules 600.
pub const PRODUCT_FILES_MAX: usize = 1 << 14;
/// Bytes of one file that is unpacked from an archive: a 10 m band has about 130 MB.
pub const ARCHIVE_ENTRY_BYTES_MAX: u64 = 1 << 30;
