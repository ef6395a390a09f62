//! Requests to an MLflow server: address, credentials, time limits, repetition.

use std::fmt;
use std::thread::sleep;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::Value;
use ureq::http::{Response, Uri};
use ureq::{Agent, Body};

use crate::{Error, Result};

/// Below the server's address.
const API: &str = "api/2.0/mlflow";
/// From the first byte sent to the last received.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often a request is made that fails for a reason that may pass.
pub const TRIES: u32 = 3;
/// Before the second try; before the third twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// Characters of an answer that a message quotes.
const QUOTE_CHARS_MAX: usize = 300;

/// Why a request came to nothing.
#[derive(Debug)]
pub struct Failure {
    /// The HTTP status, if there was an answer.
    status: Option<u16>,
    /// MLflow's word for it, such as `RESOURCE_DOES_NOT_EXIST`.
    code: String,
    message: String,
}

impl Failure {
    /// An answer that cannot be understood.
    pub fn strange(message: impl fmt::Display) -> Self {
        Self { status: Some(200), code: String::new(), message: format!("not an MLflow server: {message}") }
    }

    fn unreached(error: &ureq::Error) -> Self {
        Self { status: None, code: String::new(), message: error.to_string() }
    }

    fn refused(status: u16, answer: &str) -> Self {
        let parsed: Value = serde_json::from_str(answer).unwrap_or_default();
        let field = |name: &str| parsed[name].as_str().map(str::to_owned);
        let quote = field("message").unwrap_or_else(|| answer.to_owned());
        let quote: String = quote.trim().chars().take(QUOTE_CHARS_MAX).collect();
        let message = format!("status {status}{}{quote}", if quote.is_empty() { "" } else { ": " });
        Self { status: Some(status), code: field("error_code").unwrap_or_default(), message }
    }

    /// There is nothing of this name or id.
    pub fn is_unknown(&self) -> bool {
        self.code == "RESOURCE_DOES_NOT_EXIST"
    }

    /// The same request would be refused again.
    pub fn is_final(&self) -> bool {
        self.status.is_some_and(|status| status < 500 && status != 408 && status != 429)
    }

    /// The error that ends a training before it begins.
    pub fn at_start(&self, address: &str, resume: Option<&str>) -> Error {
        let remedy = match (self.status, resume) {
            (None, _) => "; start the server, or leave out --mlflow".to_owned(),
            (Some(401 | 403), _) => {
                "; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN".to_owned()
            }
            (_, Some(run_id)) if self.is_unknown() => {
                format!("; the checkpoints were logged as run {run_id}: name its server, or leave out --mlflow")
            }
            _ => String::new(),
        };
        Error::output(format!("--mlflow {address}: {self}{remedy}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The value of the header `Authorization`, by the environment variables that MLflow's own clients read, in their
/// order: user name with password, else token.
pub fn authorization(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let user = variable("MLFLOW_TRACKING_USERNAME").zip(variable("MLFLOW_TRACKING_PASSWORD"));
    let basic = user.map(|(name, password)| format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}"))));
    basic.or_else(|| variable("MLFLOW_TRACKING_TOKEN").map(|token| format!("Bearer {token}")))
}

/// A server and the way to speak to it.
pub struct Client {
    agent: Agent,
    address: String,
    authorization: Option<String>,
}

impl fmt::Debug for Client {
    /// Without the credentials.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server at `url`, `http` or `https`, with or without a path.
    pub fn new(url: &str, authorization: Option<String>) -> Result<Self> {
        let parsed: Option<Uri> = url.parse().ok();
        let scheme_is_known = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = parsed.as_ref().filter(|uri| scheme_is_known(uri)).and_then(Uri::authority);
        let Some(authority) = authority else {
            return Err(Error::usage(format!("--mlflow {url}: expected an address such as http://localhost:5000")));
        };
        if authority.as_str().contains('@') {
            return Err(Error::usage(
                "--mlflow: credentials belong in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, not in the URL",
            ));
        }
        let config = Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
        // A redirected POST would arrive as a GET: better to say where the server sends us.
        let config = config.max_redirects(0).max_redirects_will_error(false).build();
        Ok(Self { agent: config.into(), address: url.trim_end_matches('/').to_owned(), authorization })
    }

    /// The server's address as it was given.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A GET with one query parameter, repeated up to [`TRIES`] times.
    pub fn get(&self, path: &str, (name, value): (&str, &str)) -> Result<Value, Failure> {
        let request = || {
            let request = self.agent.get(self.url(path)).query(name, value);
            match &self.authorization {
                Some(authorization) => request.header("Authorization", authorization),
                None => request,
            }
        };
        repeated(TRIES, || answer(request().call()))
    }

    /// A POST of JSON, made up to `tries` times. One whose answer was lost is made again as well: a run may then
    /// appear twice, the first one empty.
    pub fn post(&self, path: &str, body: &Value, tries: u32) -> Result<Value, Failure> {
        let request = || {
            let request = self.agent.post(self.url(path));
            match &self.authorization {
                Some(authorization) => request.header("Authorization", authorization),
                None => request,
            }
        };
        repeated(tries, || answer(request().send_json(body)))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{API}/{path}", self.address)
    }
}

/// The JSON of an answer, or what it says of its failure.
fn answer(response: Result<Response<Body>, ureq::Error>) -> Result<Value, Failure> {
    let mut response = response.map_err(|error| Failure::unreached(&error))?;
    let status = response.status();
    let location = response.headers().get("location").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
    let text = text.map_err(|error| Failure::unreached(&error))?;
    match location {
        Some(location) if status.is_redirection() => {
            Err(Failure::refused(status.as_u16(), &format!("the server is at {location}")))
        }
        _ if status.is_success() => serde_json::from_str(&text).map_err(Failure::strange),
        _ => Err(Failure::refused(status.as_u16(), &text)),
    }
}

/// Makes a request until it succeeds, fails for good, or was made `tries` times.
fn repeated(tries: u32, mut request: impl FnMut() -> Result<Value, Failure>) -> Result<Value, Failure> {
    for done in 1..tries {
        match request() {
            Err(failure) if !failure.is_final() => sleep(PAUSE * done),
            outcome => return outcome,
        }
    }
    request()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    fn given(variables: &[(&str, &str)]) -> Option<String> {
        authorization(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    // RFC 7617, section 2: user "Aladdin" with password "open sesame".
    #[test]
    fn credentials_come_from_the_variables_that_mlflow_reads() {
        let user = [("MLFLOW_TRACKING_USERNAME", "Aladdin"), ("MLFLOW_TRACKING_PASSWORD", "open sesame")];
        let token = ("MLFLOW_TRACKING_TOKEN", "secret");
        assert_eq!(given(&user).as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(given(&[user[0], user[1], token]), given(&user));
        assert_eq!(given(&[user[0], token]).as_deref(), Some("Bearer secret"));
        assert_eq!(given(&[("MLFLOW_TRACKING_TOKEN", "")]), None);
    }

    #[test]
    fn an_address_without_scheme_or_with_a_password_is_refused() {
        for url in ["localhost:5000", "ftp://host", "http://", "sqlite:///x.db", "http://user:word@host:5000"] {
            let error = Client::new(url, None).unwrap_err();
            assert_eq!(error.kind(), crate::Kind::Usage);
            assert!(error.to_string().contains("--mlflow") && !error.to_string().contains("word@"), "{error}");
        }
        assert_eq!(Client::new("http://[::1]:5000/path/", None).unwrap().address(), "http://[::1]:5000/path");
    }

    /// What a server on loopback hears of one request that it answers so.
    fn heard(answer: &'static str, request: impl FnOnce(Client)) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&head[..length]).into_owned()
        });
        request(Client::new(&url, Some("Bearer secret".into())).unwrap());
        server.join().unwrap()
    }

    #[test]
    fn requests_carry_the_credentials_and_a_refusal_names_their_variables() {
        let refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\nConnection: close\r\n\r\nwho are you?";
        let head = heard(refusal, |client| {
            let error = client.get("runs/get", ("run_id", "a b")).unwrap_err().at_start("ADDRESS", None).to_string();
            assert!(error.contains("--mlflow ADDRESS: status 401: who are you?"), "{error}");
            assert!(error.contains("MLFLOW_TRACKING_TOKEN"), "{error}");
        });
        assert!(head.starts_with("GET /api/2.0/mlflow/runs/get?run_id=a%20b HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("authorization: bearer secret\r\n"), "{head}");
    }

    #[test]
    fn a_redirection_says_where_the_server_is() {
        let moved =
            "HTTP/1.1 301 Moved\r\nLocation: https://elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        heard(moved, |client| {
            let failure = client.post("runs/create", &Value::Null, 1).unwrap_err();
            assert_eq!(failure.to_string(), "status 301: the server is at https://elsewhere");
        });
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let mut calls = 0;
        let refused = repeated(3, || {
            calls += 1;
            Err(Failure::refused(400, r#"{"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}"#))
        });
        assert_eq!((refused.unwrap_err().to_string().as_str(), calls), ("status 400: no", 1));
        let passing = repeated(2, || {
            calls += 1;
            if calls < 3 { Err(Failure::refused(503, "")) } else { Ok(Value::Null) }
        });
        assert_eq!((passing.unwrap(), calls), (Value::Null, 3));
    }
}
