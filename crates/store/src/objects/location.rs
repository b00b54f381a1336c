//! Where objects are kept: what an operator writes, into a store.

use super::{Objects, ObjectsError};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, RetryConfig};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// A local directory, or a bucket and a prefix in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectsLocation {
    /// A directory, made when it is not there.
    Directory(PathBuf),
    /// `s3://bucket/prefix`. Endpoint, region and credentials come from the environment, as other S3 clients read them.
    S3 {
        /// The bucket.
        bucket: String,
        /// Above all keys; may be empty.
        prefix: String,
    },
}

impl std::str::FromStr for ObjectsLocation {
    type Err = ObjectsError;

    /// A path, `file:///path`, or `s3://bucket/prefix`.
    fn from_str(text: &str) -> Result<Self, ObjectsError> {
        let refused = |reason: &str| ObjectsError::Location { location: without_user(text), reason: reason.to_owned() };
        if text.starts_with('/') {
            return Ok(Self::Directory(text.into()));
        }
        let url = Url::parse(text).map_err(|_| refused("write an absolute path, file:///path or s3://bucket/prefix"))?;
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(refused("credentials and settings come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, …)"));
        }
        match (url.scheme(), url.host_str()) {
            ("file", None) => url.to_file_path().map(Self::Directory).map_err(|()| refused("the path is not a local one")),
            ("s3", Some(bucket)) => Ok(Self::S3 { bucket: bucket.to_owned(), prefix: url.path().trim_matches('/').to_owned() }),
            _ => Err(refused("write an absolute path, file:///path or s3://bucket/prefix")),
        }
    }
}

impl std::fmt::Display for ObjectsLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl Objects {
    /// Opens the place of the objects. A bucket is not asked for anything yet: see [`Self::check`].
    pub fn open(location: &ObjectsLocation) -> Result<Self, ObjectsError> {
        let name = location.to_string();
        let failed = |reason: String| ObjectsError::Location { location: name.clone(), reason };
        match location {
            ObjectsLocation::Directory(path) => {
                use std::os::unix::fs::DirBuilderExt;
                let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
                made.and_then(|()| path.canonicalize())
                    .map_err(|error| failed(format!("{error}; the server's user must be able to write there")))
                    .and_then(|directory| {
                        let store = LocalFileSystem::new_with_prefix(&directory).map_err(|error| failed(error.to_string()))?;
                        // Without the first, what is reported as saved can be lost with the power; without the second, folders
                        // stay when their last file has gone.
                        let store = store.with_fsync(true).with_automatic_cleanup(true);
                        Ok(Self { store: Arc::new(store), prefix: Path::default(), directory: Some(directory), name: name.clone() })
                    })
            }
            ObjectsLocation::S3 { bucket, prefix } => {
                let prefix_path = Path::parse(prefix).map_err(|error| failed(error.to_string()))?;
                // The client below asks for the process's provider, and every part of ours uses this one.
                let _ = rustls::crypto::ring::default_provider().install_default();
                let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"].iter().find_map(|name| std::env::var(name).ok());
                let loopback = endpoint.as_deref().is_some_and(is_loopback);
                let client =
                    ClientOptions::new().with_timeout_disabled().with_connect_timeout(Duration::from_secs(5)).with_allow_http(loopback);
                let retry = RetryConfig { max_retries: 4, retry_timeout: Duration::from_secs(30), ..RetryConfig::default() };
                let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_client_options(client).with_retry(retry);
                if std::env::var("AWS_ALLOW_HTTP").is_ok_and(|word| word.eq_ignore_ascii_case("true")) {
                    builder = builder.with_allow_http(true);
                }
                if let Some(endpoint) = endpoint {
                    builder = builder.with_endpoint(endpoint);
                }
                let store = builder.build().map_err(|error| failed(error.to_string()))?;
                Ok(Self { store: Arc::new(store), prefix: prefix_path, directory: None, name })
            }
        }
    }
}

/// Plain HTTP on the same machine shows nothing to a network.
fn is_loopback(endpoint: &str) -> bool {
    Url::parse(endpoint).is_ok_and(|url| match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    })
}

fn without_user(text: &str) -> String {
    match text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://…@{rest}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_credentials_are_never_repeated() {
        let read = |text: &str| text.parse::<ObjectsLocation>();
        assert_eq!(read("/srv/objects").unwrap(), ObjectsLocation::Directory("/srv/objects".into()));
        assert_eq!(read("file:///srv/a%20b").unwrap(), ObjectsLocation::Directory("/srv/a b".into()));
        assert_eq!(read("s3://bucket/a/b/").unwrap(), ObjectsLocation::S3 { bucket: "bucket".into(), prefix: "a/b".into() });
        assert_eq!(read("s3://bucket").unwrap().to_string(), "s3://bucket/");
        for bad in ["", "objects", "ftp://host/x", "s3://", "s3:bucket", "s3://bucket?region=x"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let error = read("s3://AKIA:secret@bucket/x").unwrap_err().to_string();
        assert!(error.contains("bucket/x") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        for (endpoint, wanted) in [
            ("http://127.0.0.1:9000", true),
            ("http://localhost:9000", true),
            ("http://[::1]:9000", true),
            ("http://10.0.0.1:9000", false),
            ("http://localhost.example.org", false),
            ("rubbish", false),
        ] {
            assert_eq!(is_loopback(endpoint), wanted, "{endpoint}");
        }
    }
}
