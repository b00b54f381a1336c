//! Views of sessions into `Data`.

use super::envelope::{Answer, Paging};
use super::version;
use crate::app::App;
use crate::direct;
use crate::links::{Grant, page_url};
use crate::sign::Purpose;
use control::{ContextView, Entry, OpContext, SessionPage, SessionView};
use protocol::tools::available;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use types::{Capability, SessionId, SessionState, Timestamp};

/// What SDKs print as the kind of machine behind a Linux session.
const APP_ID: &str = "mcp-server-ubuntu";

/// `CreateMcpSession` and `GetSession`.
///
/// Which of the ways into the session it names depends on the client that made the session: see [`version::routes`].
pub(super) fn session(app: &App, cx: &OpContext, view: &SessionView, tool_list: String) -> Value {
    let routes = version::routes(&view.client);
    let given = |wanted: bool, text: &dyn Fn() -> String| if wanted { text() } else { String::new() };
    // The listener that a session was made for may be off since the last start.
    let vpc = if routes.vpc { direct::vpc_address(app).ok() } else { None };
    json!({
        "SessionId": view.id,
        "Status": state_word(view.state),
        "Success": true,
        "ErrMsg": "",
        "AppInstanceId": app_instance_id(&view.id),
        "ResourceId": resource_id(&view.id),
        "ResourceUrl": page_url(app, &grant(app, cx, view)),
        "ImageId": view.image,
        "NetworkInterfaceIp": vpc.map(|address| address.ip.to_string()).unwrap_or_default(),
        "HttpPort": vpc.map(|address| address.port.to_string()).unwrap_or_default(),
        "VpcResource": vpc.is_some(),
        "Token": given(routes.token(), &|| direct::token(app, cx, &view.id)),
        "LinkUrl": given(routes.link, &|| direct::link_url(app)),
        "WsUrl": given(routes.socket, &|| direct::socket_url(app)),
        "ToolList": tool_list,
        "contexts": [],
    })
}

/// `GetSessionDetail`.
pub(super) fn session_detail(view: &SessionView) -> Value {
    json!({
        "Status": state_word(view.state),
        "AppInstanceId": app_instance_id(&view.id),
        "ImageId": view.image,
        "ImageType": "",
        "BizType": 0,
        "EndReason": "",
        "IsDeleted": 0,
    })
}

/// `ListSession`.
pub(super) fn page(page: SessionPage, limit: u32) -> Answer {
    let rows = page.sessions.iter().map(|view| {
        json!({
            "SessionId": view.id,
            "SessionStatus": state_word(view.state),
            "AppInstanceId": app_instance_id(&view.id),
            "ImageId": view.image,
        })
    });
    let paging = Paging { next_token: page.next_cursor.unwrap_or_default(), max_results: limit.into(), total_count: page.total };
    Answer::page(rows.collect(), paging)
}

/// `GetLabel`: the labels are JSON in a string.
pub(super) fn labels(view: &SessionView) -> Answer {
    let text = serde_json::to_string(&view.labels).expect("labels are strings");
    let count = view.labels.len() as u64;
    Answer::page(json!({ "Labels": text }), Paging { next_token: String::new(), max_results: count, total_count: count })
}

/// `GetMcpResource`.
pub(super) fn resource(app: &App, cx: &OpContext, view: &SessionView) -> Value {
    let grant = grant(app, cx, view);
    let properties = json!({ "authMode": "Signed", "sessionId": view.id, "expiresAt": grant.expires });
    json!({
        "SessionId": view.id,
        "ResourceUrl": page_url(app, &grant),
        "DesktopInfo": {
            "AppId": APP_ID,
            "AuthCode": app.signer.sign(Purpose::AuthCode, &grant),
            "ConnectionProperties": properties.to_string(),
            "ResourceId": resource_id(&view.id),
            "ResourceType": "AIAgent",
            "Ticket": app.signer.sign(Purpose::Ticket, &grant),
        },
    })
}

/// A context.
pub(super) fn context(view: &ContextView) -> Value {
    json!({
        "Id": view.id,
        "Name": view.name,
        "State": view.state.as_str(),
        "OsType": "linux",
        "CreateTime": seconds(view.created_at),
        "LastUsedTime": seconds(view.used_at),
    })
}

/// A file or folder in a context.
pub(super) fn entry(entry: &Entry) -> Value {
    let path = entry.path();
    let id = data_encoding::BASE32_DNSSEC.encode(&Sha256::digest(path.as_str())[..15]);
    let (kind, size, modified) = match entry {
        Entry::File(meta) => ("file", meta.size, seconds(meta.modified_at)),
        Entry::Folder(_) => ("folder", 0, String::new()),
    };
    json!({
        "FileId": id,
        "FileName": path.name(),
        "FilePath": path.as_str(),
        "FileType": kind,
        "GmtCreate": modified,
        "GmtModified": modified,
        "Size": size,
        "Status": "available",
    })
}

/// `ListMcpTools` and `ToolList`: an array as JSON text.
pub(super) fn tool_list(capabilities: &[Capability]) -> String {
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

/// `2026-06-01T12:00:00Z`.
fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

fn grant(app: &App, cx: &OpContext, view: &SessionView) -> Grant {
    Grant::page(cx, view, app.clock.now(), app.timeouts.page_life)
}

fn state_word(state: SessionState) -> &'static str {
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

fn app_instance_id(id: &SessionId) -> String {
    derived("ai-", id)
}

fn resource_id(id: &SessionId) -> String {
    derived("p-", id)
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
    use types::ClientInfo;

    #[tokio::test]
    async fn a_session_has_every_field_in_the_type_that_sdks_expect() {
        let app = testing::app().await;
        let view = testing::view();
        let data = session(&app, &testing::context(), &view, tool_list(&[Capability::Shell]));
        for name in
            ["SessionId", "Status", "ResourceUrl", "AppInstanceId", "ResourceId", "Token", "LinkUrl", "WsUrl", "ToolList", "HttpPort"]
        {
            assert!(data[name].is_string(), "{name}");
        }
        assert_eq!((&data["Success"], &data["VpcResource"], &data["Status"]), (&json!(true), &json!(false), &json!("RUNNING")));
        assert!(data["ResourceUrl"].as_str().unwrap().len() >= 100);
        assert!(data["ResourceId"].as_str().unwrap().starts_with("p-"));
        assert_eq!(data["ResourceId"], session(&app, &testing::context(), &view, String::new())["ResourceId"], "always the same");
        let tools: Value = serde_json::from_str(data["ToolList"].as_str().unwrap()).unwrap();
        assert_eq!((&tools[0]["name"], &tools[0]["tool"], &tools[0]["server"]), (&json!("shell"), &json!("shell"), &json!("wuying_shell")));
        assert!(tools[0]["inputSchema"].is_object());
    }

    #[tokio::test]
    async fn a_session_names_the_routes_that_its_client_knows() {
        let app = testing::app().await;
        let told = |client: ClientInfo| session(&app, &testing::context(), &SessionView { client, ..testing::view() }, String::new());
        let python = |version: &str, vpc| ClientInfo {
            dialect: "agentbay".into(),
            language: Some(types::SdkLanguage::Python),
            version: version.into(),
            vpc,
            ..ClientInfo::default()
        };
        let token = direct::token(&app, &testing::context(), &testing::view().id);
        let check = |client: ClientInfo, wanted: [Value; 6]| {
            let data = told(client.clone());
            let got = ["Token", "LinkUrl", "WsUrl", "VpcResource", "NetworkInterfaceIp", "HttpPort"].map(|name| data[name].clone());
            assert_eq!(got, wanted, "{client:?}");
        };
        let none = || json!("");
        let link = || json!("https://localhost:8443/direct");
        check(python("0.22.3", false), [json!(token), link(), json!("wss://localhost:8443/direct/ws"), json!(false), none(), none()]);
        check(python("0.15.0", false), [json!(token), link(), none(), json!(false), none(), none()]);
        check(python("0.12.0", false), [none(), none(), none(), json!(false), none(), none()]);
        check(python("0.12.0", true), [json!(token), none(), none(), json!(true), json!("127.0.0.1"), json!("8080")]);
    }

    #[tokio::test]
    async fn the_resource_carries_long_signed_values() {
        let app = testing::app().await;
        let data = resource(&app, &testing::context(), &testing::view());
        let desktop = &data["DesktopInfo"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert!(text(&data["ResourceUrl"]).len() >= 100);
        assert!(text(&desktop["AuthCode"]).len() >= 50);
        assert!(text(&desktop["Ticket"]).len() >= 80);
        assert_ne!(desktop["Ticket"], desktop["AuthCode"]);
        assert!(app.signer.open::<Grant>(Purpose::Ticket, &text(&desktop["Ticket"])).is_ok());
        let properties: Value = serde_json::from_str(&text(&desktop["ConnectionProperties"])).unwrap();
        assert!(properties["authMode"].is_string());
    }

    #[test]
    fn lists_and_labels_put_paging_beside_data() {
        let view = testing::view();
        let answer = page(SessionPage { sessions: vec![view.clone()], total: 7, next_cursor: Some("c".into()) }, 1);
        let (data, paging) = answer.parts();
        assert_eq!(data[0]["SessionStatus"], "RUNNING");
        assert_eq!(paging, Some(&Paging { next_token: "c".into(), max_results: 1, total_count: 7 }));

        let answer = labels(&view);
        assert_eq!(answer.parts().0, &json!({ "Labels": r#"{"env":"<b>&\"prod\""}"# }));
    }
}
