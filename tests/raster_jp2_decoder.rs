//! The processes that decode JPEG 2000: what they may, what happens when they fail, and that none is left behind.

mod common;

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use common::{python, skip_or_fail};
use rustix::process::{Pid, Signal, kill_process};
use s2infer::Kind;
use s2infer::raster::{DECODER_COMMAND, Planes, Raster, ReadOptions, Window};
use tempfile::TempDir;

/// A copy of the program under a name of its own, so that its processes are told from all others, and an image.
struct Bench {
    /// One test at a time: idle decoders are kept for the whole process, as many as it has cores.
    _alone: MutexGuard<'static, ()>,
    _folder: TempDir,
    program: PathBuf,
    image: PathBuf,
}

static ALONE: Mutex<()> = Mutex::new(());

const IMAGE: &str = "import sys, numpy, rasterio
options = dict(driver='JP2OpenJPEG', count=1, height=700, width=900, dtype='uint16', tiled=True, BLOCKXSIZE=128, BLOCKYSIZE=128)
with rasterio.open(sys.argv[1], 'w', QUALITY=100, REVERSIBLE='YES', **options) as file:
    file.write(numpy.random.default_rng(1).integers(0, 9000, (1, 700, 900)).astype('uint16'))";

fn bench() -> Option<Bench> {
    let Some(python) = python() else {
        skip_or_fail("Python with rasterio");
        return None;
    };
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (program, image) = (folder.path().join("s2infer"), folder.path().join("image.jp2"));
    fs::hard_link(env!("CARGO_BIN_EXE_s2infer"), &program).unwrap();
    assert!(Command::new(python).args(["-c", IMAGE]).arg(&image).status().unwrap().success());
    Some(Bench { _alone: alone, _folder: folder, program, image })
}

impl Bench {
    fn open(&self) -> Raster {
        let options = ReadOptions { decoder: Some(self.program.clone()), ..Default::default() };
        Raster::open(&self.image, &options).unwrap()
    }

    /// The processes that run the program.
    fn processes(&self) -> Vec<u32> {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let runs = |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path == self.program);
        numbers.filter(runs).collect()
    }

    /// Its only process.
    fn process(&self) -> Pid {
        let [pid] = self.processes()[..] else { panic!("{:?}", self.processes()) };
        Pid::from_raw(pid as i32).unwrap()
    }

    fn wait_for_none(&self) {
        let start = Instant::now();
        while !self.processes().is_empty() {
            assert!(start.elapsed() < Duration::from_secs(10), "{:?} are left behind", self.processes());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A window within the tile of this column: each is another request.
fn read(raster: &Raster, tile: u32) -> s2infer::Result<Planes> {
    let mut planes = Planes::new();
    raster.read(Window { x: 128 * tile, y: 0, width: 100, height: 100 }, &[0], &mut planes).map(|()| planes)
}

#[test]
fn decoder_can_open_and_write_nothing_and_grows_no_further_than_two_gibibytes() {
    let Some(bench) = bench() else { return };
    let raster = bench.open();
    assert!(bench.processes().is_empty(), "the header is read without one");
    read(&raster, 0).unwrap();
    let limits = fs::read_to_string(format!("/proc/{}/limits", bench.process().as_raw_nonzero())).unwrap();
    for (name, most) in [
        ("Max address space", "2147483648"),
        ("Max open files", "0"),
        ("Max file size", "0"),
        ("Max core file size", "0"),
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let numbers: Vec<&str> = line[name.len()..].split_whitespace().take(2).collect();
        assert_eq!(numbers, [most, most], "{name}");
    }
}

#[test]
fn decoder_that_dies_fails_one_read_and_is_replaced() {
    let Some(bench) = bench() else { return };
    let raster = bench.open();
    let first = read(&raster, 0).unwrap();
    let pid = bench.process();
    assert_eq!(read(&raster, 1).map(|planes| planes.bytes.len()).unwrap(), first.bytes.len());
    assert_eq!(bench.process(), pid, "one process serves all tiles");
    // At work: it stands still, so that the request is under way when it is killed.
    kill_process(pid, Signal::STOP).unwrap();
    let started = Barrier::new(2);
    let error = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            started.wait();
            read(&raster, 2).unwrap_err()
        });
        started.wait();
        thread::sleep(Duration::from_secs(1));
        kill_process(pid, Signal::KILL).unwrap();
        reading.join().unwrap()
    });
    assert_eq!(error.kind(), Kind::Io);
    let message = error.to_string();
    assert!(message.starts_with(&bench.image.display().to_string()) && message.contains("signal: 9"), "{message}");
    let again = read(&raster, 2).unwrap();
    assert_eq!(again.bytes.len(), first.bytes.len());
    // Idle: nobody needs to know, once it has ended so far that its parent can see it.
    let idle = bench.process();
    kill_process(idle, Signal::KILL).unwrap();
    let has_ended = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", idle.as_raw_nonzero())).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('Z'))
    };
    let start = Instant::now();
    while !has_ended() {
        assert!(start.elapsed() < Duration::from_secs(10), "{idle:?} does not end");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(read(&raster, 3).unwrap().bytes.len(), first.bytes.len());
}

#[test]
fn program_that_is_missing_or_no_decoder_is_named() {
    let Some(bench) = bench() else { return };
    for program in ["/nowhere/s2infer", "/bin/true"] {
        let options = ReadOptions { decoder: Some(program.into()), ..Default::default() };
        let raster = Raster::open(&bench.image, &options).unwrap();
        let message = read(&raster, 0).unwrap_err().to_string();
        assert!(message.starts_with(&bench.image.display().to_string()), "{message}");
        assert!(message.contains(&format!("`{program}` cannot be used as the decoder")), "{message}");
        assert!(message.contains("ReadOptions::decoder"), "{message}");
    }
}

#[test]
fn program_decodes_in_processes_of_itself_and_leaves_none_behind() {
    let Some(bench) = bench() else { return };
    let output = Command::new(&bench.program).args(["inspect", "--format", "json"]).arg(&bench.image).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let facts: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&facts["format"], &facts["dtype"]), (&"JPEG 2000".into(), &"uint16".into()));
    assert_eq!((&facts["bands"][0]["valid"], &facts["bands"][0]["maximum"]), (&(900 * 700).into(), &8999.0.into()));
    bench.wait_for_none();
}

#[test]
fn decoder_ends_once_nobody_holds_the_other_end() {
    let Some(bench) = bench() else { return };
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut decoder = Command::new(&bench.program).arg(DECODER_COMMAND).stdin(OwnedFd::from(theirs)).spawn().unwrap();
    ours.read_exact(&mut [0; 8]).unwrap();
    assert!(decoder.try_wait().unwrap().is_none(), "it waits for requests");
    // What the kernel does for a program that is killed.
    drop(ours);
    assert!(decoder.wait().unwrap().success());
}
