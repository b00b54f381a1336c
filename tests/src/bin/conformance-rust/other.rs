//! Links, and tools by name.

use crate::bench::{Bench, refused, scenarios, until};
use anyhow::{Result, ensure};
use roadstead_sdk::{CallOptions, LinkParams};
use serde_json::json;

scenarios! {
    "link-https" => https,
    "link-refused-port" => refused_port,
    "tools-list" => tools_list,
    "tool-call" => call,
    "tool-call-failure" => call_failure,
    "tool-unknown" => unknown,
}

async fn https(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("link").await?;
    bench.sh(&session, &format!("cd {folder}; echo from inside > index.html")).await?;
    bench.sh(&session, &format!("cd {folder}; setsid python3 -m http.server 30153 >/dev/null 2>&1 & echo started")).await?;
    until("the port is served", || async { Ok(bench.sh(&session, "grep -c ':75C9 .* 0A ' /proc/net/tcp || true").await? != "0\n") })
        .await?;
    let link = session.link(LinkParams::https(30153)).await?.into_value();
    ensure!(link.starts_with("https://"), "{link}");
    let (status, text) = bench.plain.fetch(&link).await?;
    bench.sh(&session, "pkill -f 'http.server [3]0153'").await?;
    ensure!(status == 200 && text == "from inside\n", "{status} {text}");
    Ok(())
}

async fn refused_port(bench: &Bench) -> Result<()> {
    refused(bench.session().await?.link(LinkParams::https(8080)).await, "30100")?;
    Ok(())
}

async fn tools_list(bench: &Bench) -> Result<()> {
    let tools = bench.session().await?.list_mcp_tools().await?.into_value();
    for (name, server) in [("shell", "wuying_shell"), ("read_file", "wuying_filesystem")] {
        let found = tools.iter().find(|tool| tool.name == name);
        ensure!(found.is_some_and(|tool| tool.server == server && !tool.description.is_empty()), "{found:?}");
    }
    Ok(())
}

async fn call(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("tool").await?;
    let args = json!({ "path": format!("{folder}/made"), "content": "by name", "mode": "overwrite" });
    let result = session.call_mcp_tool("write_file", args, CallOptions::new()).await?;
    ensure!(!result.is_error, "{}", result.text);
    ensure!(bench.sh(&session, &format!("cat {folder}/made")).await? == "by name");
    Ok(())
}

async fn call_failure(bench: &Bench) -> Result<()> {
    let args = json!({ "path": "/tmp/conformance/not-there" });
    let result = bench.session().await?.call_mcp_tool("read_file", args, CallOptions::new()).await?;
    ensure!(result.is_error && result.text.contains("not-there"), "{}", result.text);
    Ok(())
}

async fn unknown(bench: &Bench) -> Result<()> {
    let result = bench.session().await?.call_mcp_tool("no_such_tool", json!({}), CallOptions::new()).await?;
    ensure!(result.is_error && result.text.contains("no_such_tool"), "{}", result.text);
    Ok(())
}
