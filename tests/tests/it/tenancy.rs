//! One tenant never sees another's session: foreign is the same as unknown.

use anyhow::{Context, Result};
use serde_json::Value;
use tests::{Rpc, Server};

#[tokio::test]
async fn a_foreign_session_is_an_unknown_session() -> Result<()> {
    let server = Server::start()?;
    let ours = Rpc::new(&server)?;
    let (key, _) = new_key(&server, &["--tenant", "others"])?;
    let theirs = Rpc::with_key(&server, &key)?;
    let id = ours.create_with(&[("Labels", r#"{"secret":"plan"}"#)]).await?;
    let unknown = "session-aaaaaaaaaaaaaaaaaaaaaaaa";

    let actions: &[(&str, &[(&str, &str)])] = &[
        ("GetSession", &[]),
        ("GetSessionDetail", &[]),
        ("GetLabel", &[]),
        ("SetLabel", &[("Labels", r#"{"a":"b"}"#)]),
        ("GetMcpResource", &[]),
        ("GetLink", &[("ProtocolType", "https"), ("Port", "30100")]),
        ("RefreshSessionIdleTime", &[]),
        ("CallMcpTool", &[("Name", "shell"), ("Args", r#"{"command":"id"}"#)]),
        ("ReleaseMcpSession", &[]),
        ("DeleteSessionAsync", &[]),
    ];
    for (action, extra) in actions {
        let params = |session| extra.iter().copied().chain([("SessionId", session)]).collect::<Vec<_>>();
        let (foreign, absent) = (theirs.ask(action, &params(&id)).await?, theirs.ask(action, &params(unknown)).await?);
        let plain = |body: &Value, session: &str| {
            let mut body = body.clone();
            body["RequestId"] = Value::Null;
            body.to_string().replace(session, "ID")
        };
        assert_eq!(foreign.status, absent.status, "{action}");
        assert_eq!(plain(&foreign.body, &id), plain(&absent.body, unknown), "{action}");
        assert!(foreign.status >= 400, "{action}: {foreign:?}");
    }
    let listed = theirs.ok("ListSession", &[("Labels", "{}")]).await?;
    assert_eq!(listed["TotalCount"], 0, "{listed}");
    assert_eq!(ours.ok("GetLabel", &[("SessionId", &id)]).await?["Data"]["Labels"], r#"{"secret":"plan"}"#);

    // A cursor of one tenant is worthless to another.
    ours.create().await?;
    let page = ours.ok("ListSession", &[("Labels", "{}"), ("MaxResults", "1")]).await?;
    let cursor = page["NextToken"].as_str().context("no NextToken")?;
    assert_eq!(theirs.ask("ListSession", &[("Labels", "{}"), ("MaxResults", "1"), ("NextToken", cursor)]).await?.status, 400);
    assert_eq!(
        ours.ask("ListSession", &[("Labels", r#"{"secret":"plan"}"#), ("MaxResults", "1"), ("NextToken", cursor)]).await?.status,
        400
    );
    Ok(())
}

#[tokio::test]
async fn a_foreign_session_is_unknown_on_every_native_route() -> Result<()> {
    let server = Server::start()?;
    let ours = Rpc::new(&server)?;
    let (key, _) = new_key(&server, &["--tenant", "others"])?;
    let id = ours.create().await?;
    let unknown = "session-aaaaaaaaaaaaaaaaaaaaaaaa";
    let (http, base) = (server.http()?, server.fact("https")?);
    let described: Value = http.get(format!("{base}/v1/openapi.json")).send().await?.json().await?;
    let mut asked = 0;
    for (path, methods) in described["paths"].as_object().context("no paths")?.iter().filter(|(path, _)| path.contains("/sessions/{id}")) {
        let streams = ["exec", "pty", "code", "watch"].map(|kind| path.replace("{kind}", kind));
        for method in methods.as_object().context("no methods")?.keys().filter(|name| *name != "parameters") {
            for path in if path.contains("{kind}") { &streams[..] } else { &streams[..1] } {
                let mut answers = Vec::new();
                for session in [id.as_str(), unknown] {
                    let path = path.replace("{id}", session).replace("{name}", "shell").replace("{pty}", "pty-1");
                    let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes())?;
                    let mut request = http.request(method, format!("{base}{path}")).bearer_auth(&key);
                    if path.ends_with("/files") {
                        request = request.query(&[("path", "/etc/hostname")]);
                    }
                    let upgrade = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")];
                    if path.contains("/streams/") {
                        request = upgrade.iter().fold(request, |request, (name, value)| request.header(*name, *value));
                        request = request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
                    }
                    let answer = request.body(r#"{"command":"id"}"#).send().await?;
                    let status = answer.status().as_u16();
                    let mut body: Value = answer.json().await?;
                    body["error"]["request_id"] = Value::Null;
                    answers.push((status, body.to_string().replace(session, "ID")));
                }
                assert_eq!(answers[0], answers[1], "{method} {path}");
                assert!(answers[0].0 == 404 && answers[0].1.contains("not_found"), "{method} {path}: {answers:?}");
                asked += 1;
            }
        }
    }
    assert!(asked >= 13, "only {asked} routes were asked");
    ours.host_pid(&id).await?;
    Ok(())
}

#[tokio::test]
async fn a_revoked_key_is_worthless_at_once_and_keys_are_stored_hashed() -> Result<()> {
    let server = Server::start()?;
    let (key, key_id) = new_key(&server, &["--tenant", "short-lived"])?;
    let rpc = Rpc::with_key(&server, &key)?;
    rpc.ok("ListSession", &[("Labels", "{}")]).await?;
    let refused = server.cli(&["key", "ls"])?;
    assert!(refused.status.success());
    server.cli_ok(&["key", "revoke", &key_id])?;
    assert_eq!(rpc.ask("ListSession", &[("Labels", "{}")]).await?.status, 401);

    for file in std::fs::read_dir(server.data_dir())?.flatten().filter(|entry| entry.file_name() != "key") {
        if let Ok(bytes) = std::fs::read(file.path()) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert!(!text.contains(&key) && !text.contains(&server.key()?), "{} holds a key's text", file.path().display());
        }
    }
    let logs: String =
        std::fs::read_dir(server.data_dir().join("logs"))?.flatten().filter_map(|e| std::fs::read_to_string(e.path()).ok()).collect();
    assert!(logs.contains("ListSession") && !logs.contains(&key), "the log holds a key's text, or nothing");
    Ok(())
}

#[tokio::test]
async fn ordinary_keys_do_not_manage() -> Result<()> {
    let server = Server::start()?;
    let (key, _) = new_key(&server, &["--tenant", "plain"])?;
    let run =
        |args: &[&str]| server.command(&tests::Bins::find().expect("built").roadstead).env("AGENTBAY_API_KEY", &key).args(args).output();
    for args in [&["key", "create", "--tenant", "mine"][..], &["down"]] {
        let output = run(args)?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains("admin"), "{args:?}: {text}");
    }
    Ok(())
}

pub(crate) fn new_key(server: &Server, args: &[&str]) -> Result<(String, String)> {
    let mut all = vec!["--json", "key", "create"];
    all.extend_from_slice(args);
    let made: Value = serde_json::from_str(&server.cli_ok(&all)?)?;
    let text = |name: &str| made.pointer(name).and_then(Value::as_str).map(str::to_owned);
    Ok((text("/key").or_else(|| text("/text")).context("no key text")?, text("/id").or_else(|| text("/info/id")).context("no key id")?))
}
