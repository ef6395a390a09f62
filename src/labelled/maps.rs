//! What a segmentation model makes of tiles that have a map of labels.

use std::collections::HashMap;
use std::path::Path;

use super::predict::{every_tile_read, rows_of};
use crate::output::{DistributionWriter, MapOutputs, NO_CLASS, mask_path, tile_text};
use crate::pipeline::{Job, Outputs};
use crate::raster::{Planes, Raster, ReadOptions, SampleType, Window};
use crate::{Error, Result};

/// One tile's pixels and shares.
#[derive(Debug, Clone, PartialEq)]
pub struct MapOutcome {
    /// Labelled pixels by class (row) and by the class they were given, row by row.
    pub confusion: Vec<u64>,
    /// Labelled pixels that the model gave no class: they are invalid in the tile.
    pub n_undecided: u64,
    /// Share of each class among the labelled pixels.
    pub labelled_shares: Vec<f64>,
    /// Mean soft-max of each class over the valid pixels; none where no pixel is valid.
    pub shares: Option<Vec<f64>>,
}

/// Runs a job over tiles and counts what became of their labelled pixels, in the order of the inputs. `labels` are the
/// tiles' maps: 8-bit rasters of one band and of the tile's size, the number of the class in every pixel, [`NO_CLASS`]
/// or the file's nodata value where there is none. The maps that the model makes stay in `folder`, and the tiles' class
/// shares in its `distributions.csv`.
///
/// # Errors
/// What ends a run, the first tile that cannot be read, and the first map of labels that is none.
pub fn predict_maps<P: AsRef<Path>>(
    job: Job,
    labels: &[P],
    folder: &Path,
    progress: &mut dyn FnMut(f64),
) -> Result<Vec<MapOutcome>> {
    let classes = job.model.manifest.classes.clone();
    let tiles: Vec<String> = job.inputs.iter().map(|input| tile_text(&input.path)).collect();
    std::fs::create_dir_all(folder).map_err(|error| Error::output(error).context(folder.display()))?;
    let distributions = folder.join("distributions.csv");
    let writer = DistributionWriter::create(&distributions, &classes)?;
    let (_, summary) = rows_of(job, |sink| Outputs {
        sink,
        journal: None,
        keep_journal: false,
        maps: MapOutputs { masks: Some(folder.to_owned()), ..MapOutputs::default() },
        distributions: Some(writer),
        progress,
        observe: None,
    })?;
    every_tile_read(&summary)?;
    let mut shares = read_shares(&distributions, classes.len())?;
    let outcome = |(tile, labels): (&String, &P)| {
        let given = ClassNumbers::read(&mask_path(folder, tile))?;
        let labelled = labels.as_ref();
        let counted = count(&ClassNumbers::read(labelled)?, &given, classes.len());
        let (confusion, n_undecided) = counted.map_err(|why| Error::usage(format!("{}: {why}", labelled.display())))?;
        let mut labelled_shares: Vec<f64> =
            confusion.chunks(classes.len()).map(|row| row.iter().sum::<u64>() as f64).collect();
        let all: f64 = labelled_shares.iter().sum();
        labelled_shares.iter_mut().for_each(|share| *share /= all.max(1.0));
        Ok(MapOutcome { confusion, n_undecided, labelled_shares, shares: shares.remove(tile).flatten() })
    };
    tiles.iter().zip(labels).map(outcome).collect()
}

/// A raster of one band of bytes: the number of the class in every pixel, [`NO_CLASS`] or the file's nodata value where
/// there is none.
pub struct ClassNumbers {
    /// Width and height.
    pub size: [u32; 2],
    /// What stands for no class besides [`NO_CLASS`].
    pub nodata: Option<u8>,
    /// Row by row.
    pub pixels: Vec<u8>,
}

impl ClassNumbers {
    /// Reads them.
    ///
    /// # Errors
    /// A file that cannot be read, and one of another kind.
    pub fn read(path: &Path) -> Result<Self> {
        let raster = Raster::open(path, &ReadOptions::default())?;
        let header = raster.header();
        if header.sample_type != SampleType::U8 || header.bands.len() != 1 {
            return Err(Error::usage(format!(
                "{}: {} bands of {}; a map of labels has one band of uint8, the number of the class in every pixel",
                path.display(),
                header.bands.len(),
                header.sample_type.name()
            )));
        }
        let window = Window { x: 0, y: 0, width: header.width, height: header.height };
        let nodata = header.nodata.filter(|nodata| (0.0..=255.0).contains(nodata)).map(|nodata| nodata as u8);
        let mut planes = Planes::new();
        raster.read(window, &[0], &mut planes)?;
        Ok(Self { size: [header.width, header.height], nodata, pixels: planes.bytes })
    }
}

/// Confusion, and labelled pixels without a class.
fn count(labels: &ClassNumbers, given: &ClassNumbers, classes: usize) -> std::result::Result<(Vec<u64>, u64), String> {
    if labels.size != given.size {
        let [[a, b], [c, d]] = [labels.size, given.size];
        return Err(format!("{a}×{b} pixels, its tile has {c}×{d}"));
    }
    let (mut confusion, mut n_undecided) = (vec![0; classes * classes], 0);
    for (&of, &to) in labels.pixels.iter().zip(&given.pixels) {
        match (of, to) {
            (NO_CLASS, _) => {}
            (of, _) if Some(of) == labels.nodata => {}
            (of, _) if usize::from(of) >= classes => {
                return Err(format!("a pixel has the class {of}; the model's are 0 to {}", classes - 1));
            }
            (_, NO_CLASS) => n_undecided += 1,
            (of, to) => confusion[usize::from(of) * classes + usize::from(to)] += 1,
        }
    }
    if confusion.iter().sum::<u64>() + n_undecided == 0 {
        return Err("no pixel has a label".into());
    }
    Ok((confusion, n_undecided))
}

/// The classes' shares by tile.
fn read_shares(path: &Path, classes: usize) -> Result<HashMap<String, Option<Vec<f64>>>> {
    let broken = |error: csv::Error| Error::output(error).context(path.display());
    let mut reader = csv::Reader::from_path(path).map_err(broken)?;
    let mut shares = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let numbers: Vec<f64> = record.iter().skip(1).filter_map(|cell| cell.parse().ok()).collect();
        shares.insert(record[0].to_owned(), Some(numbers).filter(|numbers| numbers.len() == classes));
    }
    Ok(shares)
}
