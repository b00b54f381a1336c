//! How git commands are to be done.

use std::time::Duration;

/// How to clone.
///
/// ```no_run
/// let options = roadstead_sdk::CloneOptions::new().path("/tmp/a").branch("main").depth(1);
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "options do nothing until something is cloned with them"]
pub struct CloneOptions {
    pub(super) path: Option<String>,
    pub(super) branch: Option<String>,
    pub(super) depth: Option<u32>,
    pub(super) timeout: Option<Duration>,
}

impl CloneOptions {
    /// All of it, into a directory named like the repository in the user's home.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::CloneOptions::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The directory to make.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::CloneOptions::new().path("/tmp/a");
    /// ```
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Only this branch.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::CloneOptions::new().branch("main");
    /// ```
    pub fn branch(mut self, branch: impl Into<String>) -> Self {
        self.branch = Some(branch.into());
        self
    }

    /// Only so many of the newest commits.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::CloneOptions::new().depth(1);
    /// ```
    pub fn depth(mut self, commits: u32) -> Self {
        self.depth = Some(commits);
        self
    }

    /// How long it may take, 300 s unless set.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::CloneOptions::new().timeout(std::time::Duration::from_secs(50));
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
}

/// How to commit.
///
/// ```no_run
/// let options = roadstead_sdk::CommitOptions::new().author("Ada", "ada@example.com");
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "options do nothing until something is committed with them"]
pub struct CommitOptions {
    pub(super) author: Option<(String, String)>,
    pub(super) allow_empty: bool,
}

impl CommitOptions {
    /// What is staged, by the configured user.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::CommitOptions::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Who commits, for this commit only.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::CommitOptions::new().author("Ada", "ada@example.com");
    /// ```
    pub fn author(mut self, name: impl Into<String>, email: impl Into<String>) -> Self {
        self.author = Some((name.into(), email.into()));
        self
    }

    /// Whether a commit without changes is wanted too.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::CommitOptions::new().allow_empty(true);
    /// ```
    pub fn allow_empty(mut self, allow: bool) -> Self {
        self.allow_empty = allow;
        self
    }
}

/// Whose configuration.
///
/// ```no_run
/// use roadstead_sdk::ConfigScope;
/// let scopes = [ConfigScope::Global, ConfigScope::Repo("/tmp/project")];
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigScope<'a> {
    /// The user's.
    Global,
    /// That of the repository in this directory.
    Repo(&'a str),
}

impl<'a> ConfigScope<'a> {
    pub(super) fn flag(self) -> &'static str {
        match self {
            Self::Global => "--global",
            Self::Repo(_) => "--local",
        }
    }

    pub(super) fn repo(self) -> Option<&'a str> {
        match self {
            Self::Global => None,
            Self::Repo(path) => Some(path),
        }
    }
}

/// What a reset touches.
///
/// ```no_run
/// let mode = roadstead_sdk::ResetMode::Mixed;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResetMode {
    /// The branch alone.
    Soft,
    /// The branch and what is staged.
    #[default]
    Mixed,
    /// The branch, what is staged, and the work tree.
    Hard,
}

impl ResetMode {
    pub(super) fn flag(self) -> &'static str {
        match self {
            Self::Soft => "--soft",
            Self::Mixed => "--mixed",
            Self::Hard => "--hard",
        }
    }
}
