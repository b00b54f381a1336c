//! One session, driven from both vendors' official SDKs and from the Rust SDK at once.

use anyhow::{Context, Result, bail};
use roadstead_sdk::{CreateSessionParams, Error, ListParams};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use tests::Server;
use tests::conformance::{agb_virtualenv, virtualenv};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

#[tokio::test]
async fn one_session_belongs_to_all_of_them() -> Result<()> {
    let server = Server::start()?;
    let mut bay = Peer::start(&server, &virtualenv("0.22.3", &[])?, "agentbay")?;
    let mut agb = Peer::start(&server, &agb_virtualenv("0.12.0")?, "agb")?;
    let rust = server.agentbay()?;

    let id = bay.ask(json!(["create", { "by": "agentbay" }])).await?;
    let id = id.as_str().context("no id")?;
    agb.ask(json!(["open", id])).await?;
    let session = rust.get(id).await?.into_value();

    // Each writes and runs while the others do; each reads what another wrote.
    let files = session.files();
    let (one, two, three) = tokio::join!(
        bay.ask(json!(["write", "/tmp/all/bay", "von AgentBay: 漢字"])),
        agb.ask(json!(["write", "/tmp/all/agb", "von AGB: ä"])),
        files.write("/tmp/all/rust", "aus Rust: ß"),
    );
    one?;
    two?;
    three?;
    assert_eq!(bay.ask(json!(["read", "/tmp/all/agb"])).await?, "von AGB: ä");
    assert_eq!(agb.ask(json!(["read", "/tmp/all/rust"])).await?, "aus Rust: ß");
    assert_eq!(session.files().read("/tmp/all/bay").await?.value, "von AgentBay: 漢字");
    // Each waits for a file that another makes, so they must run at the same time.
    let meet = |mine: &str, other: &str| format!("cd /tmp/all; touch in-{mine}; until [ -e in-{other} ]; do sleep 0.02; done; echo {mine}");
    let command = session.command();
    let (one, two, three) = tokio::join!(
        bay.ask(json!(["run", meet("bay", "agb")])),
        agb.ask(json!(["run", meet("agb", "rust")])),
        command.run(meet("rust", "bay")),
    );
    assert_eq!((one?, two?, three?.stdout.as_str()), (json!("bay\n"), json!("agb\n"), "rust\n"));

    // Labels: set by one, seen by all.
    assert_eq!(agb.ask(json!(["labels"])).await?, json!({ "by": "agentbay" }));
    agb.ask(json!(["set_labels", { "by": "agb", "größe": "XL" }])).await?;
    assert_eq!(bay.ask(json!(["labels"])).await?, json!({ "by": "agb", "größe": "XL" }));
    assert_eq!(session.labels().await?.value.get("by").map(String::as_str), Some("agb"));
    session.set_labels([("by", "rust")]).await?;
    for peer in [&mut bay, &mut agb] {
        assert_eq!(peer.ask(json!(["find", { "by": "rust" }])).await?, json!([id]));
        assert_eq!(peer.ask(json!(["find", { "by": "agb" }])).await?, json!([]));
    }

    // Deleted by one, gone for all.
    agb.ask(json!(["delete"])).await?;
    for call in [json!(["run", "echo still here"]), json!(["open", id]), json!(["labels"])] {
        bay.refused(call.clone()).await?;
        agb.refused(call).await?;
    }
    assert!(matches!(rust.get(id).await, Err(Error::NotFound { .. })));
    assert!(rust.list(ListParams::new().label("by", "rust")).await?.sessions.is_empty());
    Ok(())
}

#[tokio::test]
async fn what_the_others_made_can_be_used_and_ended() -> Result<()> {
    let server = Server::start()?;
    let mut bay = Peer::start(&server, &virtualenv("0.22.3", &[])?, "agentbay")?;
    let mut agb = Peer::start(&server, &agb_virtualenv("0.12.0")?, "agb")?;
    let rust = server.agentbay()?;

    let of_agb = agb.ask(json!(["create", { "by": "agb" }])).await?;
    let of_agb = of_agb.as_str().context("no id")?;
    let session = rust.get(of_agb).await?.into_value();
    assert_eq!(session.command().run("id -un").await?.stdout, "wuying\n");
    session.delete().await?;
    agb.refused(json!(["run", "true"])).await?;

    let of_rust = rust.create(CreateSessionParams::new().label("by", "rust")).await?.into_value();
    agb.ask(json!(["open", of_rust.id()])).await?;
    agb.ask(json!(["write", "/tmp/left", "by AGB"])).await?;
    bay.ask(json!(["open", of_rust.id()])).await?;
    assert_eq!(bay.ask(json!(["read", "/tmp/left"])).await?, "by AGB");
    bay.ask(json!(["delete"])).await?;
    agb.refused(json!(["read", "/tmp/left"])).await?;
    assert!(matches!(rust.get(of_rust.id()).await, Err(Error::NotFound { .. })));
    Ok(())
}

/// A program on one vendor's SDK, which does as it is told.
struct Peer {
    _program: Child,
    calls: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(server: &Server, python: &Path, vendor: &str) -> Result<Self> {
        let mut command = server.sdk_command(python)?;
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python/one_session.py")).arg(vendor);
        let mut program =
            Command::from(command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
        let (calls, answers) = (program.stdin.take(), program.stdout.take());
        let answers = BufReader::new(answers.context("stdout is piped")?).lines();
        Ok(Self { _program: program, calls: calls.context("stdin is piped")?, answers })
    }

    /// What a call returned.
    async fn ask(&mut self, call: Value) -> Result<Value> {
        let mut answer = self.answer(&call).await?;
        match answer.get_mut("is") {
            Some(value) => Ok(value.take()),
            None => bail!("{call}: {answer}"),
        }
    }

    /// That a call fails because the session is gone.
    async fn refused(&mut self, call: Value) -> Result<()> {
        let answer = self.answer(&call).await?;
        let words = answer["failed"].as_str().with_context(|| format!("{call} claims success: {answer}"))?.to_lowercase();
        anyhow::ensure!(words.contains("not found") || words.contains("notfound"), "{call}: {words}");
        Ok(())
    }

    async fn answer(&mut self, call: &Value) -> Result<Value> {
        self.calls.write_all(format!("{call}\n").as_bytes()).await?;
        let line = self.answers.next_line().await?.with_context(|| format!("it ended at {call}"))?;
        Ok(serde_json::from_str(&line)?)
    }
}
