//! `AutoGenSession`: a tool call that makes the session it names.

use crate::python_sdk::NEWEST;
use crate::tenancy::new_key;
use anyhow::{Context, Result, ensure};
use tests::conformance::virtualenv;
use tests::{Rpc, Server};

#[tokio::test]
async fn a_name_holds_over_a_crash_and_for_its_tenant_alone() -> Result<()> {
    let mut server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    assert_eq!(shell(&rpc, "nightly", "echo mine > /tmp/note; cat /tmp/note").await?, "mine\n");
    let real = real_id(&rpc, "nightly").await?;

    let (key, _) = new_key(&server, &["--tenant", "others"])?;
    let theirs = Rpc::with_key(&server, &key)?;
    // Our name and even our session's own id lead others to sessions of their own.
    for name in ["nightly", &real] {
        assert_eq!(shell(&theirs, name, "cat /tmp/note 2>/dev/null; echo theirs > /tmp/note").await?, "");
        assert_ne!(real_id(&theirs, name).await?, real);
    }
    assert_eq!(theirs.ok("ListSession", &[]).await?["TotalCount"], 2);
    assert_eq!(rpc.ok("ListSession", &[]).await?["TotalCount"], 1);

    server.crash_and_restart()?;
    let rpc = Rpc::new(&server)?;
    assert_eq!(shell(&rpc, "nightly", "cat /tmp/note").await?, "mine\n");
    assert_eq!(real_id(&rpc, "nightly").await?, real);
    Ok(())
}

#[test]
fn the_official_sdk_works_on_in_a_session_that_was_released() -> Result<()> {
    let python = virtualenv(NEWEST, &[])?;
    let server = Server::start()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/auto_session.py");
    let output = server.sdk_command(&python)?.arg(script).output()?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success() && stdout.contains("all done"), "{}\n{stdout}\n{stderr}", output.status);
    Ok(())
}

async fn shell(rpc: &Rpc, name: &str, command: &str) -> Result<String> {
    let args = serde_json::json!({ "command": command }).to_string();
    let call = [("SessionId", name), ("Name", "shell"), ("Args", &args), ("AutoGenSession", "True")];
    let body = rpc.ok("CallMcpTool", &call).await?;
    let text = body["Data"]["content"][0]["text"].as_str().context("no text")?;
    let result: serde_json::Value = serde_json::from_str(text)?;
    Ok(result["stdout"].as_str().context("no stdout")?.to_owned())
}

async fn real_id(rpc: &Rpc, name: &str) -> Result<String> {
    let body = rpc.ok("GetSession", &[("SessionId", name)]).await?;
    Ok(body["Data"]["SessionId"].as_str().context("no SessionId")?.to_owned())
}
