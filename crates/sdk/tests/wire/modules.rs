//! Code, environment, metrics, git, the pool, routes, and repetition.

use crate::stub::{Reply, Stub, ok, refused, tool};
use roadstead_sdk::{
    CallOptions, CloneOptions, CommitOptions, ConfigScope, CreateSessionParams, Error, FileStatus, GitErrorKind, Language, PoolOptions,
    SessionPool, SessionProperties,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[tokio::test]
async fn code_is_run_by_the_tool_and_its_errors_are_results() {
    let stub = Stub::new(|request| match request.args()["code"].as_str() {
        Some("bad") => tool(&json!({"result": [], "stdout": [], "stderr": [], "executionError": "NameError: x"}).to_string(), false),
        Some("plain") => tool("42", false),
        _ => tool("no kernel for r: image code_latest has one", true),
    })
    .await;
    let code = stub.client().attach("s").unwrap().code();
    let output = code.run_code("bad", Language::Java).timeout(Duration::from_millis(1500)).await.unwrap();
    assert_eq!(output.error.as_ref().unwrap().message, "NameError: x");
    assert_eq!(stub.seen()[0].args(), json!({"code": "bad", "language": "java", "timeout_s": 2}));
    assert_eq!(code.run_code("plain", Language::Python).await.unwrap().text(), Some("42"));
    assert!(matches!(code.run_code("x", Language::R).await, Err(Error::Tool(_))));
    assert!(matches!(code.run_code("x", Language::R).timeout(Duration::ZERO).await, Err(Error::Validation { .. })));
}

#[tokio::test]
async fn environment_and_metrics_have_the_protocols_form() {
    let stub = Stub::new(|request| match request.field("Name").unwrap() {
        "set_env" => tool("done", false),
        "get_env" => tool(r#"{"A":"1"}"#, false),
        _ => tool(r#"{"cpu_count":2,"mem_used":5,"rx_used_kbyte":1.5}"#, false),
    })
    .await;
    let session = stub.client().attach("s").unwrap();
    session.env().set([("B", "2"), ("A", "1")]).await.unwrap();
    assert_eq!(stub.seen()[0].args(), json!({"envs": [{"key": "A", "value": "1"}, {"key": "B", "value": "2"}]}));
    assert_eq!(session.env().value("A").await.unwrap().as_deref(), Some("1"));
    assert_eq!(session.env().value("B").await.unwrap(), None);
    assert_eq!(stub.seen()[1].args(), json!({"keys": ["A"]}));
    assert!(matches!(session.env().set([("A=", "1")]).await, Err(Error::Validation { .. })));
    let metrics = session.metrics().await.unwrap();
    assert_eq!((metrics.cpu_count, metrics.mem_used, metrics.rx_used_kib), (2.0, 5, 1.5));
}

fn shell(stdout: &str, stderr: &str, exit_code: i32) -> Reply {
    tool(&json!({"stdout": stdout, "stderr": stderr, "exit_code": exit_code}).to_string(), false)
}

#[tokio::test]
async fn git_runs_quiet_commands_and_reads_what_they_say() {
    let stub = Stub::new(|request| {
        let args = request.args();
        let command = args["command"].as_str().unwrap();
        let says = |words: &str| command.contains(words);
        match () {
            () if says("'status'") => shell("## main\0?? new file\0", "", 0),
            () if says("'log'") => shell("h\u{1}s\u{1}Ada\u{1}a@x\u{1}d\u{1}subject\0\n", "", 0),
            () if says("'rev-parse'") => shell("abc\n", "", 0),
            () if says("'--get' 'none'") => shell("", "", 1),
            () if says("'pull'") => shell("CONFLICT (content): Merge conflict in a\n", "", 1),
            () => shell("", "", 0),
        }
    })
    .await;
    let git = stub.client().attach("s").unwrap().git();
    let tree = git.status("/it's").await.unwrap();
    assert_eq!((tree.entries[0].path.as_str(), tree.entries[0].status()), ("new file", FileStatus::Untracked));
    let args = stub.seen()[0].args();
    assert_eq!(args["command"], r"'git' '-C' '/it'\''s' 'status' '--porcelain=1' '-b' '-z'");
    assert_eq!((&args["envs"], &args["timeout_ms"]), (&json!({"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}), &json!(30_000)));

    let made = git.clone_repo("https://x/team/app.git", CloneOptions::new().branch("b").depth(1)).await.unwrap();
    assert_eq!(*made, "app");
    let args = stub.seen()[1].args();
    assert_eq!(args["command"], "'git' 'clone' '--branch' 'b' '--single-branch' '--depth' '1' '--' 'https://x/team/app.git' 'app'");
    assert_eq!(args["timeout_ms"], 300_000);

    let hash = git.commit("/r", "a \"message\"", CommitOptions::new().author("Ada", "a@x").allow_empty(true)).await.unwrap();
    assert_eq!(*hash, "abc");
    assert_eq!(git.log("/r", 3).await.unwrap()[0].subject, "subject");
    assert_eq!(git.config("none", ConfigScope::Repo("/r")).await.unwrap().value, None);
    let error = git.pull("/r", "origin", "main").await.unwrap_err();
    assert!(matches!(&error, Error::Git(git) if git.kind == GitErrorKind::Conflict && git.exit_code == 1), "{error:?}");
    assert!(matches!(git.checkout("/r", "--force").await, Err(Error::Validation { .. })));
    assert!(matches!(git.add("/r", [""; 0]).await, Err(Error::Validation { .. })));
}

fn pooled() -> impl Fn(&crate::stub::Request) -> Reply + Send + Sync + 'static {
    let made = AtomicU32::new(0);
    move |request| match request.action() {
        "CreateMcpSession" => ok(json!({"SessionId": format!("s{}", made.fetch_add(1, Ordering::Relaxed)), "Success": true})),
        // The first one was released while it waited.
        "RefreshSessionIdleTime" if request.field("SessionId") == Some("s0") => refused(400, "InvalidMcpSession.NotFound"),
        "GetSessionDetail" => refused(400, "InvalidMcpSession.NotFound"),
        _ => ok(Value::Null),
    }
}

#[tokio::test]
async fn a_pool_hands_out_live_sessions_refills_and_leaves_none_behind() {
    let stub = Stub::new(pooled()).await;
    let options = PoolOptions::new(2).params(CreateSessionParams::new().label("pool", "p"));
    let pool = SessionPool::new(stub.client(), options).unwrap();
    pool.filled().await;
    assert_eq!(pool.ready(), 2);
    let session = pool.take().await.unwrap();
    assert_eq!(session.id(), "s1", "s0 is gone");
    pool.filled().await;
    assert_eq!(stub.seen()[0].field("Labels"), Some(r#"{"pool":"p"}"#));
    pool.close().await.unwrap();
    let deleted = || {
        let seen = stub.seen();
        let mut ids: Vec<String> =
            seen.iter().filter(|r| r.action() == "DeleteSessionAsync").map(|r| r.field("SessionId").unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    assert_eq!(deleted(), ["s2", "s3"], "the taken one is the caller's");
    drop(session);
    stub.expect_where("the taken one's deletion", |r| r.action() == "DeleteSessionAsync" && r.field("SessionId") == Some("s1")).await;
    assert!(matches!(SessionPool::new(stub.client(), PoolOptions::new(0)), Err(Error::Validation { .. })));
}

#[tokio::test]
async fn a_dropped_pool_deletes_what_waits_and_an_empty_one_tells_why() {
    let stub = Stub::new(pooled()).await;
    let pool = SessionPool::new(stub.client(), PoolOptions::new(1)).unwrap();
    pool.filled().await;
    drop(pool);
    stub.expect("DeleteSessionAsync").await;

    let full = Stub::new(|_| refused(400, "QuotaExceeded")).await;
    let pool = SessionPool::new(full.client(), PoolOptions::new(1)).unwrap();
    assert!(matches!(pool.take().await, Err(Error::LimitExceeded(_))));
}

#[tokio::test]
async fn an_address_in_a_private_cloud_that_was_set_by_hand_is_used() {
    let answer = json!({"content": [], "isError": false, "data": "{\"result\":{\"content\":[{\"text\":\"near\"}]}}"});
    let near = Stub::new(move |_| Reply(200, answer.to_string(), Duration::ZERO)).await;
    let far = Stub::new(|_| tool("far", false)).await;
    let mut known = SessionProperties::default();
    known.session_id = "s".into();
    known.network_interface_ip = Some("127.0.0.1".into());
    known.http_port = Some(near.port.to_string());
    known.token = Some("tok".into());
    let call = async |known: SessionProperties| {
        let session = far.client().attach_with(known).unwrap();
        session.call_mcp_tool("shell", json!({"command": "a b"}), CallOptions::new()).await.unwrap().into_value().text
    };
    assert_eq!(call(known.clone()).await, "far", "the flag is not set");
    known.vpc_resource = true;
    assert_eq!(call(known).await, "near");
    let request = &near.seen()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/callTool"));
    assert_eq!(
        (request.field("tool"), request.field("token"), request.field("args")),
        (Some("shell"), Some("tok"), Some(r#"{"command":"a b"}"#))
    );
    assert!(request.query["requestId"].starts_with("vpc-"));
}

#[tokio::test]
async fn the_environment_goes_the_direct_way_though_no_list_names_it() {
    let direct = Stub::new(|_| Reply(200, json!({"data": {"result": {"content": [{"text": "{}"}]}}}).to_string(), Duration::ZERO)).await;
    let mut known = SessionProperties::default();
    known.session_id = "s".into();
    known.link_url = Some(format!("http://127.0.0.1:{}", direct.port));
    known.token = Some("tok".into());
    let api = Stub::new(|_| tool("{}", false)).await;
    let session = api.client().attach_with(known).unwrap();
    session.env().get(["A"]).await.unwrap();
    assert_eq!(direct.seen()[0].json()["server"], "wuying_system");
    session.metrics().await.unwrap();
    assert_eq!(api.seen()[0].field("Name"), Some("get_metrics"));
}

#[tokio::test]
async fn only_what_may_happen_twice_is_repeated() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let stub = Stub::new(move |request| {
        let n = count.fetch_add(1, Ordering::Relaxed);
        match request.action() {
            "GetLabel" if n < 2 => refused(503, "ServiceUnavailable"),
            "GetLabel" => ok(json!({"Labels": "{}"})),
            "SetLabel" if n == 0 => refused(429, "Throttling.User"),
            "SetLabel" => ok(Value::Null),
            "CreateMcpSession" => refused(429, "QuotaExceeded"),
            _ => refused(503, "ServiceUnavailable"),
        }
    })
    .await;
    let client = stub.client();
    let session = client.attach("s").unwrap();
    let check = |expected: u32, what: &str| assert_eq!(asked.swap(0, Ordering::Relaxed), expected, "{what}");
    session.labels().await.unwrap();
    check(3, "a question");
    session.set_labels([("a", "b")]).await.unwrap();
    check(2, "what a rate limit kept from happening");
    client.create(CreateSessionParams::new()).await.unwrap_err();
    check(1, "a quota does not pass by waiting");
    session.keep_alive().await.unwrap_err();
    check(1, "a change");
    session.call_mcp_tool("shell", json!({}), CallOptions::new()).await.unwrap_err();
    check(1, "a tool");
}
