//! `roadstead session cp`: files and directories, in and out.
//!
//! A file goes through the file routes, and is replaced as a whole at the end. A directory goes as a tar stream through a
//! command: names of any bytes, permission bits, times, symbolic links, hard links (out only) and empty directories are
//! kept; owners, extended attributes and special files are not. A new tree appears at once; in a tree that is there
//! already, files are replaced one by one.

mod file;
mod place;
mod progress;
mod tree;

use super::Who;
use crate::failure::Failure;
use crate::output;
use place::{Inside, Kind, Place};
use progress::Progress;
use roadstead_sdk::AgentBay;
use std::path::PathBuf;

/// Copy files and directories into a session or out of it.
#[derive(Debug, clap::Args)]
pub(crate) struct CpArgs {
    /// Who reads and writes in the session.
    #[arg(long, value_enum, default_value_t = Who::Wuying)]
    user: Who,
    /// What to copy: a path here, `ID:/path` in a session, `-` for standard input.
    #[arg(value_name = "SRC")]
    from: String,
    /// Where to: a path here, `ID:/path` in a session, `-` for standard output. Into it, when it is a directory.
    #[arg(value_name = "DST")]
    to: String,
}

pub(super) async fn run(client: &AgentBay, args: CpArgs, json: bool) -> Result<(), Failure> {
    let (native, user) = (client.native(), args.user.into());
    let progress = Progress::new(!json && args.to != "-");
    let bytes = match (Place::parse(&args.from, user)?, Place::parse(&args.to, user)?) {
        (Place::Here(from), Place::Inside(to)) => {
            let facts = std::fs::metadata(&from).map_err(|error| Failure::io("reading", &from, &error))?;
            let name = place::name_of(&from)?;
            let to = to.within(&native, &name).await?;
            if facts.is_dir() { tree::up(&native, &from, &to, progress).await? } else { file::up(&native, &from, &to, progress).await? }
        }
        (Place::Standard, Place::Inside(to)) => file::up_from_stdin(&native, &to, progress).await?,
        (Place::Inside(from), to) => match (from.kind(&native).await?, to) {
            (Kind::Nothing, _) => return Err(Failure::new(format!("reading {from} failed: there is no such file or directory"))),
            (_, Place::Inside(_)) => return Err(Failure::new("copying from session to session takes two steps: copy out, then in")),
            (Kind::Directory, Place::Here(to)) => tree::down(&native, &from, &within(to, from.name())?, progress).await?,
            (Kind::Directory, Place::Standard) => {
                return Err(Failure::new(format!("{from} is a directory, which standard output cannot take; name a directory")));
            }
            (Kind::Other, Place::Here(to)) => file::down(&native, &from, &within(to, from.name())?, progress).await?,
            (Kind::Other, Place::Standard) => file::down_to_stdout(&native, &from, progress).await?,
        },
        _ => return Err(Failure::new("neither side is in a session; write that side as ID:/path")),
    };
    if json {
        output::json(&serde_json::json!({"bytes": bytes}))?;
    }
    Ok(())
}

/// `path` itself, or `name` in it when it is a directory.
fn within(path: PathBuf, name: Option<&str>) -> Result<PathBuf, Failure> {
    match name {
        _ if !path.is_dir() => Ok(path),
        Some(name) => Ok(path.join(name)),
        None => Err(Failure::new(format!("what is to become of / in {}? Name a path that is not there yet", path.display()))),
    }
}

/// What goes wrong inside names the session.
fn inside(doing: &str, place: &Inside, error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("{doing} {place} failed: {error}"))
}

/// A name that nobody else has.
fn fresh_name() -> Result<String, Failure> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| Failure::new(format!("the kernel gives no random numbers: {error}")))?;
    Ok(format!(".roadstead-{}", data_encoding::HEXLOWER.encode(&random)))
}
