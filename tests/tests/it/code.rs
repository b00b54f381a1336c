//! Code in the kernels of the image for code: each language keeps its state, also over an endless loop.

use anyhow::{Context, Result};
use serde_json::json;
use std::time::{Duration, Instant};
use tests::{Rpc, Server};

async fn session(rpc: &Rpc) -> Result<String> {
    let stats = r#"{"sdk_language":"python","sdk_version":"0.22.3"}"#;
    let body = rpc.ok("CreateMcpSession", &[("ImageId", "code_latest"), ("SdkStats", stats)]).await?;
    Ok(body["Data"]["SessionId"].as_str().context("no SessionId")?.to_owned())
}

/// Runs code and gives its result as text, in which what it printed or showed stands.
async fn run(rpc: &Rpc, session: &str, language: &str, code: &str, timeout_s: u32) -> Result<String> {
    let args = json!({ "code": code, "language": language, "timeout_s": timeout_s });
    Ok(rpc.tool(session, "run_code", args).await?.text)
}

/// A language keeps what `set` sets over an endless loop; `get` shows one more than 4241, `env` shows a variable of the session.
async fn check(language: &str, set: &str, get: &str, endless: &str, env: &str) -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = session(&rpc).await?;
    let set_env = rpc.tool(&id, "set_env", json!({ "envs": [{ "key": "ROADSTEAD_TEST", "value": "grüezi" }] })).await?;
    assert!(!set_env.is_error, "{set_env:?}");
    run(&rpc, &id, language, set, 30).await?;
    let text = run(&rpc, &id, language, get, 30).await?;
    assert!(text.contains("4242"), "{text}");
    let started = Instant::now();
    let text = run(&rpc, &id, language, endless, 1).await?;
    assert!(text.contains("timed out after 1 s"), "{text}");
    assert!(started.elapsed() < Duration::from_secs(5), "interrupted, not killed: {:?}", started.elapsed());
    let text = run(&rpc, &id, language, get, 30).await?;
    assert!(text.contains("4242"), "{text}");
    let text = run(&rpc, &id, language, env, 30).await?;
    assert!(text.contains("grüezi"), "{text}");
    // By a second path: the kernel is the user's process, and no key lies about.
    assert_eq!(rpc.stdout(&id, "ls -a /run /tmp | grep -c '^.kernel-' || true").await?.trim(), "0");
    Ok(())
}

#[tokio::test]
async fn python_keeps_its_state() -> Result<()> {
    check("python", "x = 4241", "x + 1", "while True: pass", "import os; print(os.environ['ROADSTEAD_TEST'])").await
}

#[tokio::test]
async fn javascript_keeps_its_state() -> Result<()> {
    check("javascript", "let x = 4241", "x + 1", "while (true) {}", "console.log(process.env.ROADSTEAD_TEST)").await
}

#[tokio::test]
async fn r_keeps_its_state() -> Result<()> {
    check("r", "x <- 4241", "x + 1", "while (TRUE) {}", "cat(Sys.getenv('ROADSTEAD_TEST'))").await
}

#[tokio::test]
async fn java_keeps_its_state() -> Result<()> {
    let env = "System.out.println(System.getenv(\"ROADSTEAD_TEST\"));";
    check("java", "int x = 4241;", "x + 1", "while (true) {}", env).await
}

#[tokio::test]
async fn python_shows_figures_errors_and_one_process() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = session(&rpc).await?;
    let pid = |text: String| text.split("pid=").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    let ask = "import os; print(f'pid={os.getpid()}')";
    let first = pid(run(&rpc, &id, "python", ask, 30).await?).context("no pid")?;
    assert_eq!(pid(run(&rpc, &id, "python", ask, 30).await?).context("no pid")?, first);
    assert_eq!(rpc.stdout(&id, &format!("stat -c %u /proc/{first}")).await?.trim(), "1000");
    let text = run(&rpc, &id, "python", "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()", 60).await?;
    assert!(text.contains("iVBORw0KGgo"), "{}", text.chars().take(400).collect::<String>());
    let text = run(&rpc, &id, "python", "1/0", 30).await?;
    assert!(text.contains("ZeroDivisionError") && !text.contains("\\u001b"), "{text}");
    Ok(())
}
