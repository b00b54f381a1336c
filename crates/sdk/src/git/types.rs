//! What git tells.

/// A work tree's state.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// let tree = session.git().status("/tmp/project").await?;
/// for entry in &tree.entries {
///     println!("{:?} {}", entry.status(), entry.path);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkTree {
    /// The branch; `None` when no branch is checked out.
    pub branch: Option<String>,
    /// The remote's branch that it follows.
    pub upstream: Option<String>,
    /// Commits that the upstream does not have.
    pub ahead: u32,
    /// Commits that only the upstream has.
    pub behind: u32,
    /// What is staged, changed, or not known to git.
    pub entries: Vec<StatusEntry>,
}

impl WorkTree {
    /// Whether there is nothing to stage and nothing to commit.
    ///
    /// ```no_run
    /// # fn example(tree: roadstead_sdk::WorkTree) {
    /// assert!(tree.is_clean());
    /// # }
    /// ```
    pub fn is_clean(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A path whose state is not that of the last commit.
///
/// ```no_run
/// # fn example(entry: roadstead_sdk::StatusEntry) {
/// println!("{} staged: {}", entry.path, entry.is_staged());
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusEntry {
    /// The path inside the repository.
    pub path: String,
    /// What it was called before, when it was renamed or copied.
    pub original_path: Option<String>,
    /// Git's letter for what is staged: ` MTADRCU?!`.
    pub index: char,
    /// Git's letter for the work tree.
    pub work_tree: char,
}

/// What happened to a path.
///
/// ```no_run
/// # fn example(entry: roadstead_sdk::StatusEntry) {
/// assert_eq!(entry.status(), roadstead_sdk::FileStatus::Untracked);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileStatus {
    /// Both sides changed it.
    Conflict,
    /// It has a new name.
    Renamed,
    /// It is a copy.
    Copied,
    /// It is gone.
    Deleted,
    /// It is new.
    Added,
    /// Its content changed.
    Modified,
    /// A file became a link, or the like.
    TypeChanged,
    /// Git does not know it.
    Untracked,
    /// A letter that this crate does not know.
    Unknown,
}

impl StatusEntry {
    /// Both letters as one word.
    ///
    /// ```no_run
    /// # fn example(entry: roadstead_sdk::StatusEntry) {
    /// println!("{:?}", entry.status());
    /// # }
    /// ```
    pub fn status(&self) -> FileStatus {
        let letters = [self.index, self.work_tree];
        if letters.contains(&'U') || letters == ['A', 'A'] || letters == ['D', 'D'] {
            return FileStatus::Conflict;
        }
        let words = [
            ('R', FileStatus::Renamed),
            ('C', FileStatus::Copied),
            ('D', FileStatus::Deleted),
            ('A', FileStatus::Added),
            ('M', FileStatus::Modified),
            ('T', FileStatus::TypeChanged),
            ('?', FileStatus::Untracked),
        ];
        words.into_iter().find(|(letter, _)| letters.contains(letter)).map_or(FileStatus::Unknown, |(_, status)| status)
    }

    /// Whether some of it is staged.
    ///
    /// ```no_run
    /// # fn example(entry: roadstead_sdk::StatusEntry) {
    /// println!("{}", entry.is_staged());
    /// # }
    /// ```
    pub fn is_staged(&self) -> bool {
        !matches!(self.index, ' ' | '?' | '!')
    }
}

/// A commit.
///
/// ```no_run
/// # fn example(commit: roadstead_sdk::Commit) {
/// println!("{} {} <{}> {}", commit.hash, commit.author_name, commit.author_email, commit.subject);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// Its hash.
    pub hash: String,
    /// As much of it as names it.
    pub short_hash: String,
    /// Who wrote it.
    pub author_name: String,
    /// The writer's address.
    pub author_email: String,
    /// When it was written, ISO 8601 with the writer's offset.
    pub date: String,
    /// The message's first paragraph as one line.
    pub subject: String,
}

/// A local branch.
///
/// ```no_run
/// # fn example(branch: roadstead_sdk::Branch) {
/// println!("{}{}", if branch.is_current { "* " } else { "  " }, branch.name);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Branch {
    /// Its name.
    pub name: String,
    /// Whether it is checked out.
    pub is_current: bool,
}

/// A remote.
///
/// ```no_run
/// # fn example(remote: roadstead_sdk::Remote) {
/// println!("{} {}", remote.name, remote.url);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remote {
    /// Its name.
    pub name: String,
    /// Where it is fetched from.
    pub url: String,
}
