//! A tree here as a tar stream.

use crate::failure::Failure;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// Writes the tree below `root`; says what was left out.
pub(super) fn pack(root: &Path, into: impl Write) -> Result<Vec<PathBuf>, Failure> {
    let mut archive = Builder::new(into);
    let mut left_out = Vec::new();
    // Depth first, a directory before what is in it.
    let mut waiting = vec![PathBuf::new()];
    while let Some(inner) = waiting.pop() {
        let path = if inner.as_os_str().is_empty() { root.to_owned() } else { root.join(&inner) };
        let failed = |error| Failure::io("reading", &path, &error);
        // The root may be a link to a directory: it is what was named.
        let facts = if inner.as_os_str().is_empty() { path.metadata() } else { path.symlink_metadata() }.map_err(failed)?;
        let mut header = Header::new_gnu();
        header.set_metadata(&facts);
        let name = if inner.as_os_str().is_empty() { Path::new(".") } else { &inner };
        let added = if facts.is_dir() {
            let mut names = path.read_dir().and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
            names.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
            waiting.extend(names.into_iter().map(|entry| inner.join(entry.file_name())));
            archive.append_data(&mut header, name, std::io::empty())
        } else if facts.is_symlink() {
            let target = path.read_link().map_err(failed)?;
            header.set_entry_type(EntryType::Symlink);
            header.set_size(0);
            archive.append_link(&mut header, name, target)
        } else if facts.is_file() {
            let file = File::open(&path).map_err(failed)?;
            archive.append_data(&mut header, name, Exactly { file, left: facts.len() })
        } else {
            left_out.push(path);
            continue;
        };
        added.map_err(failed)?;
    }
    archive.into_inner().and_then(|mut into| into.flush()).map_err(|error| Failure::io("reading", root, &error))?;
    Ok(left_out)
}

/// As many bytes as the header says, neither more nor fewer: a file may grow or shrink while it is read.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read(&mut buffer[..most])?;
        if count == 0 && most > 0 {
            return Err(std::io::Error::other("the file became shorter while it was read"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}
