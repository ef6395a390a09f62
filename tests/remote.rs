//! Tiles and scenes at `s3://` and `https://`: the pixels of the file, read by range, or one line that says why not.

#[path = "common/mod.rs"]
mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::OnceLock;

use common::{python, servers, skip_or_fail};
use s2infer::raster::{Planes, Raster, ReadOptions, Window};
use serde_json::Value;

/// A scene of more bytes than are read whole.
const SIDE_PX: u32 = 660;
/// Tiles that the scene is laid of, again and again.
const TILES: &str = "300";

/// `scene.tif` and `cogs/…` with a STAC item beside them, by scripts/make_scene.py: made once, by path and bytes.
fn scene(python: &Path) -> &'static [(PathBuf, Vec<u8>)] {
    static SCENE: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    SCENE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut make = Command::new(python);
        make.current_dir(folder.path()).arg(script("scripts/make_scene.py"));
        make.args(["--side-px", &SIDE_PX.to_string(), "--towns", "0.05", "--tiles", TILES]);
        make.args(["--s2infer", env!("CARGO_BIN_EXE_s2infer"), "--cog", "scene.tif"]);
        let made = make.args(["--cog-folder", "cogs", "--stac", "v1"]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        relative_links(&item_in(&folder.path().join("cogs")), |name| format!("./{name}"));
        let files = walkdir::WalkDir::new(folder.path()).into_iter().map(Result::unwrap);
        let files = files.filter(|file| file.file_type().is_file()).map(|file| {
            let path = file.path().strip_prefix(folder.path()).unwrap().to_owned();
            (path, std::fs::read(file.path()).unwrap())
        });
        files.collect()
    })
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Servers over a folder with a scene, which end with this.
struct Place {
    folder: tempfile::TempDir,
    ports: Vec<u16>,
    server: Child,
    _until_closed: ChildStdin,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Place {
    /// The scene's files below `files`.
    fn new() -> Option<Self> {
        let (Some(python), Some(servers)) = (python(), servers()) else {
            skip_or_fail("Python and its servers (scripts/setup-servers.sh)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in scene(&python) {
            let path = folder.path().join("files").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let mut server = Command::new(servers)
            .arg(script("tests/servers.py"))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let ready = lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("READY ")?.to_owned()));
        let ports = ready.expect("the servers start").split(' ').map(|port| port.parse().unwrap()).collect();
        let until_closed = server.stdin.take().unwrap();
        Some(Self { folder, ports, server, _until_closed: until_closed })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn https(&self, name: &str) -> String {
        format!("https://localhost:{}/{name}", self.ports[1])
    }

    fn http(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.ports[2])
    }

    /// The program with the certificate and the S3 server of this place.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
        command.current_dir(self.folder.path()).env_remove("ORT_DYLIB_PATH");
        command.env("SSL_CERT_FILE", self.path("ca.pem"));
        command.env("AWS_ENDPOINT", format!("http://127.0.0.1:{}", self.ports[0])).env("AWS_ALLOW_HTTP", "true");
        command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret");
        command.args(["--engine", "tract", "--tta", "none", "--threshold", "0.5"]).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn scores(&self, input: &str) -> Vec<[Value; 3]> {
        let output = self.run(&[input, "--format", "ndjson"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.map(|row| ["x", "y", "score"].map(|key| row[key].clone())).collect()
    }

    /// Ranges that were asked for of a path: first byte and last.
    fn ranges(&self, path: &str) -> Vec<(u64, u64)> {
        let log = std::fs::read_to_string(self.path("requests.log")).unwrap_or_default();
        let of_path = log.lines().filter_map(|line| line.strip_prefix(&format!("GET {path} bytes=")));
        of_path
            .map(|range| range.split_once('-').unwrap())
            .map(|(from, to)| (from.parse().unwrap(), to.parse().unwrap()))
            .collect()
    }
}

fn item_in(folder: &Path) -> PathBuf {
    let scene = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let files = std::fs::read_dir(scene).unwrap().flatten().map(|entry| entry.path());
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "json")).unwrap()
}

fn relative_links(item: &Path, link: impl Fn(&str) -> String) {
    let mut json: Value = serde_json::from_slice(&std::fs::read(item).unwrap()).unwrap();
    for asset in json["assets"].as_object_mut().unwrap().values_mut() {
        let href = asset["href"].as_str().unwrap().to_owned();
        asset["href"] = link(href.rsplit('/').next().unwrap()).into();
    }
    std::fs::write(item, json.to_string()).unwrap();
}

#[test]
fn a_remote_scene_has_the_scores_of_the_file() {
    let Some(place) = Place::new() else { return };
    let here = place.scores("files/scene.tif");
    assert!(here.len() > 80 && here.iter().any(|row| row[2] != here[0][2]), "{here:?}");
    assert!(place.scores(&place.https("scene.tif")) == here);
    assert!(place.scores("s3://tiles/scene.tif") == here);
    let item = item_in(&place.path("files/cogs"));
    let by_item = place.scores(item.to_str().unwrap());
    assert_eq!(by_item.len(), here.len());
    let address = place.https(item.strip_prefix(place.path("files")).unwrap().to_str().unwrap());
    assert!(place.scores(&address) == by_item, "an item at an address, its files by their links");
    std::fs::copy(&item, place.path("item.json")).unwrap();
    let base = address.rsplit_once('/').unwrap().0.to_owned();
    relative_links(&place.path("item.json"), |name| format!("{base}/{name}"));
    assert!(place.scores("item.json") == by_item, "an item here, its files at addresses");
    relative_links(&item, |name| format!("{}/{name}", base.strip_prefix("https:").unwrap()));
    assert!(place.scores(&address) == by_item, "links without a scheme, which is that of the item");
}

#[test]
fn a_file_is_read_by_range_and_no_byte_twice() {
    let Some(place) = Place::new() else { return };
    let size = std::fs::metadata(place.path("files/scene.tif")).unwrap().len();
    let output = place.run(&[&place.https("scene.tif"), "--dry-run"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let header = place.ranges("/scene.tif");
    let asked = |ranges: &[(u64, u64)]| ranges.iter().map(|(from, to)| to.min(&(size - 1)) - from + 1).sum::<u64>();
    assert!(asked(&header) <= 256 << 10, "{header:?} for the header of {size} bytes");
    let address = place.https("scene.tif?signature=a%2Fb");
    let output = place.run(&[
        &address,
        "--output",
        "out.csv",
        "--stac",
        "item.json",
        "--record",
        "run.json",
        "--date",
        "2024-01-05",
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Who reads the results may not read the file.
    let read = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    assert!(read("out.csv").contains("/scene.tif,") && !read("out.csv").contains("signature"));
    let item: Value = serde_json::from_str(&read("item.json")).unwrap();
    assert!(item["links"].to_string().contains("/scene.tif\""), "{}", item["links"]);
    let ranges = place.ranges("/scene.tif?signature=a%2Fb");
    assert!(ranges.len() < 40 && asked(&ranges) < size + size / 4, "{ranges:?} of {size} bytes");
}

#[test]
fn what_has_not_changed_is_not_decided_again() {
    let Some(place) = Place::new() else { return };
    let address = place.https("scene.tif");
    let arguments = [address.as_str(), "--output", "out.csv", "--resume"];
    assert!(place.run(&arguments).status.success());
    let (table, asked) = (std::fs::read(place.path("out.csv")).unwrap(), place.ranges("/scene.tif").len());
    assert!(place.run(&arguments).status.success());
    assert_eq!(std::fs::read(place.path("out.csv")).unwrap(), table);
    assert!(place.ranges("/scene.tif").len() <= asked + 3, "the header, and whether it is still the same");
}

#[test]
fn a_file_that_is_replaced_meanwhile_is_an_error() {
    let Some(place) = Place::new() else { return };
    let address = place.http("scene.tif");
    let raster = Raster::open(Path::new(&address), &ReadOptions::default()).unwrap();
    let read = |y| {
        let mut planes = Planes::default();
        raster.read(Window { x: 0, y, width: SIDE_PX, height: 64 }, &[0], &mut planes).map(|()| planes)
    };
    read(0).unwrap();
    let path = place.path("files/scene.tif");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.push(0);
    std::fs::write(&path, bytes).unwrap();
    let error = read(SIDE_PX - 64).unwrap_err();
    assert!(error.to_string().ends_with("changed while being read"), "{error}");
}

#[test]
fn what_cannot_be_had_is_said_in_one_line() {
    let Some(place) = Place::new() else { return };
    let refused_without = |variable: Option<&str>, input: &str, words: &[&str]| {
        let mut command = place.command(&[input, "--output", "out.csv"]);
        if let Some(variable) = variable {
            command.env_remove(variable);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{input}: {said}");
        let table = std::fs::read_to_string(place.path("out.csv")).unwrap_or_default();
        assert!(
            words.iter().all(|word| said.contains(word) || table.contains(word)),
            "{input}: {words:?}: {said} {table}"
        );
    };
    let refused = |input: &str, words: &[&str]| refused_without(None, input, words);
    refused(&place.https("absent.tif"), &["not found at this address"]);
    refused("s3://tiles/absent.tif", &["not found at this address"]);
    refused("s3://absent/scene.tif", &["not found at this address"]);
    refused(&place.https("denied/scene.tif"), &["access denied"]);
    let named = place.https("scene.tif").replace("https://", "https://me:s3cret@");
    refused(&named, &["a name and password in an address are not sent"]);
    assert!(!std::fs::read_to_string(place.path("out.csv")).unwrap().contains("s3cret"));
    refused(&place.https("plain/scene.tif"), &["does not serve ranges", "download"]);
    refused(&place.https("cogs/"), &["--files-from"]);
    refused("s3://tiles", &["s3://bucket/key"]);
    refused_without(Some("SSL_CERT_FILE"), &place.https("scene.tif"), &["certificate not trusted", "SSL_CERT_FILE"]);
    refused("https://127.0.0.1:9/scene.tif", &["connection refused"]);
    refused(&place.https("busy/scene.tif"), &["the server answered 503; try again later"]);
    refused("https://absent.invalid/scene.tif", &["no host of this name"]);
    std::fs::write(place.path("item.json"), std::fs::read(item_in(&place.path("files/cogs"))).unwrap()).unwrap();
    relative_links(&place.path("item.json"), |name| format!("//localhost/{name}"));
    refused("item.json", &["//localhost/", "write https://localhost/"]);
    refused("ftp://localhost/scene.tif", &["No such file"]);
    refused_without(Some("AWS_ACCESS_KEY_ID"), "s3://tiles/scene.tif", &["half of the credentials"]);
}

#[test]
fn a_failure_has_the_same_reason_at_every_run_and_its_details_in_the_log() {
    let Some(place) = Place::new() else { return };
    let busy = place.https("busy/scene.tif?sig=s3cret");
    let inputs = ["https://127.0.0.1:9/scene.tif", &busy, "--output", "out.csv"];
    let run = |more: &[&str]| {
        let output = place.run(&[&inputs[..], more].concat());
        assert_eq!(output.status.code(), Some(1));
        (std::fs::read_to_string(place.path("out.csv")).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let ((table, quiet), (again, loud)) = (run(&[]), run(&["-v"]));
    assert_eq!(table, again);
    assert!(table.contains(",connection refused\n") && table.contains(",\"the server answered 503; try"), "{table}");
    assert!(!quiet.contains("retries") && loud.contains("retries"), "{quiet}{loud}");
    assert!(!(table + &quiet + &loud).contains("s3cret"));
}

#[test]
fn a_file_of_certificates_that_is_none_is_named_before_anything_is_read() {
    let Some(place) = Place::new() else { return };
    std::fs::write(place.path("empty.pem"), "").unwrap();
    for (name, why) in [("absent.pem", "which is no file"), ("empty.pem", "which holds no certificate")] {
        for input in [place.https("scene.tif"), "s3://tiles/scene.tif".into()] {
            let mut command = place.command(&[&input, "--output", "out.csv"]);
            let output = command.env("SSL_CERT_FILE", place.path(name)).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{input}: {said}");
            assert!(said.contains("SSL_CERT_FILE") && said.contains(name) && said.contains(why), "{input}: {said}");
        }
    }
    assert!(
        !place.path("out.csv").exists() && !place.path("out.csv.lock").exists() && !place.path("requests.log").exists()
    );
    // Files here need no certificates.
    let mut command = place.command(&["files/scene.tif", "--dry-run"]);
    assert!(command.env("SSL_CERT_FILE", "absent.pem").output().unwrap().status.success());
}

#[test]
fn inspect_says_of_an_address_what_it_says_of_the_file() {
    let Some(place) = Place::new() else { return };
    let facts = |subject: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
        command.current_dir(place.path("")).args(["inspect", subject, "--format", "json"]);
        for (name, value) in place.command(&[]).get_envs() {
            value.map(|value| command.env(name, value));
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let here = facts("files/scene.tif");
    assert_eq!((&here["width"], here["bands"].as_array().unwrap().len()), (&SIDE_PX.into(), 4));
    assert_eq!(facts(&place.https("scene.tif")), here);
    assert_eq!(facts("s3://tiles/scene.tif"), here);
    let item = item_in(&place.path("files/cogs"));
    let address = place.https(item.strip_prefix(place.path("files")).unwrap().to_str().unwrap());
    let (here, there) = (facts(item.to_str().unwrap()), facts(&address));
    assert_eq!((&there["format"], &there["fed"]), (&here["format"], &here["fed"]));
    assert!(there["bands"][0]["file"].as_str().unwrap().starts_with("https://"), "{there}");
}
