//! Commands with their output as it comes.

use crate::host::Host;
use crate::packets::{Packets, eventually, sleeps};
use protocol::packet::Packet;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn exited(code: i32) -> Value {
    json!({ "kind": "exited", "exit_code": code, "timed_out": false })
}

#[tokio::test]
async fn output_comes_while_the_command_runs() {
    let Some(host) = Host::start() else { return };
    let mut exec = Packets::exec(&host, "printf one; until test -e go; do sleep 0.01; done; printf two >&2; exit 7", json!({})).await;
    assert_eq!(exec.next().await, Some(Packet::Data("one".into())));
    host.shell("touch go").await;
    assert_eq!(exec.rest().await, (b"".to_vec(), b"two".to_vec(), exited(7)));
    assert_eq!(exec.next().await, None);
}

#[tokio::test]
async fn every_byte_comes_and_the_exit_comes_last() {
    let Some(host) = Host::start() else { return };
    for (command, out, err, code) in [
        ("printf 'a\\0b\\377'", &b"a\0b\xff"[..], &b""[..], 0),
        ("kill -TERM $$", b"", b"", 143),
        ("echo x >&2; id -u; pwd; cat", b"1000\n/home/wuying\n", b"x\n", 0),
        ("echo $GREETING", b"hi\n", b"", 0),
    ] {
        let mut exec = Packets::exec(&host, command, json!({ "envs": { "GREETING": "hi" } })).await;
        assert_eq!(exec.rest().await, (out.to_vec(), err.to_vec(), exited(code)), "{command}");
    }
    let mut many = Vec::new();
    for n in 0..40 {
        many.push(Packets::exec(&host, &format!("seq {n}000; head -c {n}00000 /dev/zero >&2"), json!({})).await);
    }
    for (n, mut exec) in many.into_iter().enumerate() {
        let (out, err, end) = exec.rest().await;
        let expected: String = (1..=n * 1000).map(|line| format!("{line}\n")).collect();
        assert_eq!((out.len(), err.len(), end), (expected.len(), n * 100_000, exited(0)));
        assert_eq!(out, expected.as_bytes());
    }
}

#[tokio::test]
async fn what_cannot_run_says_why() {
    let Some(host) = Host::start() else { return };
    for (more, code, words) in [
        (json!({ "cwd": "/no/such" }), "invalid_argument", "/no/such"),
        (json!({ "cwd": "/root" }), "permission_denied", "/root"),
        (json!({ "timeout_ms": 0 }), "invalid_argument", "timeout_ms"),
        (json!({ "envs": { "A=B": "" } }), "invalid_argument", "A=B"),
    ] {
        let end = Packets::exec(&host, "pwd", more).await.message().await;
        assert!(end["error"]["code"] == code && end["error"]["message"].as_str().unwrap().contains(words), "{end}");
    }
}

#[tokio::test]
async fn standard_input_signals_and_their_order() {
    let Some(host) = Host::start() else { return };
    let mut exec = Packets::exec(&host, "cat; echo end", json!({ "stdin": true })).await;
    exec.data("round").await;
    assert_eq!(exec.next().await, Some(Packet::Data("round".into())));
    exec.say(json!({ "kind": "eof" })).await;
    assert_eq!(exec.rest().await, (b"end\n".to_vec(), b"".to_vec(), exited(0)));

    // A program that reads nothing has more standard input before it than its pipe holds; the signal is heard all the same,
    // by what it started too.
    let script = "trap 'echo got; exit 3' USR1; sleep 73001 & echo ready; wait";
    let mut exec = Packets::exec(&host, script, json!({ "stdin": true })).await;
    exec.until("ready").await;
    // Between its fork and its exec it would still have the shell's handler.
    eventually("what it starts runs", || sleeps("73001")).await;
    exec.data(vec![b'x'; 1 << 20]).await;
    exec.say(json!({ "kind": "signal", "signal": 0 })).await;
    exec.say(json!({ "kind": "signal", "signal": 10 })).await;
    assert_eq!(exec.rest().await.2, exited(3));
    eventually("what it started is gone too", || !sleeps("73001")).await;
    // Standard input that nobody wants harms nobody.
    let mut exec = Packets::exec(&host, "exec 0<&-; sleep 0.1; echo bye", json!({ "stdin": true })).await;
    exec.data(vec![b'x'; 1 << 20]).await;
    assert_eq!(exec.rest().await.2, exited(0));
}

#[tokio::test]
async fn a_time_limit_kills_all_and_loses_no_output() {
    let Some(host) = Host::start() else { return };
    if host.cgroup.is_none() {
        return;
    }
    let script = "seq 20000; (setsid sh -c 'sleep 73101 & sleep 73102' &); sleep 73103";
    let mut exec = Packets::exec(&host, script, json!({ "timeout_ms": 500 })).await;
    let (out, _, end) = exec.rest().await;
    assert_eq!(end, json!({ "kind": "exited", "exit_code": 124, "timed_out": true }));
    assert!(out.ends_with(b"\n20000\n"));
    assert!(!["73101", "73102", "73103"].into_iter().any(sleeps));
}

#[tokio::test]
async fn a_lost_connection_ends_all_that_it_started() {
    let Some(host) = Host::start() else { return };
    if host.cgroup.is_none() {
        return;
    }
    // With the stream silent, with output that nobody reads, and with input that the program does not read.
    for (n, noise) in ["", "yes & ", "sleep 0 & "].into_iter().enumerate() {
        let [a, b] = [format!("7320{n}"), format!("7321{n}")];
        let script = format!("{noise}(setsid sleep {a} &); sleep {b}");
        let mut exec = Packets::exec(&host, &script, json!({ "stdin": true })).await;
        eventually("it runs", || sleeps(&a) && sleeps(&b)).await;
        if n == 2 {
            for _ in 0..3 {
                let _ = tokio::time::timeout(Duration::from_millis(300), exec.data(vec![0; 1 << 20])).await;
            }
        }
        host.runtime.cut();
        eventually("it is gone", || !sleeps(&a) && !sleeps(&b)).await;
    }
    let groups = || std::fs::read_dir(host.cgroup.as_ref().unwrap()).unwrap().flatten().filter(|e| e.path().is_dir()).count();
    eventually("no group is left", || groups() == 0).await;
}

#[tokio::test]
async fn what_is_left_in_the_background_delays_nothing_and_lives_on() {
    let Some(host) = Host::start() else { return };
    let started = Instant::now();
    let script = "(sleep 0.5; head -c 1000000 /dev/zero; echo alive > proof) & echo started";
    let mut exec = Packets::exec(&host, script, json!({})).await;
    assert_eq!(exec.rest().await, (b"started\n".to_vec(), b"".to_vec(), exited(0)));
    assert!(started.elapsed() < Duration::from_millis(450), "{:?}", started.elapsed());
    drop(exec);
    let proof = host.shell("until test -s proof; do sleep 0.02; done; cat proof").await;
    assert_eq!(proof["stdout"], "alive\n");
}

#[tokio::test]
async fn a_host_that_does_not_read_stops_the_program_and_costs_no_memory() {
    let Some(host) = Host::start() else { return };
    host.shell("true").await;
    let before = host.memory_kb("VmRSS");
    let script = "head -c 1000000000 /dev/zero; touch done";
    let mut exec = Packets::exec(&host, script, json!({})).await;
    let mut read = 0;
    while read < 1_000_000 {
        let Some(Packet::Data(bytes)) = exec.next().await else { panic!("no data") };
        read += bytes.len();
    }
    // The program is stopped, not merely slow: what it has read of its input stands still.
    let position = || {
        let heads = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let command = std::fs::read(entry.path().join("cmdline")).ok()?;
            command.starts_with(b"head\0-c\x001000000000").then(|| std::fs::read_to_string(entry.path().join("io")).ok())?
        });
        heads.collect::<Vec<_>>()
    };
    let mut last = position();
    eventually("the program stands still", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = position();
        std::mem::replace(&mut last, now.clone()) == now
    })
    .await;
    assert!(!last.is_empty());
    let grown = host.memory_kb("VmRSS").saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} kB");
    let started = Instant::now();
    let (out, _, end) = exec.rest().await;
    assert_eq!((read + out.len(), end), (1_000_000_000, exited(0)));
    eprintln!("exec: {:.0} MB/s", 1000.0 / started.elapsed().as_secs_f64());
    let grown = host.memory_kb("VmHWM") - before;
    assert!(grown < 8 * 1024, "{grown} kB");
}
