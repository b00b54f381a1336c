//! The text forms in which the file tools answer.

use super::{DirectoryEntry, FileInfo, PathKind};
use std::collections::HashMap;

/// Lines of `key: value`.
pub(super) fn file_info(text: &str, asked: &str) -> Result<FileInfo, String> {
    let facts: HashMap<&str, &str> =
        text.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key.trim(), value.trim())).collect();
    let fact = |keys: &[&str]| keys.iter().find_map(|key| facts.get(key)).filter(|value| !value.is_empty()).map(|value| value.to_string());
    let is = |key| facts.get(key).map(|value| value.eq_ignore_ascii_case("true"));
    let kind = match (is("isDirectory"), is("isFile")) {
        (Some(true), _) => PathKind::Directory,
        (_, Some(true)) | (Some(false), None) => PathKind::File,
        _ => PathKind::Other,
    };
    let size = facts.get("size").ok_or("it names no size")?;
    let path = fact(&["path"]).unwrap_or_else(|| asked.to_owned());
    Ok(FileInfo {
        name: fact(&["name"]).unwrap_or_else(|| path.rsplit('/').next().unwrap_or_default().to_owned()),
        size: size.parse().map_err(|_| format!("`{size}` is no size"))?,
        kind,
        permissions: fact(&["permissions", "mode"]),
        owner: fact(&["owner"]),
        group: fact(&["group"]),
        created: fact(&["created"]),
        modified: fact(&["modified", "modTime"]),
        accessed: fact(&["accessed"]),
        path,
    })
}

/// Lines of `[DIR] name` and `[FILE] name`.
pub(super) fn listing(text: &str) -> Vec<DirectoryEntry> {
    let entry = |line: &str| {
        let directory = line.strip_prefix("[DIR] ").map(|name| (name, PathKind::Directory));
        let (name, kind) = directory.or_else(|| line.strip_prefix("[FILE] ").map(|name| (name, PathKind::File)))?;
        Some(DirectoryEntry { name: name.to_owned(), kind })
    };
    text.split('\n').filter_map(entry).collect()
}

/// One path a line, or a sentence when there is none.
pub(super) fn search(text: &str) -> Vec<String> {
    text.split('\n').filter(|line| !line.is_empty() && *line != "No matches found").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_and_times_keep_their_colons() {
        let text = "name: a.txt\npath: /tmp/a.txt\nsize: 12\nisDirectory: false\nisFile: true\nmodified: 2026-01-02T03:04:05Z\nowner: wuying\ngroup:";
        let info = file_info(text, "a.txt").unwrap();
        assert_eq!((info.size, info.kind, info.path.as_str()), (12, PathKind::File, "/tmp/a.txt"));
        assert_eq!(info.modified.as_deref(), Some("2026-01-02T03:04:05Z"));
        assert_eq!((info.owner.as_deref(), info.group), (Some("wuying"), None));
        assert!(file_info("hello", "x").is_err());
        assert!(file_info("size: big", "x").is_err());
        assert_eq!(file_info("size: 0\nisDirectory: true", "/tmp/d").unwrap().name, "d");
    }

    #[test]
    fn names_keep_their_spaces() {
        let entries = listing("[DIR] my dir\n[FILE]  led by a space\nsomething else\n");
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[0].name.as_str(), entries[0].kind), ("my dir", PathKind::Directory));
        assert_eq!(entries[1].name, " led by a space");
    }

    #[test]
    fn no_match_is_an_empty_list() {
        assert!(search("No matches found").is_empty());
        assert_eq!(search("/a b\n/c\n"), ["/a b", "/c"]);
    }
}
