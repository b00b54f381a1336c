//! Views of sessions into `Data`.

use super::envelope::{Answer, Paging};
use super::{version, vpc};
use crate::app::App;
use crate::dialect::vendor::contexts::{Listed, seconds};
use crate::dialect::vendor::session::{Resource, app_instance_id, resource_id, resource_url, state_word};
use crate::direct;
use control::{ContextView, Entry, OpContext, SessionPage, SessionView};
use serde_json::{Value, json};

/// `CreateMcpSession` and `GetSession`.
///
/// Which of the ways into the session it names depends on the client that made the session: see [`version::routes`].
pub(super) fn session(app: &App, cx: &OpContext, view: &SessionView, tool_list: String) -> Value {
    let routes = version::routes(&view.client);
    let given = |wanted: bool, text: &dyn Fn() -> String| if wanted { text() } else { String::new() };
    // The listener that a session was made for may be off since the last start.
    let address = if routes.vpc { vpc::address(app).ok() } else { None };
    json!({
        "SessionId": view.id,
        "Status": state_word(view.state),
        "Success": true,
        "ErrMsg": "",
        "AppInstanceId": app_instance_id(&view.id),
        "ResourceId": resource_id(&view.id),
        "ResourceUrl": resource_url(app, cx, view),
        "ImageId": view.image,
        "NetworkInterfaceIp": address.map(|address| address.ip.to_string()).unwrap_or_default(),
        "HttpPort": address.map(|address| address.port.to_string()).unwrap_or_default(),
        "VpcResource": address.is_some(),
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
    let resource = Resource::of(app, cx, view);
    json!({
        "SessionId": view.id,
        "ResourceUrl": resource.url,
        "DesktopInfo": {
            "AppId": resource.app_id,
            "AuthCode": resource.auth_code,
            "ConnectionProperties": resource.connection_properties,
            "ResourceId": resource.resource_id,
            "ResourceType": resource.resource_type,
            "Ticket": resource.ticket,
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
    let entry = Listed::of(entry);
    json!({
        "FileId": entry.id,
        "FileName": entry.name,
        "FilePath": entry.path,
        "FileType": entry.kind,
        "GmtCreate": entry.modified,
        "GmtModified": entry.modified,
        "Size": entry.size,
        "Status": entry.status,
    })
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
        let data = session(&app, &testing::context(), &view, "[]".into());
        for name in
            ["SessionId", "Status", "ResourceUrl", "AppInstanceId", "ResourceId", "Token", "LinkUrl", "WsUrl", "ToolList", "HttpPort"]
        {
            assert!(data[name].is_string(), "{name}");
        }
        assert_eq!((&data["Success"], &data["VpcResource"], &data["Status"]), (&json!(true), &json!(false), &json!("RUNNING")));
        assert!(data["ResourceUrl"].as_str().unwrap().len() >= 100);
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
    async fn the_resource_has_every_field_that_sdks_read() {
        let app = testing::app().await;
        let data = resource(&app, &testing::context(), &testing::view());
        for name in ["AppId", "AuthCode", "ConnectionProperties", "ResourceId", "ResourceType", "Ticket"] {
            assert!(data["DesktopInfo"][name].is_string(), "{name}");
        }
        assert!(data["ResourceUrl"].is_string() && data["SessionId"].is_string());
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
