//! A session in the words of both vendors.

use crate::app::App;
use crate::links::{Grant, page_url};
use crate::sign::Purpose;
use control::{OpContext, SessionView};
use protocol::tools::available;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use types::{Capability, SessionId, SessionState};

/// What SDKs print as the kind of machine behind a Linux session.
const APP_ID: &str = "mcp-server-ubuntu";
/// What they print as the kind of resource.
const RESOURCE_TYPE: &str = "AIAgent";

/// The page about a session, and what SDKs show beside it.
#[derive(Debug)]
pub(in crate::dialect) struct Resource {
    pub(in crate::dialect) url: String,
    pub(in crate::dialect) app_id: &'static str,
    pub(in crate::dialect) auth_code: String,
    pub(in crate::dialect) connection_properties: String,
    pub(in crate::dialect) resource_id: String,
    pub(in crate::dialect) resource_type: &'static str,
    pub(in crate::dialect) ticket: String,
}

impl Resource {
    pub(in crate::dialect) fn of(app: &App, cx: &OpContext, view: &SessionView) -> Self {
        let grant = grant(app, cx, view);
        let properties = json!({ "authMode": "Signed", "sessionId": view.id, "expiresAt": grant.expires });
        Self {
            url: page_url(app, &grant),
            app_id: APP_ID,
            auth_code: app.signer.sign(Purpose::AuthCode, &grant),
            connection_properties: properties.to_string(),
            resource_id: resource_id(&view.id),
            resource_type: RESOURCE_TYPE,
            ticket: app.signer.sign(Purpose::Ticket, &grant),
        }
    }
}

/// The address of the page about a session.
pub(in crate::dialect) fn resource_url(app: &App, cx: &OpContext, view: &SessionView) -> String {
    page_url(app, &grant(app, cx, view))
}

/// The tools of an image: an array as JSON text.
pub(in crate::dialect) fn tool_list(capabilities: &[Capability]) -> String {
    let tools: Vec<Value> = available(capabilities)
        .map(|tool| {
            json!({
                "name": tool.name,
                "description": tool.description,
                "inputSchema": tool.input_schema(),
                "server": tool.group,
                "tool": tool.name,
            })
        })
        .collect();
    Value::from(tools).to_string()
}

/// The word for a state.
pub(in crate::dialect) fn state_word(state: SessionState) -> &'static str {
    match state {
        SessionState::Creating => "CREATING",
        SessionState::Running => "RUNNING",
        SessionState::Pausing => "PAUSING",
        SessionState::Paused => "PAUSED",
        SessionState::Resuming => "RESUMING",
        SessionState::Deleting => "DELETING",
        SessionState::Finished => "FINISH",
    }
}

pub(in crate::dialect) fn app_instance_id(id: &SessionId) -> String {
    derived("ai-", id)
}

pub(in crate::dialect) fn resource_id(id: &SessionId) -> String {
    derived("p-", id)
}

fn grant(app: &App, cx: &OpContext, view: &SessionView) -> Grant {
    Grant::page(cx, view, app.clock.now(), app.timeouts.page_life)
}

/// A second name for a session, always the same one.
fn derived(prefix: &str, id: &SessionId) -> String {
    let mut hash = Sha256::new();
    hash.update(prefix);
    hash.update(id.as_str());
    format!("{prefix}{}", data_encoding::BASE32_DNSSEC.encode(&hash.finalize()[..10]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn the_resource_carries_long_signed_values() {
        let app = testing::app().await;
        let resource = Resource::of(&app, &testing::context(), &testing::view());
        assert!(resource.url.len() >= 100 && resource.auth_code.len() >= 50 && resource.ticket.len() >= 80, "{resource:?}");
        assert_ne!(resource.ticket, resource.auth_code);
        assert!(app.signer.open::<Grant>(Purpose::Ticket, &resource.ticket).is_ok());
        let properties: Value = serde_json::from_str(&resource.connection_properties).unwrap();
        assert!(properties["authMode"].is_string());
    }

    #[test]
    fn a_sessions_other_names_are_always_the_same_and_differ() {
        let id = testing::view().id;
        assert!(resource_id(&id).starts_with("p-") && app_instance_id(&id).starts_with("ai-"));
        assert_eq!(resource_id(&id), resource_id(&id));
        assert_ne!(resource_id(&id)[2..], app_instance_id(&id)[3..]);
    }

    #[test]
    fn tools_are_listed_with_their_server_and_schema() {
        let tools: Value = serde_json::from_str(&tool_list(&[Capability::Shell])).unwrap();
        assert_eq!((&tools[0]["name"], &tools[0]["tool"], &tools[0]["server"]), (&json!("shell"), &json!("shell"), &json!("wuying_shell")));
        assert!(tools[0]["inputSchema"].is_object());
    }
}
