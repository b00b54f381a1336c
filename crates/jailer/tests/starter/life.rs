//! How sandboxes and starters begin and end, and what is left of them: nothing.

use super::host::{Starter, eventually, is_running};
use jailer::wire::{EgressOrder, Failure, Reply, Request};
use std::fs;
use types::SandboxLimits;

fn entries(starter: &Starter, dir: &str) -> usize {
    fs::read_dir(starter.dir.path().join("state").join(dir)).map_or(0, Iterator::count)
}

#[test]
fn a_destroyed_sandbox_leaves_nothing() {
    let starter = Starter::start(&[]);
    let mut client = starter.client();
    let facts = client.create("sb-one", "packed");
    client.run(&facts.id, "mkdir -p /a/b/c; echo x > /a/b/c/d; mkdir /run/roadstead/cgroup/one; (setsid sleep 1000 > /dev/null 2>&1 &) ; echo $$ > /run/roadstead/cgroup/one/cgroup.procs");
    let processes = || {
        let all = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let own = format!("{}/sb-one", starter.instance);
        all.filter(|pid| fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|groups| groups.contains(&own))).count()
    };
    assert!(processes() >= 2, "{}", processes());
    assert_eq!(client.list(), std::slice::from_ref(&facts.id));
    client.destroy(&facts.id);
    assert_eq!(processes(), 0);
    assert!(!is_running(facts.host_pid));
    assert_eq!(client.list(), []);
    assert_eq!(entries(&starter, "sandboxes"), 0);
    for dir in starter.cgroups() {
        assert!(!dir.join("sb-one").exists(), "{}", dir.display());
    }
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", starter.pid)).unwrap();
    assert!(!mounts.contains("overlay"), "{mounts}");
    eventually("an empty trash", || entries(&starter, "trash") == 0);
    client.destroy(&facts.id);
    starter.await_order(&EgressOrder::Remove { id: facts.id }, 1);
}

#[test]
fn creating_twice_gives_the_same_sandbox() {
    let starter = Starter::start(&[]);
    let facts = starter.client().create("sb-one", "box");
    let all = std::thread::scope(|scope| {
        let ask = || scope.spawn(|| starter.client().create("sb-two", "box").host_pid);
        [ask(), ask(), ask()].map(|thread| thread.join().unwrap())
    });
    assert_eq!(all, [all[0]; 3]);
    assert_eq!(starter.client().create("sb-one", "box"), facts);
}

#[test]
fn a_sandbox_whose_first_process_ends_drops_out() {
    let starter = Starter::start(&[]);
    let mut client = starter.client();
    let facts = client.create("sb-one", "box");
    client.run(&facts.id, "@exit");
    eventually("the sandbox's end", || starter.client().list().is_empty());
    let (reply, fd) = client.ask(&Request::Connect { id: facts.id.clone() });
    assert!(matches!(reply, Reply::Failed { failure: Failure::NoSandbox, .. }) && fd.is_none(), "{reply:?}");
    let again = client.create("sb-one", "box");
    assert_ne!(again.host_pid, facts.host_pid);
}

#[test]
fn sandboxes_die_with_the_starter_and_the_next_one_cleans_up() {
    let mut starter = Starter::start(&[]);
    let mut client = starter.client();
    let pids: Vec<_> = (0..4).map(|index| client.create(&format!("sb-{index}"), "box").host_pid).collect();
    starter.kill();
    eventually("the sandboxes' end", || !pids.iter().any(|pid| is_running(*pid)));
    assert_eq!(entries(&starter, "sandboxes"), 4);
    starter.start_again(&[]);
    assert_eq!(starter.client().list(), []);
    assert_eq!(entries(&starter, "sandboxes"), 0);
    eventually("an empty trash", || entries(&starter, "trash") == 0);
    eventually("no old cgroups", || starter.cgroups().iter().all(|dir| !dir.join("sb-0").exists()));
    starter.client().create("sb-0", "box");
}

#[test]
fn shutdown_ends_everything() {
    let starter = Starter::start(&[]);
    let mut client = starter.client();
    let facts = client.create("sb-one", "box");
    assert_eq!(client.ask(&Request::Shutdown).0, Reply::Done);
    assert!(!is_running(facts.host_pid));
    starter.await_end();
    assert!(!starter.socket().exists());
    assert_eq!(starter.cgroups(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn the_second_starter_of_an_instance_steps_back() {
    let starter = Starter::start(&[]);
    let output = starter.launch(&[]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("already running (pid {})\n", starter.pid));
}

#[test]
fn what_is_missing_is_said_in_one_line() {
    let starter = Starter::start(&[]);
    let output = starter.launch(&["--images-dir=/nowhere"].map(|_| "--bogus"));
    assert!(!output.status.success());
    let command = |instance: &str, images: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_roadstead-starter"))
            .args(["--instance", instance, "--server-uid", "1", "--guest", "/bin/true", "--egress", "/bin/true", "--images-dir", images])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let text = command("test-missing", "/nowhere");
    assert!(text.contains("/nowhere") && text.contains("--images-dir") && text.lines().count() == 1, "{text}");
}

#[test]
fn refusals_name_their_kind() {
    let starter = Starter::start(&[]);
    let mut client = starter.client();
    let limits = SandboxLimits::default();
    let missing = client.try_create("sb-one", "nowhere", limits);
    assert!(matches!(&missing, Reply::Failed { failure: Failure::NoImage, message } if message.contains("nowhere")), "{missing:?}");
    // The kernel refuses a negative size; the message names the step.
    let broken = client.try_create("sb-one", "box", SandboxLimits { pids: u32::MAX, ..limits });
    assert!(matches!(&broken, Reply::Failed { failure: Failure::Create, message } if message.contains("pids.max")), "{broken:?}");
    assert_eq!(client.list(), []);
    assert_eq!(entries(&starter, "sandboxes"), 0);
    client.create("sb-one", "box");
    let unknown = starter.connect().ask(&Request::List { after: None }).0;
    assert!(matches!(unknown, Reply::Failed { failure: Failure::BadRequest, .. }), "{unknown:?}");
}

#[test]
fn the_egress_process_is_unprivileged_and_hears_of_every_sandbox_again_when_it_was_lost() {
    let starter = Starter::start(&[]);
    let facts = starter.client().create("sb-one", "box");
    let added = EgressOrder::Add { id: facts.id };
    starter.await_order(&added, 1);
    assert!(starter.log().contains(r#"egress arguments ["--dns", "127.0.0.1:53"]"#));
    let children = fs::read_dir(format!("/proc/{}/task", starter.pid)).unwrap().flatten();
    let children: String = children.filter_map(|task| fs::read_to_string(task.path().join("children")).ok()).collect();
    let children: Vec<i32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    let egress = children.into_iter().find(|pid| *pid != facts.host_pid).unwrap();
    assert_eq!(super::host::status(egress, "CapEff"), format!("{:016x}", 0));
    assert_eq!(super::host::status(egress, "CapBnd"), format!("{:016x}", 0));
    assert_eq!(super::host::status(egress, "NoNewPrivs"), "1");
    assert!(super::host::status(egress, "Uid").split_whitespace().all(|uid| uid.parse::<u32>().unwrap() >= 0x7000_0000));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(egress), nix::sys::signal::Signal::SIGKILL).unwrap();
    starter.await_order(&added, 2);
}

#[test]
fn only_the_servers_user_can_connect() {
    use std::os::unix::fs::MetadataExt;
    let starter = Starter::start(&[]);
    let found = fs::metadata(starter.socket()).unwrap();
    assert_eq!((found.uid(), found.mode() & 0o777), (1000, 0o600));
    assert_eq!(fs::metadata(starter.dir.path().join("state")).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(starter.dir.path().join("run")).unwrap().mode() & 0o777, 0o711);
}

#[test]
fn many_at_once_and_a_list_in_pages() {
    let starter = Starter::start(&[]);
    let limits = SandboxLimits::default();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let starter = &starter;
            scope.spawn(move || {
                let mut client = starter.client();
                for index in 0..70 {
                    client.create_with(&format!("sb-{worker}-{index}"), "box", limits);
                }
            });
        }
    });
    let mut client = starter.client();
    let mut page = |after| match client.ask(&Request::List { after }).0 {
        Reply::List { sandboxes } => sandboxes,
        other => panic!("{other:?}"),
    };
    let first = page(None);
    assert_eq!(first.len(), jailer::wire::LIST_PAGE);
    let second = page(Some(first[first.len() - 1].id.clone()));
    assert_eq!(first.len() + second.len(), 280);
    let fds = fs::read_dir(format!("/proc/{}/fd", starter.pid)).unwrap().count();
    assert!(fds < 280 * 4 + 60, "{fds} descriptors");
}
