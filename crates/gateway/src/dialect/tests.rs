//! One session, and one context, asked for in both vendors' ways.

use crate::testing::{World, told};
use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

/// A client of both.
struct Both(World);

impl Both {
    async fn ask(&self, method: &str, uri: &str, body: String) -> Value {
        let request = Request::builder().method(method).uri(uri).header("authorization", format!("Bearer {}", self.0.key));
        let request = request.body(Body::from(body)).unwrap();
        let (status, body) = told(super::pass(self.0.app.clone(), request).await).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!([200, 400, 404].contains(&status), "{body}");
        body
    }

    async fn agentbay(&self, action: &str, pairs: &[(&str, &str)]) -> Value {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.ask("POST", &format!("/?Action={action}"), form).await
    }

    async fn agb(&self, path: &str, body: Value) -> Value {
        self.ask("POST", path, body.to_string()).await
    }

    /// Runs a command in each vendor's way and checks that both answer what it said, wrapped.
    async fn run(&self, id: &str) {
        let args = r#"{"command":"here"}"#;
        let agentbay = self.agentbay("CallMcpTool", &[("SessionId", id), ("Name", "shell"), ("Args", args)]).await["Data"].clone();
        let agb = self.agb("/mcp", json!({ "sessionId": id, "name": "shell", "args": args })).await["data"].clone();
        for data in [agentbay, agb] {
            let result: Value = serde_json::from_str(data["content"][0]["text"].as_str().unwrap()).unwrap();
            assert_eq!(result["stdout"], "wuying:here\n");
        }
    }
}

#[tokio::test]
async fn what_one_vendors_client_made_the_others_finds_uses_and_releases() {
    let both = Both(World::new().await);
    let stats = |version: &str| json!({ "sdk_language": "python", "sdk_version": version }).to_string();
    let made = both.agentbay("CreateMcpSession", &[("SdkStats", &stats("0.22.3"))]).await["Data"].clone();
    let id = made["SessionId"].as_str().unwrap();
    let got = both.agb("/mcp/getSession", json!({ "sessionId": id })).await["data"].clone();
    for (theirs, ours) in [
        ("Token", "token"),
        ("LinkUrl", "linkUrl"),
        ("WsUrl", "wsUrl"),
        ("ToolList", "toolList"),
        ("ResourceId", "resourceId"),
        ("AppInstanceId", "appInstanceId"),
    ] {
        assert_eq!(made[theirs], got[ours], "{ours}");
    }
    both.run(id).await;
    assert_eq!(both.agb("/mcp/releaseSessionAsync", json!({ "sessionId": id })).await["success"], true);
    assert_eq!(both.agentbay("GetSession", &[("SessionId", id)]).await["Code"], "InvalidMcpSession.NotFound");

    let made = both.agb("/mcp/createSession", json!({ "sdkStats": stats("0.12.0") })).await["data"].clone();
    let id = made["sessionId"].as_str().unwrap();
    let got = both.agentbay("GetSession", &[("SessionId", id)]).await["Data"].clone();
    assert_eq!((&got["Token"], &got["LinkUrl"], &got["Status"]), (&made["token"], &made["linkUrl"], &json!("RUNNING")));
    both.run(id).await;
    assert_eq!(both.agentbay("DeleteSessionAsync", &[("SessionId", id)]).await["Success"], true);
    let gone = both.agb("/mcp/getSessionInfo", json!({ "sessionId": id })).await;
    assert_eq!((&gone["code"], &gone["success"]), (&json!("InvalidMcpSession.NotFound"), &json!(false)));
}

#[tokio::test]
async fn a_context_is_the_same_for_both() {
    let both = Both(World::new().await);
    let get = async |query: &str| both.ask("GET", &format!("/sdk/GetContext?{query}"), String::new()).await;
    let made = both.agentbay("GetContext", &[("Name", "data"), ("AllowCreate", "true")]).await["Data"].clone();
    let id = made["Id"].as_str().unwrap();
    let got = get("name=data&allowCreate=true").await["data"].clone();
    for (theirs, ours) in [("Id", "id"), ("Name", "name"), ("State", "state"), ("CreateTime", "createTime")] {
        assert_eq!(made[theirs], got[ours], "{ours}");
    }
    assert_eq!(both.agb(&format!("/sdk/ModifyContext?id={id}&name=other"), json!({})).await["success"], true);
    assert_eq!(both.agentbay("GetContext", &[("ContextId", id)]).await["Data"]["Name"], "other");
    assert_eq!(both.agentbay("DeleteContext", &[("Id", id)]).await["Success"], true);
    assert_eq!(get(&format!("id={id}")).await["code"], "EntityNotExist");
}
