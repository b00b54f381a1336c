//! Commands.

use crate::host::{Host, meta};
use protocol::ToolErrorCode;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn code(outcome: protocol::ToolOutcome) -> (ToolErrorCode, String) {
    let error = outcome.unwrap_err();
    (error.code, error.message)
}

#[tokio::test]
async fn output_exit_codes_and_environment() {
    let Some(host) = Host::start() else { return };
    let check = |result: Value, stdout: &str, exit_code: i32| {
        assert_eq!((result["stdout"].as_str().unwrap(), result["exit_code"].as_i64().unwrap()), (stdout, exit_code.into()), "{result}");
    };
    check(host.shell("echo hi; exit 7").await, "hi\n", 7);
    check(host.shell("kill -TERM $$").await, "", 128 + 15);
    check(host.shell("kill -40 $$").await, "", 128 + 40);
    check(host.shell("id -u; pwd; echo $HOME $USER $LANG").await, "1000\n/home/wuying\n/home/wuying wuying C.UTF-8\n", 0);
    check(host.shell("printf 'a\\0b\\001\\377'").await, "a\0b\u{1}\u{fffd}", 0);
    check(host.shell("cat; readlink /proc/self/fd/0").await, "/dev/null\n", 0);
    assert_eq!(host.shell("echo oops >&2; false").await["stderr"], "oops\n");
    let args = json!({ "command": "echo $GREETING; pwd", "cwd": "/tmp", "envs": { "GREETING": "grüezi" } });
    check(host.call("shell", args).await.unwrap(), "grüezi\n/tmp\n", 0);
    check(host.call_as_root("shell", json!({ "command": "id -u; pwd" })).await.unwrap(), "0\n/root\n", 0);
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_clearly() {
    let Some(host) = Host::start() else { return };
    for (args, expected, words) in [
        (json!({ "command": "pwd", "cwd": "/no/such" }), ToolErrorCode::InvalidArgument, "/no/such"),
        (json!({ "command": "pwd", "cwd": "/root" }), ToolErrorCode::PermissionDenied, "/root"),
        (json!({ "command": "a\0b" }), ToolErrorCode::InvalidArgument, "NUL"),
        (json!({ "command": "true", "timeout_ms": 0 }), ToolErrorCode::InvalidArgument, "timeout_ms"),
        (json!({ "command": "true", "timeout_ms": 86_400_001 }), ToolErrorCode::InvalidArgument, "timeout_ms"),
        (json!({ "command": "true", "envs": { "A=B": "c" } }), ToolErrorCode::InvalidArgument, "A=B"),
        (json!({ "command": 5 }), ToolErrorCode::InvalidArgument, "command"),
        (json!({ "command": "true", "envs": { "A": 1 } }), ToolErrorCode::InvalidArgument, "envs.A"),
        (json!({}), ToolErrorCode::InvalidArgument, "command"),
        (json!({ "command": "x".repeat(200_000) }), ToolErrorCode::TooLarge, "128 KiB"),
    ] {
        let (code, message) = code(host.call("shell", args.clone()).await);
        assert!(code == expected && message.contains(words), "{code:?} {message}");
    }
    let (code, message) = code(host.call("shel", json!({})).await);
    assert!(code == ToolErrorCode::UnknownTool && message.contains("shell, read_file"), "{message}");
}

/// Whether a process with `marker` in its command line runs anywhere on the machine.
fn runs(marker: &str) -> bool {
    let commands = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    commands.into_iter().any(|command| String::from_utf8_lossy(&command).replace('\0', " ").starts_with(&format!("sleep {marker}")))
}

#[tokio::test]
async fn a_time_out_kills_what_forked_twice_and_called_setsid() {
    let Some(host) = Host::start() else { return };
    if host.cgroup.is_none() {
        return;
    }
    let args =
        json!({ "command": "echo before; (setsid sh -c 'sleep 71001 & sleep 71002' &) ; sleep 0.1; sleep 71003", "timeout_ms": 600 });
    let started = Instant::now();
    let result = host.call("shell", args).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!((&result["exit_code"], &result["timed_out"], &result["stdout"]), (&json!(124), &json!(true), &json!("before\n")));
    for marker in ["71001", "71002", "71003"] {
        assert!(!runs(marker), "{marker}");
    }
    let groups = std::fs::read_dir(host.cgroup.as_ref().unwrap()).unwrap().flatten().filter(|e| e.path().is_dir()).count();
    assert_eq!(groups, 0, "the command's group is gone");
}

#[tokio::test]
async fn without_cgroups_a_time_out_kills_session_and_descendants() {
    let Some(host) = Host::start_with(false) else { return };
    let args = json!({ "command": "sleep 72001 & setsid sleep 72002 & sleep 72003", "timeout_ms": 300 });
    assert_eq!(host.call("shell", args).await.unwrap()["exit_code"], 124);
    for marker in ["72001", "72002", "72003"] {
        assert!(!runs(marker), "{marker}");
    }
}

#[tokio::test]
async fn what_is_left_in_the_background_lives_on_and_can_write() {
    let Some(host) = Host::start() else { return };
    let started = Instant::now();
    // It holds the command's own pipe and fills it several times over after the command has ended.
    let script = "(sleep 0.2; head -c 1000000 /dev/zero; echo alive > /home/wuying/proof; sleep 0.2) & echo started";
    let result = host.shell(script).await;
    assert!(started.elapsed() < Duration::from_millis(190), "{:?}", started.elapsed());
    assert_eq!(result["stdout"], "started\n");
    let result = host.shell("for i in $(seq 100); do test -s proof && break; sleep 0.02; done; cat proof").await;
    assert_eq!(result["stdout"], "alive\n");
    let Some(cgroup) = &host.cgroup else { return };
    host.shell("sleep 0.4").await;
    host.shell("true").await;
    let groups = std::fs::read_dir(cgroup).unwrap().flatten().filter(|e| e.path().is_dir()).count();
    assert_eq!(groups, 0, "groups go when what was left has ended");
}

#[tokio::test]
async fn a_gigabyte_of_output_needs_no_gigabyte() {
    let Some(host) = Host::start() else { return };
    host.shell("true").await;
    let before = host.memory_kb("VmHWM");
    let result = host.shell("head -c 1000000000 /dev/zero | tr '\\0' x; echo end >&2").await;
    assert_eq!(result["stdout"].as_str().unwrap().len(), 1 << 20);
    assert_eq!(result["stdout_cut"], json!({ "kept_bytes": 1 << 20, "total_bytes": 1_000_000_000 }));
    assert_eq!((&result["stderr"], &result["stderr_cut"]), (&json!("end\n"), &Value::Null));
    let grown = host.memory_kb("VmHWM") - before;
    assert!(grown < 16 * 1024, "{grown} kB");
}

#[tokio::test]
async fn a_hundred_commands_at_once_keep_their_exit_codes() {
    let Some(host) = Host::start() else { return };
    let calls: Vec<_> = (0..100).map(|n| (meta("wuying"), json!({ "command": format!("(true &) ; exit {n}") }))).collect();
    let running = calls.iter().map(|(meta, args)| host.guest.call_tool(meta, "shell", args.clone()));
    for (n, outcome) in futures::future::join_all(running).await.into_iter().enumerate() {
        assert_eq!(outcome.unwrap().unwrap()["exit_code"], n);
    }
}
