//! A large file in and out, byte for byte; and a writer that is dropped.

use roadstead_sdk::{AgentBay, CreateSessionParams, Session};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;
    let session = client.create(CreateSessionParams::new()).await?;
    let outcome = walk(&session).await;
    session.delete().await?;
    outcome
}

async fn walk(session: &Session) -> Result<()> {
    let (files, command) = (session.files(), session.command());
    let content: Vec<u8> = (0..8_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut writer = files.open_write("/tmp/in/big").await?;
    writer.write_all(&content).await?;
    assert_eq!(writer.finish().await?, content.len() as u64);
    assert_eq!(command.run("stat -c %s /tmp/in/big").await?.stdout, "8000000\n");

    command.run("cp /tmp/in/big /tmp/out").await?;
    let mut reader = files.open_read("/tmp/out").await?;
    let mut read = Vec::new();
    reader.read_to_end(&mut read).await?;
    assert!(read == content, "{} bytes came back, and not the same", read.len());

    files.write("/tmp/kept", "old").await?;
    let mut dropped = files.open_write("/tmp/kept").await?;
    dropped.write_all(b"new, and never finished").await?;
    drop(dropped);
    assert_eq!(*files.read("/tmp/kept").await?, "old");
    Ok(())
}
