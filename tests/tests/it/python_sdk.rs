//! The official Python SDK, unmodified, from its registry.

use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use tests::conformance::virtualenv;
use tests::{Server, ServerBuilder};

/// The newest release, and the version the scenario was written for.
pub(crate) const NEWEST: &str = "0.22.3";

#[test]
fn the_synchronous_client_does_everything() -> Result<()> {
    first_light("sync")
}

#[test]
fn the_asynchronous_client_does_everything() -> Result<()> {
    first_light("async")
}

fn first_light(mode: &str) -> Result<()> {
    let python = virtualenv(NEWEST, &[])?;
    let server = Server::start()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/first_light.py");
    let output = server.sdk_command(&python)?.arg(script).arg(mode).output()?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{mode}: {}\n{stdout}\n{}", output.status, &stderr[stderr.len().saturating_sub(6000)..]);
    ensure!(stdout.contains("11 steps done"), "{mode}: not every step ran:\n{stdout}");
    Ok(())
}

/// Where the newest release looks when nobody tells it anything.
const VENDOR: &str = "agentbay.cn-hangzhou.aliyuncs.com";

#[test]
fn an_sdk_that_is_told_no_endpoint_works_by_the_vendors_name() -> Result<()> {
    let named = ServerBuilder::default().serve_arg("--tls-names").serve_arg(VENDOR).start()?;
    let report = by_the_vendors_name(&named)?;
    ensure!(report.contains(r#""status": "pass""#), "{report}");
    // A server whose certificate lacks the name is not taken, so the name is what did it.
    let report = by_the_vendors_name(&Server::start()?)?;
    ensure!(report.contains(r#""status": "fail""#) && report.to_lowercase().contains("certificate"), "{report}");
    Ok(())
}

/// The report of a scenario whose SDK knows no endpoint, on a host where the vendor's name leads to `server`.
fn by_the_vendors_name(server: &Server) -> Result<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/python/program.py");
    let proxy = lead_to(server.fact("endpoint")?)?;
    let mut command = server.sdk_command(&virtualenv(NEWEST, &[])?)?;
    command.env_remove("AGENTBAY_ENDPOINT").env("HTTPS_PROXY", &proxy).env("https_proxy", &proxy);
    command.env("ROADSTEAD_CONFORMANCE_URL", server.fact("http")?).env("ROADSTEAD_CONFORMANCE_SCENARIOS", "session-create-delete");
    let output = command.args([script, "sync"]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A proxy that takes the place of a changed resolver: it leads the vendor's name to `server`, knows that server itself, and
/// refuses all else. Returns its URL.
fn lead_to(server: String) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = server.clone();
            // A client that goes away is its own affair.
            std::thread::spawn(move || drop(tunnel(client, &server)));
        }
    });
    Ok(url)
}

fn tunnel(mut client: TcpStream, server: &str) -> Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    let first = lines.next().context("no request")??;
    while !lines.next().context("no end of the head")??.is_empty() {}
    let target = first.split(' ').nth(1).unwrap_or_default();
    if target != server && target != format!("{VENDOR}:443") {
        return Ok(client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")?);
    }
    let upstream = TcpStream::connect(server)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut from_client, mut to_server) = (client.try_clone()?, upstream.try_clone()?);
    let up = std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
    std::io::copy(&mut &upstream, &mut client)?;
    client.shutdown(std::net::Shutdown::Both)?;
    let _ = up.join();
    Ok(())
}
