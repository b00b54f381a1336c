//! Where the service is: `host:port`, a URL, or a region of the hosted service.

use crate::{Error, Result};
use url::{Host, Url};

/// The hosted service's region when none is named.
pub(crate) const DEFAULT_REGION: &str = "cn-hangzhou";

/// The base URL of `endpoint`: `host`, `host:port` (HTTPS) or a URL whose path is kept.
pub(crate) fn parse(endpoint: &str) -> Result<Url> {
    let text = endpoint.trim();
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let refused = |why: &str| Error::invalid(format!("endpoint `{endpoint}` {why}; write `host:port` or `https://host:port`"));
    let mut url = Url::parse(&full).map_err(|error| refused(&format!("is not an address ({error})")))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(refused("would send the API key unencrypted: plain HTTP is for loopback addresses only")),
        _ => return Err(refused("has a scheme that is not spoken")),
    }
    if url.host().is_none() || !url.username().is_empty() || url.password().is_some() {
        return Err(refused("is not an address"));
    }
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// The base URL of the hosted service in `region`.
pub(crate) fn hosted(region: &str) -> Result<Url> {
    let well_formed = !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !well_formed {
        return Err(Error::invalid(format!("region `{region}` is not a region's name; one is `{DEFAULT_REGION}`")));
    }
    parse(&format!("agentbay.{region}.aliyuncs.com"))
}

/// Whether requests to `url` never leave this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_endpoint_gives_its_base_url() {
        let check = |text, url: &str| assert_eq!(parse(text).unwrap().as_str(), url, "{text}");
        check("localhost:8443", "https://localhost:8443/");
        check(" box.example ", "https://box.example/");
        check("https://localhost:8443/bay", "https://localhost:8443/bay/");
        check("http://127.0.0.1:8080", "http://127.0.0.1:8080/");
        check("[::1]:8443", "https://[::1]:8443/");
        assert_eq!(hosted("us-east-1").unwrap().as_str(), "https://agentbay.us-east-1.aliyuncs.com/");
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_the_right_form() {
        for bad in ["", "http://example.com", "ftp://localhost", "localhost:99999", "https://me:pw@localhost", "a b"] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.contains("host:port"), "{bad}: {error}");
        }
        assert!(hosted("cn/../x").is_err());
    }
}
