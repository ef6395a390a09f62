//! Ranges of objects by the crate `object_store`.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::client::{HttpClient, HttpConnector};
use object_store::http::HttpBuilder;
use object_store::path::Path as Key;
use object_store::{ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore, RetryConfig};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use super::ahead::Pieces;
use super::reason::{chain, explain};
use super::{certificates, shown};
use crate::limits::{REMOTE_AHEAD_BYTES_MIN, REMOTE_CONNECT_S_MAX, REMOTE_REQUEST_S_MAX, REMOTE_RETRIES_MAX};
use crate::{Error, Result};

/// A file at an address, as it was when it was opened: every later answer must be of the same state.
pub(crate) struct Remote {
    store: Arc<dyn ObjectStore>,
    key: Key,
    address: String,
    state: State,
    pieces: Mutex<Pieces>,
}

/// What tells one state of a remote file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    length: u64,
    e_tag: Option<String>,
    modified: Option<String>,
}

impl From<&ObjectMeta> for State {
    fn from(meta: &ObjectMeta) -> Self {
        // What the crate says where the server says nothing is the beginning of time.
        let modified = (meta.last_modified.timestamp() != 0).then(|| meta.last_modified.to_rfc3339());
        Self { length: meta.size, e_tag: meta.e_tag.clone(), modified }
    }
}

impl Remote {
    /// Asks for the first bytes, which says what the file is as well.
    pub(crate) fn open(address: &str) -> Result<Self> {
        let host = address.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
        if host.contains('@') {
            return Err(Error::unsupported(
                "a name and password in an address are not sent; give a signed address, or s3:// with AWS_ACCESS_KEY_ID",
            ));
        }
        if address.strip_prefix("s3://").is_some_and(|rest| rest.split_once('/').is_none_or(|(_, key)| key.is_empty()))
        {
            return Err(Error::unsupported("an object is s3://bucket/key"));
        }
        let (store, key) = store(address).map_err(|error| explain(address, &error))?;
        let (state, first) = get(&*store, &key, 0, REMOTE_AHEAD_BYTES_MIN).map_err(|error| explain(address, &error))?;
        let mut pieces = Pieces::default();
        pieces.keep(0, first);
        Ok(Self { store, key, address: address.to_owned(), state, pieces: Mutex::new(pieces) })
    }

    pub(crate) fn length(&self) -> u64 {
        self.state.length
    }

    /// Fills `bytes` from `offset` on, all of which must lie within the file.
    pub(crate) fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let had = pieces.copy(at, &mut bytes[done..]);
            done += had;
            if had == 0 {
                let planned = pieces.plan(at, (bytes.len() - done) as u64);
                pieces.keep(at, self.fetch(at, planned)?);
            }
        }
        Ok(())
    }

    fn fetch(&self, offset: u64, length: u64) -> Result<Bytes> {
        let (state, bytes) =
            get(&*self.store, &self.key, offset, length).map_err(|error| explain(&self.address, &error))?;
        let expected = length.min(self.state.length.saturating_sub(offset));
        if state != self.state {
            return Err(Error::io("changed while being read"));
        }
        if bytes.is_empty() || bytes.len() as u64 != expected {
            return Err(Error::io(format!(
                "the server sent {} bytes at offset {offset}, {expected} were asked for",
                bytes.len()
            )));
        }
        Ok(bytes)
    }

    /// Stands for the content: of the address and of the size, entity tag and time that the server states. Where it states
    /// neither tag nor time nothing tells one content from another, and no two keys are the same.
    pub(crate) fn key(&self) -> Result<[u8; 32]> {
        let State { length, e_tag, modified } = &self.state;
        let asked = match (e_tag, modified) {
            (None, None) => Some(SystemTime::now().duration_since(UNIX_EPOCH).map_err(Error::io)?.as_nanos()),
            _ => None,
        };
        Ok(Sha256::digest(format!("{}\n{length}\n{e_tag:?}\n{modified:?}\n{asked:?}", shown(&self.address))).into())
    }
}

/// Where and under which key an address is. Of `s3://` the settings are those of the environment (`AWS_…`).
fn store(address: &str) -> object_store::Result<(Arc<dyn ObjectStore>, Key)> {
    let retry = RetryConfig { max_retries: REMOTE_RETRIES_MAX, ..RetryConfig::default() };
    if let Some(rest) = address.strip_prefix("s3://") {
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
        return Ok((Arc::new(builder.with_http_connector(Connector).build()?), Key::parse(key)?));
    }
    // The whole address is the store's, so that a signature in it survives.
    let builder = HttpBuilder::new().with_url(address).with_retry(retry);
    let options = ClientOptions::new().with_allow_http(true);
    Ok((Arc::new(builder.with_client_options(options).with_http_connector(Connector).build()?), Key::default()))
}

/// The state of a file and the bytes `offset..offset + length` of it, or fewer at its end.
fn get(store: &dyn ObjectStore, key: &Key, offset: u64, length: u64) -> object_store::Result<(State, Bytes)> {
    let range = Some(GetRange::Bounded(offset..offset + length));
    let options = GetOptions { range, ..GetOptions::default() };
    runtime()?.block_on(async {
        let result = store.get_opts(key, options).await?;
        let state = State::from(&result.meta);
        Ok((state, result.bytes().await?))
    })
}

/// The one thread that waits for servers.
fn runtime() -> object_store::Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let build = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let failed =
        |error: &std::io::Error| object_store::Error::Generic { store: "HTTP", source: error.to_string().into() };
    RUNTIME.get_or_init(build).as_ref().map_err(failed)
}

/// Gives every store the same connections.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        static CLIENT: OnceLock<Result<reqwest::Client, String>> = OnceLock::new();
        let client = CLIENT.get_or_init(|| {
            certificates().map_err(|error| error.to_string())?;
            // A provider that is installed already serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let builder = reqwest::Client::builder()
                .user_agent(concat!("s2infer/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(Duration::from_secs(REMOTE_CONNECT_S_MAX))
                .timeout(Duration::from_secs(REMOTE_REQUEST_S_MAX));
            builder.build().map_err(|error| chain(&error))
        });
        match client {
            Ok(client) => Ok(HttpClient::new(client.clone())),
            Err(error) => Err(object_store::Error::Generic { store: "HTTP", source: error.clone().into() }),
        }
    }
}
