//! Views of sessions and contexts into `data`.

use super::envelope::{Answer, Paging};
use super::version;
use crate::app::App;
use crate::dialect::vendor::contexts::{Listed, seconds};
use crate::dialect::vendor::session::{Resource, app_instance_id, resource_id, resource_url, state_word};
use crate::direct;
use control::{ContextView, Entry, OpContext, SessionPage, SessionView};
use serde_json::{Value, json};

/// `/mcp/createSession` and `/mcp/getSession`.
///
/// Which of the ways into the session it names depends on the client that made the session: see
/// [`version::knows_routes`].
pub(super) fn session(app: &App, cx: &OpContext, view: &SessionView, tool_list: String) -> Value {
    let mut data = json!({
        "sessionId": view.id,
        "success": true,
        "errMsg": "",
        "status": state_word(view.state),
        "appInstanceId": app_instance_id(&view.id),
        "resourceId": resource_id(&view.id),
        "resourceUrl": resource_url(app, cx, view),
    });
    if version::knows_routes(&view.client) {
        data["linkUrl"] = direct::link_url(app).into();
        data["wsUrl"] = direct::socket_url(app).into();
        data["token"] = direct::token(app, cx, &view.id).into();
        data["toolList"] = tool_list.into();
    }
    data
}

/// `/mcp/getSessionInfo`.
pub(super) fn status(view: &SessionView) -> Value {
    json!({ "sessionId": view.id, "status": state_word(view.state) })
}

/// `/sdk/ListSession`.
pub(super) fn page(page: SessionPage, limit: u32) -> Answer {
    let rows = page.sessions.iter().map(|view| json!({ "sessionId": view.id, "sessionStatus": state_word(view.state) }));
    let paging = Paging { next_token: page.next_cursor.unwrap_or_default(), max_results: limit, count: page.total };
    Answer::page(rows.collect(), paging)
}

/// `/sdk/GetLabel`: the labels are JSON in a string.
pub(super) fn labels(view: &SessionView) -> Value {
    json!({ "labels": serde_json::to_string(&view.labels).expect("labels are strings") })
}

/// `/mcp/getMcpResource`.
pub(super) fn resource(app: &App, cx: &OpContext, view: &SessionView) -> Value {
    let resource = Resource::of(app, cx, view);
    json!({
        "sessionId": view.id,
        "resourceUrl": resource.url,
        "desktopInfo": {
            "appId": resource.app_id,
            "authCode": resource.auth_code,
            "connectionProperties": resource.connection_properties,
            "resourceId": resource.resource_id,
            "resourceType": resource.resource_type,
            "ticket": resource.ticket,
        },
    })
}

/// A context.
pub(super) fn context(view: &ContextView) -> Value {
    json!({
        "id": view.id,
        "name": view.name,
        "state": view.state.as_str(),
        "createTime": seconds(view.created_at),
        "lastUsedTime": seconds(view.used_at),
    })
}

/// A file or folder in a context.
pub(super) fn entry(entry: &Entry) -> Value {
    let entry = Listed::of(entry);
    json!({
        "fileId": entry.id,
        "fileName": entry.name,
        "filePath": entry.path,
        "fileType": entry.kind,
        "gmtCreate": entry.modified,
        "gmtModified": entry.modified,
        "size": entry.size,
        "status": entry.status,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use types::ClientInfo;

    #[tokio::test]
    async fn a_session_names_the_routes_that_its_client_knows() {
        let (app, cx) = (testing::app().await, testing::context());
        let told = |dialect: &str, version: &str| {
            let client = ClientInfo { dialect: dialect.into(), version: version.into(), ..ClientInfo::default() };
            session(&app, &cx, &SessionView { client, ..testing::view() }, "[]".into())
        };
        for data in [told("agb", "0.12.0"), told("agentbay", "0.9.0"), told("native", "")] {
            assert_eq!((&data["linkUrl"], &data["toolList"]), (&json!("https://localhost:8443/direct"), &json!("[]")));
            assert_eq!(data["wsUrl"], "wss://localhost:8443/direct/ws");
            assert_eq!(data["token"], direct::token(&app, &cx, &testing::view().id));
        }
        let old = told("agb", "0.11.0");
        for name in ["linkUrl", "wsUrl", "token", "toolList"] {
            assert_eq!(old.get(name), None, "{name}");
        }
        for name in ["sessionId", "status", "appInstanceId", "resourceId", "resourceUrl"] {
            assert!(old[name].is_string(), "{name}");
        }
        assert_eq!((&old["success"], &old["errMsg"]), (&json!(true), &json!("")));
    }

    #[tokio::test]
    async fn the_resource_has_every_field_that_the_sdk_reads() {
        let app = testing::app().await;
        let data = resource(&app, &testing::context(), &testing::view());
        for name in ["appId", "authCode", "connectionProperties", "resourceId", "resourceType", "ticket"] {
            assert!(data["desktopInfo"][name].is_string(), "{name}");
        }
        assert!(data["resourceUrl"].is_string() && data["sessionId"].is_string());
    }

    #[test]
    fn labels_are_text_and_a_page_is_a_list() {
        let view = testing::view();
        assert_eq!(labels(&view), json!({ "labels": r#"{"env":"<b>&\"prod\""}"# }));
        let answer = page(SessionPage { sessions: vec![view.clone()], total: 7, next_cursor: Some("c".into()) }, 1);
        let (data, paging) = answer.parts();
        assert_eq!(data, &json!([{ "sessionId": view.id, "sessionStatus": "RUNNING" }]));
        assert_eq!(paging, Some(&Paging { next_token: "c".into(), max_results: 1, count: 7 }));
    }
}
