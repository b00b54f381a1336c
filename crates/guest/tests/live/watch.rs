//! Changes as they happen.

use crate::host::Host;
use crate::packets::Packets;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

async fn watch(host: &Host, path: &str) -> Packets {
    let mut watch = Packets::open(host, json!({ "kind": "watch", "path": path })).await;
    assert_eq!(watch.message().await["kind"], "watching");
    watch
}

fn told(message: &Value) -> Vec<(String, String, String)> {
    assert_eq!(message["kind"], "changed", "{message}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let changes = message["changes"].as_array().unwrap();
    changes
        .iter()
        .map(|change| (text(&change["eventType"]), text(&change["path"]).replace("/home/wuying/w/", ""), text(&change["pathType"])))
        .collect()
}

#[tokio::test]
async fn the_stream_tells_what_the_tool_tells() {
    let Some(host) = Host::start() else { return };
    host.shell("mkdir -p w/sub; echo 1 > w/old; echo 1 > w/gone; echo 1 > w/sub/in; echo 1 > w/target").await;
    let mut watch = watch(&host, "/home/wuying/w").await;
    let ask = json!({ "path": "w" });
    host.call("get_file_change", ask.clone()).await.unwrap();
    for action in [
        "echo 22 > old",
        "rm gone",
        "echo new > fresh",
        "mv fresh renamed",
        "touch renamed",
        "echo swapped > tmp; mv tmp target",
        "mkdir -p a/b/c; touch a/b/c/f; ln -s f a/link",
        "mv a moved; touch moved/b/x",
        "mv sub moved/sub; mkdir sub; touch sub/again",
        "mv moved ../elsewhere",
        "mv ../elsewhere back",
        "rm -r back",
        "rm -r sub; touch sub",
        "chmod 600 old; touch nothing; rm nothing; touch end",
    ] {
        host.shell(&format!("cd w; {action}")).await;
        let expected = host.call("get_file_change", ask.clone()).await.unwrap();
        let mut expected = told(&json!({ "kind": "changed", "changes": expected["changes"] }));
        // One action may fall into two windows; then a file may be told as made and as changed.
        let mut seen: BTreeMap<String, (String, String)> = BTreeMap::new();
        while seen.len() < expected.len() || expected.iter().any(|(_, path, _)| !seen.contains_key(path)) {
            for (kind, path, kind_of) in told(&watch.message().await) {
                let kind = match seen.get(&path) {
                    Some((before, _)) if before == "create" && kind == "modify" => "create".to_owned(),
                    Some((before, _)) if before == "delete" && kind == "create" => "modify".to_owned(),
                    _ => kind,
                };
                seen.insert(path, (kind, kind_of));
            }
        }
        expected.sort();
        let mut seen: Vec<_> = seen.into_iter().filter(|(path, _)| path != "tmp").map(|(path, (kind, of))| (kind, path, of)).collect();
        seen.retain(|(kind, path, _)| expected.iter().any(|(_, other, _)| other == path) || kind != "delete");
        seen.sort();
        assert_eq!(seen, expected, "{action}");
    }
}

#[tokio::test]
async fn a_storm_in_new_directories_loses_nothing() {
    let Some(host) = Host::start() else { return };
    host.shell("mkdir w").await;
    let mut watch = watch(&host, "/home/wuying/w").await;
    let storm = "cd w; for d in $(seq 50); do mkdir -p $d/deep; for f in $(seq 20); do echo $f > $d/deep/$f; done; done; touch last";
    host.shell(storm).await;
    let mut files = std::collections::BTreeSet::new();
    while files.len() < 50 * 22 + 1 {
        for (kind, path, _) in told(&watch.message().await) {
            if kind == "create" {
                assert!(files.insert(path.clone()), "{path} was told as made twice");
            }
        }
    }
    // And goes on: a directory of the storm is watched.
    host.shell("rm w/7/deep/7").await;
    loop {
        let told = told(&watch.message().await);
        if told.iter().any(|(kind, path, _)| kind == "delete" && path == "7/deep/7") {
            break;
        }
        assert!(told.iter().all(|(kind, ..)| kind == "modify"), "{told:?}");
    }
    // Told soon after it happened.
    let started = Instant::now();
    std::process::Command::new("nsenter")
        .args(["--mount", "--target", &host.pid().to_string(), "touch", "/home/wuying/w/now"])
        .status()
        .unwrap();
    assert_eq!(told(&watch.message().await), [("create".into(), "now".into(), "file".into())]);
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
}

#[tokio::test]
async fn more_than_the_kernel_queues_is_still_told() {
    let Some(host) = Host::start() else { return };
    host.shell("mkdir w").await;
    let mut watch = watch(&host, "/home/wuying/w").await;
    // The host does not read meanwhile, so that notices pile up.
    host.shell(
        "cd w; for n in $(seq 3); do seq -f x%g 30000 | xargs touch; seq -f x%g 30000 | xargs rm; done; seq -f y%g 200 | xargs touch",
    )
    .await;
    let mut there = std::collections::BTreeSet::new();
    while there.iter().filter(|path: &&String| path.starts_with('y')).count() < 200 || there.len() != 200 {
        let message = watch.message().await;
        if message["kind"] == "missed" {
            continue;
        }
        for (kind, path, _) in told(&message) {
            match kind.as_str() {
                "delete" => there.remove(&path),
                _ => there.insert(path),
            };
        }
    }
}

#[tokio::test]
async fn what_cannot_be_watched_says_why() {
    let Some(host) = Host::start() else { return };
    host.shell("mkdir w; touch file; mkdir -p many; cd many; seq 50001 | xargs touch").await;
    for (path, code) in [
        ("/no/such", "not_found"),
        ("/home/wuying/file", "wrong_file_type"),
        ("/root", "permission_denied"),
        ("/home/wuying/many", "too_large"),
        ("", "invalid_argument"),
    ] {
        let mut watch = Packets::open(&host, json!({ "kind": "watch", "path": path })).await;
        assert_eq!(watch.message().await["error"]["code"], code, "{path}");
    }
    let mut watch = watch(&host, "/home/wuying/w").await;
    host.shell("rmdir w").await;
    let end = watch.message().await;
    assert_eq!((&end["kind"], &end["error"]["code"]), (&json!("failed"), &json!("not_found")), "{end}");
}
