//! Terminals.

use crate::host::Host;
use crate::packets::{Packets, eventually, sleeps};
use protocol::ToolErrorCode;
use protocol::packet::Packet;
use serde_json::{Value, json};
use std::time::Duration;

/// Opens a new terminal; its id and its stream. `more` are further fields of the target.
async fn new(host: &Host, more: Value) -> (String, Packets) {
    let mut target = json!({ "kind": "new", "size": { "cols": 80, "rows": 24 } });
    for (name, value) in more.as_object().unwrap() {
        target[name] = value.clone();
    }
    opened(Packets::open(host, json!({ "kind": "pty", "target": target })).await).await
}

async fn existing(host: &Host, id: &str) -> (String, Packets) {
    opened(Packets::open(host, json!({ "kind": "pty", "target": { "kind": "existing", "id": id } })).await).await
}

async fn opened(mut pty: Packets) -> (String, Packets) {
    let opened: Value = pty.next().await.unwrap().parse().unwrap();
    assert_eq!(opened["kind"], "opened", "{opened}");
    (opened["id"].as_str().unwrap().to_owned(), pty)
}

async fn list(host: &Host) -> Value {
    host.call("pty_list", json!({})).await.unwrap()["ids"].clone()
}

#[tokio::test]
async fn a_login_shell_with_the_size_that_was_asked_for() {
    let Some(host) = Host::start() else { return };
    let (id, mut pty) = new(&host, json!({ "envs": { "PS1": "", "MINE": "m1" } })).await;
    assert_eq!(list(&host).await, json!([id]));
    pty.data("stty -echo; PS1=; echo [$0 $TERM $MINE $(id -u) $(pwd)]; ls -l $(tty) | cut -d' ' -f3; stty size; echo on$((1))\n").await;
    let seen = pty.until("on1").await;
    assert!(seen.contains("[-bash xterm-256color m1 1000 /home/wuying]") && seen.contains("24 80"), "{seen}");
    assert!(!seen.contains("no job control"), "{seen}");
    // The window changes under a program in the foreground.
    pty.data("sh -c 'trap \"stty size; echo changed\" WINCH; echo ready; while :; do sleep 0.05; done'\n").await;
    pty.until("ready").await;
    pty.say(json!({ "kind": "resize", "size": { "cols": 0, "rows": 50 } })).await;
    pty.say(json!({ "kind": "resize", "size": { "cols": 132, "rows": 50 } })).await;
    assert!(pty.until("changed").await.contains("50 132"));
    // Ctrl-C ends it, not the shell; the erase key takes back a whole character.
    pty.data("\x03").await;
    pty.data("printf 'x%s\\n' aé\x7fb\n").await;
    pty.until("xab").await;
    pty.data("exit 5\n").await;
    assert_eq!(pty.message().await, json!({ "kind": "exited", "exit_code": 5 }));
    assert_eq!(pty.next().await, None);
    assert_eq!(list(&host).await, json!([]));
}

#[tokio::test]
async fn another_program_and_what_cannot_be_made() {
    let Some(host) = Host::start() else { return };
    host.shell("printf '#!/bin/sh\\necho [$TERM $(pwd)]\\nexit 3\\n' > own; chmod +x own; printf x > plain").await;
    let (_, mut pty) = new(&host, json!({ "shell": "/home/wuying/own", "cwd": "/tmp", "envs": { "TERM": "vt100" } })).await;
    let (out, _, end) = pty.rest().await;
    assert_eq!((String::from_utf8(out).unwrap().as_str(), end), ("[vt100 /tmp]\r\n", json!({ "kind": "exited", "exit_code": 3 })));
    let (_, mut pty) = new(&host, json!({ "shell": "cat" })).await;
    pty.data("hello\n\x04").await;
    let (out, _, end) = pty.rest().await;
    assert_eq!((String::from_utf8(out).unwrap().as_str(), end["exit_code"].clone()), ("hello\r\nhello\r\n", json!(0)));
    for (more, code) in [
        (json!({ "shell": "no-such-program" }), "not_found"),
        (json!({ "shell": "/no/such" }), "not_found"),
        (json!({ "shell": "./plain" }), "permission_denied"),
        (json!({ "cwd": "/no/such" }), "invalid_argument"),
        (json!({ "size": { "cols": 501, "rows": 1 } }), "invalid_argument"),
        (json!({ "size": { "cols": 1, "rows": 0 } }), "invalid_argument"),
    ] {
        let mut target = json!({ "kind": "new", "size": { "cols": 80, "rows": 24 } });
        target.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut pty = Packets::open(&host, json!({ "kind": "pty", "target": target })).await;
        let end: Value = pty.next().await.unwrap().parse().unwrap();
        assert_eq!((&end["kind"], &end["error"]["code"]), (&json!("failed"), &json!(code)), "{more}: {end}");
    }
    let mut pty = Packets::open(&host, json!({ "kind": "pty", "target": { "kind": "existing", "id": "pty-99" } })).await;
    assert_eq!(pty.message().await["error"]["code"], "not_found");
    assert_eq!(list(&host).await, json!([]));
}

#[tokio::test]
async fn a_lost_connection_misses_nothing_and_two_see_the_same() {
    let Some(host) = Host::start() else { return };
    let (id, mut pty) = new(&host, json!({ "shell": "sh", "envs": { "PS1": "" } })).await;
    pty.data("stty -echo; echo re$((1))dy\n").await;
    pty.until("re1dy").await;
    pty.data(
        "until test -e go; do sleep 0.01; done; seq 5; echo mis$((1))ed > mark; until test -e on; do sleep 0.01; done; echo l$((1))ve\n",
    )
    .await;
    host.runtime.cut();
    assert_eq!(pty.next().await, None);
    host.shell("touch go; until test -e mark; do sleep 0.01; done; sleep 0.1").await;
    let (same, mut first) = existing(&host, &id).await;
    assert_eq!(same, id);
    assert_eq!(first.until("5\r\n").await, "1\r\n2\r\n3\r\n4\r\n5\r\n");
    let (_, mut second) = existing(&host, &id).await;
    host.shell("touch on").await;
    assert_eq!(first.until("l1ve\r\n").await, "l1ve\r\n");
    assert_eq!(second.until("l1ve\r\n").await, "l1ve\r\n");
    // Both may type.
    second.data("echo fr$((1))m two\n").await;
    first.until("fr1m two").await;
    first.data("exit 4\n").await;
    assert_eq!(first.message().await["exit_code"], 4);
    assert_eq!(second.message().await["exit_code"], 4);
    eventually_gone(&host, &id).await;
}

async fn eventually_gone(host: &Host, id: &str) {
    let mut pty = Packets::open(host, json!({ "kind": "pty", "target": { "kind": "existing", "id": id } })).await;
    assert_eq!(pty.message().await["kind"], "failed", "its exit was told");
}

#[tokio::test]
async fn an_exit_that_nobody_saw_is_told_to_the_next() {
    let Some(host) = Host::start() else { return };
    let (id, mut pty) = new(&host, json!({ "shell": "sh", "envs": { "PS1": "" } })).await;
    pty.data("stty -echo; echo re$((1))dy\n").await;
    pty.until("re1dy").await;
    pty.data("until test -e go; do sleep 0.01; done; seq 100000; exit 9\n").await;
    host.runtime.cut();
    drop(pty);
    host.shell("touch go").await;
    for _ in 0..2000 {
        if list(&host).await == json!([]) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (_, mut pty) = existing(&host, &id).await;
    let (out, _, end) = pty.rest().await;
    assert_eq!(end["exit_code"], 9);
    assert!(out.ends_with(b"\n100000\r\n") && out.len() <= 256 * 1024 && out.len() > 250 * 1024, "{}", out.len());
    eventually_gone(&host, &id).await;
}

#[tokio::test]
async fn a_kill_ends_all_of_it_even_when_a_reader_does_not_read() {
    let Some(host) = Host::start() else { return };
    if host.cgroup.is_none() {
        return;
    }
    let (id, mut pty) = new(&host, json!({ "shell": "sh" })).await;
    pty.data("(setsid sleep 73301 &); sleep 73302 & echo re$((1))dy; yes\n").await;
    pty.until("re1dy").await;
    eventually("it runs", || sleeps("73301") && sleeps("73302")).await;
    // The first does not read any more, which holds the program; the second is shown no more, but may go.
    let (_, second) = existing(&host, &id).await;
    drop(second);
    let error = host.call("pty_kill", json!({ "id": "pty-77" })).await.unwrap_err();
    assert!(error.code == ToolErrorCode::NotFound && error.message.contains(&id), "{}", error.message);
    host.call("pty_kill", json!({ "id": id })).await.unwrap();
    assert!(!sleeps("73301") && !sleeps("73302"));
    assert_eq!(list(&host).await, json!([]));
    assert_eq!(pty.rest().await.2, json!({ "kind": "exited", "exit_code": 137 }));
}

#[tokio::test]
async fn a_reader_that_does_not_read_stops_the_program_until_it_goes() {
    let Some(host) = Host::start() else { return };
    let (id, mut pty) = new(&host, json!({ "shell": "sh" })).await;
    let before = host.memory_kb("VmRSS");
    pty.data("head -c 3000000 /dev/zero | tr '\\0' x; touch done\n").await;
    assert!(matches!(pty.next().await, Some(Packet::Data(_))));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(host.shell("test -e done; echo $?").await["stdout"], "1\n", "it waits for its reader");
    host.runtime.cut();
    drop(pty);
    assert_eq!(host.shell("until test -e done; do sleep 0.01; done; echo yes").await["stdout"], "yes\n");
    let grown = host.memory_kb("VmRSS").saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} kB");
    host.call("pty_kill", json!({ "id": id })).await.unwrap();
}

#[tokio::test]
async fn terminals_are_bounded() {
    let Some(host) = Host::start() else { return };
    let mut all = Vec::new();
    for _ in 0..protocol::tools::pty::MAX_PTYS {
        all.push(new(&host, json!({ "shell": "cat" })).await);
    }
    let target = json!({ "kind": "new", "size": { "cols": 80, "rows": 24 } });
    let mut more = Packets::open(&host, json!({ "kind": "pty", "target": target })).await;
    assert_eq!(more.message().await["error"]["code"], "busy");
    let (id, _) = &all[3];
    host.call("pty_kill", json!({ "id": id })).await.unwrap();
    new(&host, json!({ "shell": "cat" })).await;
}
