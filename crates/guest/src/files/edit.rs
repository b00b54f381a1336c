//! `edit_file`: exact replacements, all or none.

use super::{failed, open_regular, read::read_range, resolve, write::replace_content};
use protocol::ToolError;
use protocol::tools::filesystem::{EditFileArgs, EditFileResult, MAX_READ_BYTES};
use similar::TextDiff;
use std::fs::OpenOptions;
use std::time::Duration;
use types::SandboxUser;

/// A diff that takes longer becomes coarser, not later.
const DIFF_TIME: Duration = Duration::from_secs(1);

/// Applies the edits in order, each to the first occurrence of its text. The new content is made in memory, so an edit
/// that does not fit leaves the file untouched; then it is written in place (see [`replace_content`]).
pub fn edit_file(user: SandboxUser, args: &EditFileArgs) -> Result<EditFileResult, ToolError> {
    let path = resolve(user, &args.path)?;
    if args.edits.is_empty() {
        return Err(ToolError::invalid("edits is empty; give at least one replacement"));
    }
    let (bytes, _) = read_range(&path, 0, u64::MAX, MAX_READ_BYTES)?;
    let before = String::from_utf8(bytes)
        .map_err(|_| ToolError::invalid(format!("{} is not UTF-8 text; edit it with a command or write it whole", path.display())))?;
    let mut after = before.clone();
    for (index, edit) in args.edits.iter().enumerate() {
        if edit.old_text.is_empty() {
            return Err(ToolError::invalid(format!("edits[{index}].oldText is empty; give the text to replace")));
        }
        let Some(at) = after.find(&edit.old_text) else {
            let start: String = edit.old_text.chars().take(80).collect();
            let message = format!("edits[{index}].oldText does not occur in {}: {start:?}; no edit was applied", path.display());
            return Err(ToolError::invalid(message));
        };
        after.replace_range(at..at + edit.old_text.len(), &edit.new_text);
    }
    let name = path.display().to_string();
    let diff = TextDiff::configure().timeout(DIFF_TIME).diff_lines(&before, &after).unified_diff().header(&name, &name).to_string();
    if !args.dry_run {
        let (file, _) = open_regular(&path, OpenOptions::new().write(true))?;
        replace_content(&file, after.as_bytes()).map_err(failed("writing", &path))?;
    }
    Ok(EditFileResult { diff, applied: !args.dry_run })
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::tools::filesystem::Edit;

    fn edit(path: &std::path::Path, edits: &[(&str, &str)], dry_run: bool) -> Result<EditFileResult, ToolError> {
        let edits = edits.iter().map(|(old, new)| Edit { old_text: (*old).into(), new_text: (*new).into() }).collect();
        edit_file(SandboxUser::Root, &EditFileArgs { path: path.to_str().unwrap().into(), edits, dry_run })
    }

    #[test]
    fn edits_apply_in_order_all_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "one\ntwo\ntwo\n").unwrap();
        let read = || std::fs::read_to_string(&path).unwrap();

        let dry = edit(&path, &[("two", "2")], true).unwrap();
        assert!(!dry.applied && dry.diff.contains("-two\n+2\n"), "{}", dry.diff);
        assert_eq!(read(), "one\ntwo\ntwo\n");

        let error = edit(&path, &[("one", "1"), ("three", "3")], false).unwrap_err();
        assert!(error.message.contains("edits[1].oldText"), "{}", error.message);
        assert_eq!(read(), "one\ntwo\ntwo\n");

        assert!(edit(&path, &[("one", "1"), ("1\ntwo", "x")], false).unwrap().applied);
        assert_eq!(read(), "x\ntwo\n");
        assert!(edit(&path, &[("", "x")], false).is_err());
        assert!(edit(&path, &[], false).is_err());
    }
}
