//! Paths in a context as keys of objects, and back.

use super::{ContextRef, ObjectsError};
use object_store::path::Path;
use types::ContextPath;

/// Longest key that S3 takes, bytes.
const MAX_KEY: usize = 1024;
/// Longest part of a key: a file system's longest name, less what the local back end adds while it writes.
const MAX_PART: usize = 245;
/// The folder of the files within a context's objects.
const FILES: &str = "files";

/// The keys of one context.
#[derive(Debug)]
pub(super) struct ContextKeys {
    all: Path,
}

impl ContextKeys {
    pub(super) fn new(prefix: &Path, context: ContextRef<'_>) -> Self {
        // Ids are letters, digits and dashes.
        Self { all: prefix.clone().join(context.tenant.as_str()).join(context.id.as_str()) }
    }

    /// Above everything that belongs to the context.
    pub(super) fn all(&self) -> Path {
        self.all.clone()
    }

    pub(super) fn file(&self, path: &ContextPath) -> Result<Path, ObjectsError> {
        self.folder(path)
    }

    pub(super) fn folder(&self, path: &ContextPath) -> Result<Path, ObjectsError> {
        let mut key = format!("{}/{FILES}", self.all);
        for name in path.names() {
            let start = key.len() + 1;
            key.push('/');
            escape(name, &mut key);
            if key.len() - start > MAX_PART {
                return Err(ObjectsError::Name(path.to_string()));
            }
        }
        match Path::parse(&key) {
            Ok(parsed) if key.len() <= MAX_KEY => Ok(parsed),
            _ => Err(ObjectsError::Name(path.to_string())),
        }
    }

    /// The path that a key stands for; `None` for one that is not of this context's files or that we would not write so.
    pub(super) fn path(&self, key: &Path) -> Option<ContextPath> {
        let rest = key.as_ref().strip_prefix(self.all.as_ref())?.strip_prefix('/')?.strip_prefix(FILES)?.strip_prefix('/')?;
        let mut text = String::with_capacity(rest.len() + 1);
        for part in rest.split('/') {
            text.push('/');
            text.push_str(&unescape(part)?);
        }
        let path = ContextPath::file(&text).ok()?;
        (self.file(&path).ok()? == *key).then_some(path)
    }
}

/// Control characters, which no key may have; `#`, which the local back end keeps for itself; and `%`, which marks the rest.
fn escape(name: &str, into: &mut String) {
    use std::fmt::Write;
    for character in name.chars() {
        if character.is_ascii_control() || matches!(character, '%' | '#') {
            write!(into, "%{:02X}", character as u32).expect("strings take everything");
        } else {
            into.push(character);
        }
    }
}

fn unescape(part: &str) -> Option<String> {
    let mut pieces = part.split('%');
    let mut name = pieces.next()?.to_owned();
    for piece in pieces {
        let code = u8::from_str_radix(piece.get(..2)?, 16).ok().filter(u8::is_ascii)?;
        name.push(code.into());
        name.push_str(&piece[2..]);
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{ContextId, TenantId};

    fn keys() -> ContextKeys {
        let (tenant, id): (TenantId, ContextId) = ("tenant-a".parse().unwrap(), "SdkCtx-b".parse().unwrap());
        ContextKeys::new(&Path::from("pre/fix"), ContextRef { tenant: &tenant, id: &id })
    }

    #[test]
    fn every_name_has_a_key_and_comes_back_from_it() {
        for (path, wanted) in [
            ("/a/b.txt", "a/b.txt"),
            ("/with space/ünï/文", "with space/ünï/文"),
            ("/100%", "100%25"),
            ("/%41", "%2541"),
            ("/up#1", "up%231"),
            ("/tab\tnew\nline\u{7f}", "tab%09new%0Aline%7F"),
            ("/a\\b*?<>|\"'`~^{}[]", "a\\b*?<>|\"'`~^{}[]"),
            ("/...", "..."),
        ] {
            let path = ContextPath::file(path).unwrap();
            let key = keys().file(&path).unwrap();
            assert_eq!(key.as_ref(), format!("pre/fix/tenant-a/SdkCtx-b/files/{wanted}"));
            assert_eq!(keys().path(&key), Some(path));
        }
    }

    #[test]
    fn keys_of_others_stand_for_nothing() {
        let base = "pre/fix/tenant-a/SdkCtx-b";
        for key in [
            "pre/fix/tenant-a/SdkCtx-bb/files/a".to_owned(),
            format!("{base}/manifest"),
            format!("{base}/files"),
            format!("{base}/filesystem/a"),
            format!("{base}/files/%zz"),
            format!("{base}/files/%41"),
            format!("{base}/files/%2e%2e"),
            format!("{base}/files/a%2Fb"),
            format!("{base}/files/%00"),
            format!("{base}/files/%"),
        ] {
            assert_eq!(keys().path(&Path::parse(&key).unwrap()), None, "{key}");
        }
    }

    #[test]
    fn names_that_grow_too_long_are_refused() {
        let path = |text: String| ContextPath::file(&text).unwrap();
        assert!(keys().file(&path("x".repeat(245))).is_ok());
        assert!(matches!(keys().file(&path("x".repeat(246))), Err(ObjectsError::Name(_))));
        assert!(matches!(keys().file(&path("#".repeat(100))), Err(ObjectsError::Name(_))));
        assert!(matches!(keys().file(&path("####/".repeat(130) + "x")), Err(ObjectsError::Name(_))));
    }
}
