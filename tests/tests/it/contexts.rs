//! Contexts without sessions: what the official SDK does is seen in the object store itself and at the command line.

use crate::python_sdk::NEWEST;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tests::conformance::virtualenv;
use tests::{Rpc, S3, Server, ServerBuilder, wait_until};

#[test]
fn the_official_sdk_fills_and_empties_a_context() -> Result<()> {
    let server = Server::start()?;
    let id = python(&server, &["fill"])?["id"].as_str().context("no id")?.to_owned();
    let files = only_child(&server.data_dir().join("objects"))?.join(&id).join("files");
    ensure!(std::fs::read(files.join("tmp/notes/today %231.txt"))? == b"remember");
    ensure!(std::fs::metadata(files.join("tmp/notes/large.bin"))?.len() == 12_000_000);

    let listed: Value = serde_json::from_str(&server.cli_ok(&["--json", "context", "files", "my-project", "/tmp/notes"])?)?;
    ensure!(listed[1]["path"] == "/tmp/notes/today #1.txt" && listed[1]["size"] == 8, "{listed}");
    python(&server, &["empty", &id])?;
    ensure!(wait_until(Duration::from_secs(10), || !files.exists()), "the objects are still there");
    Ok(())
}

#[test]
fn the_command_line_moves_files() -> Result<()> {
    let server = Server::start()?;
    let dir = tempfile::tempdir()?;
    let id = server.cli_ok(&["context", "create", "data"])?.trim().to_owned();
    ensure!(server.cli_ok(&["context", "create", "data"])?.trim() == id, "a name has one context");
    let data: Vec<u8> = (0..3_000_000_u32).map(|n| (n ^ (n >> 7)) as u8).collect();
    let local = dir.path().join("a b.bin");
    std::fs::write(&local, &data)?;
    server.cli_ok(&["context", "put", "data", &local.display().to_string(), "/tmp/"])?;
    let object = only_child(&server.data_dir().join("objects"))?.join(&id).join("files/tmp/a b.bin");
    ensure!(std::fs::read(&object)? == data);

    let mut piped = server.command(&tests::Bins::find()?.roadstead);
    let mut piped = piped.args(["context", "put", &id, "-", "/piped"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    std::io::Write::write_all(&mut piped.stdin.take().context("no pipe")?, b"from a pipe")?;
    ensure!(piped.wait()?.success());
    ensure!(server.cli_ok(&["context", "get", &id, "/piped", "-"])? == "from a pipe");
    server.cli_ok(&["context", "get", "data", "/tmp/a b.bin", &dir.path().join("back").display().to_string()])?;
    ensure!(std::fs::read(dir.path().join("back"))? == data);

    let files = server.cli_ok(&["context", "files", "data"])?;
    ensure!(files.contains("/piped") && files.contains("/tmp/") && files.contains("11"), "{files}");
    let missing = server.cli(&["context", "get", "data", "/none"])?;
    ensure!(!missing.status.success() && String::from_utf8_lossy(&missing.stderr).contains("/none"), "{missing:?}");
    let escape = server.cli(&["context", "put", "data", &local.display().to_string(), "/../x"])?;
    ensure!(!escape.status.success() && String::from_utf8_lossy(&escape.stderr).contains(".."), "{escape:?}");
    server.cli_ok(&["context", "files", "data", "/piped", "--rm"])?;
    server.cli_ok(&["context", "rename", "data", "archive"])?;
    ensure!(server.cli_ok(&["context", "ls"])?.contains("archive"));
    server.cli_ok(&["context", "clear", "archive"])?;
    ensure!(!object.exists());
    server.cli_ok(&["context", "rm", "archive"])?;
    ensure!(!server.cli_ok(&["context", "ls"])?.contains(&id));
    Ok(())
}

#[tokio::test]
async fn what_was_uploaded_outlives_a_crash_and_what_was_not_is_not_there() -> Result<()> {
    let mut server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = context(&rpc, "data").await?;
    put(&server, &rpc, &id, "/kept", vec![b'k'; 6 << 20]).await?;

    // Killed while a file is half uploaded: more than one part of it is on disk.
    let url = upload_url(&rpc, &id, "/half").await?;
    let (pieces, rest) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let stream = futures::stream::unfold(rest, |mut rest| async move { rest.recv().await.map(|piece| (piece, rest)) });
    let upload = tokio::spawn(server.http()?.put(url).body(reqwest::Body::wrap_stream(stream)).send());
    for _ in 0..14 {
        pieces.send(Ok(vec![b'h'; 1 << 20])).await?;
    }
    let files = only_child(&server.data_dir().join("objects"))?.join(&id).join("files");
    let staged = || names(&files).is_ok_and(|names| names.len() == 2);
    ensure!(wait_until(Duration::from_secs(10), staged), "{:?}", names(&files));
    server.crash_and_restart()?;
    ensure!(upload.await?.is_err(), "the upload was answered");
    drop(pieces);

    let rpc = Rpc::new(&server)?;
    let listed = rpc.ok("DescribeContextFiles", &[("ContextId", &id)]).await?;
    ensure!(listed["Count"] == 1 && listed["Data"][0]["FilePath"] == "/kept", "{listed}");
    ensure!(wait_until(Duration::from_secs(10), || names(&files).is_ok_and(|names| names == ["kept"])), "{:?}", names(&files));
    let facts = server.http()?.get(format!("{}/v1/contexts/{id}", server.fact("https")?)).bearer_auth(server.key()?);
    let facts: Value = facts.send().await?.json().await?;
    ensure!(facts["files"] == 1 && facts["bytes"] == 6 << 20, "{facts}");
    Ok(())
}

#[tokio::test]
async fn a_bucket_holds_the_objects() -> Result<()> {
    let s3 = S3::start()?;
    let mut builder = ServerBuilder::default().serve_arg("--objects").serve_arg(s3.url("some/prefix"));
    for (name, value) in s3.env() {
        builder = builder.serve_env(name, value);
    }
    let server = builder.start()?;
    let rpc = Rpc::new(&server)?;
    let id = context(&rpc, "data").await?;
    // Larger than two parts.
    let data: Vec<u8> = (0..13_000_000_u32).map(|n| (n.wrapping_mul(17) >> 5) as u8).collect();
    put(&server, &rpc, &id, "/tmp/large #1.bin", data.clone()).await?;
    put(&server, &rpc, &id, "/tmp/small", b"small".to_vec()).await?;
    let files = only_child(&s3.bucket().join("some/prefix"))?.join(&id).join("files");
    ensure!(std::fs::read(files.join("tmp/large %231.bin"))? == data, "the S3 server has other bytes");

    let listed = rpc.ok("DescribeContextFiles", &[("ContextId", &id), ("ParentFolderPath", "/tmp")]).await?;
    ensure!(listed["Count"] == 2 && listed["Data"][0]["Size"] == 13_000_000, "{listed}");
    let url = download_url(&rpc, &id, "/tmp/large #1.bin").await?;
    let part = server.http()?.get(&url).header("range", "bytes=12999990-").send().await?;
    ensure!(part.status().as_u16() == 206 && part.bytes().await?[..] == data[12_999_990..]);
    ensure!(server.http()?.get(&url).send().await?.bytes().await?[..] == data[..]);

    // A store that does not answer is told, and what was there is there again.
    s3.pause()?;
    let clearing = rpc.ok("ClearContext", &[("Id", &id)]).await;
    let state = rpc.ok("GetContext", &[("ContextId", &id)]).await?["Data"]["State"].clone();
    s3.resume()?;
    clearing?;
    ensure!(state == "clearing", "{state}");
    available(&rpc, &id).await?;
    ensure!(!files.join("tmp/small").exists(), "the S3 server still has it");
    put(&server, &rpc, &id, "/again", b"again".to_vec()).await?;
    rpc.ok("DeleteContext", &[("Id", &id)]).await?;
    ensure!(wait_until(Duration::from_secs(10), || !files.join("again").exists()), "the S3 server still has it");

    let log = server.cli_ok(&["logs", "-n", "10000"])?;
    ensure!(log.contains("context") && !log.contains(s3.secret()), "the log has the credentials, or is none");
    Ok(())
}

#[test]
fn objects_that_cannot_be_kept_are_told_at_the_start() -> Result<()> {
    let said = ServerBuilder::default().start_expecting_failure(&["--objects", "/proc/nowhere"])?;
    ensure!(said.contains("/proc/nowhere") && said.contains("--objects"), "{said}");
    let said = ServerBuilder::default().start_expecting_failure(&["--objects", "s3://AKIA:hunter2@bucket"])?;
    ensure!(said.contains("AWS_SECRET_ACCESS_KEY") && !said.contains("hunter2"), "{said}");
    Ok(())
}

#[tokio::test]
async fn limits_are_told_by_name() -> Result<()> {
    let builder = ["--contexts-per-tenant=2", "--context-mib-per-tenant=2", "--files-per-context=2", "--context-file-mib=1"];
    let server = builder.into_iter().fold(ServerBuilder::default(), ServerBuilder::serve_arg).start()?;
    let rpc = Rpc::new(&server)?;
    let (one, two) = (context(&rpc, "one").await?, context(&rpc, "two").await?);
    let third = rpc.ask("GetContext", &[("Name", "three"), ("AllowCreate", "true")]).await?;
    ensure!(third.status == 429 && third.body["Message"].as_str().is_some_and(|text| text.contains("2 are allowed")), "{third:?}");
    let told = |result: Result<()>, words: &str| match result {
        Err(error) if error.to_string().contains(words) => Ok(()),
        other => bail!("not {words:?}: {other:?}"),
    };
    told(put(&server, &rpc, &one, "/big", vec![0; (1 << 20) + 1]).await, "may have 1048576")?;
    put(&server, &rpc, &one, "/a", vec![0; 1 << 20]).await?;
    put(&server, &rpc, &one, "/b", vec![0; 1 << 19]).await?;
    told(put(&server, &rpc, &two, "/c", vec![0; 600 << 10]).await, "2097152 bytes in all")?;
    told(put(&server, &rpc, &one, "/c", vec![0; 1]).await, "2 files")?;
    put(&server, &rpc, &two, "/c", vec![0; 1 << 19]).await
}

async fn context(rpc: &Rpc, name: &str) -> Result<String> {
    let body = rpc.ok("GetContext", &[("Name", name), ("AllowCreate", "true")]).await?;
    Ok(body["Data"]["Id"].as_str().context("no id")?.to_owned())
}

async fn upload_url(rpc: &Rpc, id: &str, path: &str) -> Result<String> {
    url(rpc.ok("GetContextFileUploadUrl", &[("ContextId", id), ("FilePath", path)]).await?)
}

async fn download_url(rpc: &Rpc, id: &str, path: &str) -> Result<String> {
    url(rpc.ok("GetContextFileDownloadUrl", &[("ContextId", id), ("FilePath", path)]).await?)
}

fn url(body: Value) -> Result<String> {
    ensure!(body["Data"]["ExpireTime"].is_i64(), "{body}");
    Ok(body["Data"]["Url"].as_str().context("no URL")?.to_owned())
}

async fn put(server: &Server, rpc: &Rpc, id: &str, path: &str, data: Vec<u8>) -> Result<()> {
    let answer = server.http()?.put(upload_url(rpc, id, path).await?).body(data).send().await?;
    let (status, tagged) = (answer.status().as_u16(), answer.headers().contains_key("etag"));
    let text = answer.text().await?;
    ensure!(status == 200 && tagged, "{status}: {text}");
    Ok(())
}

async fn available(rpc: &Rpc, id: &str) -> Result<()> {
    for _ in 0..600 {
        if rpc.ok("GetContext", &[("ContextId", id)]).await?["Data"]["State"] == json!("available") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("it does not become available")
}

fn only_child(directory: &Path) -> Result<PathBuf> {
    let mut children = std::fs::read_dir(directory).with_context(|| format!("listing {}", directory.display()))?;
    Ok(children.next().context("nothing there")??.path())
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let names = std::fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn python(server: &Server, args: &[&str]) -> Result<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/contexts.py");
    let output = server.sdk_command(&virtualenv(NEWEST, &[])?)?.arg(script).args(args).output()?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{args:?}: {}\n{stdout}\n{}", output.status, &stderr[stderr.len().saturating_sub(4000)..]);
    // The SDK prints too.
    let last = stdout.lines().rev().find(|line| line.starts_with('{')).context("no result")?;
    Ok(serde_json::from_str(last)?)
}
