//! A repository made, pushed, cloned, changed on both sides, and a conflict.

use roadstead_sdk::{
    AgentBay, CloneOptions, CommitOptions, ConfigScope, CreateSessionParams, Error, FileStatus, Git, GitErrorKind, Result, Session,
};

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;
    let session = client.create(CreateSessionParams::new()).await?;
    let outcome = walk(&session).await;
    session.delete().await?;
    outcome
}

async fn walk(session: &Session) -> Result<()> {
    let (git, files) = (session.git(), session.files());
    git.configure_user("Ada", "ada@example.com", ConfigScope::Global).await?;
    assert_eq!(git.config("user.name", ConfigScope::Global).await?.as_deref(), Some("Ada"));

    git.init("/tmp/a").await?;
    files.write("/tmp/a/read me.txt", "one\n").await?;
    let tree = git.status("/tmp/a").await?;
    assert_eq!((tree.entries[0].path.as_str(), tree.entries[0].status()), ("read me.txt", FileStatus::Untracked));
    let hash = commit(&git, "/tmp/a", "Begin: \"quotes\", $HOME and 世界").await?;
    let log = git.log("/tmp/a", 10).await?;
    assert_eq!((log[0].hash.as_str(), log[0].subject.as_str()), (hash.as_str(), "Begin: \"quotes\", $HOME and 世界"));
    assert!(git.status("/tmp/a").await?.is_clean());
    let nothing = git.commit("/tmp/a", "Nothing", CommitOptions::new()).await;
    assert_eq!(kind(nothing), GitErrorKind::NothingToCommit);

    git.init_bare("/tmp/hub.git").await?;
    git.add_remote("/tmp/a", "origin", "/tmp/hub.git").await?;
    assert_eq!(git.remotes("/tmp/a").await?[0].url, "/tmp/hub.git");
    git.push("/tmp/a", "origin", "main").await?;
    git.clone_repo("/tmp/hub.git", CloneOptions::new().path("/tmp/b")).await?;
    assert_eq!(*files.read("/tmp/b/read me.txt").await?, "one\n");

    git.checkout_new("/tmp/b", "topic").await?;
    assert!(git.branches("/tmp/b").await?.iter().any(|branch| branch.name == "topic" && branch.is_current));
    git.checkout("/tmp/b", "main").await?;

    // Both sides change the same line.
    for (repo, text) in [("/tmp/a", "from a\n"), ("/tmp/b", "from b\n")] {
        files.write(&format!("{repo}/read me.txt"), text).await?;
        commit(&git, repo, text.trim()).await?;
    }
    git.push("/tmp/a", "origin", "main").await?;
    assert_eq!(kind(git.push("/tmp/b", "origin", "main").await), GitErrorKind::Rejected);
    assert_eq!(kind(git.pull("/tmp/b", "origin", "main").await), GitErrorKind::Conflict);
    assert_eq!(git.status("/tmp/b").await?.entries[0].status(), FileStatus::Conflict);

    assert_eq!(kind(git.status("/tmp").await), GitErrorKind::NotARepository);
    assert_eq!(kind(git.checkout("/tmp/a", "nowhere").await), GitErrorKind::NotFound);
    Ok(())
}

async fn commit(git: &Git, repo: &str, message: &str) -> Result<String> {
    git.add_all(repo).await?;
    Ok(git.commit(repo, message, CommitOptions::new()).await?.into_value())
}

fn kind<T: std::fmt::Debug>(outcome: Result<T>) -> GitErrorKind {
    match outcome {
        Err(Error::Git(error)) => error.kind,
        other => panic!("{other:?}"),
    }
}
