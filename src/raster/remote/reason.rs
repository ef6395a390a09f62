//! Why a remote file cannot be had, in words that are the same at every run: they stand in result tables. What the libraries
//! say, with their times and counts, goes to the log.

use std::error::Error as Cause;
use std::io;

use object_store::client::{HttpError, HttpErrorKind};
use rustls::CertificateError;

use super::shown;
use crate::Error;

/// In front of the three digits, in what `object_store` says of an answer; it does not hand out the type that holds it.
const STATUS: &str = "status code: ";

/// One line, with the remedy where there is one.
pub(super) fn explain(address: &str, error: &object_store::Error) -> Error {
    use object_store::Error as E;
    let is_s3 = address.starts_with("s3://");
    let said = chain(error);
    tracing::info!("{}: {said}", shown(address));
    match error {
        E::NotFound { .. } => Error::io("not found at this address (404)"),
        E::PermissionDenied { .. } | E::Unauthenticated { .. } if is_s3 => Error::io(
            "access denied; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or \
             AWS_SKIP_SIGNATURE=true for a public bucket; AWS_REQUEST_PAYER=true where the requester pays",
        ),
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            Error::io("access denied (401 or 403); a signed address may have expired")
        }
        E::NotSupported { .. } => Error::unsupported("the server does not serve ranges of the file; download it"),
        _ if is_s3 && said.contains("redirect without LOCATION") => {
            Error::io("the bucket lies in another region; set AWS_REGION to it")
        }
        _ if is_s3 && (said.contains("Missing AccessKeyId") || said.contains("Missing SecretAccessKey")) => {
            Error::io("half of the credentials: set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither")
        }
        _ if is_s3 && said.contains("169.254.169.254") => Error::io(
            "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for a public \
             bucket",
        ),
        _ if said.contains("dns error") => Error::io("no host of this name is known here"),
        _ => Error::io(by_causes(error).unwrap_or_else(|| by_words(error, &said))),
    }
}

/// An error and all that caused it, the outermost first.
fn causes<'a>(error: &'a (dyn Cause + 'static)) -> impl Iterator<Item = &'a (dyn Cause + 'static)> {
    fn next<'a>(error: &&'a (dyn Cause + 'static)) -> Option<&'a (dyn Cause + 'static)> {
        let error: &'a (dyn Cause + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            // What an error of the system wraps is not its source: that is the source of what it wraps.
            Some(within) => Some(within),
            None => error.source(),
        }
    }
    std::iter::successors(Some(error), next)
}

/// The innermost cause of a type that says what happened.
fn by_causes(error: &(dyn Cause + 'static)) -> Option<String> {
    let known = |cause: &(dyn Cause + 'static)| {
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return Some(encryption(error));
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return system(error.kind());
        }
        cause.downcast_ref::<HttpError>().and_then(|error| connection(error.kind()))
    };
    causes(error).filter_map(known).last().map(str::to_owned)
}

fn encryption(error: &rustls::Error) -> &'static str {
    use CertificateError as C;
    match error {
        rustls::Error::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            "the server's certificate has expired"
        }
        rustls::Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "the server's certificate is for another host"
        }
        rustls::Error::InvalidCertificate(_) => {
            "certificate not trusted; name a file with that of its authority in SSL_CERT_FILE"
        }
        _ => "no encrypted connection: the server speaks no TLS that is read here",
    }
}

fn system(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::TimedOut => "timed out",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            "the connection broke off"
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no way to this host",
        _ => return None,
    })
}

fn connection(kind: HttpErrorKind) -> Option<&'static str> {
    Some(match kind {
        HttpErrorKind::Timeout => "timed out",
        HttpErrorKind::Connect => "no connection to this host",
        HttpErrorKind::Request | HttpErrorKind::Interrupted => "the connection broke off",
        HttpErrorKind::Decode => "the answer cannot be read",
        _ => return None,
    })
}

/// The status of an answer, else what the innermost cause says: it knows of no times.
fn by_words(error: &object_store::Error, said: &str) -> String {
    let status = said.split_once(STATUS).and_then(|(_, rest)| rest.get(..3));
    match status.filter(|status| status.bytes().all(|byte| byte.is_ascii_digit())) {
        Some(status) if status.starts_with('5') || status == "429" => {
            format!("the server answered {status}; try again later")
        }
        Some(status) => format!("the server answered {status}"),
        None => causes(error).last().map(one_line).unwrap_or_default(),
    }
}

/// What an error and all that caused it say, each once and in one line, without what is secret in an address.
pub(super) fn chain(error: &(dyn Cause + 'static)) -> String {
    let mut said = String::new();
    for text in causes(error).map(one_line) {
        if !said.contains(&text) {
            said += if said.is_empty() { "" } else { ": " };
            said += &text;
        }
    }
    said
}

fn one_line(error: &(dyn Cause + 'static)) -> String {
    let text = error.to_string();
    let words = text.split_whitespace().map(|word| if word.contains("://") { shown(word) } else { word.to_owned() });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(source: impl Cause + Send + Sync + 'static) -> object_store::Error {
        object_store::Error::Generic { store: "HTTP", source: Box::new(source) }
    }

    fn reason(error: &object_store::Error) -> String {
        explain("https://host/a.tif", error).to_string()
    }

    #[test]
    fn the_cause_is_named_and_not_the_times_around_it() {
        let refused = HttpError::new(HttpErrorKind::Connect, io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!(reason(&generic(refused)), "connection refused");
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = HttpError::new(HttpErrorKind::Connect, io::Error::new(io::ErrorKind::InvalidData, unknown));
        assert!(reason(&generic(wrapped)).starts_with("certificate not trusted"));
        let slow = HttpError::new(HttpErrorKind::Timeout, io::Error::other("after 119.8 s"));
        assert_eq!(reason(&generic(slow)), "timed out");
        let busy = io::Error::other("Error performing GET in 3.2s - Server returned non-2xx status code: 503 Busy: x");
        assert_eq!(reason(&generic(busy)), "the server answered 503; try again later");
    }

    #[test]
    fn no_secret_of_an_address_is_logged() {
        let said = chain(&generic(io::Error::other("GET https://me:word@host/a.tif?sig=1 in 2 s")));
        assert!(said.contains("https://host/a.tif in 2 s") && !said.contains("sig"), "{said}");
    }
}
