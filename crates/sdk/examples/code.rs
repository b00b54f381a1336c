//! Code that keeps its state, with pictures, errors, time-outs and output as it comes.

use futures::TryStreamExt;
use roadstead_sdk::{AgentBay, CodeEvent, CreateSessionParams, Language, Result, Session};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;
    let session = client.create(CreateSessionParams::new().image("code_latest")).await?;
    let outcome = walk(&session).await;
    session.delete().await?;
    outcome
}

async fn walk(session: &Session) -> Result<()> {
    let code = session.code();
    code.run_code("import os\nx = 20", Language::Python).await?;
    let output = code.run_code("print('adding'); x + 1", Language::Python).await?;
    assert_eq!((output.stdout.as_str(), output.text()), ("adding\n", Some("21")));

    let chart = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()";
    let output = code.run_code(chart, Language::Python).await?;
    let picture = output.results.iter().find_map(|result| result.png.as_deref());
    println!("a picture of {} bytes", picture.map_or(0, <[u8]>::len));
    assert!(picture.is_some_and(|bytes| bytes.starts_with(b"\x89PNG")), "{:?}", output.value);

    let failed = code.run_code("1 / 0", Language::Python).await?;
    let error = failed.error.as_ref().expect("it cannot be divided");
    assert!(error.message.contains("ZeroDivisionError"), "{error:?}");

    let endless = code.run_code("while True: pass", Language::Python).timeout(Duration::from_secs(2)).await?;
    assert!(!endless.success());
    assert_eq!(code.run_code("x", Language::Python).await?.text(), Some("20"), "the state was kept");

    let mut events =
        code.run_code_stream("import time\nfor n in range(3):\n  print(n, flush=True)\n  time.sleep(0.1)", Language::Python).await?;
    let mut printed = String::new();
    while let Some(event) = events.try_next().await? {
        match event {
            CodeEvent::Stdout(text) => printed.push_str(&text),
            CodeEvent::Ended(end) => println!("execution {:?} took {:?}", end.execution_count, end.execution_time),
            other => println!("{other:?}"),
        }
    }
    assert_eq!(printed, "0\n1\n2\n");
    Ok(())
}
