use super::*;
use jailer::fdpass;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use protocol::{StreamReply, frame};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncReadExt;

/// What a fake starter answers.
type Answer = fn(Request) -> (Reply, Option<OwnedFd>);

/// A starter that is only its socket.
struct Fake {
    dir: tempfile::TempDir,
    connections: Arc<AtomicUsize>,
}

impl Fake {
    /// Each connection ends, as if the starter was restarted, after `lives` requests beside hello.
    fn start(lives: usize, answer: Answer) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(listener.as_raw_fd(), &UnixAddr::new(&dir.path().join("sock")).unwrap()).unwrap();
        listen(&listener, Backlog::new(8).unwrap()).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        std::thread::spawn(move || {
            // Only the descriptor's owner: accepting is the same for every kind of Unix socket.
            for connection in StdListener::from(listener).incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || serve(&connection, lives, answer));
            }
        });
        Self { dir, connections }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("sock")
    }

    async fn native(&self) -> Native {
        Native::connect_with_timeout(&self.path(), Duration::from_secs(5)).await.unwrap()
    }
}

fn serve(connection: &StdStream, lives: usize, answer: Answer) {
    let mut message = Vec::new();
    for _ in 0..=lives {
        match fdpass::recv(connection.as_fd(), &mut message) {
            Ok((length, _)) if length > 0 => {}
            _ => return,
        }
        let (reply, fd) = answer(serde_json::from_slice(&message).unwrap());
        let fds: Vec<_> = fd.iter().map(AsFd::as_fd).collect();
        let _ = fdpass::send(connection.as_fd(), &serde_json::to_vec(&reply).unwrap(), &fds);
    }
}

fn facts(index: usize) -> Facts {
    Facts { id: format!("sb-{index:04}").parse().unwrap(), image: "box".parse().unwrap(), host_pid: 1, uid_base: 2, layers: vec![] }
}

fn failed(failure: Failure) -> Reply {
    Reply::Failed { failure, message: "for a reason".into() }
}

/// The usual starter: it has 600 sandboxes, makes none of image `full`, and its guests answer "hi".
fn usual(request: Request) -> (Reply, Option<OwnedFd>) {
    let reply = match request {
        Request::Hello { .. } => Reply::Hello { protocol: 1, pid: 1, version: "0".into() },
        Request::List { after } => {
            let first = after.map_or(0, |id| id.as_str()[3..].parse::<usize>().unwrap() + 1);
            Reply::List { sandboxes: (first..600).take(LIST_PAGE).map(facts).collect() }
        }
        Request::Create { image, .. } if image.as_str() == "full" => failed(Failure::Exhausted),
        Request::Create { image, .. } if image.as_str() == "none" => failed(Failure::NoImage),
        Request::Create { .. } => failed(Failure::Create),
        Request::Connect { id } if id.as_str() == "sb-gone" => failed(Failure::NoSandbox),
        Request::Connect { .. } => {
            let (ours, theirs) = StdStream::pair().unwrap();
            std::thread::spawn(move || greet(ours));
            return (Reply::Connected, Some(theirs.into()));
        }
        Request::Destroy { .. } | Request::Shutdown => Reply::Done,
        Request::Images => Reply::Images { images: vec![] },
        Request::Usage { id } if id.as_str() == "sb-gone" => failed(Failure::NoSandbox),
        // As a starter of protocol 1 answers what it does not know.
        Request::Usage { .. } => failed(Failure::BadRequest),
    };
    (reply, None)
}

fn greet(mut stream: StdStream) {
    let mut prefix = [0; frame::PREFIX];
    stream.read_exact(&mut prefix).unwrap();
    let mut body = vec![0; frame::body_length(prefix).unwrap()];
    stream.read_exact(&mut body).unwrap();
    stream.write_all(&frame::encode(&StreamReply::Ready { generation: 1 }).unwrap()).unwrap();
    stream.write_all(b"hi").unwrap();
}

fn spec(image: &str) -> SandboxSpec {
    SandboxSpec { id: "sb-one".parse().unwrap(), image: image.parse().unwrap(), limits: Default::default(), output: Default::default() }
}

#[tokio::test]
async fn no_starter_is_unavailable_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let error = Native::connect(&dir.path().join("sock")).await.unwrap_err().to_string();
    assert!(error.contains("roadstead-starter") && error.contains("sock"), "{error}");
}

#[tokio::test]
async fn a_newer_protocol_is_refused() {
    let fake = Fake::start(9, |_| (Reply::Hello { protocol: 99, pid: 1, version: "9.9".into() }, None));
    let error = Native::connect(&fake.path()).await.unwrap_err().to_string();
    assert!(error.contains("9.9") && error.contains("protocol 99"), "{error}");
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let fake = Fake::start(9, usual);
    let list = fake.native().await.list().await.unwrap();
    assert_eq!(list.len(), 600);
    assert!(list.windows(2).all(|pair| pair[0].id < pair[1].id));
}

#[tokio::test]
async fn a_starter_that_does_not_measure_is_told_apart_from_a_sandbox_that_is_gone() {
    let native = Fake::start(9, usual).native().await;
    let old = native.usage(&"sb-one".parse().unwrap()).await.unwrap_err();
    assert!(matches!(&old, RuntimeError::Unsupported { reason } if reason.contains("roadstead down")), "{old:?}");
    assert!(matches!(native.usage(&"sb-gone".parse().unwrap()).await, Err(RuntimeError::NoSandbox(_))));
}

#[tokio::test]
async fn usage_arrives_as_it_was_measured() {
    let fake = Fake::start(9, |request| match request {
        Request::Usage { .. } => {
            let traffic = jailer::wire::Traffic { received_bytes: 5, sent_bytes: 6 };
            let usage = Usage { cpu_us: 1_500_000, memory_bytes: 2, disk_total_bytes: 3, disk_used_bytes: 4, traffic };
            (Reply::Usage { usage }, None)
        }
        other => usual(other),
    });
    let usage = fake.native().await.usage(&"sb-one".parse().unwrap()).await.unwrap();
    let wanted = SandboxUsage {
        cpu_time: Duration::from_millis(1500),
        memory_bytes: 2,
        disk_total_bytes: 3,
        disk_used_bytes: 4,
        received_bytes: 5,
        sent_bytes: 6,
    };
    assert_eq!(usage, wanted);
}

#[tokio::test]
async fn failures_keep_their_kind() {
    let fake = Fake::start(9, usual);
    let native = fake.native().await;
    assert!(matches!(native.create(spec("full")).await, Err(RuntimeError::Exhausted { .. })));
    assert!(matches!(native.create(spec("none")).await, Err(RuntimeError::NoImage(_))));
    assert!(matches!(native.create(spec("else")).await, Err(RuntimeError::Create { .. })));
    let gone = native.open_stream(&"sb-gone".parse().unwrap(), &StreamOpen::Tunnel { port: 1 }).await;
    assert!(matches!(gone, Err(RuntimeError::NoSandbox(_))));
    assert_eq!(fake.connections.load(Ordering::SeqCst), 1, "failures of the starter's are no reason to connect again");
}

#[tokio::test]
async fn a_stream_is_past_its_head() {
    let fake = Fake::start(9, usual);
    let mut stream = fake.native().await.open_stream(&"sb-one".parse().unwrap(), &StreamOpen::Mcp { generation: 1 }).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hi");
}

#[tokio::test]
async fn a_restarted_starter_is_connected_to_again() {
    let fake = Fake::start(1, usual);
    let native = fake.native().await;
    for _ in 0..3 {
        native.destroy(&"sb-one".parse().unwrap()).await.unwrap();
    }
    assert_eq!(fake.connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn requests_beyond_the_pool_wait_and_all_are_answered() {
    let fake = Fake::start(1000, usual);
    let native = Arc::new(fake.native().await);
    let tasks = (0..100).map(|_| {
        tokio::spawn({
            let native = native.clone();
            async move { native.images().await }
        })
    });
    for task in futures::future::join_all(tasks).await {
        task.unwrap().unwrap();
    }
    assert!(fake.connections.load(Ordering::SeqCst) <= CONNECTIONS);
}

#[tokio::test]
async fn a_silent_starter_is_given_up_and_a_late_answer_reaches_nobody() {
    let fake = Fake::start(9, |request| {
        if request == Request::Images {
            std::thread::sleep(Duration::from_millis(300));
        }
        usual(request)
    });
    let native = Native::connect_with_timeout(&fake.path(), Duration::from_millis(100)).await.unwrap();
    assert!(matches!(native.images().await, Err(RuntimeError::Unavailable { .. })));
    native.destroy(&"sb-one".parse().unwrap()).await.unwrap();
}

#[tokio::test]
async fn sandboxes_that_take_long_keep_nobody_from_the_others() {
    let fake = Fake::start(9, |request| {
        if matches!(request, Request::Create { .. } | Request::Destroy { .. }) {
            std::thread::sleep(Duration::from_secs(4));
        }
        usual(request)
    });
    let native = Arc::new(Native::connect_with_timeout(&fake.path(), Duration::from_secs(1)).await.unwrap());
    let slow = (0..2 * CONNECTIONS).map(|index| {
        let native = native.clone();
        tokio::spawn(async move {
            match index % 2 {
                0 => native.create(spec("box")).await.is_err(),
                _ => native.destroy(&"sb-one".parse().unwrap()).await.is_err(),
            }
        })
    });
    let slow: Vec<_> = slow.collect();
    tokio::task::yield_now().await;
    let quick = tokio::time::timeout(Duration::from_millis(500), native.images()).await;
    assert!(quick.is_ok_and(|images| images.is_ok()));
    for task in slow {
        assert!(task.await.unwrap(), "given up");
    }
}
