//! Files as readers and writers against a service that has tool calls only.

use crate::stub::{Reply, Request, Stub, tool};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roadstead_sdk::FileSystem;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Disk = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A session with a disk of files and the few commands that are used for them.
fn act(disk: &Disk, request: &Request) -> Reply {
    if request.path.starts_with("/v1/") {
        return Reply(404, "<html>no such page</html>".into(), Duration::ZERO);
    }
    let (args, mut disk) = (request.args(), disk.lock().unwrap());
    let path = args["path"].as_str().unwrap_or_default().to_owned();
    match request.field("Name").unwrap() {
        "get_file_info" => match disk.get(&path) {
            Some(content) => tool(&format!("path: {path}\nsize: {}\nisDirectory: false\nisFile: true", content.len()), false),
            None => tool("no such file", true),
        },
        "read_file" => {
            let number = |name: &str| args[name].as_u64().unwrap() as usize;
            let content = &disk[&path];
            let end = (number("offset") + number("length")).min(content.len());
            tool(&STANDARD.encode(&content[number("offset").min(end)..end]), false)
        }
        "write_file" => {
            disk.insert(path, args["content"].as_str().unwrap().into());
            tool("ok", false)
        }
        _ => {
            let command = args["command"].as_str().unwrap();
            let words: Vec<&str> = command.split(' ').collect();
            let name = |word: &str| word.trim_matches(['\'', ';']).to_owned();
            match words[0] {
                "printf" => disk.get_mut(&name(words[7])).unwrap().extend(STANDARD.decode(name(words[2])).unwrap()),
                "rm" => drop(disk.remove(&name(words[2]))),
                _ => {
                    let [.., from, to] = &words[..] else { panic!("{command}") };
                    let content = disk.remove(&name(from)).unwrap();
                    disk.insert(name(to), content);
                }
            }
            tool(&json!({"stdout": "", "stderr": "", "exit_code": 0}).to_string(), false)
        }
    }
}

async fn hosted() -> (Disk, Stub, FileSystem) {
    let disk = Disk::default();
    let seen = disk.clone();
    let stub = Stub::new(move |request| act(&seen, request)).await;
    let files = stub.client().attach("s").unwrap().files();
    (disk, stub, files)
}

#[tokio::test]
async fn a_service_without_streams_carries_files_in_pieces() {
    let (disk, stub, files) = hosted().await;
    let content: Vec<u8> = (0..120_001_u32).map(|n| (n * 7 % 251) as u8).collect();
    let mut writer = files.open_write("/a").await.unwrap();
    writer.write_all(&content).await.unwrap();
    assert!(!disk.lock().unwrap().contains_key("/a"), "it is there before it was finished");
    assert_eq!(writer.finish().await.unwrap(), 120_001);
    assert!(disk.lock().unwrap()["/a"] == content && disk.lock().unwrap().len() == 1);

    let mut reader = files.open_read("/a").await.unwrap();
    assert_eq!(reader.len(), Some(120_001));
    let mut read = Vec::new();
    reader.read_to_end(&mut read).await.unwrap();
    assert!(read == content);
    let strange = stub.seen().iter().filter(|request| request.path.starts_with("/v1/")).count();
    assert_eq!(strange, 1, "what the service is not is found out once");
    assert!(files.open_read("/none").await.is_err());
}

#[tokio::test]
async fn a_writer_that_is_dropped_leaves_everything_as_it_was() {
    let (disk, stub, files) = hosted().await;
    disk.lock().unwrap().insert("/a".into(), b"old".to_vec());
    let mut writer = files.open_write("/a").await.unwrap();
    writer.write_all(&[7; 100_000]).await.unwrap();
    drop(writer);
    let removed = |request: &Request| request.args()["command"].as_str().is_some_and(|command| command.starts_with("rm -f"));
    stub.expect_where("rm", removed).await;
    // The stub keeps a request before it acts on it, so the disk is looked at by a later one.
    let mut read = String::new();
    files.open_read("/a").await.unwrap().read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "old");
    assert_eq!(disk.lock().unwrap().len(), 1, "something is left beside it");
}
