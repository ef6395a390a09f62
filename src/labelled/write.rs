//! Writing a table of scores that reads back as one.

use std::io::Write;
use std::path::Path;

use super::{Labelled, LabelledRow, Labels, Values};
use crate::output::AtomicFile;
use crate::{Error, Result};

/// Writes a table of scores with everything that is known of its tiles, complete or not at all.
///
/// # Errors
/// [`crate::Kind::Output`] if it cannot be written.
pub fn write(path: &Path, table: &Labelled, labels: &Labels) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| Error::output(format!("{}: {error}", path.display()));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let result = if labels.is_binary() { "score" } else { "decision,score" };
    let names = ["tile,label", result, "group,split,site,region,longitude,latitude,cloud_cover_percent,model_sha256"];
    let header = names.iter().flat_map(|names| names.split(','));
    let header = header.chain(table.prefilter.map(|_| "prefilter"));
    let further = table.further.iter().map(|column| column.name.as_str());
    writer.write_record(header.chain(further)).map_err(|error| failed(&error))?;
    for (index, row) in table.rows.iter().enumerate() {
        let cells = record(row, index, table, labels);
        writer.write_record(&cells).map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    let mut file = AtomicFile::create(path)?;
    file.write_all(&bytes).map_err(|error| failed(&error))?;
    file.commit()
}

fn record(row: &LabelledRow, index: usize, table: &Labelled, labels: &Labels) -> Vec<String> {
    fn text<T: ToString>(value: Option<T>) -> String {
        value.map_or_else(String::new, |value| value.to_string())
    }
    let mut cells = vec![row.tile.clone(), row.label.to_string()];
    if !labels.is_binary() {
        cells.push(text(row.predicted.and_then(|class| labels.classes().get(usize::from(class)))));
    }
    cells.extend([
        // The shortest decimal that reads back as the same number: scores are of 32 bits.
        text(row.score.map(|score| score as f32)),
        row.group.to_string(),
        text(row.split.as_ref()),
        text(row.site.as_ref()),
        text(row.region.as_ref()),
        text(row.longitude_latitude.map(|(longitude, _)| longitude)),
        text(row.longitude_latitude.map(|(_, latitude)| latitude)),
        text(row.cloud_cover_percent),
        table.model_sha256.clone().unwrap_or_default(),
    ]);
    cells.extend(table.prefilter.map(|asked| if asked { "on" } else { "off" }.to_owned()));
    cells.extend(table.further.iter().map(|column| match &column.values {
        Values::Numbers(numbers) => text(numbers.get(index).filter(|number| number.is_finite())),
        Values::Words(words, of) => text(of.get(index).and_then(|&word| words.get(word as usize))),
    }));
    cells
}
