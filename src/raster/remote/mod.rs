//! Files at an address, read by range: `s3://bucket/key`, `https://host/path`, `http://host/path`. Behind the feature
//! `remote`; without it an address is an error that says so.

#[cfg(not(feature = "remote"))]
mod absent;
#[cfg(feature = "remote")]
mod ahead;
#[cfg(feature = "remote")]
mod reason;
#[cfg(feature = "remote")]
mod store;

use std::path::{Path, PathBuf};

#[cfg(not(feature = "remote"))]
pub(super) use absent::Remote;
#[cfg(feature = "remote")]
pub(super) use store::Remote;

use crate::limits::{CERTIFICATES_BYTES_MAX, read_bounded};
use crate::{Error, Result};

/// Parameters of a query that sign it: of S3 before version 4, CloudFront, Azure, and tokens.
const SECRET_PARAMETERS: [&str; 10] = [
    "signature",
    "awsaccesskeyid",
    "key-pair-id",
    "policy",
    "sig",
    "token",
    "access_token",
    "apikey",
    "api_key",
    "key",
];
/// The same of S3 and Google's storage.
const SECRET_PREFIXES: [&str; 2] = ["x-amz-", "x-goog-"];
/// The variable of the environment that names a file of certificates.
const CERTIFICATES: &str = "SSL_CERT_FILE";
const PEM_CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";
const SCHEMES: [&str; 3] = ["s3://", "https://", "http://"];

/// The address that stands in the place of a path.
pub fn address(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| SCHEMES.iter().any(|scheme| text.starts_with(scheme)))
}

/// The address as results may show it: without a user's name and password, and without a query that signs it.
pub fn shown(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let (host, key) = path.split_once('/').map_or((path, None), |(host, key)| (host, Some(key)));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let is_secret = |parameter: &str| {
        let name = parameter.split('=').next().unwrap_or_default().to_ascii_lowercase();
        SECRET_PARAMETERS.contains(&name.as_str()) || SECRET_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    let query = query.filter(|query| !query.split('&').any(is_secret));
    let mut shown = format!("{scheme}://{host}");
    key.iter().for_each(|key| shown += &format!("/{key}"));
    query.iter().for_each(|query| shown += &format!("?{query}"));
    shown
}

/// Whether the file of certificates that the environment names can be one.
///
/// # Errors
/// [`crate::Kind::Io`] for one that is missing, or holds no certificate.
pub fn certificates() -> Result<()> {
    let Some(path) = std::env::var_os(CERTIFICATES).map(PathBuf::from) else { return Ok(()) };
    let refuse = |why: &str| {
        let path = path.display();
        Error::io(format!("{CERTIFICATES} names `{path}`, {why}; name a file of certificates (PEM), or unset it"))
    };
    if !path.is_file() {
        return Err(refuse("which is no file"));
    }
    let bytes = read_bounded(&path, CERTIFICATES_BYTES_MAX).map_err(|_| refuse("which cannot be read"))?;
    let is_marked = bytes.windows(PEM_CERTIFICATE.len()).any(|window| window == PEM_CERTIFICATE);
    if is_marked { Ok(()) } else { Err(refuse("which holds no certificate")) }
}

/// All bytes at an address.
///
/// # Errors
/// [`crate::Kind::Io`] for what cannot be had, [`crate::Kind::Limit`] for more than `bytes_max`.
pub(crate) fn fetch(address: &str, bytes_max: u64) -> Result<Vec<u8>> {
    let remote = Remote::open(address)?;
    if remote.length() > bytes_max {
        return Err(Error::limit(format!("{} bytes are more than {bytes_max}", remote.length())));
    }
    let mut bytes = vec![0; remote.length() as usize];
    remote.read(0, &mut bytes)?;
    Ok(bytes)
}

/// Refuses an address of which only host and path are there, where nothing says what is left out.
pub(crate) fn without_scheme(href: &str) -> Error {
    Error::unsupported(format!("{href} names a host without a scheme; write https:{href}"))
}

/// The address that `href` means in a document at `base`: never a file of this machine.
///
/// # Errors
/// [`crate::Kind::Unsupported`] for a scheme that is not read.
pub(crate) fn join(base: &str, href: &str) -> Result<String> {
    if address(Path::new(href)).is_some() {
        return Ok(href.to_owned());
    }
    if href.contains("://") {
        return Err(Error::unsupported(format!("{href}: read are s3://, https:// and http://")));
    }
    let (scheme, rest) = base.split_once("://").unwrap_or(("https", base));
    if href.starts_with("//") {
        return match scheme {
            "http" | "https" => Ok(format!("{scheme}:{href}")),
            _ => Err(without_scheme(href)),
        };
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let mut parts: Vec<&str> = rest.split('/').collect();
    // The host stays; an absolute reference begins at its root.
    parts.truncate(if href.starts_with('/') { 1 } else { parts.len().saturating_sub(1).max(1) });
    for part in href.trim_start_matches('/').split('/') {
        match part {
            "." => {}
            ".." if parts.len() > 1 => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Ok(format!("{scheme}://{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_in_an_address_is_not_shown() {
        let plain = "https://host/a%20b/c.tif?id=3&v=2";
        assert_eq!(shown(plain), plain);
        assert_eq!(shown("https://me:word@host/a.tif"), "https://host/a.tif");
        assert_eq!(shown("https://host/a.tif?X-Amz-Date=1&X-Amz-Signature=2"), "https://host/a.tif");
        assert_eq!(shown("https://host/a.tif?sv=1&sig=2"), "https://host/a.tif");
        assert_eq!(shown("s3://bucket/key@2.tif"), "s3://bucket/key@2.tif");
    }

    #[test]
    fn references_stay_at_their_host() {
        let at = |href| join("https://host:1/a/b/item.json?sig=1", href).unwrap();
        assert_eq!(at("./B04.tif"), "https://host:1/a/b/B04.tif");
        assert_eq!(at("B04.tif?x=1"), "https://host:1/a/b/B04.tif?x=1");
        assert_eq!(at("../c/B04.tif"), "https://host:1/a/c/B04.tif");
        assert_eq!(at("../../../../etc/passwd"), "https://host:1/../etc/passwd".replace("/..", ""));
        assert_eq!(at("/etc/passwd"), "https://host:1/etc/passwd");
        assert_eq!(at("s3://bucket/B04.tif"), "s3://bucket/B04.tif");
        assert_eq!(join("s3://bucket/item.json", "B04.tif").unwrap(), "s3://bucket/B04.tif");
        assert_eq!(at("//other/c/B04.tif"), "https://other/c/B04.tif");
        assert!(join("s3://bucket/item.json", "//other/B04.tif").is_err());
        assert!(join("https://host/item.json", "file:///etc/passwd").is_err());
        assert!(join("https://host/item.json", "ftp://host/B04.tif").is_err());
    }

    #[test]
    fn only_these_schemes_are_addresses() {
        assert!(address(Path::new("s3://bucket/key")).is_some());
        assert!(address(Path::new("tiles/https:/x.tif")).is_none());
        assert!(address(Path::new("file:///x.tif")).is_none());
    }
}
