//! The direct routes: one session by its token, without the API key.

use crate::tenancy::new_key;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tests::{Direct, ProcStatus, Rpc, Server};

#[tokio::test]
async fn a_token_opens_its_session_and_nothing_else() -> Result<()> {
    let server = Server::start()?;
    let (key, key_id) = new_key(&server, &["--tenant", "others"])?;
    let (ours, theirs) = (Rpc::new(&server)?, Rpc::with_key(&server, &key)?);
    let one = Direct::create(&server, &ours).await?;
    let two = Direct::create(&server, &ours).await?;
    let foreign = Direct::create(&server, &theirs).await?;
    assert!(one.token != two.token && !one.token.contains(&server.key()?));
    let again = ours.ok("GetSession", &[("SessionId", &one.session)]).await?;
    assert_eq!(again["Data"]["Token"], one.token.as_str(), "always the same");

    // Every token leads into its own session, seen by the API.
    for direct in [&one, &two, &foreign] {
        let args = json!({ "command": format!("echo {} > /tmp/mine; cat /tmp/mine", direct.session) });
        let answer = direct.tool("shell", args).await?;
        assert!(!answer.is_error && answer.text.contains(&direct.session), "{answer:?}");
    }
    for (rpc, direct) in [(&ours, &one), (&ours, &two), (&theirs, &foreign)] {
        assert_eq!(rpc.stdout(&direct.session, "cat /tmp/mine").await?, format!("{}\n", direct.session));
    }

    let shell = || json!({ "command": "true" });
    let mixed = format!("{}.{}", one.token.split('.').next().unwrap(), two.token.split('.').nth(1).unwrap());
    for bad in ["", "x", &one.token[1..], &mixed, &server.key()?] {
        let bad = one.with_token(bad);
        assert_eq!(bad.ask("shell", shell()).await?.0, 401, "{bad:?}");
        assert_eq!(bad.handshake().await?.status().as_u16(), 401);
    }

    // A failure of the tool, an unknown one and a session that has ended are results: of a status SDKs show the number only.
    let missing = one.tool("read_file", json!({ "path": "/nowhere" })).await?;
    assert!(missing.is_error && missing.text.contains("/nowhere"), "{missing:?}");
    assert!(one.tool("no_such_tool", json!({})).await?.is_error);
    ours.ok("ReleaseMcpSession", &[("SessionId", &one.session)]).await?;
    let gone = one.tool("shell", shell()).await?;
    assert!(gone.is_error && gone.text.starts_with("session not found or expired"), "{gone:?}");
    assert_eq!(one.handshake().await?.status().as_u16(), 404);

    server.cli_ok(&["key", "revoke", &key_id])?;
    assert_eq!(foreign.ask("shell", shell()).await?.0, 401, "the token outlived its key");
    assert_eq!(two.ask("shell", shell()).await?.0, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_200_mb_pass_whole_both_ways_in_bounded_memory() -> Result<()> {
    const LENGTH: usize = 200_000_000;
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let direct = Direct::create(&server, &rpc).await?;
    let line = "zeilen mit ümlauten, \"quotes\", \\ and \u{1F600}\n";
    let text = line.repeat(LENGTH.div_ceil(line.len()));
    let hash = sum(text.as_bytes());
    let before = peak_memory(&server)?;

    let written = direct.tool("write_file", json!({ "path": "/tmp/big.txt", "content": text, "mode": "overwrite" })).await?;
    assert!(!written.is_error, "{}", written.text);
    assert_eq!(rpc.stdout(&direct.session, "sha256sum < /tmp/big.txt").await?.split(' ').next(), Some(hash.as_str()));
    let after_write = peak_memory(&server)?;
    // What a client sends is held once, decoded, and nothing beside it.
    assert!(after_write - before < 250_000, "writing took {} KiB", after_write - before);
    drop(text);

    let read = direct.tool("read_file", json!({ "path": "/tmp/big.txt", "offset": 0, "length": 0 })).await?;
    assert!(!read.is_error && sum(read.text.as_bytes()) == hash, "the text changed on its way");
    let binary = direct.tool("read_file", json!({ "path": "/tmp/big.txt", "offset": 0, "length": 0, "format": "binary" })).await?;
    let length = LENGTH.div_ceil(line.len()) * line.len();
    assert_eq!(binary.text.len(), length.div_ceil(3) * 4);
    assert!(peak_memory(&server)? < after_write + 40_000, "reading is not held");

    let appended = direct.tool("write_file", json!({ "path": "/tmp/big.txt", "content": "x".repeat(5 << 20), "mode": "append" })).await?;
    assert!(!appended.is_error, "{}", appended.text);
    let size = length + (5 << 20);
    assert_eq!(rpc.stdout(&direct.session, "stat -c %s /tmp/big.txt").await?.trim(), size.to_string());
    let refused = direct.tool("write_file", json!({ "path": "/proc/no/big", "content": "x".repeat(5 << 20) })).await?;
    assert!(refused.is_error, "{refused:?}");
    Ok(())
}

#[test]
fn python_with_is_vpc_reaches_its_session_on_an_address() -> Result<()> {
    const SCRIPT: &str = r#"
import agentbay
bay = agentbay.AgentBay()
result = bay.create(agentbay.CreateSessionParams(is_vpc=True))
assert result.success, result.error_message
session = result.session
assert session.is_vpc and session.network_interface_ip.startswith("127."), vars(session)
output = session.command.execute_command("echo by vpc")
assert output.success and output.output.strip() == "by vpc", vars(output)
failed = session.command.execute_command("exit 3")
assert not failed.success and "3" in failed.error_message, vars(failed)
assert session.file_system.write_file("/tmp/v", "text & more").success
assert session.file_system.read_file("/tmp/v").content == "text & more"
found = bay.get(session.session_id).session
found.list_mcp_tools()
assert found.is_vpc and found.command.execute_command("cat /tmp/v").output == "text & more"
plain = bay.create(agentbay.CreateSessionParams()).session
assert not plain.is_vpc and not bay.get(plain.session_id).session.is_vpc
assert plain.command.execute_command("echo by api").success
assert bay.delete(session).success and bay.delete(plain).success
print("vpc done")
"#;
    let server = Server::start()?;
    python(&server, "0.12.0", SCRIPT, "vpc done")?;
    let log = server.cli_ok(&["logs", "-n", "400"])?;
    ensure!(log.lines().any(|line| line.contains("direct") && line.contains("callTool shell")), "no call came on the direct route:\n{log}");
    Ok(())
}

#[test]
fn python_calls_tools_and_terminals_directly() -> Result<()> {
    const SCRIPT: &str = r#"
import asyncio, agentbay
async def main():
    bay = agentbay.AsyncAgentBay()
    result = await bay.create(agentbay.CreateSessionParams())
    assert result.success, result.error_message
    session = result.session
    output = await session.command.execute_command("echo direct; sleep 1", timeout_ms=20000)
    assert output.success and output.stdout == "direct\n", vars(output)
    text = "größer als ein Brocken\n" * 1_000_000
    assert (await session.file_system.write_file("/tmp/big", text)).success
    read = await session.file_system.read_file("/tmp/big")
    assert read.success and read.content == text, read.error_message
    raw = await session.file_system.read_file("/tmp/big", format="bytes")
    assert raw.success and raw.content == text.encode(), raw.error_message
    assert not (await session.file_system.read_file("/tmp/none")).success

    shown = bytearray()
    pty = await session.pty.create(cols=91, rows=31, on_data=shown.extend)
    await pty.send_input(b"stty size; echo $((6*7))done\n")
    for _ in range(200):
        if b"42done" in shown: break
        await asyncio.sleep(0.05)
    assert b"31 91" in shown and b"42done" in shown, bytes(shown)
    await pty.resize(100, 40)
    assert [p.pty_session_id for p in await session.pty.list()] == [pty.pty_session_id]
    await pty.send_input(b"stty size; exit 5\n")
    assert await pty.wait(20) == 5
    assert b"40 100" in shown, bytes(shown)
    second = await session.pty.create()
    await second.kill()
    assert [p.pty_session_id for p in await session.pty.list()] == []
    assert (await bay.delete(session)).success
    print("direct done")
asyncio.run(main())
"#;
    let server = Server::start()?;
    python(&server, "0.22.3", SCRIPT, "direct done")?;
    let log = server.cli_ok(&["logs", "-n", "400"])?;
    ensure!(log.contains("callTool write_file") && log.contains("socket closed"), "nothing went the direct way:\n{log}");
    Ok(())
}

fn python(server: &Server, version: &str, script: &str, done: &str) -> Result<()> {
    let output = server.sdk_command(&tests::conformance::virtualenv(version, &[])?)?.arg("-c").arg(script).output()?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(
        output.status.success() && stdout.contains(done),
        "{}\n{stdout}\n{}",
        output.status,
        &stderr[stderr.len().saturating_sub(4000)..]
    );
    Ok(())
}

/// Most memory that the server has ever held, KiB.
fn peak_memory(server: &Server) -> Result<u64> {
    let status = ProcStatus::of(server.pid())?;
    status.get("VmHWM").split(' ').next().and_then(|kib| kib.parse().ok()).context("no VmHWM")
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_session_that_idled_out_is_told_as_such() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create_with(&[("Timeout", "1")]).await?;
    let data: Value = rpc.ok("GetSession", &[("SessionId", &id)]).await?["Data"].clone();
    let token = data["Token"].as_str().context("no Token")?;
    let direct = Direct::create(&server, &rpc).await?.with_token(token);
    let mut status = 0;
    // Handshakes are no activity; calls would be.
    for _ in 0..100 {
        status = direct.handshake().await?.status().as_u16();
        if status == 404 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(status, 404);
    let gone = direct.tool("shell", json!({ "command": "true" })).await?;
    assert!(gone.is_error && gone.text.contains("session not found or expired"), "{gone:?}");
    Ok(())
}
