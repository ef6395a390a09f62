//! The tracker against a real MLflow server, read back through that server's own interface.

mod common;
#[path = "common/tiles.rs"]
mod tiles;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use s2infer::Kind;
use s2infer::train::checkpoints::Checkpoints;
use s2infer::train::mlflow::{Status, Tracker};
use s2infer::train::patches::{self, Patch, Split};
use serde_json::Value;

/// A first start makes the database, which takes its time on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// Runs a command until standard input ends, then ends it with all that it has started: a server goes with its test,
/// however that ends.
const UNTIL_INPUT_ENDS: &str = r#""$@" & cat > /dev/null; kill -9 0"#;

/// `mlflow server` on loopback, with its database in a folder.
struct Server {
    process: Child,
    port: u16,
    folder: PathBuf,
}

impl Server {
    /// A server for everything in `folder`; `None`, and said so, where MLflow is not installed.
    fn start(folder: &Path, port: u16) -> Option<Self> {
        let Some(program) = common::mlflow() else {
            common::skip_or_fail("MLflow (scripts/setup-mlflow.sh)");
            return None;
        };
        let log = File::create(folder.join("log")).unwrap();
        let process = Command::new("sh")
            .args(["-c", UNTIL_INPUT_ENDS, "sh"])
            .arg(program)
            .args(["server", "--host", "127.0.0.1", "--workers", "1", "--port", &port.to_string()])
            .args(["--backend-store-uri", "sqlite:///runs.db", "--default-artifact-root", "artifacts"])
            .envs([("MLFLOW_DISABLE_TELEMETRY", "true"), ("DO_NOT_TRACK", "true")])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        let mut server = Self { process, port, folder: folder.to_owned() };
        server.wait();
        Some(server)
    }

    /// The server of all tests.
    fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        let start = || {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mlflow");
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
            Self::start(&folder, free_port())
        };
        SHARED.get_or_init(start).as_ref()
    }

    fn wait(&mut self) {
        let started = Instant::now();
        while ureq::get(format!("{}/health", self.url())).call().is_err() {
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(started.elapsed() < START_TIMEOUT, "MLflow did not start:\n{}", log());
            assert!(self.process.try_wait().unwrap().is_none(), "MLflow ended:\n{}", log());
            sleep(Duration::from_millis(200));
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn get(&self, path: &str) -> Value {
        let url = format!("{}/api/2.0/mlflow/{path}", self.url());
        ureq::get(url).call().unwrap().body_mut().read_json().unwrap()
    }

    fn run(&self, run_id: &str) -> Value {
        self.get(&format!("runs/get?run_id={run_id}"))["run"].clone()
    }

    /// Steps and values of a metric, in the order of the steps.
    fn history(&self, run_id: &str, metric: &str) -> Vec<(i64, Value)> {
        let answer = self.get(&format!("metrics/get-history?run_id={run_id}&metric_key={metric}"));
        let points = answer["metrics"].as_array().cloned().unwrap_or_default();
        let mut points: Vec<_> = points.iter().map(|p| (p["step"].as_i64().unwrap(), p["value"].clone())).collect();
        points.sort_by_key(|(step, _)| *step);
        points
    }

    /// A run without parameters and tags.
    fn track(&self, experiment: &str) -> Tracker {
        Tracker::start(&self.url(), experiment, "run", &[], &[], None).unwrap()
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Value of an entry in the server's list of parameters or tags.
fn entry<'a>(list: &'a Value, key: &str) -> Option<&'a str> {
    list.as_array()?.iter().find(|entry| entry["key"] == key)?["value"].as_str()
}

#[test]
fn a_training_is_logged_with_its_parameters_tags_metrics_and_end() {
    let Some(server) = Server::shared() else { return };
    // More than one request holds, one longer than the server stores, and one with signs that it refuses in names.
    let mut params: Vec<_> = (0..230).map(|index| (format!("setting.{index}"), index.to_string())).collect();
    params.extend(pairs(&[("patches", &"x".repeat(7000)), ("loss (γ)", "2")]));
    let tags = pairs(&[("git", "abc"), ("note", "two\nlines")]);
    let mut tracker = Tracker::start(&server.url(), "logged", "first", &params, &tags, None).unwrap();
    let run_id = tracker.run_id().to_owned();
    assert_eq!(server.run(&run_id)["info"]["status"], "RUNNING");
    tracker.epoch(1, &[("loss".into(), 0.5), ("auprc.winter".into(), f64::NAN)]);
    tracker.epoch(2, &[("loss".into(), 0.25)]);
    tracker.finish(Status::Finished);

    let run = server.run(&run_id);
    assert_eq!((&run["info"]["status"], &run["info"]["run_name"]), (&"FINISHED".into(), &"first".into()));
    let logged = &run["data"]["params"];
    assert_eq!(logged.as_array().unwrap().len(), 232);
    assert_eq!((entry(logged, "setting.229"), entry(logged, "loss ___")), (Some("229"), Some("2")));
    assert_eq!(entry(logged, "patches").unwrap().len(), 6000);
    assert_eq!(
        (entry(&run["data"]["tags"], "git"), entry(&run["data"]["tags"], "note")),
        (Some("abc"), Some("two\nlines"))
    );
    assert_eq!(server.history(&run_id, "loss"), [(1, 0.5.into()), (2, 0.25.into())]);
    assert_eq!(server.history(&run_id, "auprc.winter"), [(1, "NaN".into())]);
    let (started, ended) = (run["info"]["start_time"].as_i64().unwrap(), run["info"]["end_time"].as_i64().unwrap());
    assert!(started > 1_700_000_000_000 && ended >= started);
}

#[test]
fn a_run_goes_on_under_its_id_and_keeps_its_parameters() {
    let Some(server) = Server::shared() else { return };
    let params = pairs(&[("epochs", "10"), ("seed", "1")]);
    let mut tracker = Tracker::start(&server.url(), "resumed", "run", &params, &[], None).unwrap();
    let kept = tracker.run_id().to_owned();
    tracker.epoch(1, &[("loss".into(), 1.0)]);
    tracker.finish(Status::Killed);

    assert_eq!(server.run(&kept)["info"]["status"], "KILLED");
    let params = pairs(&[("epochs", "20"), ("seed", "1"), ("new", "yes")]);
    let mut tracker = Tracker::start(&server.url(), "resumed", "run", &params, &[], Some(&kept)).unwrap();
    assert_eq!(server.run(&kept)["info"]["status"], "RUNNING");
    tracker.epoch(2, &[("loss".into(), 0.5)]);
    tracker.finish(Status::Finished);

    let run = server.run(&kept);
    let params = &run["data"]["params"];
    assert_eq!((entry(params, "epochs"), entry(params, "new")), (Some("10"), Some("yes")));
    assert_eq!(server.history(&kept, "loss"), [(1, 1.0.into()), (2, 0.5.into())]);
    assert_eq!(run["info"]["status"], "FINISHED");
}

#[test]
fn a_run_that_the_server_does_not_know_is_an_error_with_its_remedy() {
    let Some(server) = Server::shared() else { return };
    let unknown = "0123456789abcdef0123456789abcdef";
    let error = Tracker::start(&server.url(), "unknown", "run", &[], &[], Some(unknown)).unwrap_err();
    assert_eq!(error.kind(), Kind::Output);
    let message = error.to_string();
    assert!(
        message.contains("--mlflow") && message.contains(unknown) && message.contains("name its server"),
        "{message}"
    );
}

#[test]
fn runs_of_one_experiment_stand_together_and_one_that_is_dropped_has_failed() {
    let Some(server) = Server::shared() else { return };
    let (first, second) = (server.track("together"), server.track("together"));
    let (first_id, second_id) = (first.run_id().to_owned(), second.run_id().to_owned());
    assert_ne!(first_id, second_id);
    drop(first);
    second.finish(Status::Failed);
    let infos = [first_id, second_id].map(|run_id| server.run(&run_id)["info"].clone());
    assert_eq!(infos[0]["experiment_id"], infos[1]["experiment_id"]);
    assert!(infos.iter().all(|info| info["status"] == "FAILED"));
}

/// A way to a server that works while `open` is true; returns its port.
fn door(server_port: u16, open: &Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, open) = (listener.local_addr().unwrap().port(), open.clone());
    spawn(move || {
        for visitor in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", server_port)).unwrap();
            for (from, to) in [(&visitor, &server), (&server, &visitor)] {
                let (from, to, open) = (from.try_clone().unwrap(), to.try_clone().unwrap(), open.clone());
                spawn(move || pass(from, to, &open));
            }
        }
    });
    port
}

/// Passes bytes on until they end or the door is shut, which ends the connection.
fn pass(mut from: TcpStream, mut to: TcpStream, open: &AtomicBool) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !open.load(Ordering::SeqCst) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

#[test]
fn a_training_outlives_its_server_and_says_later_what_it_could_not() {
    let Some(server) = Server::shared() else { return };
    let open = Arc::new(AtomicBool::new(true));
    let url = format!("http://127.0.0.1:{}", door(server.port, &open));
    let mut tracker = Tracker::start(&url, "away", "run", &[], &[], None).unwrap();
    let run_id = tracker.run_id().to_owned();
    let values =
        || -> Vec<f64> { server.history(&run_id, "loss").iter().map(|(_, value)| value.as_f64().unwrap()).collect() };
    tracker.epoch(1, &[("loss".into(), 3.0)]);
    open.store(false, Ordering::SeqCst);
    tracker.epoch(2, &[("loss".into(), 2.0)]);
    tracker.epoch(3, &[("loss".into(), 1.0)]);
    assert_eq!(values(), [3.0]);
    open.store(true, Ordering::SeqCst);
    tracker.epoch(4, &[("loss".into(), 0.5)]);
    assert_eq!(values(), [3.0, 2.0, 1.0, 0.5]);
    tracker.finish(Status::Finished);
    assert_eq!(server.run(&run_id)["info"]["status"], "FINISHED");
}

#[test]
fn a_server_that_is_away_at_the_start_is_an_error_that_names_the_flag() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let error = Tracker::start(&url, "none", "run", &[], &[], None).unwrap_err();
    assert_eq!(error.exit_code(), 5);
    assert!(error.to_string().contains(&format!("--mlflow {url}")), "{error}");
    assert!(error.to_string().contains("leave out --mlflow"), "{error}");
}

/// A training of two epochs on a few patches, positives brighter, as a command that logs to `url`.
fn s2train(folder: &Path, url: &str) -> Command {
    let patch = |index: usize| {
        let (label, name) = ((index % 2) as u8, format!("{index}.tif"));
        let ground = move |row, column| (600 + 800 * u32::from(label) + row * 31 % 17 + column) as u16;
        tiles::write_u16(&folder.join(&name), 3, 16, |_, row, column| ground(row, column));
        let split = if index < 12 { Split::Train } else { Split::Select };
        Patch { path: name.into(), label, split, site: index.to_string(), ..Patch::default() }
    };
    patches::write(&folder.join("patches.csv"), &(0..20).map(patch).collect::<Vec<_>>()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2train"));
    command.args(["train", "--name", "bright", "--classes", "dark,bright", "--width", "8", "--precision", "fp32"]);
    command.args(["--tile-px", "16", "--batch", "4", "--tta", "none", "--epochs", "2", "--patches", "patches.csv"]);
    command.args(["--checkpoints", "checkpoints", "--out", "bright", "--mlflow", url]).current_dir(folder);
    command
}

#[test]
fn s2train_logs_its_settings_and_epochs_and_goes_on_with_the_run_of_its_checkpoints() {
    let Some(server) = Server::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    for more in [&[][..], &["--resume"]] {
        let output = s2train(folder.path(), &server.url()).args(more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let progress = Checkpoints::of(&folder.path().join("checkpoints")).unwrap().progress().unwrap();
        let run_id = progress.mlflow_run.unwrap();
        let run = server.run(&run_id);
        assert_eq!((&run["info"]["status"], &run["info"]["run_name"]), (&"FINISHED".into(), &"bright".into()));
        assert_eq!(entry(&run["data"]["params"], "epochs"), Some("2"));
        // The second command finds nothing left to train, and says nothing twice.
        let logged = server.history(&run_id, "loss");
        let losses: Vec<_> = progress.history.iter().map(|e| (e.epoch as i64, e.loss.into())).collect();
        assert_eq!(logged, losses);
    }
}

#[test]
fn s2train_does_not_begin_without_the_server_that_it_was_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}", free_port());
    let output = s2train(folder.path(), &url).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{message}");
    assert!(message.contains(&format!("--mlflow {url}")), "{message}");
    assert!(!folder.path().join("bright").exists());
}
