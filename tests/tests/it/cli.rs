//! The CLI as a person and a script use it.

use anyhow::{Context, Result};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use tests::{Bins, Rpc, Server};

#[test]
fn a_session_from_the_command_line() -> Result<()> {
    let server = Server::start()?;
    let id = server.cli_ok(&["session", "create", "--label", "who=cli"])?.trim().to_owned();
    assert!(id.starts_with("session-"), "{id}");
    assert_eq!(server.cli_ok(&["session", "exec", &id, "--", "echo", "two words", "$HOME"])?, "two words $HOME\n");
    assert_eq!(server.cli_ok(&["session", "exec", &id, "--", "echo $HOME | tr a-z A-Z"])?, "/HOME/WUYING\n");
    let failed = server.cli(&["session", "exec", &id, "--", "echo oops >&2; exit 42"])?;
    assert_eq!((failed.status.code(), String::from_utf8_lossy(&failed.stderr).trim()), (Some(42), "oops"));
    assert!(server.cli_ok(&["session", "ls", "--label", "who=cli"])?.contains(&id));
    assert!(!server.cli_ok(&["session", "ls", "--label", "who=else"])?.contains(&id));
    let info: Value = serde_json::from_str(&server.cli_ok(&["--json", "session", "info", &id])?)?;
    assert!(info.to_string().contains(&id));
    server.cli_ok(&["session", "rm", &id])?;
    let gone = server.cli(&["session", "info", &id])?;
    assert!(!gone.status.success() && String::from_utf8_lossy(&gone.stderr).contains(&id), "{gone:?}");
    assert!(server.cli_ok(&["image", "ls"])?.contains("linux_latest"));
    Ok(())
}

#[test]
fn env_serves_every_sdk_and_other_https_traffic() -> Result<()> {
    let server = Server::start()?;
    let bins = Bins::find()?;
    let print = "for v in AGENTBAY_ENDPOINT AGENTBAY_API_KEY AGB_ENDPOINT AGB_API_KEY SSL_CERT_FILE REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS; do eval echo \\$$v; done";
    let through_eval = Command::new("sh")
        .args(["-c", &format!("eval \"$('{}' --data-dir '{}' env)\"; {print}", bins.roadstead.display(), server.data_dir().display())])
        .output()?;
    let through_exec = server.cli_ok(&["env", "--", "sh", "-c", print])?;
    let lines: Vec<_> = through_exec.lines().collect();
    assert_eq!(String::from_utf8(through_eval.stdout)?, through_exec);
    let endpoint = server.fact("endpoint")?;
    assert_eq!(lines[0], endpoint);
    assert_eq!((lines[1], lines[3]), (server.key()?.as_str(), server.key()?.as_str()));
    assert_eq!(lines[2], format!("https://{endpoint}"));
    assert_eq!((lines[4], lines[5]), (lines[6], lines[4]));
    let bundle = std::fs::read_to_string(lines[4])?;
    assert!(bundle.matches("BEGIN CERTIFICATE").count() > 1, "the system's roots are missing");
    let code = server.cli(&["env", "--", "sh", "-c", "exit 9"])?.status.code();
    assert_eq!(code, Some(9));

    let proxied = server.command(&bins.roadstead).env("HTTPS_PROXY", "http://127.0.0.1:1").arg("env").output()?;
    assert!(String::from_utf8_lossy(&proxied.stderr).contains("HTTPS_PROXY"), "{proxied:?}");
    Ok(())
}

#[tokio::test]
async fn a_request_id_finds_what_the_server_did() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let answer = rpc.ask("GetSession", &[("SessionId", "session-bbbbbbbbbbbbbbbbbbbbbbbb")]).await?;
    let request = answer.body["RequestId"].as_str().context("no RequestId")?.to_owned();
    // The log is written by a thread of its own: ask until it is there.
    let found = tests::wait_until(std::time::Duration::from_secs(5), || {
        server.cli_ok(&["logs", "--request", &request]).is_ok_and(|text| text.contains("GetSession"))
    });
    assert!(found, "{:?}", server.cli(&["logs", "--request", &request])?);
    let none = server.cli(&["logs", "--request", "req-nothing"])?;
    assert!(String::from_utf8_lossy(&none.stderr).contains("req-nothing"), "{none:?}");
    Ok(())
}

#[test]
fn a_log_is_followed() -> Result<()> {
    let server = Server::start()?;
    let create = || Ok::<_, anyhow::Error>(server.cli_ok(&["session", "create"])?.trim().to_owned());
    let before = create()?;
    let mut following = server.command(&Bins::find()?.roadstead).args(["logs", "--follow"]).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(following.stdout.take().context("no output")?).lines().map_while(Result::ok);
    // Once it has shown what was there, whatever comes is new.
    assert!(lines.any(|line| line.contains(&before)), "the log ended");
    let after = create()?;
    assert!(lines.any(|line| line.contains(&after)), "the log ended");
    following.kill()?;
    following.wait()?;
    Ok(())
}

#[test]
fn doctor_says_what_there_is() -> Result<()> {
    let server = Server::start()?;
    let report: Value = serde_json::from_str(&server.cli_ok(&["--json", "doctor"])?)?;
    let check =
        |name: &str| report.as_array().and_then(|all| all.iter().find(|finding| finding["check"] == name)).cloned().unwrap_or_default();
    assert_eq!(check("kernel")["level"], "ok");
    assert_eq!(check("starter")["level"], "ok");
    assert!(check("images")["found"].as_str().is_some_and(|found| found.contains("linux_latest")));
    Ok(())
}

#[test]
fn what_is_missing_is_said_in_one_line() -> Result<()> {
    let bins = Bins::find()?;
    let nowhere = tempfile::tempdir()?;
    let run = |args: &[&str]| {
        Command::new(&bins.roadstead)
            .env_remove("AGENTBAY_API_KEY")
            .env_remove("AGENTBAY_ENDPOINT")
            .arg("--data-dir")
            .arg(nowhere.path())
            .args(args)
            .output()
    };
    for args in [&["session", "ls"][..], &["env"], &["image", "ls"]] {
        let output = run(args)?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && text.contains("make run") && text.lines().count() <= 2 && !text.contains("panicked"),
            "{args:?}: {text}"
        );
    }
    let down = run(&["down"])?;
    assert!(down.status.success(), "nothing to stop is no failure: {down:?}");

    // A port in use is named, with a remedy.
    let server = Server::start()?;
    let taken = server.fact("endpoint")?.replace("localhost", "127.0.0.1");
    let second = tests::ServerBuilder::default().serve_arg("--tls-names=taken.example").start_expecting_failure(&[
        "--listen",
        &taken,
        "--default-image",
        "absent",
    ])?;
    assert!(second.contains(&taken) && second.contains("--listen"), "{second}");
    assert!(second.contains("absent") && second.contains("roadstead image build"), "{second}");
    let denied = tests::ServerBuilder::default().start_expecting_failure(&["--listen", "192.0.2.1:0"])?;
    assert!(denied.contains("192.0.2.1") && denied.contains("os error"), "the cause is not told: {denied}");
    Ok(())
}
