//! `search_files`.

use super::{check_cancelled, failed, resolve};
use globset::{GlobBuilder, GlobMatcher};
use protocol::ToolError;
use protocol::tools::filesystem::{MAX_ENTRIES, SearchFilesArgs, SearchFilesResult};
use std::fs;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;
use types::SandboxUser;

/// Finds files and directories by name. Symbolic links are found but not followed; directories that the user may not
/// read are passed over.
pub fn search_files(user: SandboxUser, args: &SearchFilesArgs, cancel: &CancellationToken) -> Result<SearchFilesResult, ToolError> {
    let root = resolve(user, &args.path)?;
    let wanted = Pattern::new("pattern", &args.pattern)?;
    let excluded = args.exclude_patterns.iter().map(|p| Pattern::new("excludePatterns", p)).collect::<Result<Vec<_>, _>>()?;
    // The first directory must be readable; below it, what cannot be read does not fail the search.
    fs::read_dir(&root).map_err(failed("searching", &root))?;

    let mut paths: Vec<PathBuf> = Vec::new();
    let mut pending = vec![root.clone()];
    while let Some(directory) = pending.pop() {
        check_cancelled(cancel)?;
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(below) = path.strip_prefix(&root) else { continue };
            if excluded.iter().any(|pattern| pattern.matches(below)) {
                continue;
            }
            if wanted.matches(below) {
                if paths.len() == MAX_ENTRIES {
                    return Ok(result(paths, true));
                }
                paths.push(path.clone());
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                pending.push(path);
            }
        }
    }
    Ok(result(paths, false))
}

fn result(mut paths: Vec<PathBuf>, truncated: bool) -> SearchFilesResult {
    paths.sort();
    SearchFilesResult { paths: paths.iter().map(|path| path.to_string_lossy().into_owned()).collect(), truncated }
}

/// A wildcard pattern: on the name, or with a `/` in it on the path below the searched directory.
struct Pattern {
    matcher: GlobMatcher,
    on_path: bool,
}

impl Pattern {
    fn new(argument: &str, text: &str) -> Result<Self, ToolError> {
        if text.is_empty() {
            return Err(ToolError::invalid(format!("{argument} is empty; `*` stands for every name")));
        }
        let glob = GlobBuilder::new(text.strip_prefix('/').unwrap_or(text)).literal_separator(true).build();
        let glob = glob.map_err(|error| ToolError::invalid(format!("{argument} {text:?} is no wildcard pattern: {error}")))?;
        Ok(Self { matcher: glob.compile_matcher(), on_path: text.contains('/') })
    }

    fn matches(&self, below: &Path) -> bool {
        if self.on_path { self.matcher.is_match(below) } else { below.file_name().is_some_and(|name| self.matcher.is_match(name)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_at_any_depth_and_paths_from_the_start() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["a.rs", "src/b.rs", "src/.hidden.rs", "src/deep/c.rs", "target/d.rs", "src/e.txt"] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), dir.path().join("src/loop")).unwrap();
        let check = |pattern: &str, exclude: &[&str], expected: &[&str]| {
            let args = SearchFilesArgs {
                path: dir.path().to_str().unwrap().into(),
                pattern: pattern.into(),
                exclude_patterns: exclude.iter().map(|p| (*p).into()).collect(),
            };
            let found = search_files(SandboxUser::Root, &args, &CancellationToken::new()).unwrap().paths;
            let below: Vec<_> = found.iter().map(|path| path.strip_prefix(&args.path).unwrap()).collect();
            assert_eq!(below, expected, "{pattern}");
        };
        check("*.rs", &[], &["/a.rs", "/src/.hidden.rs", "/src/b.rs", "/src/deep/c.rs", "/target/d.rs"]);
        check("?.rs", &["target", "src/deep/*"], &["/a.rs", "/src/b.rs"]);
        check("src/*.rs", &[], &["/src/.hidden.rs", "/src/b.rs"]);
        check("**/c.rs", &[], &["/src/deep/c.rs"]);
        check("loop", &[], &["/src/loop"]);
        check("nothing", &[], &[]);
    }
}
