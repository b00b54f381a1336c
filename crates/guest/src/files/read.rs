//! `read_file` and `read_multiple_files`.

use super::{failed, open_regular, resolve};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protocol::tools::filesystem::{
    ContentFormat, MAX_READ_BYTES, ReadFileArgs, ReadFileResult, ReadMultipleFilesArgs, ReadMultipleFilesResult, ReadOneFile,
};
use protocol::{ToolError, ToolErrorCode};
use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use types::SandboxUser;

/// Longest character of UTF-8, and longest byte sequence that becomes one U+FFFD.
const MAX_CHARACTER: u64 = 4;
/// Most files of one `read_multiple_files`.
const MAX_FILES: usize = 1000;

/// Reads a file or a range of it.
pub fn read_file(user: SandboxUser, args: &ReadFileArgs) -> Result<ReadFileResult, ToolError> {
    let path = resolve(user, &args.path)?;
    let (start, end) = (args.offset, if args.length == 0 { u64::MAX } else { args.offset.saturating_add(args.length) });
    match args.format {
        ContentFormat::Binary => {
            let (bytes, size) = read_range(&path, start, end, MAX_READ_BYTES)?;
            Ok(ReadFileResult { content: STANDARD.encode(bytes), size })
        }
        ContentFormat::Text => {
            // A character begins at most three bytes before its last, and whether a sequence is one is seen at most three
            // bytes after its first.
            let before = start.min(MAX_CHARACTER - 1);
            let after = if (1..=MAX_READ_BYTES).contains(&args.length) { MAX_CHARACTER - 1 } else { 0 };
            let (bytes, size) = read_range(&path, start - before, end.saturating_add(after), MAX_READ_BYTES + before + after)?;
            let skip = (before as usize).min(bytes.len());
            let wanted = usize::try_from(end - start).unwrap_or(usize::MAX);
            Ok(ReadFileResult { content: characters_ending_in(&bytes, skip, skip.saturating_add(wanted)), size })
        }
    }
}

/// Reads several text files; together they return no more than one `read_file` may.
pub fn read_multiple_files(user: SandboxUser, args: ReadMultipleFilesArgs) -> Result<ReadMultipleFilesResult, ToolError> {
    if args.paths.len() > MAX_FILES {
        return Err(ToolError::invalid(format!("{} paths given; at most {MAX_FILES} are possible in one call", args.paths.len())));
    }
    let mut left = MAX_READ_BYTES;
    let read_one = |path: String| {
        let text = resolve(user, &path).and_then(|absolute| read_range(&absolute, 0, u64::MAX, left));
        match text {
            Ok((bytes, _)) => {
                left -= bytes.len() as u64;
                ReadOneFile { path, content: Some(String::from_utf8_lossy(&bytes).into_owned()), error: None }
            }
            Err(error) => ReadOneFile { path, content: None, error: Some(error) },
        }
    };
    Ok(ReadMultipleFilesResult { files: args.paths.into_iter().map(read_one).collect() })
}

/// The bytes from `start` to `end` (or the file's end) and the file's size.
pub(super) fn read_range(path: &Path, start: u64, end: u64, limit: u64) -> Result<(Vec<u8>, u64), ToolError> {
    let (mut file, metadata) = open_regular(path, OpenOptions::new().read(true))?;
    let doing = failed("reading", path);
    file.seek(SeekFrom::Start(start)).map_err(&doing)?;
    let mut bytes = Vec::new();
    // Not the size decides but what comes: files of /proc say 0 and have content, others grow while they are read.
    let expected = metadata.len().saturating_sub(start).min(end - start).min(limit + 1);
    bytes.try_reserve(expected as usize + 1).map_err(|error| doing(error.into()))?;
    file.take((end - start).min(limit + 1)).read_to_end(&mut bytes).map_err(&doing)?;
    if bytes.len() as u64 > limit {
        let message = format!(
            "{} has more than the {} bytes that can be returned here; read it in ranges with offset and length",
            path.display(),
            limit.min(MAX_READ_BYTES)
        );
        return Err(ToolError::new(ToolErrorCode::TooLarge, message));
    }
    Ok((bytes, metadata.len()))
}

/// The text of `bytes[from..to]`, where a character belongs to the range in which its last byte lies: so the last range of
/// a file, however short, is never empty, which some clients cannot tell from a missing answer. Each malformed sequence
/// counts as one character, U+FFFD, exactly as if the whole were decoded at once.
fn characters_ending_in(bytes: &[u8], from: usize, to: usize) -> String {
    let (from, to) = (from.min(bytes.len()), to.min(bytes.len()));
    // Decoding can begin at any byte that is not the inside of a character.
    let lowest = from.saturating_sub(MAX_CHARACTER as usize - 1);
    let inside = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    let mut position = (lowest..=from).rev().find(|at| !inside(*at)).unwrap_or(from);

    let mut text = String::with_capacity(to - from);
    for chunk in bytes[position..].utf8_chunks() {
        let valid = chunk.valid();
        let cut = |at: usize| floor_char_boundary(valid, at.saturating_sub(position));
        text.push_str(&valid[cut(from)..cut(to)]);
        position += valid.len();
        position += chunk.invalid().len();
        if !chunk.invalid().is_empty() && (from..to).contains(&(position - 1)) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        if position >= to {
            break;
        }
    }
    text
}

/// The last character boundary at or before `at`.
fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_to_the_whole_whatever_the_bytes() {
        let samples: [&[u8]; 7] = [
            b"plain",
            "héllo €uro 😀 wörld".as_bytes(),
            b"\xff\xfe ok \xe2\x82",
            b"\x80\x80\x80\x80\x80\x80 tail",
            b"a\xf0\x9f\x98b\xe2\x82\xac\xc3",
            b"\xed\xa0\x80\xf5\xc0\xaf",
            b"",
        ];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for sample in samples {
            std::fs::write(&path, sample).unwrap();
            let read = |offset, length| {
                let args = ReadFileArgs { path: path.to_str().unwrap().into(), offset, length, format: ContentFormat::Text };
                read_file(SandboxUser::Root, &args).unwrap().content
            };
            let whole = String::from_utf8_lossy(sample);
            assert_eq!(read(0, 0), whole);
            for step in 1..=sample.len().max(1) as u64 {
                let joined: String = (0..sample.len() as u64).step_by(step as usize).map(|offset| read(offset, step)).collect();
                assert_eq!(joined, whole, "{sample:x?} in steps of {step}");
                let last = (sample.len() as u64).saturating_sub(1) / step * step;
                assert!(sample.is_empty() || !read(last, step).is_empty(), "the last range of {sample:x?} in steps of {step}");
            }
            assert_eq!(read(1000, 5), "");
        }
    }

    #[test]
    fn too_much_is_refused_with_a_hint_and_a_range_of_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        std::fs::File::create(&path).unwrap().set_len(MAX_READ_BYTES + 1).unwrap();
        let read = |offset, length, format| {
            read_file(SandboxUser::Root, &ReadFileArgs { path: path.to_str().unwrap().into(), offset, length, format })
        };
        for format in [ContentFormat::Text, ContentFormat::Binary] {
            let error = read(0, 0, format).unwrap_err();
            assert_eq!(error.code, ToolErrorCode::TooLarge);
            assert!(error.message.contains("ranges"), "{}", error.message);
            assert_eq!(read(0, MAX_READ_BYTES, format).unwrap().size, MAX_READ_BYTES + 1);
            assert!(read(1, 0, format).is_ok());
        }
    }
}
