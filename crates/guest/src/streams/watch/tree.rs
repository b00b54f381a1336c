//! What is known to be below a watched directory, and how it is compared with what is there.

use crate::files::{MAX_WATCHED, Mark, change, changes, failed, mark, resolve, wrong_type};
use protocol::tools::filesystem::{ChangeKind, FileChange};
use protocol::{ToolError, ToolErrorCode};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::mem::{MaybeUninit, take};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use types::SandboxUser;

/// Notices taken before others get their turn.
const NOTICES_AT_ONCE: usize = 4096;

/// Where to look.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    paths: BTreeSet<PathBuf>,
    all: bool,
    /// Whether the kernel dropped notices, so that everything has to be looked at.
    pub(super) overflowed: bool,
}

impl Dirty {
    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty() && !self.all
    }

    fn insert(&mut self, path: PathBuf) {
        if self.paths.len() < MAX_WATCHED {
            self.paths.insert(path);
        } else {
            self.everything();
        }
    }

    fn everything(&mut self) {
        self.all = true;
        self.paths.clear();
    }
}

/// A watched directory. Used as its user.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    inode: u64,
    inotify: OwnedFd,
    known: BTreeMap<PathBuf, Mark>,
    /// Watched directories, the root among them, with their watch's number; and the other way round.
    directories: BTreeMap<PathBuf, i32>,
    numbers: HashMap<i32, PathBuf>,
}

impl Tree {
    /// Watches what is below `path`; the descriptor is where notices come.
    pub(super) fn plant(user: SandboxUser, path: &str) -> Result<(Self, OwnedFd), ToolError> {
        let root = resolve(user, path)?;
        let metadata = fs::metadata(&root).map_err(failed("watching", &root))?;
        if !metadata.is_dir() {
            let mut error = wrong_type(&root, &metadata);
            error.message = format!("{} is no directory; watch the one that holds it", root.display());
            return Err(error);
        }
        fs::read_dir(&root).map_err(failed("watching", &root))?;
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(|error| match error {
            Errno::MFILE => limit("fs.inotify.max_user_instances"),
            error => failed("watching", &root)(error.into()),
        })?;
        let notices = inotify.try_clone().map_err(failed("watching", &root))?;
        let mut tree =
            Self { root, inode: metadata.ino(), inotify, known: BTreeMap::new(), directories: BTreeMap::new(), numbers: HashMap::new() };
        tree.scan(tree.root.clone(), &mut Vec::new())?;
        Ok((tree, notices))
    }

    /// Takes notices and notes where to look; whether there are no more at the moment.
    pub(super) fn collect(&mut self, notices: &OwnedFd, dirty: &mut Dirty) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = Reader::new(notices, &mut buffer);
        for _ in 0..NOTICES_AT_ONCE {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    self.note(event.wd(), event.events(), name, dirty);
                }
                Err(Errno::AGAIN) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // What the reader still holds of its last read must not be lost.
        while !reader.is_buffer_empty() {
            if let Ok(event) = reader.next() {
                let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                self.note(event.wd(), event.events(), name, dirty);
            }
        }
        Ok(false)
    }

    fn note(&mut self, number: i32, events: ReadFlags, name: Option<&OsStr>, dirty: &mut Dirty) {
        if events.contains(ReadFlags::QUEUE_OVERFLOW) {
            dirty.overflowed = true;
            dirty.everything();
            return;
        }
        let Some(directory) = self.numbers.get(&number) else { return };
        match name {
            Some(name) => dirty.insert(directory.join(name)),
            // A directory's own rights or end.
            None => dirty.insert(directory.clone()),
        }
        if events.contains(ReadFlags::IGNORED) {
            self.directories.remove(directory);
            self.numbers.remove(&number);
        }
    }

    /// What has changed at the places in question; an error when it cannot be watched any longer.
    pub(super) fn look(&mut self, mut dirty: Dirty) -> (Vec<FileChange>, Result<(), ToolError>) {
        let mut told = Vec::new();
        let mut ended = Ok(());
        if dirty.all || dirty.paths.remove(&self.root) {
            ended = self.look_at_all(&mut told);
        } else {
            self.drop_what_went(&dirty.paths, &mut told);
            for path in take(&mut dirty.paths) {
                ended = ended.and_then(|()| self.look_at(path, &mut told));
            }
        }
        (told, ended)
    }

    fn look_at_all(&mut self, told: &mut Vec<FileChange>) -> Result<(), ToolError> {
        let before = take(&mut self.known);
        self.unwatch(&self.root.clone());
        let metadata = fs::metadata(&self.root);
        let scanned = match &metadata {
            Ok(metadata) if metadata.is_dir() => {
                self.inode = metadata.ino();
                self.scan(self.root.clone(), &mut Vec::new())
            }
            Ok(_) => Err(ToolError::new(ToolErrorCode::NotFound, format!("{} is no directory any more", self.root.display()))),
            Err(_) => Err(ToolError::new(ToolErrorCode::NotFound, format!("{} is gone", self.root.display()))),
        };
        told.extend(changes(&before, &self.known));
        scanned
    }

    /// Forgets directories that went or are others now, before any that came: one that was renamed keeps its watch's number.
    fn drop_what_went(&mut self, paths: &BTreeSet<PathBuf>, told: &mut Vec<FileChange>) {
        for path in paths {
            let Some(old) = self.known.get(path).filter(|old| old.directory) else { continue };
            if fs::symlink_metadata(path).is_ok_and(|now| now.is_dir() && now.ino() == old.inode) {
                continue;
            }
            self.unwatch(path);
            let below: Vec<PathBuf> = below(&self.known, path).filter(|found| *found != path).cloned().collect();
            for path in below {
                if let Some(mark) = self.known.remove(&path) {
                    told.push(change(ChangeKind::Delete, &path, &mark));
                }
            }
        }
    }

    fn look_at(&mut self, path: PathBuf, told: &mut Vec<FileChange>) -> Result<(), ToolError> {
        // Below what is no directory of ours any more there is nothing of ours, whatever the path leads to now.
        let ours = path.parent().is_some_and(|parent| self.directories.contains_key(parent));
        let now = fs::symlink_metadata(&path).ok().filter(|_| ours).map(|metadata| mark(&metadata));
        match (self.known.get(&path), now) {
            (None, None) => {}
            (Some(old), None) => {
                told.push(change(ChangeKind::Delete, &path, old));
                self.known.remove(&path);
            }
            (old, Some(now)) => {
                if old != Some(&now) {
                    let kind = if old.is_some() { ChangeKind::Modify } else { ChangeKind::Create };
                    self.remember(&path, now)?;
                    told.push(change(kind, &path, &now));
                }
                if now.directory && !self.directories.contains_key(&path) {
                    self.scan(path, told)?;
                }
            }
        }
        Ok(())
    }

    /// Watches a directory and all below it; what is not known there is new. Each is watched first and listed then, so that
    /// what comes in between is seen at least once.
    fn scan(&mut self, top: PathBuf, told: &mut Vec<FileChange>) -> Result<(), ToolError> {
        let mut pending = vec![top];
        while let Some(directory) = pending.pop() {
            if !self.watch(&directory)? {
                continue;
            }
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let Ok(metadata) = entry.metadata() else { continue };
                let path = entry.path();
                if metadata.is_dir() {
                    pending.push(path.clone());
                }
                if !self.known.contains_key(&path) {
                    let mark = mark(&metadata);
                    self.remember(&path, mark)?;
                    told.push(change(ChangeKind::Create, &path, &mark));
                }
            }
        }
        Ok(())
    }

    fn remember(&mut self, path: &Path, mark: Mark) -> Result<(), ToolError> {
        if self.known.len() >= MAX_WATCHED && !self.known.contains_key(path) {
            let message = format!("there are more than {MAX_WATCHED} entries below {}; watch a smaller directory", self.root.display());
            return Err(ToolError::new(ToolErrorCode::TooLarge, message));
        }
        self.known.insert(path.to_owned(), mark);
        Ok(())
    }

    /// Whether it can be watched: it may be gone again, or closed to the user.
    fn watch(&mut self, directory: &Path) -> Result<bool, ToolError> {
        let mut flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::EXCL_UNLINK
            | WatchFlags::ONLYDIR;
        if directory != self.root {
            flags |= WatchFlags::DONT_FOLLOW;
        }
        match inotify::add_watch(&self.inotify, directory, flags) {
            Ok(number) => {
                if let Some(elsewhere) = self.numbers.insert(number, directory.to_owned()).filter(|path| path != directory) {
                    self.directories.remove(&elsewhere);
                }
                self.directories.insert(directory.to_owned(), number);
                Ok(true)
            }
            Err(Errno::ACCESS | Errno::PERM | Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(false),
            Err(Errno::NOSPC) => Err(limit("fs.inotify.max_user_watches")),
            Err(error) => Err(failed("watching", directory)(error.into())),
        }
    }

    /// Watches nothing at or below `top` any more.
    fn unwatch(&mut self, top: &Path) {
        let gone: Vec<PathBuf> = below(&self.directories, top).cloned().collect();
        for path in gone {
            if let Some(number) = self.directories.remove(&path) {
                self.numbers.remove(&number);
                // The kernel drops the watch of what is deleted by itself.
                let _ = inotify::remove_watch(&self.inotify, number);
            }
        }
    }
}

/// The paths at and below `top`, which stand together because paths are ordered by their parts.
fn below<'a, T>(map: &'a BTreeMap<PathBuf, T>, top: &'a Path) -> impl Iterator<Item = &'a PathBuf> {
    map.range::<Path, _>((std::ops::Bound::Included(top), std::ops::Bound::Unbounded))
        .map(|(path, _)| path)
        .take_while(move |path| path.starts_with(top))
}

fn limit(name: &str) -> ToolError {
    let message =
        format!("the host's kernel is at its limit {name}; watch a smaller directory or end other watches, or have the limit raised");
    ToolError::new(ToolErrorCode::TooLarge, message)
}
