//! A terminal: typing, reading, a new size, Ctrl-C, coming back to it, and its end.

use futures::StreamExt;
use roadstead_sdk::{AgentBay, CreateSessionParams, Pty, PtyOptions, Result, Session};

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;
    let session = client.create(CreateSessionParams::new()).await?;
    let outcome = walk(&session).await;
    session.delete().await?;
    outcome
}

async fn walk(session: &Session) -> Result<()> {
    let options = PtyOptions::new().size(100, 30).env("PS1", "> ").cwd("/tmp").shell("sh");
    let mut pty = session.pty().create(options).await?;
    let keys = pty.input();
    // Quotes keep what is typed, which is shown too, apart from what is printed.
    keys.write(b"stty size; echo do''ne\n").await?;
    assert!(read_until(&mut pty, "done").await?.contains("30 100"));

    keys.resize(120, 40).await?;
    keys.write(b"stty size; echo ag''ain\n").await?;
    assert!(read_until(&mut pty, "again").await?.contains("40 120"));

    keys.write(b"echo beg''un; sleep 600\n").await?;
    read_until(&mut pty, "begun").await?;
    keys.write(b"\x03").await?;
    keys.write(b"echo st''opped\n").await?;
    read_until(&mut pty, "stopped").await?;

    // The terminal outlives its handle.
    let id = pty.id().to_owned();
    drop(pty);
    assert!(session.pty().list().await?.contains(&id));
    let mut pty = session.pty().connect(&id).await?;
    pty.input().write(b"exit 5\n").await?;
    assert_eq!(pty.wait().await?, 5);

    let other = session.pty().create(PtyOptions::new()).await?;
    session.pty().kill(other.id()).await?;
    assert!(!session.pty().list().await?.contains(&other.id().to_owned()));
    Ok(())
}

/// What is shown up to and with `word`.
async fn read_until(pty: &mut Pty, word: &str) -> Result<String> {
    let mut shown = String::new();
    while !shown.contains(word) {
        let bytes = pty.next().await.expect("the terminal lives")?;
        shown.push_str(&String::from_utf8_lossy(&bytes));
    }
    Ok(shown)
}
