//! Files: what the SDK writes is read by a command, and the other way round.

use crate::bench::{Bench, refused, scenarios};
use anyhow::{Context, Result, ensure};
use roadstead_sdk::{ChangeKind, Edit, PathKind, Session};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;

scenarios! {
    "file-write-read" => write_read,
    "file-append" => append,
    "file-empty" => empty,
    "file-large-text" => large_text,
    "file-large-binary" => large_binary,
    "file-200-mb" => huge,
    "file-cut-characters" => cut_characters,
    "file-info" => info,
    "file-list" => list,
    "file-create-directory" => create_directory,
    "file-move" => rename,
    "file-edit" => edit,
    "file-search" => search,
    "file-read-many" => read_many,
    "file-delete" => delete,
    "file-missing" => missing,
    "watch-poll" => watch_poll,
}

/// What releases of SDKs cut files into.
const PIECES: [usize; 3] = [51_200, 52_224, 61_440];

async fn write_read(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("write").await?;
    let text = "grüße, 世界\n  second line\n\n";
    session.files().write(&format!("{folder}/deep/er/hello.txt"), text).await?;
    let seen = bench.sh(&session, &format!("cd {folder}/deep/er; cat hello.txt; stat -c %U hello.txt")).await?;
    ensure!(seen == format!("{text}wuying\n"), "{seen:?}");
    bench.sh(&session, &format!("printf 'von der Shell – ä' > {folder}/shell.txt")).await?;
    ensure!(session.files().read(&format!("{folder}/shell.txt")).await?.value == "von der Shell – ä");
    Ok(())
}

async fn append(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("append").await?;
    let path = format!("{folder}/log");
    session.files().write(&path, "one").await?;
    session.files().append(&path, "+two").await?;
    session.files().append(&path, "+three").await?;
    ensure!(bench.sh(&session, &format!("cat {path}")).await? == "one+two+three");
    session.files().write(&path, "four").await?;
    ensure!(bench.sh(&session, &format!("cat {path}")).await? == "four");
    Ok(())
}

async fn empty(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("empty").await?;
    session.files().write(&format!("{folder}/written"), "").await?;
    ensure!(bench.sh(&session, &format!("stat -c %s {folder}/written; touch {folder}/touched")).await? == "0\n");
    ensure!(session.files().read(&format!("{folder}/touched")).await?.value.is_empty());
    Ok(())
}

/// The text there, its checksum by a command, and the text back.
async fn there_and_back(bench: &Bench, session: &Session, path: &str, text: &str) -> Result<()> {
    session.files().write(path, text).await?;
    let here = sha256(text.as_bytes())?;
    ensure!(bench.sh(session, &format!("sha256sum < {path}")).await?.starts_with(&here), "{path}: written wrongly");
    ensure!(session.files().read(path).await?.value == text, "{path}: read wrongly");
    Ok(())
}

async fn large_text(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("large").await?;
    let mut text = String::new();
    for n in 0..70_000 {
        writeln!(text, "{n:07} the quick brown fox jumps over the lazy dog 0123456789 abcdefg")?;
    }
    there_and_back(bench, &session, &format!("{folder}/text"), &text).await
}

async fn large_binary(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("binary").await?;
    let path = format!("{folder}/blob");
    bench.sh(&session, &format!("head -c 5242897 /dev/urandom > {path}")).await?;
    let bytes = session.files().read_bytes(&path).await?.into_value();
    let told = bench.sh(&session, &format!("sha256sum < {path}")).await?;
    ensure!(bytes.len() == 5_242_897 && told.starts_with(&sha256(&bytes)?), "{} bytes", bytes.len());
    session.files().write_bytes(&format!("{path}.back"), &bytes).await?;
    bench.sh(&session, &format!("cmp {path} {path}.back")).await?;
    Ok(())
}

async fn huge(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("huge").await?;
    let path = format!("{folder}/blob");
    let mut random = Vec::new();
    std::fs::File::open("/dev/urandom")?.take(200 << 20).read_to_end(&mut random)?;
    let mut writer = session.files().open_write(&path).await?;
    tokio::io::AsyncWriteExt::write_all(&mut writer, &random).await?;
    writer.finish().await?;
    let wanted = sha256(&random)?;
    ensure!(bench.sh(&session, &format!("sha256sum < {path}")).await?.starts_with(&wanted), "written wrongly");
    drop(random);
    let mut back = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut session.files().open_read(&path).await?, &mut back).await?;
    ensure!(back.len() == 200 << 20 && sha256(&back)? == wanted, "read wrongly: {} bytes", back.len());
    bench.sh(&session, &format!("rm {path}")).await?;
    Ok(())
}

async fn cut_characters(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("cut").await?;
    for character in ["ä", "漢", "🚢"] {
        for shift in 1..character.len() {
            let text = across_borders(character, shift);
            there_and_back(bench, &session, &format!("{folder}/{}-{shift}", character.len()), &text).await?;
        }
    }
    Ok(())
}

/// A text in which every border cuts the character after `shift` bytes, as often as the sizes allow.
fn across_borders(character: &str, shift: usize) -> String {
    let mut borders: Vec<_> = PIECES.iter().flat_map(|piece| (1..4).map(move |n| piece * n)).collect();
    borders.sort_unstable();
    let mut text = String::new();
    for start in borders.into_iter().map(|border| border - shift) {
        if start >= text.len() {
            text.push_str(&"x".repeat(start - text.len()));
            text.push_str(character);
        }
    }
    text + "end"
}

async fn info(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("info").await?;
    bench.sh(&session, &format!("cd {folder}; head -c 12345 /dev/zero > file; chmod 640 file; mkdir dir")).await?;
    let file = session.files().info(&format!("{folder}/file")).await?.into_value();
    let permissions = file.permissions.clone().unwrap_or_default();
    ensure!(file.size == 12345 && file.kind == PathKind::File, "{file:?}");
    ensure!(permissions.contains("640") || permissions.contains("rw-r-----"), "{file:?}");
    ensure!(session.files().info(&format!("{folder}/dir")).await?.kind == PathKind::Directory);
    Ok(())
}

async fn list(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("list").await?;
    bench.sh(&session, &format!("cd {folder} && mkdir dir 'two words' && touch a.txt 'b c.txt' .hidden")).await?;
    let entries = session.files().list(&folder).await?.into_value();
    let kinds: BTreeMap<_, _> = entries.iter().map(|entry| (entry.name.as_str(), entry.kind == PathKind::Directory)).collect();
    let wanted = [("dir", true), ("two words", true), ("a.txt", false), ("b c.txt", false), (".hidden", false)];
    ensure!(kinds == BTreeMap::from(wanted), "{kinds:?}");
    Ok(())
}

async fn create_directory(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("mkdir").await?;
    session.files().create_dir(&format!("{folder}/a/b/c")).await?;
    ensure!(bench.sh(&session, &format!("stat -c %F {folder}/a/b/c")).await? == "directory\n");
    Ok(())
}

async fn rename(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("move").await?;
    bench.sh(&session, &format!("echo content > {folder}/old")).await?;
    session.files().rename(&format!("{folder}/old"), &format!("{folder}/new name")).await?;
    ensure!(bench.sh(&session, &format!("ls {folder}; cat '{folder}/new name'")).await? == "new name\ncontent\n");
    Ok(())
}

async fn edit(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("edit").await?;
    let path = format!("{folder}/text");
    bench.sh(&session, &format!("printf 'first\\nsecond\\nthird\\n' > {path}")).await?;
    let edits = || [Edit::new("second", "zweite"), Edit::new("third", "dritte")];
    session.files().edit_dry_run(&path, edits()).await?;
    ensure!(bench.sh(&session, &format!("cat {path}")).await? == "first\nsecond\nthird\n");
    session.files().edit(&path, edits()).await?;
    refused(session.files().edit(&path, [Edit::new("not in there", "x")]).await, "")?;
    ensure!(bench.sh(&session, &format!("cat {path}")).await? == "first\nzweite\ndritte\n");
    Ok(())
}

async fn search(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("search").await?;
    let make = format!("cd {folder} && mkdir -p src/deep build && touch a.py src/b.py src/deep/c.py build/d.py src/e.txt");
    bench.sh(&session, &make).await?;
    for (pattern, exclude, wanted) in [
        ("*.py", vec![], vec!["a.py", "build/d.py", "src/b.py", "src/deep/c.py"]),
        ("*.py", vec!["build", "deep"], vec!["a.py", "src/b.py"]),
        ("*.rs", vec![], vec![]),
    ] {
        let mut found = session.files().search(&folder, pattern, exclude).await?.into_value();
        found.sort();
        let wanted: Vec<_> = wanted.into_iter().map(|name| format!("{folder}/{name}")).collect();
        ensure!(found == wanted, "{pattern}: {found:?}");
    }
    Ok(())
}

async fn read_many(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("many").await?;
    bench.sh(&session, &format!("cd {folder} && printf 'one\\nline: two\\n' > a && printf 'ä: b' > b && printf c > c")).await?;
    let found = session.files().read_many(["a", "b", "c"].map(|name| format!("{folder}/{name}"))).await;
    let texts = found.into_iter().map(|(_, text)| Ok(text?.into_value())).collect::<Result<Vec<_>>>()?;
    ensure!(texts == ["one\nline: two\n", "ä: b", "c"], "{texts:?}");
    Ok(())
}

async fn delete(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("delete").await?;
    bench.sh(&session, &format!("touch {folder}/gone {folder}/stays")).await?;
    session.files().delete(&format!("{folder}/gone")).await?;
    ensure!(bench.sh(&session, &format!("ls {folder}")).await? == "stays\n");
    Ok(())
}

async fn missing(bench: &Bench) -> Result<()> {
    let (session, path) = (bench.session().await?, "/tmp/conformance/there-is-no-such-thing");
    let files = session.files();
    refused(files.read(path).await, "there-is-no-such-thing").context("read")?;
    refused(files.info(path).await, "there-is-no-such-thing").context("info")?;
    refused(files.list(path).await, "there-is-no-such-thing").context("list")?;
    refused(files.edit(path, [Edit::new("a", "b")]).await, "there-is-no-such-thing").context("edit")?;
    refused(files.rename(path, "/tmp/conformance/x").await, "there-is-no-such-thing").context("move")?;
    Ok(())
}

async fn watch_poll(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("poll").await?;
    bench.sh(&session, &format!("cd {folder}; echo 1 > changed; echo 1 > deleted")).await?;
    let files = session.files();
    ensure!(files.changes(&folder).await?.value.is_empty(), "the first call sets the baseline");
    bench.sh(&session, &format!("cd {folder}; echo two >> changed; rm deleted; touch created")).await?;
    let changes = files.changes(&folder).await?.into_value();
    let seen: BTreeMap<_, _> = changes.iter().filter_map(|change| Some((change.path.strip_prefix(&folder)?, change.kind))).collect();
    for wanted in [("/created", ChangeKind::Create), ("/deleted", ChangeKind::Delete), ("/changed", ChangeKind::Modify)] {
        ensure!(seen.get(wanted.0) == Some(&wanted.1), "{seen:?}");
    }
    ensure!(files.changes(&folder).await?.value.is_empty());
    Ok(())
}

/// By the program of that name, so that both sides come from elsewhere.
fn sha256(bytes: &[u8]) -> Result<String> {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    let output = std::process::Command::new("sha256sum").stdin(file).output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split(' ').next().context("sha256sum said nothing")?.to_owned())
}
