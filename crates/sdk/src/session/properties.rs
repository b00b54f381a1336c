//! What is known of a session: at its creation, and when asked.

use crate::tools::McpTool;
use serde::{Deserialize, Deserializer};

/// What the service said about a session when it was made or found, or what the caller knows of it.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// let session = client.get("session-04bdwfj7u22a1s30g").await?;
/// println!("{:?}", session.properties().status);
/// # Ok(()) }
/// ```
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct SessionProperties {
    /// The id.
    #[serde(deserialize_with = "or_default")]
    pub session_id: String,
    /// What it was started from.
    pub image_id: Option<String>,
    /// Where it is in its life.
    pub status: Option<SessionStatus>,
    /// A URL that opens it in a browser.
    pub resource_url: Option<String>,
    /// The service's id of the running instance.
    pub app_instance_id: Option<String>,
    /// Whether it lies in a virtual private cloud.
    #[serde(deserialize_with = "or_default")]
    pub vpc_resource: bool,
    /// Its address in that cloud.
    pub network_interface_ip: Option<String>,
    /// Its port at that address.
    pub http_port: Option<String>,
    /// The secret for direct calls.
    pub token: Option<String>,
    /// Where direct calls go.
    pub link_url: Option<String>,
    /// Where the session's WebSocket is, over which streams travel.
    pub ws_url: Option<String>,
    /// Some services spell it so, or both ways at once.
    #[serde(rename = "wsUrl")]
    pub(crate) other_ws_url: Option<String>,
    /// The tools as JSON text, as the service sends them.
    pub tool_list: Option<String>,
    #[serde(rename = "Success", deserialize_with = "failed")]
    pub(crate) refused: bool,
    #[serde(rename = "ErrMsg")]
    pub(crate) failure: Option<String>,
}

impl SessionProperties {
    pub(crate) fn ws_url(&self) -> Option<String> {
        [&self.ws_url, &self.other_ws_url].into_iter().flatten().find(|url| !url.is_empty()).cloned()
    }

    pub(crate) fn tools(&self) -> Vec<McpTool> {
        // A list that cannot be read only means that calls go through the API.
        self.tool_list.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

impl std::fmt::Debug for SessionProperties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionProperties")
            .field("session_id", &self.session_id)
            .field("image_id", &self.image_id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Where a session is in its life.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::SessionStatus;
/// if *session.status().await? == SessionStatus::Running {
///     session.command().run("true").await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
#[non_exhaustive]
pub enum SessionStatus {
    /// It can be used.
    Running,
    /// Being frozen.
    Pausing,
    /// Frozen.
    Paused,
    /// Being thawed.
    Resuming,
    /// Being deleted.
    Deleting,
    /// Deleted; some of it may still be there.
    Deleted,
    /// Nothing of it is left.
    Finished,
    /// A word that this crate does not know.
    Other(String),
}

impl SessionStatus {
    /// The service's word.
    ///
    /// ```no_run
    /// assert_eq!(roadstead_sdk::SessionStatus::Running.as_str(), "RUNNING");
    /// ```
    pub fn as_str(&self) -> &str {
        match self {
            Self::Running => "RUNNING",
            Self::Pausing => "PAUSING",
            Self::Paused => "PAUSED",
            Self::Resuming => "RESUMING",
            Self::Deleting => "DELETING",
            Self::Deleted => "DELETED",
            Self::Finished => "FINISH",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for SessionStatus {
    fn from(word: String) -> Self {
        let known = [Self::Running, Self::Pausing, Self::Paused, Self::Resuming, Self::Deleting, Self::Deleted, Self::Finished];
        known.into_iter().find(|status| status.as_str() == word).unwrap_or(Self::Other(word))
    }
}

/// Facts about a session, fresh from the service. Some are secrets that open the session.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// let info = session.info().await?;
/// println!("{} ({}): {}", info.resource_id, info.app_id, info.resource_url);
/// # Ok(()) }
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The session's id.
    pub session_id: String,
    /// Opens the session in a browser tab; valid for about half an hour.
    pub resource_url: String,
    /// What runs in it, such as `mcp-server-ubuntu`.
    pub app_id: String,
    /// Secret for viewers in web pages and mobile programs.
    pub auth_code: String,
    /// JSON text with the viewer's settings, among them `authMode`.
    pub connection_properties: String,
    /// The resource's id, `p-…`.
    pub resource_id: String,
    /// The resource's kind, such as `AIAgent`.
    pub resource_type: String,
    /// Secret for viewers.
    pub ticket: String,
}

impl std::fmt::Debug for SessionInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionInfo")
            .field("session_id", &self.session_id)
            .field("app_id", &self.app_id)
            .field("resource_id", &self.resource_id)
            .field("resource_type", &self.resource_type)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct WireInfo {
    session_id: Option<String>,
    resource_url: Option<String>,
    desktop_info: Option<WireDesktop>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct WireDesktop {
    app_id: Option<String>,
    auth_code: Option<String>,
    connection_properties: Option<String>,
    resource_id: Option<String>,
    resource_type: Option<String>,
    ticket: Option<String>,
}

impl SessionInfo {
    pub(crate) fn from_wire(wire: WireInfo) -> Self {
        let desktop = wire.desktop_info.unwrap_or_default();
        Self {
            session_id: wire.session_id.unwrap_or_default(),
            resource_url: wire.resource_url.unwrap_or_default(),
            app_id: desktop.app_id.unwrap_or_default(),
            auth_code: desktop.auth_code.unwrap_or_default(),
            connection_properties: desktop.connection_properties.unwrap_or_default(),
            resource_id: desktop.resource_id.unwrap_or_default(),
            resource_type: desktop.resource_type.unwrap_or_default(),
            ticket: desktop.ticket.unwrap_or_default(),
        }
    }
}

/// `null` stands for absent everywhere in the protocol.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Only an explicit `false` means that the session was not made.
fn failed<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Option::<bool>::deserialize(from)? == Some(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_and_unknown_fields_do_no_harm() {
        let json = r#"{"SessionId":"s","VpcResource":null,"Success":true,"ErrMsg":"","contexts":[],"Status":"HIBERNATED",
            "WsUrl":null,"wsUrl":"wss://w","ToolList":"[{\"name\":\"shell\",\"server\":\"wuying_shell\"}]"}"#;
        let properties: SessionProperties = serde_json::from_str(json).unwrap();
        assert_eq!(properties.session_id, "s");
        assert_eq!(properties.status, Some(SessionStatus::Other("HIBERNATED".into())));
        assert_eq!(properties.tools()[0].server, "wuying_shell");
        assert_eq!(properties.ws_url().as_deref(), Some("wss://w"));
        assert!(!properties.refused);
    }
}
