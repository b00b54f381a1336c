//! `roadstead-sdk` over everything a session can do today; each effect is seen by a second path.

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use roadstead_sdk::{AgentBay, CallOptions, CreateSessionParams, Error, LinkParams, ListParams};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tests::{Rpc, Server};

#[tokio::test]
async fn create_work_look_delete() -> Result<()> {
    let server = Server::start()?;
    let (client, rpc) = (server.agentbay()?, Rpc::new(&server)?);
    let created = client.create(CreateSessionParams::new().label("suite", "rust").label("n", "1")).await?;
    assert!(!created.request_id.is_empty());
    let session = created.into_value();
    let id = session.id().to_owned();

    let output = session.command().run("echo out; echo err >&2; exit 3").await?;
    assert_eq!((output.stdout.as_str(), output.stderr.as_str(), output.exit_code), ("out\n", "err\n", 3));
    let slow = session.command().run("setsid sleep 765 & sleep 60").timeout(Duration::from_secs(1)).await?;
    assert!(slow.timed_out && !slow.success(), "{:?}", slow.value);
    assert_eq!(rpc.shell(&id, "pgrep -c -f 'sleep [7]65'", 5_000).await?["stdout"], "0\n");

    let bytes: Vec<u8> = (0..400_000_u32).map(|n| n.to_le_bytes()[(n % 3) as usize]).collect();
    session.files().write_bytes("/tmp/sub/blob", &bytes).await?;
    let sum = rpc.stdout(&id, "sha256sum < /tmp/sub/blob; stat -c %s /tmp/sub/blob").await?;
    let here = std::process::Command::new("sha256sum").stdin(file_with(&bytes)?).output()?;
    assert_eq!(sum, format!("{}{}\n", String::from_utf8(here.stdout)?, bytes.len()));
    rpc.stdout(&id, "printf 'grün 世界' > /tmp/sub/text").await?;
    assert_eq!(session.files().read("/tmp/sub/text").await?.value, "grün 世界");
    assert_eq!(session.files().read_bytes("/tmp/sub/blob").await?.value, bytes);

    session.set_labels([("suite", "rust"), ("n", "2")]).await?;
    let seen = rpc.ok("GetLabel", &[("SessionId", &id)]).await?;
    assert_eq!(seen["Data"]["Labels"], r#"{"n":"2","suite":"rust"}"#);
    assert!(matches!(session.set_labels([("a", "")]).await, Err(Error::Validation { .. })));

    let info = session.info().await?;
    assert_eq!(server.http()?.get(&info.resource_url).send().await?.status().as_u16(), 200);
    session.keep_alive().await?;
    let tools = session.list_mcp_tools().await?;
    assert!(tools.iter().any(|tool| tool.name == "shell" && tool.input_schema["properties"]["command"].is_object()));
    let raw = session
        .call_mcp_tool("shell", serde_json::json!({ "command": "echo raw" }), CallOptions::new().read_timeout(Duration::from_secs(30)))
        .await?;
    assert!(!raw.is_error && raw.text.contains("raw"));

    let again = client.get(&id).await?;
    assert_eq!(again.command().run("cat /tmp/sub/text").await?.stdout, "grün 世界");
    let guest = rpc.host_pid(&id).await?;
    session.delete().await?;
    let gone = tests::wait_until(Duration::from_secs(5), || !Path::new(&format!("/proc/{guest}")).exists());
    assert!(gone, "the sandbox is still there");
    assert!(matches!(client.get(&id).await, Err(Error::NotFound { .. })));
    let late = session.command().run("true").await;
    assert!(late.as_ref().is_err_and(|error| !error.is_retryable() && error.request_id().is_some()), "{late:?}");
    Ok(())
}

#[tokio::test]
async fn pages_and_streams_agree() -> Result<()> {
    let server = Server::start()?;
    let client = server.agentbay()?;
    let mut made = BTreeSet::new();
    for n in 0..10 {
        let params = CreateSessionParams::new().label("flow", "paging").label("parity", if n % 2 == 0 { "even" } else { "odd" });
        made.insert(client.create(params).await?.id().to_owned());
    }
    let first = client.list(ListParams::new().label("flow", "paging").limit(5)).await?;
    assert_eq!((first.sessions.len(), first.total_count), (5, 10));
    let token = first.next_token.clone().context("no token")?;
    let second = client.list(ListParams::new().label("flow", "paging").limit(5).next_token(token)).await?;
    let both: BTreeSet<_> = first.session_ids().into_iter().chain(second.session_ids()).map(str::to_owned).collect();
    assert_eq!((both, second.next_token.as_deref()), (made.clone(), None));

    let odd: Vec<_> = client.sessions(ListParams::new().label("flow", "paging").label("parity", "odd").limit(2)).try_collect().await?;
    assert_eq!(odd.len(), 5);
    let past = client.list_page([("flow", "paging")], 3, 5).await;
    assert!(past.is_err(), "{past:?}");

    // A walk is stable while sessions come and go.
    let page = client.list(ListParams::new().label("flow", "paging").limit(4)).await?;
    client.create(CreateSessionParams::new().label("flow", "paging")).await?;
    client.attach(page.session_ids()[3])?.delete().await?;
    let rest: Vec<_> = client
        .sessions(ListParams::new().label("flow", "paging").limit(4).next_token(page.next_token.clone().context("no token")?))
        .try_collect()
        .await?;
    let walked: BTreeSet<_> = page.session_ids().into_iter().map(str::to_owned).chain(rest.iter().map(|s| s.session_id.clone())).collect();
    assert_eq!(walked, made);
    Ok(())
}

#[tokio::test]
async fn refusals_come_before_and_after_the_request() -> Result<()> {
    let server = Server::start()?;
    let client = server.agentbay()?;
    let session = client.create(CreateSessionParams::new().delete_on_drop(true)).await?.into_value();
    for port in [80, 30_099, 30_200] {
        assert!(matches!(session.link(LinkParams::https(port)).await, Err(Error::Validation { .. })));
    }
    assert!(matches!(AgentBay::builder().api_key("").endpoint(server.fact("endpoint")?).build(), Err(Error::Validation { .. })));
    let stranger = AgentBay::builder()
        .api_key("akm-stranger")
        .endpoint(server.fact("endpoint")?)
        .ca_file(server.data_dir().join("tls/ca.pem"))
        .build()?;
    let refused = stranger.create(CreateSessionParams::new()).await;
    assert!(matches!(refused, Err(Error::Authentication { .. })), "{refused:?}");
    let unknown = client.create(CreateSessionParams::new().image("windows_latest")).await;
    assert!(unknown.as_ref().is_err_and(|error| error.to_string().contains("linux_latest")), "{unknown:?}");
    Ok(())
}

#[test]
fn the_documented_flows_run() -> Result<()> {
    let server = Server::start()?;
    let examples = std::env::current_exe()?.ancestors().nth(2).context("not in a target directory")?.join("examples");
    let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/sdk/examples"))?;
    let mut ran = 0;
    for source in sources {
        let name = source?.path().file_stem().context("no stem")?.to_string_lossy().into_owned();
        let output = server.sdk_command(&examples.join(&name))?.output().with_context(|| format!("{name} was not built"))?;
        ensure!(output.status.success(), "{name}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ran += 1;
    }
    ensure!(ran >= 16, "only {ran} flows found");
    Ok(())
}

fn file_with(bytes: &[u8]) -> Result<std::fs::File> {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}
