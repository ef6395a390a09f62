//! The files that make up OpenVINO: its C library loads the others later, when a broken one would end the process.

use std::path::{Path, PathBuf};

use super::{LIBRARY, elf, places};
use crate::{Error, Result};

/// How to get OpenVINO.
pub const REMEDY: &str = "install it with scripts/setup-openvino.sh, or with `pip install openvino` and --openvino-lib \
                          FOLDER/openvino/libs, or set OPENVINO_LIB_PATH";

/// What this engine needs beside the C library: the core, the reader of ONNX files, the plugin for processors.
const NEEDED: [&str; 3] = ["libopenvino.so", "libopenvino_onnx_frontend.so", PLUGIN];

const PLUGIN: &str =
    if cfg!(target_arch = "aarch64") { "libopenvino_arm_cpu_plugin.so" } else { "libopenvino_intel_cpu_plugin.so" };

/// What it needs that may lie among the system's libraries as well.
const THREADS: &str = "libtbb.so";

/// Checks that the C library `library` is one, and that every file it needs is there and whole.
pub fn check(library: &Path) -> Result<()> {
    let whole = |path: &Path| {
        elf::check(path)
            .map_err(|reason| Error::engine(format!("{} cannot be used: {reason}; {REMEDY}", path.display())))
    };
    if !whole(library)?.names().any(|name| name == "ov_get_openvino_version") {
        return Err(Error::engine(format!(
            "{} cannot be used: it is not OpenVINO's C library, which exports ov_get_openvino_version; {REMEDY}",
            library.display()
        )));
    }
    let folder = library.parent().unwrap_or(Path::new("/"));
    for stem in NEEDED {
        let Some(path) = beside(library, folder, stem) else {
            return Err(Error::engine(format!(
                "{} needs {stem} beside it, which is not there; {REMEDY}",
                library.display()
            )));
        };
        whole(&path)?;
    }
    beside(library, folder, THREADS).map_or(Ok(()), |path| whole(&path).map(|_| ()))
}

/// The file `stem` of the same version as `library`, else of any, in `folder` or, as Debian's packages have the plugins,
/// in an `openvino-VERSION` below it.
fn beside(library: &Path, folder: &Path, stem: &str) -> Option<PathBuf> {
    let version = library.file_name()?.to_str()?.strip_prefix(LIBRARY.stem).unwrap_or_default();
    let same = folder.join(format!("{stem}{version}"));
    let below = || glob::glob(&folder.join("openvino-*").to_string_lossy()).ok()?.flatten().next();
    let found = || places::library_in(folder, stem).or_else(|| places::library_in(&below()?, stem));
    same.is_file().then_some(same).or_else(found)
}
