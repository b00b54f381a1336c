//! The process: orders, restarts, what it takes.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use jailer::net::{SandboxNet, listeners_in};

use crate::lab::{Egress, Sandbox, World, check_cut};

#[test]
fn remove_cuts_what_is_open_and_refuses_the_rest() {
    let world = World::new();
    let egress = Egress::beside(&world);
    let (gone, stays) = (egress.sandbox("gone"), egress.sandbox("stays"));
    let open = |sandbox: &Sandbox| {
        let mut stream = sandbox.connect((world.world, 80).into()).unwrap();
        stream.write_all(b"GET /stay HTTP/1.0\r\n").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        stream
    };
    let (mut cut, mut kept) = (open(&gone), open(&stays));
    egress.remove(&gone.id);
    assert_eq!(cut.read(&mut [0]).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    check_cut(gone.fetch((world.world, 80).into(), "/"), "a new connection", Instant::now());
    kept.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert_eq!(kept.read(&mut [0]).expect_err("nothing yet").kind(), ErrorKind::WouldBlock);
    assert_eq!(stays.fetch((world.world, 80).into(), "/").unwrap(), "hello");
}

#[test]
fn a_sandbox_outlives_the_egress_process() {
    let world = World::new();
    let mut first = Egress::beside(&world);
    let sandbox = first.sandbox("outlives");
    assert_eq!(sandbox.fetch((world.world, 80).into(), "/").unwrap(), "hello");
    let open = sandbox.connect((world.world, 80).into()).unwrap();
    first.hang_up();
    assert!(first.child.wait().unwrap().success(), "the end of the starter is an orderly end");
    check_cut(sandbox.fetch((world.world, 80).into(), "/"), "nobody serves it", Instant::now());

    let second = Egress::beside(&world);
    let listeners = listeners_in(sandbox.netns.as_fd()).expect("listeners again");
    second.add(&sandbox.id, SandboxNet { netns: sandbox.netns.try_clone().unwrap(), listeners });
    assert_eq!(sandbox.fetch((world.world, 80).into(), "/").unwrap(), "hello");
    drop(open);
}

/// Prints what a sandbox costs here; the bound only catches a mistake.
#[test]
fn an_idle_sandbox_takes_little_memory() {
    const SANDBOXES: usize = 100;
    let world = World::new();
    let egress = Egress::beside(&world);
    let first = egress.sandbox("first");
    let size = || {
        // Orders are obeyed one after the other: when the last sandbox is served, all are.
        let last = egress.sandbox("last");
        assert_eq!(last.fetch((world.world, 80).into(), "/").unwrap(), "hello");
        resident(egress.child.id())
    };
    let before = size();
    let sandboxes: Vec<Sandbox> = (0..SANDBOXES).map(|n| egress.sandbox(&format!("idle-{n}"))).collect();
    let each = size().saturating_sub(before) / SANDBOXES;
    println!("{each} bytes for each sandbox");
    assert!(each < 64 * 1024);
    drop((first, sandboxes));
}

/// Bytes of a process that are in memory.
fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn it_does_not_run_as_root() {
    let mut egress = Egress::start_as(0, &[]);
    assert!(!egress.child.wait().unwrap().success());
}
