//! The forms in which git tells.

use super::{Branch, Commit, Remote, StatusEntry, WorkTree};

/// Fields end with \x01 and commits with NUL, which no field can hold.
pub(super) const LOG_FORMAT: &str = "%H%x01%h%x01%an%x01%ae%x01%aI%x01%s%x00";

/// `git status --porcelain=1 -b -z`.
pub(super) fn status(text: &str) -> WorkTree {
    let mut tree = WorkTree::default();
    let mut parts = text.split('\0').filter(|part| !part.is_empty());
    while let Some(part) = parts.next() {
        if let Some(head) = part.strip_prefix("## ") {
            read_head(head, &mut tree);
            continue;
        }
        let mut letters = part.chars();
        let (Some(index), Some(work_tree), Some(' ')) = (letters.next(), letters.next(), letters.next()) else { continue };
        let original_path = [index, work_tree].iter().any(|letter| matches!(letter, 'R' | 'C')).then(|| parts.next()).flatten();
        tree.entries.push(StatusEntry {
            path: letters.as_str().to_owned(),
            original_path: original_path.map(str::to_owned),
            index,
            work_tree,
        });
    }
    tree
}

/// `main...origin/main [ahead 1, behind 2]`, `No commits yet on main`, `HEAD (no branch)`.
fn read_head(head: &str, tree: &mut WorkTree) {
    if head.starts_with("HEAD (") {
        return;
    }
    let head = head.strip_prefix("No commits yet on ").unwrap_or(head);
    let (names, counts) = match head.split_once(" [") {
        Some((names, counts)) => (names, counts.trim_end_matches(']')),
        None => (head, ""),
    };
    let (branch, upstream) = match names.split_once("...") {
        Some((branch, upstream)) => (branch, Some(upstream.to_owned())),
        None => (names, None),
    };
    let count = |word: &str| counts.split(", ").find_map(|part| part.strip_prefix(word)?.trim().parse().ok()).unwrap_or(0);
    (tree.branch, tree.upstream) = (Some(branch.to_owned()), upstream);
    (tree.ahead, tree.behind) = (count("ahead "), count("behind "));
}

/// `git log` in [`LOG_FORMAT`].
pub(super) fn log(text: &str) -> Vec<Commit> {
    let commit = |entry: &str| {
        let mut fields = entry.trim_start_matches('\n').splitn(6, '\x01').map(str::to_owned);
        Some(Commit {
            hash: fields.next()?,
            short_hash: fields.next()?,
            author_name: fields.next()?,
            author_email: fields.next()?,
            date: fields.next()?,
            subject: fields.next()?,
        })
    };
    text.split('\0').filter_map(commit).collect()
}

/// A name, a tab, and `*` for the current one, a line.
pub(super) fn branches(text: &str) -> Vec<Branch> {
    let branch = |line: &str| {
        let (name, mark) = line.split_once('\t')?;
        // With no branch checked out git lists that state as if it were one.
        let real = !name.is_empty() && !name.starts_with('(');
        real.then(|| Branch { name: name.to_owned(), is_current: mark.trim() == "*" })
    };
    text.lines().filter_map(branch).collect()
}

/// `git remote -v`: two lines a remote, of which the one for fetching counts.
pub(super) fn remotes(text: &str) -> Vec<Remote> {
    let remote = |line: &str| {
        let (name, rest) = line.split_once('\t')?;
        let url = rest.strip_suffix(" (fetch)").or_else(|| rest.split_once(" (fetch) ").map(|(url, _)| url))?;
        Some(Remote { name: name.to_owned(), url: url.to_owned() })
    };
    text.lines().filter_map(remote).collect()
}

/// The directory that `git clone` makes of an address.
pub(super) fn directory_of(url: &str) -> Option<String> {
    let path = url.trim_end_matches('/').trim_end_matches("/.git");
    let name = path.rsplit(['/', ':']).next()?.trim_end_matches(".git");
    (!matches!(name, "" | "." | "..")).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::FileStatus;
    use super::*;

    #[test]
    fn status_keeps_odd_names_and_renames() {
        let tree = status("## main...origin/main [ahead 1, behind 2]\0R  new name\0old \"name\"\0?? a\nb\0UU c\0 D d\0");
        assert_eq!((tree.branch.as_deref(), tree.upstream.as_deref(), tree.ahead, tree.behind), (Some("main"), Some("origin/main"), 1, 2));
        let seen: Vec<_> = tree.entries.iter().map(|entry| (entry.path.as_str(), entry.status(), entry.is_staged())).collect();
        let expected = [
            ("new name", FileStatus::Renamed, true),
            ("a\nb", FileStatus::Untracked, false),
            ("c", FileStatus::Conflict, true),
            ("d", FileStatus::Deleted, false),
        ];
        assert_eq!(seen, expected);
        assert_eq!(tree.entries[0].original_path.as_deref(), Some("old \"name\""));
        assert_eq!(status("## HEAD (no branch)\0").branch, None);
        let new = status("## No commits yet on main\0");
        assert!(new.is_clean() && new.branch.as_deref() == Some("main"));
    }

    #[test]
    fn a_log_is_cut_at_bytes_that_no_field_holds() {
        let commits = log("h1\x01s1\x01Ada\x01a@x\x012026-01-02T03:04:05+01:00\x01one: two | three\0\nh2\x01s2\x01B\x01b@x\x01d\x01\0\n");
        assert_eq!(commits.len(), 2);
        assert_eq!((commits[0].subject.as_str(), commits[1].hash.as_str(), commits[1].subject.as_str()), ("one: two | three", "h2", ""));
    }

    #[test]
    fn branches_and_remotes_are_lines() {
        let found = branches("(HEAD detached at 1)\t*\nmain\t \ntopic/a\t*\n");
        assert_eq!(found.iter().map(|b| (b.name.as_str(), b.is_current)).collect::<Vec<_>>(), [("main", false), ("topic/a", true)]);
        let found = remotes("origin\t/tmp/a b (fetch)\norigin\t/tmp/a b (push)\n");
        assert_eq!(found, [Remote { name: "origin".into(), url: "/tmp/a b".into() }]);
    }

    #[test]
    fn an_address_names_a_directory() {
        let check = |url, name| assert_eq!(directory_of(url).as_deref(), name, "{url}");
        check("https://example.com/team/app.git", Some("app"));
        check("git@example.com:app.git/", Some("app"));
        check("/srv/app/.git", Some("app"));
        check("/", None);
    }
}
