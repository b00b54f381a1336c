//! A command whose output is read while it runs: it goes on only after we have seen what it printed.

use futures::TryStreamExt;
use roadstead_sdk::{AgentBay, CommandEvent, CreateSessionParams, Result, Session};
use tokio::io::AsyncWriteExt;

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;
    let session = client.create(CreateSessionParams::new()).await?;
    let outcome = walk(&session).await;
    session.delete().await?;
    outcome
}

async fn walk(session: &Session) -> Result<()> {
    let script = "echo first; until [ -e /tmp/go ]; do sleep 0.02; done; echo second; exit 3";
    let mut stream = session.command().stream(script).await?;
    while let Some(event) = stream.try_next().await? {
        match event {
            CommandEvent::Stdout(bytes) if bytes.starts_with(b"first") => {
                session.command().run("touch /tmp/go").await?;
            }
            CommandEvent::Stdout(bytes) => assert_eq!(&bytes[..], b"second\n"),
            CommandEvent::Exited { exit_code, .. } => assert_eq!(exit_code, 3),
            other => println!("{other:?}"),
        }
    }

    // Standard input, which ends when its writer is dropped.
    let mut stream = session.command().stream("sort").stdin(true).await?;
    if let Some(mut stdin) = stream.stdin() {
        stdin.write_all(b"b\na\n").await.expect("the command reads");
    }
    assert_eq!(stream.output().await?.stdout, "a\nb\n");

    // A signal.
    let stream = session.command().stream("exec sleep 60").await?;
    stream.signal(15).await?;
    assert_eq!(stream.output().await?.exit_code, 128 + 15);

    // Dropping the stream ends the command and everything it started.
    drop(session.command().stream("sleep 7654 & sleep 7654").await?);
    let gone = session.command().run("for n in $(seq 100); do pgrep -f 'sleep [7]654' >/dev/null || exit 0; sleep 0.05; done; exit 1");
    assert!(gone.await?.success());
    Ok(())
}
