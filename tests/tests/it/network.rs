//! The way out: what a session reaches without any proxy setting, and what it never reaches.
//!
//! The world outside is a network namespace that the test makes, joined to the host by a veth pair with addresses
//! that are reserved for documentation.

use crate::metrics::{metrics, number};
use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tests::{Rpc, ServerBuilder};

const HOST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const WORLD: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

#[tokio::test]
async fn names_resolve_and_the_host_stays_out_of_reach() -> Result<()> {
    let world = World::make()?;
    let on_host = Listener::start(TcpListener::bind("0.0.0.0:0")?)?;
    let server = ServerBuilder::default().starter_arg("--dns").starter_arg(format!("{WORLD}:53")).start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;

    let seen = world.web.hits();
    let page = rpc.stdout(&id, "curl -sS --max-time 10 http://www.world.example/").await?;
    assert_eq!((page.as_str(), world.web.hits()), ("hello from outside", seen + 1));
    let python = "python3 -c \"import urllib.request as u; print(u.urlopen('http://www.world.example/', timeout=10).read().decode())\"";
    assert_eq!(rpc.stdout(&id, python).await?, "hello from outside\n");
    let by_address = rpc.stdout(&id, &format!("curl -sS --max-time 10 http://{WORLD}/")).await?;
    assert_eq!(by_address, "hello from outside");

    // What came through is counted, and only what came through.
    let before = metrics(&rpc, &id).await?;
    rpc.stdout(&id, &format!("for i in 1 2 3 4 5; do curl -sS --max-time 10 http://{WORLD}/; done")).await?;
    let after = metrics(&rpc, &id).await?;
    let grew = |name: &str| (number(&after, name) - number(&before, name)) * 1024.0;
    assert!((5.0 * 18.0..5_000.0).contains(&grew("rx_used_kbyte")), "{before} {after}");
    assert!((5.0 * 18.0..5_000.0).contains(&grew("tx_used_kbyte")), "{before} {after}");

    let absent = rpc.shell(&id, "curl -sS --max-time 10 http://absent.world.example/", 20_000).await?;
    assert_eq!(absent["exit_code"], 6, "{absent}"); // curl: the name does not resolve

    // The control: the host itself reaches what the session must not.
    let port = on_host.port;
    drop(std::net::TcpStream::connect(("127.0.0.1", port))?);
    drop(std::net::TcpStream::connect((HOST, port))?);
    assert!(tests::wait_until(Duration::from_secs(5), || on_host.hits() == 2), "the control was not counted");
    let before = on_host.hits();
    let mut targets: Vec<String> = host_addresses()?.into_iter().map(|address| format!("{address}:{port}")).collect();
    ensure!(targets.len() >= 2, "the host's own addresses were not found");
    targets.extend(["169.254.169.254:80", "10.0.0.1:80", "192.168.0.1:80", "172.16.0.1:80", "100.64.0.1:80"].map(String::from));
    targets.push(format!("[::ffff:{HOST}]:{port}"));
    for target in targets {
        let result = rpc.shell(&id, &format!("curl -sS --max-time 8 http://{target}/"), 20_000).await?;
        let code = result["exit_code"].as_i64().context("no exit code")?;
        assert!(code != 0 && code != 28, "{target}: exit code {code} (28 would be a silent time-out): {result}");
    }
    assert_eq!(on_host.hits(), before, "a session reached the host");
    Ok(())
}

/// Addresses on the host's interfaces, loopback left out (inside, that is the session's own).
fn host_addresses() -> Result<Vec<String>> {
    let output = Command::new("ip").args(["-4", "-o", "addr", "show", "scope", "global"]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut found: Vec<String> =
        text.lines().filter_map(|line| line.split_whitespace().nth(3)?.split('/').next().map(str::to_owned)).collect();
    found.push(HOST.to_string());
    Ok(found)
}

/// A namespace with a web server and a name server in it.
struct World {
    _net: WorldNet,
    web: Listener,
}

impl World {
    fn make() -> Result<Self> {
        let pid = std::process::id();
        let (name, ours, theirs) = (format!("rsworld{pid}"), format!("rsw{pid}a"), format!("rsw{pid}b"));
        let net = WorldNet(name.clone());
        ip(&["netns", "add", &name])?;
        ip(&["link", "add", &ours, "type", "veth", "peer", "name", &theirs, "netns", &name])?;
        ip(&["addr", "add", &format!("{HOST}/30"), "dev", &ours])?;
        ip(&["link", "set", &ours, "up"])?;
        ip(&["-n", &name, "addr", "add", &format!("{WORLD}/30"), "dev", &theirs])?;
        ip(&["-n", &name, "link", "set", &theirs, "up"])?;
        let namespace = File::open(format!("/run/netns/{name}"))?;
        // Sockets belong to the namespace they were made in: make them on a thread that enters it and ends there.
        let (web, names) = std::thread::spawn(move || -> Result<_> {
            setns(&namespace, CloneFlags::CLONE_NEWNET)?;
            Ok((TcpListener::bind((WORLD, 80))?, UdpSocket::bind((WORLD, 53))?))
        })
        .join()
        .map_err(|_| anyhow::anyhow!("the namespace thread panicked"))??;
        std::thread::spawn(move || answer_names(&names));
        Ok(Self { _net: net, web: Listener::start(web)? })
    }
}

/// Deletes the namespace, and with it the veth pair.
struct WorldNet(String);

impl Drop for WorldNet {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del", &self.0]);
    }
}

/// An HTTP server that counts who came.
struct Listener {
    port: u16,
    hits: Arc<AtomicUsize>,
}

impl Listener {
    fn start(listener: TcpListener) -> Result<Self> {
        let (port, hits) = (listener.local_addr()?.port(), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&hits);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
                    let mut line = String::new();
                    while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                        line.clear();
                    }
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\nConnection: close\r\n\r\nhello from outside");
                });
            }
        });
        Ok(Self { port, hits })
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

/// Answers `A www.world.example` with [`WORLD`], other types of that name with nothing, other names with NXDOMAIN.
fn answer_names(socket: &UdpSocket) {
    let mut query = [0; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut query) {
        let Some(question_end) = query[12..length].iter().position(|b| *b == 0).map(|zero| 12 + zero + 5) else { continue };
        if question_end > length {
            continue;
        }
        let known = query[12..question_end - 4].eq_ignore_ascii_case(b"\x03www\x05world\x07example\x00");
        let wants_a = query[question_end - 4..question_end - 2] == [0, 1];
        let mut answer = query[..question_end].to_vec();
        answer[2] = 0x81;
        answer[3] = if known { 0x80 } else { 0x83 };
        answer[4..12].copy_from_slice(&[0, 1, 0, u8::from(known && wants_a), 0, 0, 0, 0]);
        if known && wants_a {
            answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4]);
            answer.extend_from_slice(&WORLD.octets());
        }
        let _ = socket.send_to(&answer, from);
    }
}

fn ip(args: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(args).output().context("running ip (package iproute2)")?;
    ensure!(output.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
