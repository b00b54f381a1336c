//! `roadstead context`: data that outlives sessions, from the command line.

use crate::failure::Failure;
use crate::output;
use crate::session::terminal;
use roadstead_sdk::{AgentBay, Context, Contexts, EntryKind, FileReader, FileWriter};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio_util::io::StreamReader;

/// Bytes moved at once.
const PIECE: usize = 256 << 10;
/// Contexts and files asked for at once.
const PAGE: u32 = 500;
/// How long a clearing is waited for.
const CLEAR_LIMIT: Duration = Duration::from_secs(3600);

/// Make, list, fill, read, clear and delete contexts: named data that outlives sessions.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ContextCommand {
    /// List contexts.
    Ls,
    /// Create a context, or find the one of that name, and print its id.
    Create {
        /// Its name.
        name: String,
    },
    /// Give a context another name.
    Rename {
        /// Its name or id.
        context: String,
        /// The new name.
        name: String,
    },
    /// Delete contexts with all their files.
    Rm {
        /// Their names or ids.
        #[arg(required = true)]
        contexts: Vec<String>,
    },
    /// List what lies directly in a folder of a context; with --rm, remove files.
    Files {
        /// Its name or id.
        context: String,
        /// The folder; with --rm, the file [default: /].
        #[arg(default_value = "/")]
        path: String,
        /// Remove the file.
        #[arg(long)]
        rm: bool,
    },
    /// Write a file into a context.
    Put {
        /// Its name or id.
        context: String,
        /// A local file; `-` is standard input.
        from: PathBuf,
        /// Where in the context; a path that ends in `/` is a folder [default: / and the file's name].
        to: Option<String>,
    },
    /// Read a file of a context.
    Get {
        /// Its name or id.
        context: String,
        /// Where in the context.
        from: String,
        /// A local file or directory; `-` is standard output [default: the file's name, here].
        to: Option<PathBuf>,
    },
    /// Remove all files of a context, and wait until that is done.
    Clear {
        /// Its name or id.
        context: String,
    },
}

pub(crate) async fn run(command: ContextCommand, client: &AgentBay, as_json: bool) -> Result<(), Failure> {
    let contexts = client.contexts();
    match command {
        ContextCommand::Ls => list(&contexts, as_json).await?,
        ContextCommand::Create { name } => show(&contexts.create(&name).await?.into_value(), as_json)?,
        ContextCommand::Rename { context, name } => {
            let found = find(&contexts, &context).await?;
            contexts.rename(&found.id, &name).await?;
            show(&contexts.get_by_id(&found.id).await?.into_value(), as_json)?;
        }
        ContextCommand::Rm { contexts: names } => {
            for name in names {
                let found = find(&contexts, &name).await?;
                contexts.delete(&found.id).await?;
                done("deleted", &found.id, as_json)?;
            }
        }
        ContextCommand::Files { context, path, rm: true } => {
            let found = find(&contexts, &context).await?;
            contexts.delete_file(&found.id, &path).await?;
            done("removed", &path, as_json)?;
        }
        ContextCommand::Files { context, path, rm: false } => {
            files(&contexts, &find(&contexts, &context).await?.id, &path, as_json).await?
        }
        ContextCommand::Put { context, from, to } => {
            let found = find(&contexts, &context).await?;
            let to = inside(&from, to.as_deref())?;
            let bytes = put(&contexts, &found.id, &from, &to).await?;
            moved(&to, bytes, as_json)?;
        }
        ContextCommand::Get { context, from, to } => {
            let found = find(&contexts, &context).await?;
            let (to, bytes) = get(&contexts, &found.id, &from, to).await?;
            // Else standard output holds the file.
            if to != Path::new("-") {
                moved(&to.display().to_string(), bytes, as_json)?;
            }
        }
        ContextCommand::Clear { context } => {
            let found = find(&contexts, &context).await?;
            contexts.clear_within(&found.id, CLEAR_LIMIT).await?;
            done("cleared", &found.id, as_json)?;
        }
    }
    Ok(())
}

/// Ids look like no name that a person gives.
async fn find(contexts: &Contexts, text: &str) -> Result<Context, Failure> {
    let found = if text.starts_with("SdkCtx-") { contexts.get_by_id(text).await } else { contexts.get(text).await };
    Ok(found?.into_value())
}

fn show(context: &Context, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(context);
    }
    output::line(&context.id);
    Ok(())
}

fn done(what: &str, object: &str, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(&json!({ what: object }));
    }
    output::line(object);
    Ok(())
}

fn moved(to: &str, bytes: u64, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(&json!({ "path": to, "bytes": bytes }));
    }
    output::remark(format!("{bytes} bytes in {}", output::harmless(to)));
    Ok(())
}

async fn list(contexts: &Contexts, as_json: bool) -> Result<(), Failure> {
    let (mut found, mut token) = (Vec::new(), None::<String>);
    loop {
        let page = contexts.list(PAGE, token.as_deref()).await?.into_value();
        found.extend(page.contexts);
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    if as_json {
        return output::json(&found);
    }
    let rows = found.into_iter().map(|context| {
        let state = context.state.as_str().to_owned();
        [context.id, output::harmless(&context.name), state, context.used_at.unwrap_or_default()]
    });
    output::line(output::table(["ID", "NAME", "STATE", "LAST USED"], &rows.collect::<Vec<_>>()));
    Ok(())
}

async fn files(contexts: &Contexts, id: &str, folder: &str, as_json: bool) -> Result<(), Failure> {
    let mut found = Vec::new();
    for page in 1.. {
        let page = contexts.files(id, folder, page, PAGE).await?.into_value();
        let last = page.entries.len() < PAGE as usize;
        found.extend(page.entries);
        if last {
            break;
        }
    }
    if as_json {
        return output::json(&found);
    }
    let rows = found.into_iter().map(|entry| {
        let (size, slash) = if entry.kind == EntryKind::Folder { (String::new(), "/") } else { (entry.size.to_string(), "") };
        [format!("{}{slash}", output::harmless(&entry.path)), size, entry.modified_at]
    });
    output::line(output::table(["PATH", "BYTES", "WRITTEN"], &rows.collect::<Vec<_>>()));
    Ok(())
}

/// Where a local file goes.
fn inside(from: &Path, to: Option<&str>) -> Result<String, Failure> {
    if let Some(to) = to.filter(|to| !to.ends_with('/')) {
        return Ok(to.to_owned());
    }
    let name = from.file_name().filter(|_| from != Path::new("-")).and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::new(format!("{} has no name for the context; say where to put it", from.display())))?;
    Ok(format!("{}{name}", to.unwrap_or("/")))
}

async fn put(contexts: &Contexts, id: &str, from: &Path, to: &str) -> Result<u64, Failure> {
    if from == Path::new("-") {
        let pieces = futures::stream::unfold(terminal::stdin(), async |mut pieces| {
            pieces.recv().await.map(|piece| (Ok::<_, std::io::Error>(std::io::Cursor::new(piece)), pieces))
        });
        let writer = contexts.open_write(id, to, None).await?;
        return pour(StreamReader::new(Box::pin(pieces)), writer, "standard input").await;
    }
    let failed = |error| Failure::io("reading", from, &error);
    let file = tokio::fs::File::open(from).await.map_err(failed)?;
    let facts = file.metadata().await.map_err(failed)?;
    if facts.is_dir() {
        return Err(Failure::new(format!("{} is a directory; put its files one by one", from.display())));
    }
    let writer = contexts.open_write(id, to, Some(facts.len()).filter(|_| facts.is_file())).await?;
    pour(file, writer, &from.display().to_string()).await
}

async fn pour(mut from: impl AsyncRead + Unpin, mut writer: FileWriter, name: &str) -> Result<u64, Failure> {
    let mut buffer = vec![0; PIECE];
    loop {
        // A writer that is dropped unfinished leaves the file as it was.
        let count = from.read(&mut buffer).await.map_err(|error| Failure::new(format!("reading {name} failed: {error}")))?;
        if count == 0 {
            return Ok(writer.finish().await?);
        }
        if writer.write_all(&buffer[..count]).await.is_err() {
            // Why it takes no more is told at its end.
            return Ok(writer.finish().await?);
        }
    }
}

/// The local file is as it was until all bytes are there.
async fn get(contexts: &Contexts, id: &str, from: &str, to: Option<PathBuf>) -> Result<(PathBuf, u64), Failure> {
    let name = from.rsplit('/').find(|name| !name.is_empty()).unwrap_or("file");
    let to = match to {
        None => PathBuf::from(name),
        Some(to) if to.is_dir() => to.join(name),
        Some(to) => to,
    };
    let reader = contexts.open_read(id, from).await?;
    if to == Path::new("-") {
        return Ok((to, drain(reader, std::io::stdout(), Path::new("standard output")).await?));
    }
    let failed = |error| Failure::io("writing", &to, &error);
    // What is no file (a terminal, a pipe, /dev/null) is written to, not replaced.
    if to.exists() && !to.is_file() {
        let file = std::fs::OpenOptions::new().write(true).open(&to).map_err(failed)?;
        let bytes = drain(reader, file, &to).await?;
        return Ok((to, bytes));
    }
    let fresh = to.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&fresh).map_err(failed)?;
    let ended = drain(reader, file, &to).await.and_then(|bytes| std::fs::rename(&fresh, &to).map(|()| bytes).map_err(failed));
    if ended.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    ended.map(|bytes| (to.clone(), bytes))
}

async fn drain(mut reader: FileReader, mut file: impl Write, to: &Path) -> Result<u64, Failure> {
    let (mut buffer, mut bytes) = (vec![0; PIECE], 0);
    loop {
        let count = reader.read(&mut buffer).await.map_err(|error| Failure::new(format!("reading from the context failed: {error}")))?;
        if count == 0 {
            file.flush().map_err(|error| Failure::io("writing", to, &error))?;
            return Ok(bytes);
        }
        file.write_all(&buffer[..count]).map_err(|error| Failure::io("writing", to, &error))?;
        bytes += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_name_unless_it_is_given_another() {
        let inside = |from: &str, to| inside(Path::new(from), to);
        assert_eq!(inside("dir/a.txt", None).unwrap(), "/a.txt");
        assert_eq!(inside("a.txt", Some("/tmp/")).unwrap(), "/tmp/a.txt");
        assert_eq!(inside("a.txt", Some("/tmp/b")).unwrap(), "/tmp/b");
        assert_eq!(inside("-", Some("/tmp/b")).unwrap(), "/tmp/b");
        assert!(inside("-", None).unwrap_err().to_string().contains("where to put it"));
        assert!(inside("-", Some("/tmp/")).is_err());
    }
}
