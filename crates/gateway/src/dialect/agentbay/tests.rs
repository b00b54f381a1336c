//! Whole requests against an engine of simulated sandboxes.

use super::*;
use crate::front;
use crate::testing::{World, told};
use runtime::sim::SimOp;
use serde_json::{Value, json};

impl World {
    async fn ask(&self, action: &str, pairs: &[(&str, &str)]) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.key);
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Authorization", &bearer).extend_pairs(pairs);
        let request = Request::post(format!("/?Action={action}")).body(Body::from(form.finish())).unwrap();
        self.pass(request).await
    }

    async fn pass(&self, request: Request<Body>) -> (u16, Value) {
        let (status, body) = told(front::pass::<AgentBay>(self.app.clone(), request).await).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["HttpStatusCode"], &body["Success"]), (&json!(status), &json!(status == 200)), "{body}");
        assert!(body["RequestId"].as_str().unwrap().starts_with("req-"), "{body}");
        (status, body)
    }

    async fn ok(&self, action: &str, pairs: &[(&str, &str)]) -> Value {
        let (status, body) = self.ask(action, pairs).await;
        assert_eq!(status, 200, "{action}: {body}");
        body
    }

    async fn refused(&self, action: &str, pairs: &[(&str, &str)], status: u16, code: &str) -> String {
        let (got, body) = self.ask(action, pairs).await;
        assert_eq!((got, body["Code"].as_str().unwrap()), (status, code), "{action}: {body}");
        body["Message"].as_str().unwrap().to_owned()
    }

    async fn session(&self, pairs: &[(&str, &str)]) -> String {
        self.ok("CreateMcpSession", pairs).await["Data"]["SessionId"].as_str().unwrap().to_owned()
    }

    async fn tool(&self, id: &str, name: &str, args: Value) -> (String, bool) {
        let body = self.ok("CallMcpTool", &[("SessionId", id), ("Name", name), ("Args", &args.to_string()), ("Server", "")]).await;
        let data = &body["Data"];
        (data["content"][0]["text"].as_str().unwrap().to_owned(), data["isError"].as_bool().unwrap())
    }
}

const MODERN: (&str, &str) = ("SdkStats", r#"{"sdk_language":"python","sdk_version":"0.22.3"}"#);

#[tokio::test]
async fn a_session_lives_and_ends_as_sdks_see_it() {
    let world = World::new().await;
    let id = world.session(&[("ImageId", "linux_latest"), ("Labels", r#"{"env":"a"}"#), MODERN]).await;
    let one = [("SessionId", id.as_str())];

    let data = world.ok("GetSession", &one).await["Data"].clone();
    assert_eq!((&data["Status"], &data["VpcResource"], &data["Success"]), (&json!("RUNNING"), &json!(false), &json!(true)));
    assert_eq!(world.ok("GetSessionDetail", &one).await["Data"]["Status"], "RUNNING");
    assert_eq!(world.ok("GetContextInfo", &one).await["Data"]["ContextStatus"], "[]");
    world.ok("RefreshSessionIdleTime", &one).await;

    assert_eq!(world.ok("GetLabel", &one).await["Data"]["Labels"], r#"{"env":"a"}"#);
    world.ok("SetLabel", &[one[0], ("Labels", r#"{"team":"b"}"#)]).await;
    assert_eq!(world.ok("GetLabel", &one).await["Data"]["Labels"], r#"{"team":"b"}"#, "set replaces");
    world.refused("SetLabel", &[one[0], ("Labels", "{}")], 400, "InvalidParameter").await;
    world.refused("SetLabel", &one, 400, "MissingParameter").await;

    assert_eq!(world.ok("ListSession", &[("Labels", r#"{"team":"b"}"#)]).await["Data"][0]["SessionId"], id.as_str());
    assert_eq!(world.ok("ListSession", &[("Labels", r#"{"env":"a"}"#)]).await["TotalCount"], 0);

    world.ok("DeleteSessionAsync", &one).await;
    for action in ["GetSession", "GetSessionDetail", "DeleteSessionAsync", "GetLabel", "GetMcpResource", "GetContextInfo"] {
        world.refused(action, &one, 400, "InvalidMcpSession.NotFound").await;
    }
    let other = world.session(&[]).await;
    world.ok("ReleaseMcpSession", &[("SessionId", &other)]).await;
    world.refused("GetSession", &[("SessionId", &other)], 400, "InvalidMcpSession.NotFound").await;
}

#[tokio::test]
async fn a_deletion_is_answered_when_nothing_is_left() {
    let world = World::new().await;
    let id = world.session(&[]).await;
    let held = world.runtime.hold(SimOp::Destroy).await;
    let one = [("SessionId", id.as_str())];
    let mut deletion = std::pin::pin!(world.ok("DeleteSessionAsync", &one));
    let early = tokio::time::timeout(std::time::Duration::from_millis(100), deletion.as_mut()).await;
    assert!(early.is_err() && world.runtime.alive().len() == 1, "answered while the sandbox was there");
    drop(held);
    deletion.await;
    assert_eq!(world.runtime.alive(), []);
}

#[tokio::test]
async fn pages_are_walked_by_their_tokens() {
    let world = World::new().await;
    for _ in 0..3 {
        world.session(&[]).await;
    }
    let first = world.ok("ListSession", &[("MaxResults", "2")]).await;
    let token = first["NextToken"].as_str().unwrap();
    assert_eq!((first["Data"].as_array().unwrap().len(), &first["TotalCount"], &first["MaxResults"]), (2, &json!(3), &json!(2)));
    let last = world.ok("ListSession", &[("MaxResults", "2"), ("NextToken", token)]).await;
    assert_eq!((last["Data"].as_array().unwrap().len(), &last["NextToken"]), (1, &json!("")));
    world.refused("ListSession", &[("NextToken", "rubbish")], 400, "InvalidParameter").await;
}

#[tokio::test]
async fn commands_answer_in_the_form_of_the_sdk_that_made_the_session() {
    let world = World::new().await;
    let modern = world.session(&[MODERN]).await;
    let (text, is_error) = world.tool(&modern, "shell", json!({ "command": "exit 3", "timeout_ms": 1000 })).await;
    let result: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&result["exit_code"], &result["stdout"], is_error), (&json!(3), &json!("wuying:exit 3\n"), true));

    let legacy = world.session(&[]).await;
    assert_eq!(world.tool(&legacy, "shell", json!({ "command": "ls" })).await, ("wuying:ls\n".into(), false));
    let failed = "Execution failed. Error code:3 Error message: [failed]";
    assert_eq!(world.tool(&legacy, "shell", json!({ "command": "exit 3" })).await, (failed.into(), true));

    assert_eq!(world.tool(&modern, "create_directory", json!({ "path": "/p" })).await, ("Created directory /p".into(), false));
}

#[tokio::test]
async fn an_unknown_tool_is_a_failed_call_and_an_unknown_session_is_none() {
    let world = World::new().await;
    let id = world.session(&[MODERN]).await;
    let (text, is_error) = world.tool(&id, "no_such_tool", json!({})).await;
    assert!(is_error && text.contains("no_such_tool") && text.contains("shell"), "{text}");

    let call = |id: &str, args: &str| [("SessionId", id.to_owned()), ("Name", "shell".to_owned()), ("Args", args.to_owned())];
    for (id, args, code) in [(id.as_str(), "{", "InvalidParameter"), ("session-none", "{}", "InvalidMcpSession.NotFound")] {
        let pairs = call(id, args);
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        world.refused("CallMcpTool", &pairs, 400, code).await;
    }
    world.refused("CallMcpTool", &[("SessionId", &id)], 400, "MissingParameter").await;
}

#[tokio::test]
async fn tools_are_listed_as_text_and_an_unknown_image_is_told_the_known_ones() {
    let world = World::new().await;
    let body = world.ok("ListMcpTools", &[]).await;
    let tools: Value = serde_json::from_str(body["Data"].as_str().unwrap()).unwrap();
    assert!(tools.as_array().unwrap().iter().any(|tool| tool["name"] == "read_file"));
    assert!(world.ok("ListMcpTools", &[("ImageId", "agb-code-space-1")]).await.to_string().contains("run_code"));
    for action in ["ListMcpTools", "CreateMcpSession"] {
        let message = world.refused(action, &[("ImageId", "windows_latest")], 400, "InvalidParameter").await;
        assert!(message.contains("linux_latest"), "{message}");
    }
}

#[tokio::test]
async fn whoever_has_no_key_and_whatever_is_not_there_is_refused() {
    let world = World::new().await;
    let message = world.refused("Nonsense", &[], 404, "InvalidAction.NotFound").await;
    assert!(message.contains("Nonsense"), "{message}");
    for (action, word) in
        [("CreateNetwork", "networks"), ("SyncContext", "contexts"), ("InitBrowser", "browser_latest"), ("GetAdbLink", "mobile_latest")]
    {
        let message = world.refused(action, &[], 501, "UnsupportedOperation").await;
        assert!(message.contains(action) && message.contains(word), "{message}");
        world.refused(action, &[("SessionId", "session-none")], 400, "InvalidMcpSession.NotFound").await;
    }
    for authorization in ["", "Bearer wrong", "nothing"] {
        let body = format!("Authorization={authorization}");
        let (status, body) = world.pass(Request::post("/?Action=ListSession").body(Body::from(body)).unwrap()).await;
        assert_eq!((status, &body["Code"]), (401, &json!("InvalidApiKey")), "{authorization}");
    }
}

#[tokio::test]
async fn the_action_may_stand_in_a_header_and_the_key_in_query_or_header() {
    let world = World::new().await;
    let bearer = format!("Bearer {}", world.key);
    let query: String = form_urlencoded::byte_serialize(bearer.as_bytes()).collect();
    let in_query = Request::get(format!("/some/path/?Action=ListSession&Authorization={query}")).body(Body::empty());
    assert_eq!(world.pass(in_query.unwrap()).await.0, 200, "a GET with everything in its query");
    let in_header = Request::post("/").header("x-acs-action", "ListSession").header("authorization", &bearer).body(Body::empty());
    assert_eq!(world.pass(in_header.unwrap()).await.0, 200);
}

#[tokio::test]
async fn only_the_spoken_version_is_answered() {
    let world = World::new().await;
    let bearer = format!("Bearer {}", world.key);
    let ask = |query: &str, header: Option<&str>| {
        let mut request = Request::post(format!("/?Action=ListSession{query}")).header("authorization", &bearer);
        if let Some(version) = header {
            request = request.header("x-acs-version", version);
        }
        request.body(Body::empty()).unwrap()
    };
    for (query, header) in [("", None), ("&Version=2025-05-06", None), ("", Some("2025-05-06")), ("&Version=", Some(""))] {
        assert_eq!(world.pass(ask(query, header)).await.0, 200, "{query} {header:?}");
    }
    for (query, header) in [("&Version=2024-01-01", None), ("", Some("2")), ("&Version=2025-05-06", Some("1"))] {
        let (status, body) = world.pass(ask(query, header)).await;
        assert_eq!((status, &body["Code"]), (400, &json!("InvalidVersion")), "{query} {header:?}");
        assert!(body["Message"].as_str().unwrap().contains("2025-05-06"), "{body}");
    }
}

#[tokio::test]
async fn tools_of_other_images_say_which_image_has_them() {
    let world = World::new().await;
    let id = world.session(&[MODERN]).await;
    for (name, word) in [
        ("tap", "mobile_latest"),
        ("run_code", "code_latest"),
        ("page_use_navigate", "browser_latest"),
        ("screenshot", "desktop"),
        ("flux_execute_task", "language model"),
        ("oss_upload", "object storage"),
    ] {
        let (text, is_error) = world.tool(&id, name, json!({})).await;
        assert!(is_error && text.starts_with(name) && text.contains(word) && text.contains("shell"), "{text}");
    }
}

#[tokio::test]
async fn a_tool_call_can_make_its_session() {
    let world = World::new().await;
    let call = async |id: &str, auto: &str| {
        let args = [("SessionId", id), ("Name", "shell"), ("Args", r#"{"command":"ls"}"#), ("AutoGenSession", auto)];
        world.ask("CallMcpTool", &args).await
    };
    let listed = async || world.ok("ListSession", &[]).await["TotalCount"].as_u64().unwrap();
    assert_eq!(call("my-job", "False").await.1["Code"], "InvalidMcpSession.NotFound");
    assert_eq!(listed().await, 0);
    for _ in 0..2 {
        let (status, body) = call("my-job", "True").await;
        assert_eq!((status, &body["Data"]["isError"]), (200, &json!(false)), "{body}");
        assert_eq!(listed().await, 1);
    }
    assert_eq!(call("my-job", "false").await.0, 200, "the name holds by itself");
    let real = world.ok("GetSession", &[("SessionId", "my-job")]).await["Data"]["SessionId"].as_str().unwrap().to_owned();
    assert_eq!(world.ok("ListSession", &[]).await["Data"][0]["SessionId"], real);
    assert_eq!(call(&real, "true").await.0, 200, "its own id makes no other");
    assert_eq!(listed().await, 1);
    assert_eq!(call("", "true").await.0, 200);
    assert_eq!(call("", "true").await.0, 200);
    assert_eq!(listed().await, 2);

    world.ok("DeleteSessionAsync", &[("SessionId", "my-job")]).await;
    world.refused("GetSession", &[("SessionId", "my-job")], 400, "InvalidMcpSession.NotFound").await;
    assert_eq!(call(&real, "true").await.0, 200, "a released id names a new session");
    let new = world.ok("GetSession", &[("SessionId", &real)]).await["Data"]["SessionId"].clone();
    assert!(new != real.as_str() && new.is_string(), "{new}");
}

#[tokio::test]
async fn old_sdks_bring_a_context_for_files() {
    let world = World::new().await;
    let name = "file-transfer-context-1732170000";
    let context = world.ok("GetContext", &[("Name", name), ("AllowCreate", "True")]).await["Data"].clone();
    assert_eq!(context["Name"], name);
    assert_eq!(world.ok("GetContext", &[("Name", name), ("AllowCreate", "True")]).await["Data"]["Id"], context["Id"], "always the same");

    let bindings = json!([{ "ContextId": context["Id"], "Path": "/temp/file-transfer", "Policy": "{}" }]).to_string();
    let stats = ("SdkStats", r#"{"sdk_language":"python","sdk_version":"0.11.0"}"#);
    let id = world.session(&[("PersistenceDataList", &bindings), stats]).await;
    let data = world.ok("GetSession", &[("SessionId", &id)]).await["Data"].clone();
    assert_eq!(data["contexts"], json!([{ "id": context["Id"], "name": name }]));
    assert_eq!(world.ok("GetContextInfo", &[("SessionId", &id)]).await["Data"]["ContextStatus"], "[]");
    let mine = world.ok("GetContext", &[("Name", "mine"), ("AllowCreate", "True")]).await["Data"]["Id"].clone();
    for (other, status, code) in [(mine, 400, "UnsupportedParameter"), (json!("SdkCtx-none"), 404, "EntityNotExist")] {
        let bindings = json!([{ "ContextId": other, "Path": "/temp/file-transfer" }]).to_string();
        world.refused("CreateMcpSession", &[("PersistenceDataList", &bindings), stats], status, code).await;
    }
    let without = world.session(&[MODERN]).await;
    assert_eq!(world.ok("GetSession", &[("SessionId", &without)]).await["Data"]["contexts"], json!([]));
}

#[tokio::test]
async fn the_first_release_gets_its_link_as_bare_text() {
    let world = World::new().await;
    let link = async |create: &[(&str, &str)]| {
        let bearer = format!("Bearer {}", world.key);
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(create).append_pair("Authorization", &bearer).finish();
        let request = Request::post("/?Action=CreateMcpSession")
            .header("user-agent", "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2");
        let id = world.pass(request.body(Body::from(form)).unwrap()).await.1["Data"]["SessionId"].as_str().unwrap().to_owned();
        world.ok("GetLink", &[("SessionId", &id), ("ProtocolType", "https"), ("Port", "30100")]).await["Data"].clone()
    };
    assert!(link(&[]).await.as_str().unwrap().starts_with("https://"));
    assert!(link(&[("VpcResource", "False")]).await["Url"].is_string());
    assert!(link(&[MODERN]).await["Url"].is_string());
}

#[tokio::test]
async fn contexts_live_without_a_session() {
    let world = World::new().await;
    world.refused("GetContext", &[("Name", "data")], 404, "EntityNotExist").await;
    world.refused("GetContext", &[], 400, "MissingParameter").await;
    let made = world.ok("GetContext", &[("Name", "data"), ("AllowCreate", "True")]).await["Data"].clone();
    assert_eq!((&made["State"], &made["CreateTime"]), (&json!("available"), &json!("2026-06-01T12:00:00Z")));
    let id = made["Id"].as_str().unwrap();
    assert!(id.starts_with("SdkCtx-"));
    for by in [("Name", "data"), ("ContextId", id)] {
        assert_eq!(world.ok("GetContext", &[by, ("AllowCreate", "false")]).await["Data"], made);
    }
    world.ok("GetContext", &[("Name", "second"), ("AllowCreate", "true")]).await;
    let page = world.ok("ListContexts", &[("MaxResults", "1")]).await;
    assert_eq!((&page["TotalCount"], page["Data"].as_array().unwrap().len()), (&json!(2), 1));
    let next = world.ok("ListContexts", &[("MaxResults", "1"), ("NextToken", page["NextToken"].as_str().unwrap())]).await;
    assert_eq!((next["Data"].as_array().unwrap().len(), &next["NextToken"]), (1, &json!("")));

    let context = ("ContextId", id);
    for (action, code) in [("GetContextFileUploadUrl", "MissingParameter"), ("DeleteContextFile", "MissingParameter")] {
        world.refused(action, &[context], 400, code).await;
    }
    world.refused("GetContextFileUploadUrl", &[context, ("FilePath", "../x")], 400, "InvalidParameter").await;
    world.refused("GetContextFileDownloadUrl", &[context, ("FilePath", "/tmp/a")], 404, "EntityNotExist").await;
    let up = world.ok("GetContextFileUploadUrl", &[context, ("FilePath", "/tmp/a")]).await["Data"].clone();
    assert_eq!(up["ExpireTime"], "2026-06-01T13:00:00Z".parse::<types::Timestamp>().unwrap().as_second());
    let path = up["Url"].as_str().unwrap().strip_prefix("https://localhost:8444").unwrap();
    let request = Request::put(path).body(Body::from("12345")).unwrap();
    assert_eq!(front::pass::<crate::links::Links>(world.app.clone(), request).await.status(), 200);

    for paging in [&[("PageNumber", "1"), ("PageSize", "50")][..], &[("MaxResults", "50")], &[]] {
        let listed = world.ok("DescribeContextFiles", &[&[context, ("ParentFolderPath", "/tmp")], paging].concat()).await;
        let file = &listed["Data"][0];
        assert_eq!((&listed["Count"], &file["FileName"], &file["FilePath"]), (&json!(1), &json!("a"), &json!("/tmp/a")), "{listed}");
        assert_eq!((&file["Size"], &file["FileType"]), (&json!(5), &json!("file")));
    }
    let root = world.ok("DescribeContextFiles", &[context]).await;
    assert_eq!((&root["Data"][0]["FilePath"], &root["Data"][0]["FileType"]), (&json!("/tmp"), &json!("folder")));
    world.ok("GetContextFileDownloadUrl", &[context, ("FilePath", "/tmp/a")]).await;
    world.ok("DeleteContextFile", &[context, ("FilePath", "/tmp/a")]).await;
    world.refused("DeleteContextFile", &[context, ("FilePath", "/tmp/a")], 404, "EntityNotExist").await;

    world.ok("ModifyContext", &[("Id", id), ("Name", "renamed")]).await;
    world.refused("ModifyContext", &[("Id", id), ("Name", "second")], 409, "OperationConflict").await;
    assert_eq!(world.ok("GetContext", &[context]).await["Data"]["Name"], "renamed");
    world.ok("ClearContext", &[("Id", id)]).await;
    world.ok("DeleteContext", &[("Id", id)]).await;
    for action in ["DeleteContext", "ClearContext"] {
        world.refused(action, &[("Id", id)], 404, "EntityNotExist").await;
        world.refused(action, &[("Id", "nonsense")], 404, "EntityNotExist").await;
    }
    world.refused("GetContext", &[context], 404, "EntityNotExist").await;
}
