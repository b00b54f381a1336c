//! Files of any length.

use crate::host::Host;
use crate::packets::Packets;
use protocol::packet::Packet;
use serde_json::{Value, json};
use std::time::Instant;

async fn upload(host: &Host, path: &str, more: Value, content: &[u8]) -> Value {
    let mut stream = write(host, path, more).await;
    for chunk in content.chunks(200_000) {
        stream.data(chunk.to_vec()).await;
    }
    stream.say(json!({ "kind": "end" })).await;
    stream.message().await
}

async fn write(host: &Host, path: &str, more: Value) -> Packets {
    let mut open = json!({ "kind": "write_file", "path": path });
    open.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Packets::open(host, open).await
}

async fn download(host: &Host, path: &str, more: Value) -> (Value, Vec<u8>, Value) {
    let mut open = json!({ "kind": "read_file", "path": path });
    open.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut stream = Packets::open(host, open).await;
    let first: Value = stream.next().await.unwrap().parse().unwrap();
    if first["kind"] == "failed" {
        return (first, Vec::new(), Value::Null);
    }
    let (content, _, end) = stream.rest().await;
    (first, content, end)
}

/// Bytes without a pattern that any codec could like.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test]
async fn a_large_binary_file_goes_in_and_comes_out_whole() {
    let Some(host) = Host::start() else { return };
    let content = noise(50_000_000);
    assert_eq!(upload(&host, "/home/wuying/deep/er/file", json!({}), &content).await, json!({ "kind": "written", "bytes": content.len() }));
    std::fs::write(host.directory().join("mine"), &content).unwrap();
    let expected = std::process::Command::new("sha256sum").arg(host.directory().join("mine")).output().unwrap().stdout;
    let sum = host.shell("sha256sum < deep/er/file; stat -c '%u %a %s' deep/er/file; ls -A deep/er").await;
    let expected = String::from_utf8_lossy(&expected[..64]).into_owned();
    assert_eq!(sum["stdout"].as_str().unwrap(), format!("{expected}  -\n1000 644 50000000\nfile\n"));
    let (opened, got, end) = download(&host, "/home/wuying/deep/er/file", json!({})).await;
    assert_eq!(opened, json!({ "kind": "opened", "size": content.len(), "mode": 0o644 }));
    assert!(got == content);
    assert_eq!(end, json!({ "kind": "ended", "bytes": content.len() }));
    assert!(host.memory_kb("VmHWM") < 24 * 1024, "{}", host.memory_kb("VmHWM"));
}

#[tokio::test]
async fn ranges_and_files_that_say_they_are_empty() {
    let Some(host) = Host::start() else { return };
    host.shell("printf 0123456789 > digits; ln -s digits link").await;
    for (more, expected) in [
        (json!({}), "0123456789"),
        (json!({ "offset": 3 }), "3456789"),
        (json!({ "offset": 3, "length": 4 }), "3456"),
        (json!({ "length": 0 }), ""),
        (json!({ "offset": 10 }), ""),
        (json!({ "offset": 99, "length": 5 }), ""),
    ] {
        let (opened, content, end) = download(&host, "/home/wuying/link", more).await;
        assert_eq!((String::from_utf8(content).unwrap().as_str(), opened["size"].clone()), (expected, json!(10)));
        assert_eq!(end["bytes"], expected.len());
    }
    let (opened, content, _) = download(&host, "/proc/version", json!({})).await;
    assert!(opened["size"] == 0 && content.starts_with(b"Linux"));
}

#[tokio::test]
async fn a_broken_transfer_changes_nothing() {
    let Some(host) = Host::start() else { return };
    host.shell("printf old > file; chmod 751 file; ln -s file link").await;
    for path in ["/home/wuying/file", "/home/wuying/new"] {
        let mut stream = write(&host, path, json!({})).await;
        stream.data(vec![b'x'; 500_000]).await;
        assert_eq!(host.shell("until test $(cat .roadstead-* | wc -c) = 500000; do sleep 0.01; done; cat file").await["stdout"], "old");
        host.runtime.cut();
        let rest = host.shell("while ls .roadstead-*; do sleep 0.01; done >/dev/null 2>&1; ls -A; cat file").await;
        assert_eq!(rest["stdout"], "file\nlink\nold");
    }
    // A whole one keeps the mode, and the link that led to it.
    assert_eq!(upload(&host, "/home/wuying/link", json!({ "permissions": 0o600 }), b"new").await["bytes"], 3);
    assert_eq!(host.shell("cat file; stat -c ' %a' file; readlink link").await["stdout"], "new 751\nfile\n");
    assert_eq!(upload(&host, "/home/wuying/other", json!({ "permissions": 0o4750 }), b"").await["bytes"], 0);
    assert_eq!(host.shell("stat -c '%a %s' other").await["stdout"], "4750 0\n");
}

#[tokio::test]
async fn modes_and_refusals() {
    let Some(host) = Host::start() else { return };
    host.shell(
        "printf a > file; mkfifo pipe; mkdir dir closed; printf old-content > closed/file; chmod 555 closed; touch fixed; chmod 444 fixed",
    )
    .await;
    assert_eq!(upload(&host, "/home/wuying/file", json!({ "mode": "append" }), b"bc").await["bytes"], 2);
    assert_eq!(upload(&host, "/home/wuying/log", json!({ "mode": "append", "permissions": 0o666 }), b"l").await["bytes"], 1);
    assert_eq!(host.shell("cat file; stat -c ' %a' log").await["stdout"], "abc 666\n");
    assert_eq!(upload(&host, "/home/wuying/fresh", json!({ "mode": "create_new" }), b"f").await["bytes"], 1);
    // The directory may not be written, the file may: in place.
    assert_eq!(upload(&host, "/home/wuying/closed/file", json!({}), b"new").await["bytes"], 3);
    assert_eq!(host.shell("cat closed/file").await["stdout"], "new");
    // What is the user's stays the user's, whoever writes it.
    assert_eq!(upload(&host, "/home/wuying/file", json!({ "user": "root" }), b"root's").await["bytes"], 6);
    assert_eq!(host.shell("stat -c %u file").await["stdout"], "1000\n");
    for (path, more, code) in [
        ("/home/wuying/fresh", json!({ "mode": "create_new" }), "already_exists"),
        ("/home/wuying/dir", json!({}), "wrong_file_type"),
        ("/home/wuying/pipe", json!({}), "wrong_file_type"),
        ("/home/wuying/pipe", json!({ "mode": "append" }), "wrong_file_type"),
        ("/dev/null", json!({}), "wrong_file_type"),
        ("/home/wuying/fixed", json!({}), "permission_denied"),
        ("/home/wuying/closed/new", json!({}), "permission_denied"),
        ("/root/file", json!({}), "permission_denied"),
        ("/home/wuying/file/below", json!({}), "wrong_file_type"),
        ("/home/wuying/x", json!({ "permissions": 0o10000 }), "invalid_argument"),
        ("", json!({}), "invalid_argument"),
    ] {
        // Refused while the host still sends: it can send all and then read why.
        let end = upload(&host, path, more, &vec![0; 3_000_000]).await;
        assert_eq!((&end["kind"], &end["error"]["code"]), (&json!("failed"), &json!(code)), "{path}: {end}");
    }
    for (path, code) in [
        ("/home/wuying/dir", "wrong_file_type"),
        ("/dev/zero", "wrong_file_type"),
        ("/no", "not_found"),
        ("/etc/shadow", "permission_denied"),
    ] {
        assert_eq!(download(&host, path, json!({})).await.0["error"]["code"], code, "{path}");
    }
    assert_eq!(host.shell("ls -A . closed dir | grep -c roadstead").await["stdout"], "0\n");
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_the_old_file() {
    let Some(host) = Host::start() else { return };
    host.shell("printf old > file").await;
    std::process::Command::new("nsenter")
        .args(["--mount", "--target", &host.pid().to_string(), "mount", "-o", "remount,size=4m", "/home"])
        .status()
        .unwrap();
    let end = upload(&host, "/home/wuying/file", json!({}), &vec![1; 20_000_000]).await;
    assert_eq!(end["error"]["code"], "no_space", "{end}");
    assert_eq!(host.shell("ls -A; cat file").await["stdout"], "file\nold");
}

#[tokio::test]
async fn two_hundred_megabytes_each_way() {
    let Some(host) = Host::start() else { return };
    const LENGTH: u64 = 200_000_000;
    let rate = |started: Instant| LENGTH as f64 / 1e6 / started.elapsed().as_secs_f64();
    let mut exec = Packets::exec(&host, "cat > /dev/null", json!({ "stdin": true })).await;
    let chunk = bytes::Bytes::from(vec![7; 250_000]);
    let started = Instant::now();
    for _ in 0..LENGTH / 250_000 {
        exec.data(chunk.clone()).await;
    }
    exec.say(json!({ "kind": "eof" })).await;
    exec.message().await;
    let stdin = rate(started);

    let started = Instant::now();
    let mut stream = write(&host, "/home/wuying/big", json!({})).await;
    for _ in 0..LENGTH / 250_000 {
        stream.data(chunk.clone()).await;
    }
    stream.say(json!({ "kind": "end" })).await;
    assert_eq!(stream.message().await["bytes"], LENGTH);
    let into = rate(started);

    let count = |mut stream: Packets| async move {
        let mut bytes = 0;
        while let Some(packet) = stream.next().await {
            if let Packet::Data(data) = packet {
                bytes += data.len() as u64;
            }
        }
        assert_eq!(bytes, LENGTH);
    };
    let started = Instant::now();
    count(Packets::open(&host, json!({ "kind": "read_file", "path": "/home/wuying/big" })).await).await;
    let out = rate(started);
    let started = Instant::now();
    count(Packets::exec(&host, "cat big", json!({})).await).await;
    let cat = rate(started);
    eprintln!("MB/s: file in {into:.0}, out {out:.0}; cat in {stdin:.0}, out {cat:.0}");
    assert!(into > 20.0 && out > 20.0, "{into} {out}");
}
