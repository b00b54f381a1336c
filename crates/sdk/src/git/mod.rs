//! Git repositories in a session, by its own `git`.

mod error;
mod options;
mod parse;
mod types;

pub use error::{GitError, GitErrorKind};
pub use options::{CloneOptions, CommitOptions, ConfigScope, ResetMode};
pub use types::{Branch, Commit, FileStatus, Remote, StatusEntry, WorkTree};

use crate::{CommandOutput, Error, Response, Result, Session};
use std::time::Duration;

/// How long most commands may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long pulling, pushing and fetching may take.
const TRANSFER_LIMIT: Duration = Duration::from_secs(120);
/// How long cloning may take.
const CLONE_LIMIT: Duration = Duration::from_secs(300);

/// Works on Git repositories in one session, see [`Session::git`]. A command that fails is an [`Error::Git`], which says
/// of what kind it is. Git never asks for a password: it fails instead.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::CommitOptions;
/// let git = session.git();
/// git.init("/tmp/project").await?;
/// session.files().write("/tmp/project/README.md", "# Project\n").await?;
/// git.add_all("/tmp/project").await?;
/// let hash = git.commit("/tmp/project", "Begin", CommitOptions::new().author("Ada", "ada@example.com")).await?;
/// println!("{} {}", *hash, git.log("/tmp/project", 10).await?[0].subject);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Git {
    session: Session,
}

impl Git {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    /// Clones a repository; brings back the directory it lies in.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::CloneOptions;
    /// let directory = session.git().clone_repo("https://example.com/a.git", CloneOptions::new().path("/tmp/a").depth(1)).await?;
    /// # Ok(()) }
    /// ```
    pub async fn clone_repo(&self, url: &str, options: CloneOptions) -> Result<Response<String>> {
        let directory = match options.path {
            Some(path) => path,
            None => parse::directory_of(url).ok_or_else(|| Error::invalid(format!("`{url}` names no directory: set one")))?,
        };
        let mut words = vec!["clone".to_owned()];
        if let Some(branch) = options.branch {
            words.extend(["--branch".into(), branch, "--single-branch".into()]);
        }
        if let Some(depth) = options.depth {
            words.extend(["--depth".into(), depth.to_string()]);
        }
        words.extend(["--".into(), url.to_owned(), directory.clone()]);
        let output = self.run("clone", None, &words, options.timeout.unwrap_or(CLONE_LIMIT)).await?;
        Ok(output.map(|_| directory))
    }

    /// Makes a repository whose first branch is `main`.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().init("/tmp/project").await?;
    /// # Ok(()) }
    /// ```
    pub async fn init(&self, repo: &str) -> Result<Response<()>> {
        self.done("init", None, &["init", "--initial-branch", "main", "--", repo]).await
    }

    /// Makes a repository without a work tree, to push to.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().init_bare("/tmp/project.git").await?;
    /// # Ok(()) }
    /// ```
    pub async fn init_bare(&self, repo: &str) -> Result<Response<()>> {
        self.done("init", None, &["init", "--initial-branch", "main", "--bare", "--", repo]).await
    }

    /// The branch and what changed in the work tree.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let tree = session.git().status("/tmp/project").await?;
    /// println!("on {:?}, clean: {}", tree.branch, tree.is_clean());
    /// # Ok(()) }
    /// ```
    pub async fn status(&self, repo: &str) -> Result<Response<WorkTree>> {
        let output = self.git("status", repo, &["status", "--porcelain=1", "-b", "-z"]).await?;
        Ok(output.map(|output| parse::status(&output.stdout)))
    }

    /// Stages these paths.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().add("/tmp/project", ["src/main.rs", "Cargo.toml"]).await?;
    /// # Ok(()) }
    /// ```
    pub async fn add<P: Into<String>>(&self, repo: &str, paths: impl IntoIterator<Item = P>) -> Result<Response<()>> {
        self.on_paths("add", repo, &["add"], paths).await
    }

    /// Stages everything that changed.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().add_all("/tmp/project").await?;
    /// # Ok(()) }
    /// ```
    pub async fn add_all(&self, repo: &str) -> Result<Response<()>> {
        self.done("add", Some(repo), &["add", "-A"]).await
    }

    /// Commits what is staged; brings back the commit's hash. [`GitErrorKind::NothingToCommit`] when nothing is.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::CommitOptions;
    /// let hash = session.git().commit("/tmp/project", "Mend the sails", CommitOptions::new()).await?;
    /// # Ok(()) }
    /// ```
    pub async fn commit(&self, repo: &str, message: &str, options: CommitOptions) -> Result<Response<String>> {
        if message.trim().is_empty() {
            return Err(Error::invalid("a commit needs a message"));
        }
        let mut words = Vec::new();
        if let Some((name, email)) = options.author {
            words.extend(["-c".into(), format!("user.name={name}"), "-c".into(), format!("user.email={email}")]);
        }
        words.extend(["commit".to_owned(), "-m".to_owned(), message.to_owned()]);
        words.extend(options.allow_empty.then(|| "--allow-empty".to_owned()));
        self.run("commit", Some(repo), &words, LIMIT).await?;
        let head = self.git("commit", repo, &["rev-parse", "HEAD"]).await?;
        Ok(head.map(|output| output.stdout.trim().to_owned()))
    }

    /// The newest commits, at most `limit`.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// for commit in session.git().log("/tmp/project", 5).await?.iter() {
    ///     println!("{} {} {}", commit.short_hash, commit.author_name, commit.subject);
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn log(&self, repo: &str, limit: u32) -> Result<Response<Vec<Commit>>> {
        let (format, limit) = (format!("--format={}", parse::LOG_FORMAT), limit.to_string());
        let output = self.git("log", repo, &["log", &format, "--max-count", &limit]).await?;
        Ok(output.map(|output| parse::log(&output.stdout)))
    }

    /// The local branches.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let branches = session.git().branches("/tmp/project").await?;
    /// println!("{:?}", branches.iter().find(|branch| branch.is_current));
    /// # Ok(()) }
    /// ```
    pub async fn branches(&self, repo: &str) -> Result<Response<Vec<Branch>>> {
        let output = self.git("branch", repo, &["branch", "--format=%(refname:short)\t%(HEAD)"]).await?;
        Ok(output.map(|output| parse::branches(&output.stdout)))
    }

    /// Makes a branch at the current commit; the work tree stays where it is.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().create_branch("/tmp/project", "topic").await?;
    /// # Ok(()) }
    /// ```
    pub async fn create_branch(&self, repo: &str, branch: &str) -> Result<Response<()>> {
        self.done("branch", Some(repo), &["branch", name(branch)?]).await
    }

    /// Brings the work tree to a branch.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().checkout("/tmp/project", "main").await?;
    /// # Ok(()) }
    /// ```
    pub async fn checkout(&self, repo: &str, branch: &str) -> Result<Response<()>> {
        self.done("checkout", Some(repo), &["checkout", name(branch)?, "--"]).await
    }

    /// Makes a branch at the current commit and brings the work tree to it.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().checkout_new("/tmp/project", "topic").await?;
    /// # Ok(()) }
    /// ```
    pub async fn checkout_new(&self, repo: &str, branch: &str) -> Result<Response<()>> {
        self.done("checkout", Some(repo), &["checkout", "-b", name(branch)?]).await
    }

    /// Deletes a local branch; one that is not merged only with `force`.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().delete_branch("/tmp/project", "topic", false).await?;
    /// # Ok(()) }
    /// ```
    pub async fn delete_branch(&self, repo: &str, branch: &str, force: bool) -> Result<Response<()>> {
        self.done("branch", Some(repo), &["branch", if force { "-D" } else { "-d" }, name(branch)?]).await
    }

    /// The remotes with the addresses they are fetched from.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// for remote in session.git().remotes("/tmp/project").await?.iter() {
    ///     println!("{} {}", remote.name, remote.url);
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn remotes(&self, repo: &str) -> Result<Response<Vec<Remote>>> {
        let output = self.git("remote", repo, &["remote", "-v"]).await?;
        Ok(output.map(|output| parse::remotes(&output.stdout)))
    }

    /// Adds a remote.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().add_remote("/tmp/project", "origin", "https://example.com/a.git").await?;
    /// # Ok(()) }
    /// ```
    pub async fn add_remote(&self, repo: &str, remote: &str, url: &str) -> Result<Response<()>> {
        self.done("remote", Some(repo), &["remote", "add", "--", remote, url]).await
    }

    /// The address that a remote is fetched from.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// println!("{}", *session.git().remote_url("/tmp/project", "origin").await?);
    /// # Ok(()) }
    /// ```
    pub async fn remote_url(&self, repo: &str, remote: &str) -> Result<Response<String>> {
        let output = self.git("remote", repo, &["remote", "get-url", "--", remote]).await?;
        Ok(output.map(|output| output.stdout.trim_end().to_owned()))
    }

    /// Fetches from a remote.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().fetch("/tmp/project", "origin").await?;
    /// # Ok(()) }
    /// ```
    pub async fn fetch(&self, repo: &str, remote: &str) -> Result<Response<()>> {
        self.transfer("fetch", repo, &["fetch", name(remote)?]).await
    }

    /// Pulls a remote's branch into the current one. [`GitErrorKind::Conflict`] when they do not fit together.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().pull("/tmp/project", "origin", "main").await?;
    /// # Ok(()) }
    /// ```
    pub async fn pull(&self, repo: &str, remote: &str, branch: &str) -> Result<Response<()>> {
        self.transfer("pull", repo, &["pull", "--no-rebase", name(remote)?, name(branch)?]).await
    }

    /// Pushes a branch and keeps the remote's as its upstream. [`GitErrorKind::Rejected`] when the remote has commits
    /// that are not here.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().push("/tmp/project", "origin", "main").await?;
    /// # Ok(()) }
    /// ```
    pub async fn push(&self, repo: &str, remote: &str, branch: &str) -> Result<Response<()>> {
        self.transfer("push", repo, &["push", "--set-upstream", name(remote)?, name(branch)?]).await
    }

    /// Moves the current branch to a commit (`HEAD` unstages everything).
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().reset("/tmp/project", roadstead_sdk::ResetMode::Hard, "HEAD~1").await?;
    /// # Ok(()) }
    /// ```
    pub async fn reset(&self, repo: &str, mode: ResetMode, target: &str) -> Result<Response<()>> {
        self.done("reset", Some(repo), &["reset", mode.flag(), name(target)?]).await
    }

    /// Brings these paths back to what is staged.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().restore("/tmp/project", ["src/main.rs"]).await?;
    /// # Ok(()) }
    /// ```
    pub async fn restore<P: Into<String>>(&self, repo: &str, paths: impl IntoIterator<Item = P>) -> Result<Response<()>> {
        self.on_paths("restore", repo, &["restore"], paths).await
    }

    /// Takes these paths out of what is staged.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().unstage("/tmp/project", ["src/main.rs"]).await?;
    /// # Ok(()) }
    /// ```
    pub async fn unstage<P: Into<String>>(&self, repo: &str, paths: impl IntoIterator<Item = P>) -> Result<Response<()>> {
        self.on_paths("restore", repo, &["restore", "--staged"], paths).await
    }

    /// Says who commits.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::ConfigScope;
    /// session.git().configure_user("Ada", "ada@example.com", ConfigScope::Global).await?;
    /// # Ok(()) }
    /// ```
    pub async fn configure_user(&self, user: &str, email: &str, scope: ConfigScope<'_>) -> Result<Response<()>> {
        self.set_config("user.name", user, scope).await?;
        self.set_config("user.email", email, scope).await
    }

    /// Sets a configuration value.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::ConfigScope;
    /// session.git().set_config("core.autocrlf", "false", ConfigScope::Repo("/tmp/project")).await?;
    /// # Ok(()) }
    /// ```
    pub async fn set_config(&self, key: &str, value: &str, scope: ConfigScope<'_>) -> Result<Response<()>> {
        self.done("config", scope.repo(), &["config", scope.flag(), name(key)?, value]).await
    }

    /// A configuration value; `None` when it is not set.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::ConfigScope;
    /// println!("{:?}", session.git().config("user.name", ConfigScope::Global).await?.value);
    /// # Ok(()) }
    /// ```
    pub async fn config(&self, key: &str, scope: ConfigScope<'_>) -> Result<Response<Option<String>>> {
        let words = ["config", scope.flag(), "--get", name(key)?].map(str::to_owned);
        let output = self.attempt(scope.repo(), &words, LIMIT).await?;
        match output.exit_code {
            0 => Ok(output.map(|output| Some(output.stdout.trim_end_matches('\n').to_owned()))),
            1 if output.stderr.is_empty() => Ok(output.map(|_| None)),
            _ => Err(GitError::of("config", output)),
        }
    }

    async fn on_paths<P: Into<String>>(
        &self,
        operation: &'static str,
        repo: &str,
        words: &[&str],
        paths: impl IntoIterator<Item = P>,
    ) -> Result<Response<()>> {
        let paths: Vec<String> = paths.into_iter().map(Into::into).collect();
        if paths.is_empty() {
            return Err(Error::invalid(format!("no paths for `git {operation}`: name at least one")));
        }
        let words: Vec<&str> = words.iter().copied().chain(["--"]).chain(paths.iter().map(String::as_str)).collect();
        self.done(operation, Some(repo), &words).await
    }

    async fn git(&self, operation: &'static str, repo: &str, words: &[&str]) -> Result<Response<CommandOutput>> {
        self.run(operation, Some(repo), words, LIMIT).await
    }

    async fn done(&self, operation: &'static str, repo: Option<&str>, words: &[&str]) -> Result<Response<()>> {
        Ok(self.run(operation, repo, words, LIMIT).await?.map(drop))
    }

    async fn transfer(&self, operation: &'static str, repo: &str, words: &[&str]) -> Result<Response<()>> {
        Ok(self.run(operation, Some(repo), words, TRANSFER_LIMIT).await?.map(drop))
    }

    async fn run(
        &self,
        operation: &'static str,
        repo: Option<&str>,
        words: &[impl AsRef<str>],
        limit: Duration,
    ) -> Result<Response<CommandOutput>> {
        let output = self.attempt(repo, words, limit).await?;
        if output.success() { Ok(output) } else { Err(GitError::of(operation, output)) }
    }

    async fn attempt(&self, repo: Option<&str>, words: &[impl AsRef<str>], limit: Duration) -> Result<Response<CommandOutput>> {
        let place = repo.into_iter().flat_map(|repo| ["-C", repo]);
        let words = ["git"].into_iter().chain(place).chain(words.iter().map(AsRef::as_ref));
        let command = words.map(crate::files::quote).collect::<Vec<_>>().join(" ");
        // No questions, and messages in the language in which they are read here.
        self.session.command().run(command).env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").timeout(limit).await
    }
}

/// A name that cannot be taken for an option.
fn name(text: &str) -> Result<&str> {
    if text.is_empty() || text.starts_with('-') {
        return Err(Error::invalid(format!("`{text}` is no name that git takes")));
    }
    Ok(text)
}
