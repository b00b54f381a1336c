//! Files, as the user whose call it is.

use crate::host::Host;
use protocol::ToolErrorCode;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn the_kernel_checks_as_the_calls_user() {
    let Some(host) = Host::start() else { return };
    let secret = json!({ "path": "/root/secret", "content": "s" });
    assert_eq!(host.call("write_file", secret).await.unwrap_err().code, ToolErrorCode::PermissionDenied);
    assert_eq!(host.call("read_file", json!({ "path": "/etc/shadow" })).await.unwrap_err().code, ToolErrorCode::PermissionDenied);
    assert!(host.call_as_root("read_file", json!({ "path": "/etc/shadow" })).await.is_ok());
    host.call("write_file", json!({ "path": "deep/er/file", "content": "mine" })).await.unwrap();
    let result = host.shell("stat -c '%u %g %a' deep/er deep/er/file; cat deep/er/file").await;
    assert_eq!(result["stdout"], "1000 1000 755\n1000 1000 644\nmine");
    host.call_as_root("write_file", json!({ "path": "/home/wuying/roots", "content": "r" })).await.unwrap();
    assert_eq!(
        host.call("write_file", json!({ "path": "roots", "content": "x" })).await.unwrap_err().code,
        ToolErrorCode::PermissionDenied
    );
    // Whoever may write the directory may delete what is in it: the kernel's rule, not ours.
    host.call("delete_file", json!({ "path": "roots" })).await.unwrap();
    // The switch is undone every time, for whatever thread comes next.
    for _ in 0..50 {
        assert!(host.call_as_root("read_file", json!({ "path": "/etc/shadow" })).await.is_ok());
        assert!(host.call("read_file", json!({ "path": "/etc/shadow" })).await.is_err());
    }
}

#[tokio::test]
async fn bad_paths_and_odd_files_are_clear_errors_and_never_hang() {
    let Some(host) = Host::start() else { return };
    host.shell("mkfifo pipe; mkdir dir; ln -s loop loop; touch file").await;
    let started = Instant::now();
    for (tool, path, expected) in [
        ("read_file", "pipe", ToolErrorCode::WrongFileType),
        ("read_file", "/dev/zero", ToolErrorCode::WrongFileType),
        ("read_file", "dir", ToolErrorCode::WrongFileType),
        ("read_file", "missing", ToolErrorCode::NotFound),
        ("read_file", "loop", ToolErrorCode::InvalidArgument),
        ("read_file", "a\0b", ToolErrorCode::InvalidArgument),
        ("read_file", "", ToolErrorCode::InvalidArgument),
        ("read_file", "file/below", ToolErrorCode::WrongFileType),
        ("list_directory", "file", ToolErrorCode::WrongFileType),
        ("list_directory", "missing", ToolErrorCode::NotFound),
        ("create_directory", "file", ToolErrorCode::WrongFileType),
        ("delete_file", "/", ToolErrorCode::InvalidArgument),
        ("get_file_info", "missing", ToolErrorCode::NotFound),
    ] {
        let error = host.call(tool, json!({ "path": path })).await.unwrap_err();
        assert_eq!(error.code, expected, "{tool} {path:?}: {}", error.message);
    }
    let long = host.call("read_file", json!({ "path": "x/".repeat(3000) })).await.unwrap_err();
    assert_eq!(long.code, ToolErrorCode::InvalidArgument);
    let pipe = host.call("write_file", json!({ "path": "pipe", "content": "x" })).await.unwrap_err();
    assert_eq!(pipe.code, ToolErrorCode::WrongFileType);
    assert!(started.elapsed() < Duration::from_secs(5));
    let above = host.call("read_file", json!({ "path": "../../../../etc/hostname" })).await.unwrap();
    assert_eq!(above["content"].as_str().unwrap(), std::fs::read_to_string("/etc/hostname").unwrap());
}

#[tokio::test]
async fn the_largest_file_goes_in_and_out_and_leaves_no_memory_behind() {
    let Some(host) = Host::start() else { return };
    let content = "AAAA".repeat((16 << 20) / 3);
    let written = host.call("write_file", json!({ "path": "big", "content": content, "format": "binary" })).await.unwrap();
    let size = written["bytes_written"].as_u64().unwrap();
    assert!(size > (16 << 20) - 4 && size <= 16 << 20);
    let read = host.call("read_file", json!({ "path": "big", "format": "binary" })).await.unwrap();
    assert_eq!(read["content"].as_str().unwrap(), content);
    // NUL is six bytes of JSON: as text this does not fit a message.
    assert_eq!(host.call("read_file", json!({ "path": "big" })).await.unwrap_err().code, ToolErrorCode::TooLarge);
    host.call("read_file", json!({ "path": "big", "length": 1000 })).await.unwrap();
    host.shell("sleep 0.2").await;
    let rss = host.memory_kb("VmRSS");
    // One message in one buffer is 22 MiB, and the allocator may keep a freed one or two of them.
    assert!(rss < 72 * 1024, "{rss} kB");
}

#[tokio::test]
async fn ten_thousand_files_are_listed_searched_and_deleted() {
    let Some(host) = Host::start() else { return };
    host.shell("mkdir many; cd many; seq -f 'f%05g.txt' 10000 | xargs touch").await;
    let list = host.call("list_directory", json!({ "path": "many" })).await.unwrap();
    let entries = list["entries"].as_array().unwrap();
    assert_eq!((entries.len(), &entries[9999]["name"]), (10_000, &json!("f10000.txt")));
    let found = host.call("search_files", json!({ "path": ".", "pattern": "f0000?.txt" })).await.unwrap();
    assert_eq!(found["paths"].as_array().unwrap().len(), 9);
    assert_eq!(found["paths"][0], "/home/wuying/many/f00001.txt");
    host.call("delete_file", json!({ "path": "many" })).await.unwrap();
    assert_eq!(host.shell("ls | wc -l").await["stdout"], "0\n");
}

#[tokio::test]
async fn the_other_tools_do_what_they_say() {
    let Some(host) = Host::start() else { return };
    host.call("create_directory", json!({ "path": "a/b" })).await.unwrap();
    assert_eq!(host.call("get_file_change", json!({ "path": "a" })).await.unwrap()["changes"], json!([]));
    host.call("write_file", json!({ "path": "a/b/t", "content": "one €\n" })).await.unwrap();
    let edit = json!({ "path": "a/b/t", "edits": [{ "oldText": "one", "newText": "two" }] });
    assert_eq!(host.call("edit_file", edit).await.unwrap()["applied"], true);
    assert_eq!(host.call("read_file", json!({ "path": "a/b/t", "offset": 4, "length": 2 })).await.unwrap()["content"], "");
    assert_eq!(host.call("read_file", json!({ "path": "a/b/t", "offset": 6, "length": 1 })).await.unwrap()["content"], "€");
    let info = host.call("get_file_info", json!({ "path": "a/b/t" })).await.unwrap();
    assert_eq!((&info["size"], &info["path"], &info["mode"]), (&json!(8), &json!("/home/wuying/a/b/t"), &json!(0o644)));
    host.call("move_file", json!({ "source": "a/b/t", "destination": "/tmp/roadstead-guest-moved" })).await.unwrap();
    let many = host.call("read_multiple_files", json!({ "paths": ["/tmp/roadstead-guest-moved", "a/b/t"] })).await.unwrap();
    host.call("delete_file", json!({ "path": "/tmp/roadstead-guest-moved" })).await.unwrap();
    assert_eq!((&many["files"][0]["content"], &many["files"][1]["error"]["code"]), (&json!("two €\n"), &json!("not_found")));
    let changed = host.call("get_file_change", json!({ "path": "a" })).await.unwrap();
    assert_eq!(changed["changes"], json!([]), "made and moved away in between");
    host.call("delete_file", json!({ "path": "a/b" })).await.unwrap();
    let changed = host.call("get_file_change", json!({ "path": "a" })).await.unwrap();
    assert_eq!(changed["changes"], json!([{ "eventType": "delete", "path": "/home/wuying/a/b", "pathType": "directory" }]));
}
