//! Tools by name, commands, files, time-outs, and commands that fail.

use roadstead_sdk::{AgentBay, CallOptions, CreateSessionParams, Edit, Error, Result, Session};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;
    let session = client.create(CreateSessionParams::new()).await?;
    let outcome = async {
        tools(&session).await?;
        commands(&session).await?;
        files(&session).await
    }
    .await;
    session.delete().await?;
    outcome
}

async fn tools(session: &Session) -> Result<()> {
    let tools = session.list_mcp_tools().await?;
    println!("{}", tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>().join(" "));
    assert!(tools.iter().any(|tool| tool.name == "shell") && session.tools().len() == tools.len());

    let options = CallOptions::new().read_timeout(Duration::from_secs(30)).connect_timeout(Duration::from_secs(5));
    let result = session.call_mcp_tool("shell", serde_json::json!({"command": "echo by name"}), options).await?;
    assert!(!result.is_error && result.text.contains("by name"), "{result:?}");

    let failed = session.call_mcp_tool("shell", serde_json::json!({"command": "nosuchcommand"}), CallOptions::new()).await?;
    assert!(failed.text.contains("not found"), "{failed:?}");
    Ok(())
}

async fn commands(session: &Session) -> Result<()> {
    let output = session.command().run("echo $NAME; pwd; exit 3").env("NAME", "ada").cwd("/tmp").await?;
    assert_eq!((output.stdout.as_str(), output.exit_code), ("ada\n/tmp\n", 3));

    let output = session.command().run("echo begun; sleep 30").timeout(Duration::from_secs(1)).await?;
    println!("timed out: {}, after printing {:?}", output.timed_out, output.stdout);
    assert!(!output.success());
    Ok(())
}

async fn files(session: &Session) -> Result<()> {
    let files = session.files();
    files.create_dir("/tmp/walk").await?;
    files.changes("/tmp/walk").await?;
    files.write("/tmp/walk/a.txt", "one\ntwo\n").await?;
    files.append("/tmp/walk/a.txt", "three\n").await?;
    files.edit("/tmp/walk/a.txt", [Edit::new("two", "2")]).await?;
    assert_eq!(*files.read("/tmp/walk/a.txt").await?, "one\n2\nthree\n");
    assert_eq!(session.command().run("cat /tmp/walk/a.txt").await?.stdout, "one\n2\nthree\n");
    assert!(files.changes("/tmp/walk").await?.iter().any(|change| change.path == "/tmp/walk/a.txt"));

    let blob: Vec<u8> = (0..200_000u32).map(|n| (n * 7 % 251) as u8 | 0x80).collect();
    files.write_bytes("/tmp/walk/blob", &blob).await?;
    assert_eq!(*files.read_bytes("/tmp/walk/blob").await?, blob);
    assert_eq!(*files.read_range("/tmp/walk/blob", 100, 10).await?, blob[100..110]);
    assert_eq!(files.info("/tmp/walk/blob").await?.size, 200_000);

    files.rename("/tmp/walk/a.txt", "/tmp/walk/b.txt").await?;
    let names: Vec<String> = files.list("/tmp/walk").await?.iter().map(|entry| entry.name.clone()).collect();
    assert_eq!(names, ["b.txt", "blob"]);
    assert_eq!(*files.search("/tmp/walk", "*.txt", ["blob"]).await?, ["/tmp/walk/b.txt"]);
    let many = files.read_many(["/tmp/walk/b.txt", "/tmp/walk/none"]).await;
    assert!(many[0].1.is_ok() && matches!(many[1].1, Err(Error::Tool(_))), "{many:?}");
    files.delete("/tmp/walk").await?;
    assert!(matches!(files.info("/tmp/walk").await, Err(Error::Tool(_))));
    Ok(())
}
