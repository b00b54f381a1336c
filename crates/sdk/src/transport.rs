//! HTTP below everything: one pool of connections, one way to send a request, one reading of what can go wrong.

use crate::envelope::{Envelope, read_envelope};
use crate::{Error, Result, endpoint, tls};
use reqwest::header::{HeaderMap, HeaderValue, USER_AGENT};
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use url::Url;

/// The protocol's version, sent with every request.
const API_VERSION: &str = "2025-05-06";
/// Longest answer that is read. The largest honest one is a 16 MiB file as base64 inside two layers of JSON.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Below the 75 s after which services drop an idle connection, so that we never reuse one that is just going away.
const POOL_IDLE: Duration = Duration::from_secs(60);
/// How often a call that may be repeated is repeated, and the pause before the first time.
const RETRIES: u32 = 2;
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// Actions that only ask.
const READS: &[&str] = &[
    "GetSession",
    "GetSessionDetail",
    "ListSession",
    "GetLabel",
    "GetMcpResource",
    "ListMcpTools",
    "GetContextInfo",
    "ListContexts",
    "DescribeContextFiles",
];
/// How many clients with a connect time-out of their own are kept for reuse.
const MAX_SPECIAL_CLIENTS: usize = 4;

pub(crate) struct Settings {
    pub base: Url,
    pub api_key: String,
    pub region: String,
    pub timeout: Duration,
    pub ca_file: Option<PathBuf>,
}

pub(crate) struct Transport {
    http: reqwest::Client,
    /// Connecting has a limit per client, not per request; calls that want another one share these.
    special: Mutex<Vec<(Duration, reqwest::Client)>>,
    tls: Option<rustls::ClientConfig>,
    base: Url,
    api_key: String,
    region: String,
    timeout: Duration,
    /// Whether the service has Roadstead's own interface, once that is known.
    roadstead: OnceLock<bool>,
}

/// Time limits of one request; what is absent is the client's.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timeouts {
    pub connect: Option<Duration>,
    pub read: Option<Duration>,
}

/// One request of the session protocol, being put together.
pub(crate) struct Call {
    action: &'static str,
    operation: String,
    query: Vec<(&'static str, String)>,
    body: Vec<(&'static str, String)>,
    timeouts: Timeouts,
}

impl Call {
    /// `operation` says for people what is being done, such as `creating a session`.
    pub(crate) fn new(action: &'static str, operation: impl Into<String>) -> Self {
        Self { action, operation: operation.into(), query: Vec::new(), body: Vec::new(), timeouts: Timeouts::default() }
    }

    pub(crate) fn param(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.body.push((name, value.into()));
        self
    }

    pub(crate) fn optional(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.param(name, value),
            None => self,
        }
    }

    /// For the few parameters that the protocol wants in the query.
    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(crate) fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }
}

/// A whole answer.
pub(crate) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Transport {
    pub(crate) fn new(settings: Settings) -> Result<Self> {
        let Settings { base, api_key, region, timeout, ca_file } = settings;
        if HeaderValue::from_str(&api_key).is_err() {
            return Err(Error::invalid("the API key holds characters that no key has, such as a line break"));
        }
        // Links and presigned addresses of a plain-HTTP server are plain too, so no roots need to be read for one.
        let tls = if base.scheme() == "https" { Some(tls::client_config(ca_file.as_deref())?) } else { None };
        let http = build_client(&base, tls.clone(), timeout)?;
        Ok(Self { http, special: Mutex::default(), tls, base, api_key, region, timeout, roadstead: OnceLock::new() })
    }

    /// Sends one request of the session protocol and reads its envelope. What may be repeated is repeated after a failure
    /// that passes.
    pub(crate) async fn call(&self, call: Call) -> Result<Envelope> {
        let mut pause = RETRY_PAUSE;
        for _ in 0..RETRIES {
            match self.call_once(&call).await {
                Err(error) if may_repeat(call.action, &error) => tokio::time::sleep(pause).await,
                done => return done,
            }
            pause *= 2;
        }
        self.call_once(&call).await
    }

    async fn call_once(&self, call: &Call) -> Result<Envelope> {
        let Call { action, operation, query, body, timeouts } = call;
        let authorization = ("Authorization", format!("Bearer {}", self.api_key));
        let body: Vec<_> = body.iter().chain([&authorization]).collect();
        let fixed = [
            ("Action", (*action).to_owned()),
            ("Version", API_VERSION.to_owned()),
            ("Format", "json".to_owned()),
            ("Timestamp", jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            ("SignatureNonce", nonce()),
        ];
        let request = self
            .client(timeouts.connect)?
            .post(self.base.clone())
            .query(&fixed)
            .query(query)
            .header("x-acs-action", *action)
            .header("x-acs-version", API_VERSION)
            .form(&body);
        let answer = self.send(request, operation, timeouts.read.unwrap_or(self.timeout)).await?;
        read_envelope(operation.clone(), answer)
    }

    /// Whether the service may have Roadstead's own interface under `/v1`.
    pub(crate) fn may_be_roadstead(&self) -> bool {
        *self.roadstead.get().unwrap_or(&true)
    }

    /// Whether it is known to have it.
    pub(crate) fn is_roadstead(&self) -> bool {
        *self.roadstead.get().unwrap_or(&false)
    }

    pub(crate) fn found_roadstead(&self) {
        let _ = self.roadstead.set(true);
    }

    pub(crate) fn is_not_roadstead(&self) {
        let _ = self.roadstead.set(false);
    }

    /// A request to `/v1/…` of a Roadstead server, with the key in its header. Each part of the path is one component.
    pub(crate) fn native(&self, method: reqwest::Method, path: &[&str]) -> Result<reqwest::RequestBuilder> {
        let mut url = self.base.clone();
        if let Some(part) = path.iter().find(|part| matches!(**part, "" | "." | "..")) {
            return Err(Error::invalid(format!("`{part}` is no id")));
        }
        match url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().push("v1").extend(path),
            Err(()) => return Err(Error::invalid(format!("{} cannot have paths", self.base))),
        };
        Ok(self.http.request(method, url).bearer_auth(&self.api_key))
    }

    /// Sends a request and reads the whole answer, both within `timeout`.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder, operation: &str, timeout: Duration) -> Result<Answer> {
        let response = request.timeout(timeout).send().await.map_err(|error| transport_error(operation, timeout, error))?;
        read_body(response, operation, timeout).await
    }

    /// The client whose connections are made within `connect`.
    pub(crate) fn client(&self, connect: Option<Duration>) -> Result<reqwest::Client> {
        let Some(limit) = connect.filter(|limit| *limit != self.timeout) else {
            return Ok(self.http.clone());
        };
        let mut special = self.special.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((_, client)) = special.iter().find(|(kept, _)| *kept == limit) {
            return Ok(client.clone());
        }
        let client = build_client(&self.base, self.tls.clone(), limit)?;
        if special.len() == MAX_SPECIAL_CLIENTS {
            special.remove(0);
        }
        special.push((limit, client.clone()));
        Ok(client)
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    pub(crate) fn api_key(&self) -> &str {
        &self.api_key
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").field("base", &self.base.as_str()).field("region", &self.region).finish_non_exhaustive()
    }
}

/// A whole answer; `timeout` is what the request was given, for the error.
pub(crate) async fn read_body(mut response: reqwest::Response, operation: &str, timeout: Duration) -> Result<Answer> {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| transport_error(operation, timeout, error))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Error::unexpected(operation, format!("it is longer than {} MiB", MAX_ANSWER_BYTES >> 20), None));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body })
}

/// Whether the same request may be sent again: it only asks and the failure passes, or a rate limit kept it from having
/// any effect. A time-out is not repeated: it has cost enough, and so would the next.
fn may_repeat(action: &str, error: &Error) -> bool {
    match error {
        Error::LimitExceeded(api) => api.status == 429 && api.code.contains("Throttling"),
        Error::Transport { .. } | Error::Api(_) => READS.contains(&action) && error.is_retryable(),
        _ => false,
    }
}

fn build_client(base: &Url, tls: Option<rustls::ClientConfig>, connect: Duration) -> Result<reqwest::Client> {
    let agent = HeaderValue::from_static(concat!("roadstead-sdk/", env!("CARGO_PKG_VERSION")));
    let mut builder = reqwest::Client::builder()
        .http1_only()
        .connect_timeout(connect)
        .pool_idle_timeout(POOL_IDLE)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .default_headers(HeaderMap::from_iter([(USER_AGENT, agent)]));
    // A proxy cannot reach this machine's loopback, and many a shell has a proxy set without a matching NO_PROXY.
    if endpoint::is_loopback(base) {
        builder = builder.no_proxy();
    }
    // Without TLS of its own an empty trust store stands in: nothing here may reach for a process-wide default.
    let tls = match tls {
        Some(tls) => tls,
        None => rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::invalid(format!("TLS cannot be set up: {error}")))?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth(),
    };
    builder.tls_backend_preconfigured(tls).build().map_err(|error| Error::invalid(format!("the HTTP client cannot be set up: {error}")))
}

pub(crate) fn transport_error(operation: &str, after: Duration, error: reqwest::Error) -> Error {
    if error.is_timeout() {
        return Error::Timeout { operation: operation.to_owned(), after, request_id: None };
    }
    let server = error.url().map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    // The URL may carry the key in its query, and it is no cause.
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let what = if error.is_connect() { "cannot be reached" } else { "broke the connection off" };
    let reason = format!("{server} {what} ({innermost})");
    Error::Transport { operation: operation.to_owned(), reason, source: Box::new(error) }
}

/// 128 bits that no other request has. Not a secret: the protocol only wants it to differ.
pub(crate) fn nonce() -> String {
    let word = || std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", word(), word())
}
