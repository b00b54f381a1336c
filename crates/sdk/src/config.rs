//! How a client is set up: in code, or from the environment that the official SDKs read too.

use crate::transport::{Settings, Transport};
use crate::{AgentBay, Error, Result, endpoint};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long one request may take, unless said otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Sets up an [`AgentBay`]. What is not said in code comes from the environment:
/// `AGENTBAY_API_KEY`, `AGENTBAY_ENDPOINT`, `AGENTBAY_REGION_ID`, `AGENTBAY_TIMEOUT_MS`.
///
/// An endpoint wins over a region; with neither, the hosted service's default region is used.
///
/// ```no_run
/// # fn example() -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::AgentBay;
/// use std::time::Duration;
/// let client = AgentBay::builder().api_key("akm-…").endpoint("localhost:8443").timeout(Duration::from_secs(30)).build()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct AgentBayBuilder {
    api_key: Option<String>,
    endpoint: Option<String>,
    region: Option<String>,
    timeout: Option<Duration>,
    ca_file: Option<PathBuf>,
}

impl AgentBayBuilder {
    /// The API key, `akm-…`.
    ///
    /// ```no_run
    /// let builder = roadstead_sdk::AgentBay::builder().api_key("akm-…");
    /// ```
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Where the service is: `host:port` (HTTPS), or a URL. Plain `http://` is accepted for loopback addresses only.
    ///
    /// ```no_run
    /// let builder = roadstead_sdk::AgentBay::builder().endpoint("localhost:8443");
    /// ```
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// A region of the hosted service, such as `cn-hangzhou` (the default) or `us-east-1`. It names the address when
    /// there is no endpoint, and is told to the service on create.
    ///
    /// ```no_run
    /// let builder = roadstead_sdk::AgentBay::builder().region("us-east-1");
    /// ```
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// How long connecting, and one whole request, may take; 60 s unless set. A command with a longer time limit of
    /// its own gets that long.
    ///
    /// ```no_run
    /// let builder = roadstead_sdk::AgentBay::builder().timeout(std::time::Duration::from_secs(10));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A PEM file with the certificates to trust, in place of the system's (which `SSL_CERT_FILE` can name too).
    ///
    /// ```no_run
    /// let builder = roadstead_sdk::AgentBay::builder().ca_file("/var/lib/roadstead/server/ca-bundle.pem");
    /// ```
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Makes the client; no request is made.
    ///
    /// Fails with [`Error::Validation`] without a key, with an endpoint or region that is none, or when the trusted
    /// certificates cannot be read.
    ///
    /// ```no_run
    /// # fn example() -> roadstead_sdk::Result<()> {
    /// let client = roadstead_sdk::AgentBay::builder().api_key("akm-…").build()?;
    /// # Ok(()) }
    /// ```
    pub fn build(self) -> Result<AgentBay> {
        self.build_with(|name| std::env::var(name).ok())
    }

    fn build_with(self, environment: impl Fn(&str) -> Option<String>) -> Result<AgentBay> {
        let set = |value: Option<String>, name| value.or_else(|| environment(name)).filter(|text| !text.trim().is_empty());
        let api_key = set(self.api_key, "AGENTBAY_API_KEY").ok_or_else(|| {
            Error::invalid("no API key: pass one, or set AGENTBAY_API_KEY (for a Roadstead server: `eval \"$(roadstead env)\"`)")
        })?;
        let region = set(self.region, "AGENTBAY_REGION_ID").unwrap_or_else(|| endpoint::DEFAULT_REGION.to_owned());
        let base = match set(self.endpoint, "AGENTBAY_ENDPOINT") {
            Some(text) => endpoint::parse(&text)?,
            None => endpoint::hosted(&region)?,
        };
        let timeout = match (self.timeout, environment("AGENTBAY_TIMEOUT_MS")) {
            (Some(timeout), _) => timeout,
            (None, Some(text)) => parse_timeout(&text)?,
            (None, None) => DEFAULT_TIMEOUT,
        };
        let transport = Transport::new(Settings { base, api_key, region, timeout, ca_file: self.ca_file })?;
        Ok(AgentBay { transport: Arc::new(transport) })
    }
}

fn parse_timeout(text: &str) -> Result<Duration> {
    match text.trim().parse() {
        Ok(ms) if ms > 0 => Ok(Duration::from_millis(ms)),
        _ => Err(Error::invalid(format!("AGENTBAY_TIMEOUT_MS is `{text}`; it must be a number of milliseconds above 0"))),
    }
}

impl std::fmt::Debug for AgentBayBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentBayBuilder").field("endpoint", &self.endpoint).field("region", &self.region).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(builder: AgentBayBuilder, variables: &[(&str, &str)]) -> Result<AgentBay> {
        builder.build_with(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
    }

    #[test]
    fn code_wins_over_the_environment_and_an_endpoint_over_a_region() {
        let check = |builder: AgentBayBuilder, variables: &[(&str, &str)], base: &str| {
            let client = build(builder.api_key("akm-1"), variables).unwrap();
            assert_eq!(client.endpoint(), base);
        };
        let new = AgentBayBuilder::default;
        check(new(), &[], "https://agentbay.cn-hangzhou.aliyuncs.com/");
        check(new(), &[("AGENTBAY_REGION_ID", "us-east-1")], "https://agentbay.us-east-1.aliyuncs.com/");
        check(new(), &[("AGENTBAY_REGION_ID", "us-east-1"), ("AGENTBAY_ENDPOINT", "localhost:1")], "https://localhost:1/");
        check(new().endpoint("localhost:2"), &[("AGENTBAY_ENDPOINT", "localhost:1")], "https://localhost:2/");
    }

    #[test]
    fn a_missing_key_and_a_bad_time_out_are_refused_before_any_request() {
        let check = |variables: &[(&str, &str)], word: &str| {
            let error = build(AgentBayBuilder::default(), variables).unwrap_err();
            assert!(matches!(&error, Error::Validation { message } if message.contains(word)), "{error}");
        };
        check(&[], "AGENTBAY_API_KEY");
        check(&[("AGENTBAY_API_KEY", " ")], "AGENTBAY_API_KEY");
        check(&[("AGENTBAY_API_KEY", "akm-1"), ("AGENTBAY_TIMEOUT_MS", "soon")], "AGENTBAY_TIMEOUT_MS");
    }

    #[test]
    fn no_debug_text_holds_the_key() {
        let client = build(AgentBayBuilder::default().api_key("akm-secret"), &[]).unwrap();
        assert!(!format!("{client:?} {:?}", AgentBayBuilder::default().api_key("akm-secret")).contains("akm-secret"));
    }
}
