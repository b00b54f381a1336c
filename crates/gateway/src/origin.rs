//! How the outside reaches a listener: configuration, never the `Host` header.

use crate::GatewayError;
use url::Url;

/// Scheme, host and port under which a listener is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    http: String,
    web_socket: String,
    authority: String,
    host: String,
}

impl Origin {
    /// The configured origin, or `https://localhost:port`.
    pub(crate) fn new(purpose: &'static str, configured: Option<&Url>, port: u16) -> Result<Self, GatewayError> {
        let Some(url) = configured else { return Ok(Self::of("https", "wss", format!("localhost:{port}"), "localhost".into())) };
        let refused = || GatewayError::Url { purpose, url: url.to_string() };
        let web_socket = match url.scheme() {
            "https" => "wss",
            "http" => "ws",
            _ => return Err(refused()),
        };
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let host = url.host_str().filter(|_| bare).ok_or_else(refused)?;
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self::of(url.scheme(), web_socket, authority, host.trim_matches(['[', ']']).to_owned()))
    }

    fn of(scheme: &str, web_socket: &str, authority: String, host: String) -> Self {
        Self { http: format!("{scheme}://{authority}"), web_socket: format!("{web_socket}://{authority}"), authority, host }
    }

    /// `https://host:port`, without a slash at the end.
    pub(crate) fn http(&self) -> &str {
        &self.http
    }

    /// `wss://host:port`.
    pub(crate) fn web_socket(&self) -> &str {
        &self.web_socket
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The host alone, as a certificate names it.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_come_from_configuration_or_the_bound_port() {
        let check = |url: Option<&str>, http: &str, web_socket: &str| {
            let url = url.map(|text| Url::parse(text).unwrap());
            let origin = Origin::new("links_url", url.as_ref(), 8444).unwrap();
            assert_eq!((origin.http(), origin.web_socket()), (http, web_socket));
        };
        check(None, "https://localhost:8444", "wss://localhost:8444");
        check(Some("https://links.example.org"), "https://links.example.org", "wss://links.example.org");
        check(Some("http://127.0.0.1:9000/"), "http://127.0.0.1:9000", "ws://127.0.0.1:9000");
        check(Some("https://[::1]:9000"), "https://[::1]:9000", "wss://[::1]:9000");
    }

    #[test]
    fn what_cannot_be_a_base_is_refused() {
        for bad in ["ftp://host", "https://host/path", "https://host/?q", "https://host/#f", "https://user@host", "mailto:x"] {
            assert!(Origin::new("links_url", Some(&Url::parse(bad).unwrap()), 1).is_err(), "{bad}");
        }
    }
}
