//! Why git failed, sorted by what it said.

use crate::{CommandOutput, Error, Response};

/// A git command that failed.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) {
/// use roadstead_sdk::{Error, GitErrorKind};
/// match session.git().pull("/tmp/project", "origin", "main").await {
///     Err(Error::Git(error)) if error.kind == GitErrorKind::Conflict => println!("resolve it: {}", error.message),
///     other => println!("{other:?}"),
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("git {operation} failed: {message} [exit code {exit_code}, request {request_id}]")]
#[non_exhaustive]
pub struct GitError {
    /// Its kind.
    pub kind: GitErrorKind,
    /// The git command, such as `clone`.
    pub operation: &'static str,
    /// What git said.
    pub message: String,
    /// Its exit code.
    pub exit_code: i32,
    /// The request's id.
    pub request_id: String,
}

/// What went wrong with a git command.
///
/// ```no_run
/// # fn example(error: roadstead_sdk::GitError) {
/// assert_eq!(error.kind, roadstead_sdk::GitErrorKind::NotARepository);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GitErrorKind {
    /// The session has no git.
    NotInstalled,
    /// The directory is no repository.
    NotARepository,
    /// The remote wants a password or a key, or refuses those it got.
    Authentication,
    /// Changes do not fit together.
    Conflict,
    /// The remote has commits that are not here: pull first.
    Rejected,
    /// No such repository, branch, commit, path or remote.
    NotFound,
    /// It exists already.
    AlreadyExists,
    /// Nothing is staged.
    NothingToCommit,
    /// Git does not know who commits: configure a user, or name an author.
    NoIdentity,
    /// The remote cannot be reached.
    Network,
    /// The time limit was over.
    Timeout,
    /// Anything else.
    Other,
}

impl GitError {
    pub(super) fn of(operation: &'static str, output: Response<CommandOutput>) -> Error {
        let Response { request_id, value: output, .. } = output;
        let said = if output.stderr.trim().is_empty() { output.stdout.trim() } else { output.stderr.trim() };
        let message = if said.is_empty() { "it said nothing".to_owned() } else { said.to_owned() };
        Error::Git(Box::new(Self { kind: kind(&output), operation, message, exit_code: output.exit_code, request_id }))
    }
}

/// Words of git and the kind they mean, the surest first.
const WORDS: &[(&str, GitErrorKind)] = &[
    ("not a git repository", GitErrorKind::NotARepository),
    ("not in a git directory", GitErrorKind::NotARepository),
    ("could not read username", GitErrorKind::Authentication),
    ("could not read password", GitErrorKind::Authentication),
    ("authentication failed", GitErrorKind::Authentication),
    ("terminal prompts disabled", GitErrorKind::Authentication),
    ("permission denied (publickey", GitErrorKind::Authentication),
    ("host key verification failed", GitErrorKind::Authentication),
    ("access denied", GitErrorKind::Authentication),
    ("returned error: 401", GitErrorKind::Authentication),
    ("returned error: 403", GitErrorKind::Authentication),
    ("conflict", GitErrorKind::Conflict),
    ("would be overwritten by", GitErrorKind::Conflict),
    ("unmerged files", GitErrorKind::Conflict),
    ("unmerged paths", GitErrorKind::Conflict),
    ("not possible to fast-forward", GitErrorKind::Conflict),
    ("divergent branches", GitErrorKind::Conflict),
    ("non-fast-forward", GitErrorKind::Rejected),
    ("[rejected]", GitErrorKind::Rejected),
    ("nothing to commit", GitErrorKind::NothingToCommit),
    ("no changes added to commit", GitErrorKind::NothingToCommit),
    ("nothing added to commit", GitErrorKind::NothingToCommit),
    ("please tell me who you are", GitErrorKind::NoIdentity),
    ("unable to auto-detect email", GitErrorKind::NoIdentity),
    ("empty ident name", GitErrorKind::NoIdentity),
    ("could not resolve host", GitErrorKind::Network),
    ("could not connect", GitErrorKind::Network),
    ("failed to connect", GitErrorKind::Network),
    ("connection refused", GitErrorKind::Network),
    ("connection timed out", GitErrorKind::Network),
    ("network is unreachable", GitErrorKind::Network),
    ("already exists", GitErrorKind::AlreadyExists),
    ("does not exist", GitErrorKind::NotFound),
    ("not found", GitErrorKind::NotFound),
    ("no such file or directory", GitErrorKind::NotFound),
    ("no such remote", GitErrorKind::NotFound),
    ("did not match any", GitErrorKind::NotFound),
    ("unknown revision", GitErrorKind::NotFound),
    ("couldn't find remote ref", GitErrorKind::NotFound),
    ("does not match any", GitErrorKind::NotFound),
    ("does not appear to be a git repository", GitErrorKind::NotFound),
    ("invalid reference", GitErrorKind::NotFound),
    ("not a valid ref", GitErrorKind::NotFound),
    ("does not have any commits yet", GitErrorKind::NotFound),
];

fn kind(output: &CommandOutput) -> GitErrorKind {
    if output.timed_out {
        return GitErrorKind::Timeout;
    }
    if output.exit_code == 127 {
        return GitErrorKind::NotInstalled;
    }
    let said = format!("{}\n{}", output.stderr, output.stdout).to_lowercase();
    // A conflict is told on standard output, beside a standard error that may hold anything.
    WORDS.iter().find(|(words, _)| said.contains(words)).map_or(GitErrorKind::Other, |(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_tells_the_kind() {
        let check = |stderr: &str, stdout: &str, exit_code, expected| {
            let output = CommandOutput { stderr: stderr.into(), stdout: stdout.into(), exit_code, ..CommandOutput::default() };
            let error = GitError::of("pull", Response::new("req-1", output));
            assert!(matches!(&error, Error::Git(git) if git.kind == expected), "{error:?}");
            assert!(error.to_string().contains("req-1") && error.request_id() == Some("req-1"));
        };
        use GitErrorKind::*;
        check("fatal: not a git repository (or any of the parent directories): .git", "", 128, NotARepository);
        check("fatal: could not read Username for 'https://x': terminal prompts disabled", "", 128, Authentication);
        check("", "CONFLICT (content): Merge conflict in a\nAutomatic merge failed", 1, Conflict);
        check(" ! [rejected]        main -> main (fetch first)", "", 1, Rejected);
        check("", "On branch main\nnothing to commit, working tree clean", 1, NothingToCommit);
        check("Author identity unknown\n\n*** Please tell me who you are.", "", 128, NoIdentity);
        check("fatal: repository '/nowhere' does not exist", "", 128, NotFound);
        check("error: pathspec 'x' did not match any file(s) known to git", "", 1, NotFound);
        check("fatal: a branch named 'a' already exists", "", 128, AlreadyExists);
        check("fatal: unable to access: Could not resolve host: x", "", 128, Network);
        check("sh: 1: git: not found", "", 127, NotInstalled);
        check("odd", "", 1, Other);
    }
}
