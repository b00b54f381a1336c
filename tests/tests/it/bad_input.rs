//! Bad input gets a clear error in the dialect's own form, or a correct result; never a hang, never a false success.

use anyhow::{Context, Result};
use serde_json::json;
use tests::{Rpc, Server, descendants_of, raw, wait_until};

/// An action, its parameters, and what the message must mention.
type Case<'a> = (&'a str, Vec<(&'a str, String)>, &'a [&'a str]);

/// The answer is an error that carries `code` and mentions each of `words`.
async fn refused(rpc: &Rpc, action: &str, params: &[(&str, &str)], status: u16, code: &str, words: &[&str]) -> Result<()> {
    let answer = rpc.ask(action, params).await?;
    let message = answer.body["Message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(answer.status, status, "{action}: {answer:?}");
    assert_eq!(answer.body["Code"], code, "{action}: {answer:?}");
    assert_eq!(answer.body["Success"], false, "{action}: {answer:?}");
    assert_eq!(answer.body["HttpStatusCode"], status, "{action}: {answer:?}");
    assert!(answer.body["RequestId"].as_str().is_some_and(|id| !id.is_empty()), "{action}: {answer:?}");
    for word in words {
        assert!(message.contains(word), "{action}: {message:?} does not mention {word:?}");
    }
    Ok(())
}

#[tokio::test]
async fn wrong_requests_get_clear_errors() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    let session = [("SessionId", id.as_str())];

    let stranger = Rpc::with_key(&server, "akm-nobody-has-this-key")?;
    for action in ["CreateMcpSession", "ListSession", "GetSession", "CallMcpTool", "ListMcpTools"] {
        let answer = stranger.ask(action, &session).await?;
        assert_eq!((answer.status, &answer.body["Success"]), (401, &json!(false)), "{action}: {answer:?}");
    }

    let unknown = [("SessionId", "session-aaaaaaaaaaaaaaaaaaaaaaaa")];
    for action in [
        "GetSession",
        "GetSessionDetail",
        "GetLabel",
        "GetMcpResource",
        "ReleaseMcpSession",
        "DeleteSessionAsync",
        "RefreshSessionIdleTime",
    ] {
        refused(&rpc, action, &unknown, 400, "InvalidMcpSession.NotFound", &["session-aaaa"]).await?;
        assert_eq!(rpc.ask(action, &[]).await?.status, 400, "{action} without a session id");
        assert_eq!(rpc.ask(action, &[("SessionId", "../../etc")]).await?.status, 400, "{action} with a path for an id");
    }
    refused(&rpc, "FlyToTheMoon", &session, 404, "InvalidAction.NotFound", &["FlyToTheMoon"]).await?;
    refused(&rpc, "PauseSessionAsync", &session, 501, "UnsupportedOperation", &["PauseSessionAsync", "pausing"]).await?;
    refused(&rpc, "GetCdpLink", &session, 501, "UnsupportedOperation", &["browser_latest"]).await?;

    let with = |extra: &[(&'static str, &'static str)]| {
        let mut all = vec![("SessionId", id.clone())];
        all.extend(extra.iter().map(|(k, v)| (*k, (*v).to_owned())));
        all
    };
    let cases: &[Case] = &[
        ("SetLabel", with(&[("Labels", "{not json")]), &["Labels"]),
        ("SetLabel", with(&[("Labels", "[1,2]")]), &["Labels"]),
        ("SetLabel", with(&[("Labels", "{}")]), &["abel"]),
        ("SetLabel", with(&[("Labels", r#"{"a":""}"#)]), &["\"a\"", "non-empty"]),
        ("SetLabel", with(&[("Labels", r#"{"":"x"}"#)]), &["non-empty"]),
        ("SetLabel", with(&[("Labels", r#"{"a":7}"#)]), &["Labels"]),
        ("CallMcpTool", with(&[("Name", "shell"), ("Args", "{")]), &["Args"]),
        ("CallMcpTool", with(&[("Name", "shell"), ("Args", "[]")]), &["Args"]),
        ("CallMcpTool", with(&[("Args", "{}")]), &["Name"]),
        ("GetLink", with(&[("ProtocolType", "https")]), &["30100", "30199"]),
        ("GetLink", with(&[("ProtocolType", "https"), ("Port", "80")]), &["30100", "30199"]),
        ("GetLink", with(&[("ProtocolType", "https"), ("Port", "many")]), &["Port"]),
        ("ListSession", with(&[("Labels", "nope")]), &["Labels"]),
        ("ListSession", with(&[("MaxResults", "0")]), &["MaxResults", "100"]),
        ("ListSession", with(&[("MaxResults", "101")]), &["MaxResults", "100"]),
        ("ListSession", with(&[("NextToken", "bogus")]), &["cursor"]),
        ("CreateMcpSession", with(&[("ImageId", "windows_latest")]), &["windows_latest", "linux_latest"]),
        ("CreateMcpSession", with(&[("ImageId", "../etc")]), &["../etc"]),
        ("CreateMcpSession", with(&[("Labels", r#"{"a":""}"#)]), &["\"a\""]),
        ("CreateMcpSession", with(&[("Timeout", "soon")]), &["Timeout"]),
    ];
    for (action, params, words) in cases {
        let params: Vec<_> = params.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let answer = rpc.ask(action, &params).await?;
        let message = answer.body["Message"].as_str().unwrap_or_default();
        assert_eq!((answer.status, &answer.body["Success"]), (400, &json!(false)), "{action} {params:?}: {answer:?}");
        for word in *words {
            assert!(message.contains(word), "{action} {params:?}: {message:?} does not mention {word:?}");
        }
    }

    rpc.ok("ReleaseMcpSession", &session).await?;
    let call = [("SessionId", id.as_str()), ("Name", "shell"), ("Args", r#"{"command":"id"}"#)];
    refused(&rpc, "CallMcpTool", &call, 400, "InvalidMcpSession.NotFound", &[&id]).await?;
    refused(&rpc, "ReleaseMcpSession", &session, 400, "InvalidMcpSession.NotFound", &[&id]).await
}

#[tokio::test]
async fn requests_that_no_library_sends_get_clear_errors() -> Result<()> {
    let server = Server::start()?;
    let bearer = format!("Bearer {}", server.key()?);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let host = ("Host", "localhost");
    let ask = async |line: &str, headers: &[(&str, &str)], body: &[u8]| {
        let length = body.len().to_string();
        let mut all = headers.to_vec();
        all.push(("Content-Length", &length));
        raw::send(&server, &raw::request(line, &all, body)).await
    };
    let key = raw::form(&[("Authorization", &bearer)]);

    // A Host with a scheme in it, as the Python SDK sends with a plain endpoint.
    let scheme = ("Host", "http://localhost:8080");
    assert_eq!(ask("POST /?Action=ListSession", &[scheme, form], key.as_bytes()).await?.status, 200);
    // The key in the query alone, in the form alone, nowhere.
    assert_eq!(ask(&format!("POST /?Action=ListSession&{key}"), &[host, form], b"").await?.status, 200);
    for query in ["", "&Authorization=", "&Authorization=Bearer%20"] {
        let answer = ask(&format!("POST /?Action=ListSession{query}"), &[host, form], b"Authorization=").await?;
        assert_eq!((answer.status, answer.body["Code"].as_str()), (401, Some("InvalidApiKey")), "{query}: {answer:?}");
    }
    // An empty body that calls itself JSON.
    let json_type = ("Content-Type", "application/json; charset=utf-8");
    assert_eq!(ask(&format!("GET /?Action=ListSession&{key}"), &[host, json_type], b"").await?.status, 200);
    // Another version of the API, by query and by header.
    let answer = ask("POST /?Action=ListSession&Version=2099-01-01", &[host, form], key.as_bytes()).await?;
    assert_eq!((answer.status, answer.body["Code"].as_str()), (400, Some("InvalidVersion")), "{answer:?}");
    assert!(answer.body["Message"].as_str().is_some_and(|message| message.contains("2025-05-06")), "{answer:?}");
    assert_eq!(ask("POST /?Action=ListSession", &[host, form, ("x-acs-version", "1")], key.as_bytes()).await?.status, 400);
    // No action at all; bytes that are no text.
    assert_eq!(ask("POST /", &[host, form], key.as_bytes()).await?.body["Code"], "MissingParameter");
    let noise = [key.as_bytes(), b"&SessionId=%ff%fe\xff"].concat();
    assert_eq!(ask("POST /?Action=GetSession", &[host, form], &noise).await?.status, 400);
    // Chunks that are none.
    let broken = raw::request("POST /?Action=ListSession", &[host, form, ("Transfer-Encoding", "chunked")], b"zz\r\nAuthorization\r\n");
    let answer = raw::send(&server, &broken).await?;
    assert!(answer.status == 400 && answer.body["Success"] == false, "{answer:?}");
    // JSON of the wrong shape where a list, an object and a text are meant.
    let rpc = Rpc::new(&server)?;
    for (name, value) in
        [("PersistenceDataList", "{}"), ("PersistenceDataList", "[1]"), ("Labels", "[]"), ("SdkStats", "7"), ("ExtraConfigs", "[]")]
    {
        refused(&rpc, "CreateMcpSession", &[(name, value)], 400, "InvalidParameter", &[name]).await?;
    }
    assert_eq!(rpc.ok("ListSession", &[]).await?["TotalCount"], 0, "nothing was made");
    Ok(())
}

#[tokio::test]
async fn arguments_of_twenty_megabytes_pass_in_chunks_and_more_are_refused() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    let bearer = format!("Bearer {}", server.key()?);
    let write = async |bytes: usize| {
        let args = json!({ "path": "/tmp/big", "content": "x".repeat(bytes), "mode": "overwrite" }).to_string();
        let form = raw::form(&[("Authorization", &bearer), ("SessionId", &id), ("Name", "write_file"), ("Args", &args)]);
        let headers = [("Host", "localhost"), ("Content-Type", "application/x-www-form-urlencoded"), ("Transfer-Encoding", "chunked")];
        let body = raw::chunked(form.as_bytes(), 16 << 10);
        raw::send(&server, &raw::request("POST /?Action=CallMcpTool", &headers, &body)).await
    };
    let answer = write(20_000_000).await?;
    assert!(answer.body["Success"].is_boolean(), "{}", answer.status);
    let written = answer.status == 200 && answer.body["Data"]["isError"] == false;
    let size = rpc.stdout(&id, "stat -c %s /tmp/big 2>/dev/null || echo none").await?;
    assert_eq!(size.trim(), if written { "20000000" } else { "none" }, "{answer:?}");
    if !written {
        assert!(answer.body.to_string().contains("bytes"), "a refusal says how much is too much: {answer:?}");
    }
    let answer = write(30_000_000).await?;
    assert_eq!((answer.status, &answer.body["Success"]), (413, &json!(false)), "{:?}", answer.body["Message"]);
    rpc.stdout(&id, "true").await?;
    Ok(())
}

#[tokio::test]
async fn an_oversized_body_is_refused_and_the_server_goes_on() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let big = "x".repeat(2 << 20);
    let answer = rpc.ask("SetLabel", &[("SessionId", "session-a"), ("Labels", &big)]).await?;
    assert_eq!((answer.status, &answer.body["Success"]), (413, &json!(false)), "{:?}", answer.body["Message"]);
    rpc.ok("ListSession", &[("Labels", "{}")]).await?;
    Ok(())
}

#[tokio::test]
async fn wrong_tool_arguments_are_named() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    let cases = [
        ("shell", json!({}), "command"),
        ("shell", json!({ "command": 7 }), "command"),
        ("shell", json!({ "command": "true", "timeout_ms": "soon" }), "timeout_ms"),
        ("shell", json!({ "command": "true", "timeout_ms": 0 }), "timeout_ms"),
        ("shell", json!({ "command": "tr\u{0}ue" }), "NUL"),
        ("shell", json!({ "command": "true", "cwd": "/no/such/place" }), "/no/such/place"),
        ("shell", json!({ "command": "true", "envs": { "A=B": "x" } }), "A=B"),
        ("read_file", json!({ "path": "/tmp/a\u{0}b" }), "NUL"),
        ("read_file", json!({ "path": "" }), "path"),
        ("read_file", json!({ "path": "/nothing/here" }), "/nothing/here"),
        ("read_file", json!({ "path": "/tmp" }), "directory"),
        ("read_file", json!({ "path": "/dev/zero" }), "regular"),
        ("read_file", json!({ "path": "/etc/shadow" }), "denied"),
        ("write_file", json!({ "path": "/etc/passwd", "content": "x" }), "denied"),
        ("write_file", json!({ "path": "/tmp/x", "content": "x", "mode": "sideways" }), "mode"),
        ("edit_file", json!({ "path": "/tmp/missing", "edits": [{ "oldText": "a", "newText": "b" }] }), "/tmp/missing"),
        ("list_directory", json!({ "path": "/nothing" }), "/nothing"),
        ("move_file", json!({ "source": "/nothing", "destination": "/tmp/y" }), "/nothing"),
        ("delete_file", json!({ "path": "/" }), "/"),
    ];
    for (tool, args, word) in cases {
        let answer = rpc.tool(&id, tool, args.clone()).await.with_context(|| format!("{tool} {args}"))?;
        assert!(answer.is_error, "{tool} {args}: {}", answer.text);
        assert!(answer.text.to_lowercase().contains(&word.to_lowercase()), "{tool} {args}: {:?} does not mention {word:?}", answer.text);
    }
    let unknown = rpc.ask("CallMcpTool", &[("SessionId", &id), ("Name", "teleport"), ("Args", "{}")]).await?;
    assert!(unknown.body.to_string().contains("teleport"), "{unknown:?}");
    assert!(unknown.status >= 400 || unknown.body["Data"]["isError"] == true, "{unknown:?}");
    // `..` is ordinary inside the sandbox and ends at its root.
    let dots = rpc.tool(&id, "read_file", json!({ "path": "/tmp/../../../../etc/hostname" })).await?;
    assert!(!dots.is_error && dots.text.trim() != std::fs::read_to_string("/etc/hostname").unwrap_or_default().trim(), "{dots:?}");
    Ok(())
}

#[tokio::test]
async fn a_gigabyte_of_output_is_cut_and_costs_the_server_little() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    rpc.shell(&id, "head -c 3000000 /dev/zero | tr '\\0' x", 20_000).await?; // buffers that any large answer leaves behind
    let before = peak_rss_after_reset(server.pid())?;
    let result = rpc.shell(&id, "head -c 1000000000 /dev/zero | tr '\\0' 'x'; echo end >&2", 50_000).await?;
    let after = peak_rss(server.pid())?;
    let stdout = result["stdout"].as_str().context("no stdout")?;
    assert_eq!(result["exit_code"], 0);
    assert_eq!(result["stderr"], "end\n");
    assert!(stdout.len() < 2 << 20 && stdout.starts_with("xxx"), "{} bytes", stdout.len());
    let notice = stdout.lines().last().unwrap_or_default();
    assert!(notice.contains("cut") && notice.contains("1000000000"), "the cut is not told: {notice:?}");
    assert!(after.saturating_sub(before) < 32 << 20, "the server's peak memory grew from {before} to {after} bytes");
    Ok(())
}

#[tokio::test]
async fn a_command_that_never_ends_is_ended_with_all_it_started() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    let guest = rpc.host_pid(&id).await?;
    let result = rpc.shell(&id, "(setsid sh -c '(sleep 4321 &) ; sleep 4321' &) ; yes", 1_000).await?;
    assert_eq!(result["exit_code"], 124, "{}", result["stderr"]);
    assert!(result["stderr"].as_str().is_some_and(|text| text.contains("timed out")), "{}", result["stderr"]);
    let left =
        || descendants_of(guest).into_iter().filter(|(_, line)| line.contains("4321") || line.starts_with("yes")).collect::<Vec<_>>();
    assert!(wait_until(std::time::Duration::from_secs(5), || left().is_empty()), "still there: {:?}", left());
    // The control: without a time-out the same detached child lives on and is seen by the same look.
    rpc.shell(&id, "setsid sleep 4321 >/dev/null 2>&1 &", 5_000).await?;
    let alone = wait_until(std::time::Duration::from_secs(5), || left().len() == 1);
    assert!(alone, "{:?}", descendants_of(guest));
    Ok(())
}

#[tokio::test]
async fn ten_thousand_files_and_odd_names() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    rpc.stdout(&id, "mkdir /tmp/many && cd /tmp/many && seq -f 'file-%05g.txt' 1 10000 | xargs touch").await?;
    let listing = rpc.tool(&id, "list_directory", json!({ "path": "/tmp/many" })).await?;
    assert_eq!(listing.text.lines().filter(|line| line.starts_with("[FILE] file-")).count(), 10_000);
    let found = rpc.tool(&id, "search_files", json!({ "path": "/tmp", "pattern": "file-0999?.txt" })).await?;
    assert_eq!(found.text.lines().count(), 10, "{}", found.text);

    rpc.stdout(
        &id,
        r"mkdir /tmp/odd && cd /tmp/odd && touch -- '-rf' 'new
line' 'space name' && touch $(printf 'bad\377name') && printf 'caf\351 \000 end' > latin1",
    )
    .await?;
    let odd = rpc.tool(&id, "list_directory", json!({ "path": "/tmp/odd" })).await?;
    assert!(
        odd.text.contains("[FILE] -rf") && odd.text.contains("[FILE] space name") && odd.text.contains("bad\u{fffd}name"),
        "{}",
        odd.text
    );
    let text = rpc.tool(&id, "read_file", json!({ "path": "/tmp/odd/latin1" })).await?;
    assert_eq!(text.text, "caf\u{fffd} \u{0} end");
    let bytes = rpc.tool(&id, "read_file", json!({ "path": "/tmp/odd/latin1", "format": "binary" })).await?;
    assert_eq!(bytes.text, "Y2Fm6SAAIGVuZA==");
    Ok(())
}

/// Highest resident memory since the last reset, bytes.
fn peak_rss(pid: i32) -> Result<u64> {
    let status = tests::ProcStatus::of(pid)?;
    let kib: u64 = status.get("VmHWM").split_whitespace().next().context("no VmHWM")?.parse()?;
    Ok(kib << 10)
}

/// Resets the mark and reads it: what is resident now.
fn peak_rss_after_reset(pid: i32) -> Result<u64> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
    peak_rss(pid)
}
