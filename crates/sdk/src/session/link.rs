//! Links: URLs that lead into a session's ports.

use super::Session;
use crate::{Error, Response, Result};
use serde::Deserialize;
use std::ops::RangeInclusive;

/// Ports that a link can lead to.
const LINK_PORTS: RangeInclusive<u16> = 30100..=30199;

/// What a link speaks.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::{LinkParams, LinkProtocol};
/// let link = session.link(LinkParams::new().protocol(LinkProtocol::Wss).port(30101)).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkProtocol {
    /// HTTP over TLS.
    Https,
    /// WebSocket over TLS.
    Wss,
}

/// Which link to make.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::LinkParams;
/// println!("{}", *session.link(LinkParams::https(30100)).await?);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "params do nothing until a link is made with them"]
pub struct LinkParams {
    protocol: Option<LinkProtocol>,
    port: Option<u16>,
    options: Option<String>,
}

impl LinkParams {
    /// The image's default service, as far as it has one.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::LinkParams::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// An HTTPS link to `port`, 30100 to 30199.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::LinkParams::https(30100);
    /// ```
    pub fn https(port: u16) -> Self {
        Self::new().protocol(LinkProtocol::Https).port(port)
    }

    /// A WebSocket link to `port`, 30100 to 30199.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::LinkParams::wss(30101);
    /// ```
    pub fn wss(port: u16) -> Self {
        Self::new().protocol(LinkProtocol::Wss).port(port)
    }

    /// What the link speaks.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::LinkParams::new().protocol(roadstead_sdk::LinkProtocol::Https).port(30100);
    /// ```
    pub fn protocol(mut self, protocol: LinkProtocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// The port inside the session, 30100 to 30199.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::LinkParams::new().port(30100);
    /// ```
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Further options as JSON text, handed to the service as they are.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::LinkParams::https(30100).options("{}");
    /// ```
    pub fn options(mut self, json: impl Into<String>) -> Self {
        self.options = Some(json.into());
        self
    }
}

impl Session {
    /// A signed URL that leads to a port inside the session (the guides' `get_link`). A port outside 30100–30199 is
    /// refused before any request. Without a port only images with a default service have a link.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::LinkParams;
    /// session.command().run("python3 -m http.server 30100 >/dev/null 2>&1 &").await?;
    /// session.wait_for_port(30100, std::time::Duration::from_secs(10)).await?;
    /// let url = session.link(LinkParams::https(30100)).await?.into_value();
    /// # Ok(()) }
    /// ```
    pub async fn link(&self, params: LinkParams) -> Result<Response<String>> {
        #[derive(Deserialize)]
        struct Data {
            #[serde(rename = "Url")]
            url: String,
        }
        if let Some(port) = params.port.filter(|port| !LINK_PORTS.contains(port)) {
            let (first, last) = LINK_PORTS.into_inner();
            return Err(Error::invalid(format!("a link cannot lead to port {port}: let the service listen on {first} to {last}")));
        }
        let protocol = params.protocol.map(|protocol| match protocol {
            LinkProtocol::Https => "https",
            LinkProtocol::Wss => "wss",
        });
        let call = self
            .call("GetLink", "making a link into")
            .optional("ProtocolType", protocol)
            .optional("Port", params.port.map(|port| port.to_string()))
            .optional("Option", params.options);
        let envelope = self.transport().call(call).await?;
        let Data { url } = envelope.data()?;
        Ok(envelope.into_response(url))
    }
}
