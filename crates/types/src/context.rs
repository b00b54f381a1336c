//! Words about contexts that several layers share.

/// Where a context is in its life.
///
/// `Available` ⇄ `Clearing`; from both to `Deleting`, from which none comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextState {
    /// It can be used.
    Available,
    /// Its files are being removed; nothing is written to it meanwhile.
    Clearing,
    /// Gone for its user; its files are being removed.
    Deleting,
}

impl ContextState {
    /// The word kept in the database and shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Clearing => "clearing",
            Self::Deleting => "deleting",
        }
    }

    /// The state that [`Self::as_str`] wrote.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Available, Self::Clearing, Self::Deleting].into_iter().find(|state| state.as_str() == word)
    }
}

/// Where a file or folder lies in a context: an absolute path, `/` alone for the whole context.
///
/// It has no empty, `.` or `..` component, so that nothing outside the context can be meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContextPath(String);

/// A text that names no place in a context.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// Nothing, or only slashes, where a file is meant.
    #[error("the path names no file")]
    Empty,
    /// It ends in a slash where a file is meant.
    #[error("the path {0:?} ends in a slash and so names a folder, not a file")]
    Folder(String),
    /// It has a component that leads out, or could.
    #[error("the path {0:?} has a `..` in it; name the place itself")]
    Parent(String),
    /// It has a NUL in it.
    #[error("the path has a NUL character in it")]
    Nul,
    /// It, or one of its components, is too long.
    #[error("the path has {bytes} bytes; at most {most} are allowed, and {component} in one name", most = ContextPath::MAX_BYTES, component = ContextPath::MAX_NAME_BYTES)]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
}

impl ContextPath {
    /// Longest path, bytes of UTF-8.
    pub const MAX_BYTES: usize = 800;
    /// Longest name of one file or folder, bytes of UTF-8.
    pub const MAX_NAME_BYTES: usize = 255;

    /// The whole context.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// A file's path as a client writes it: a relative one counts from the context's root, repeated slashes and `.` count
    /// as nothing.
    pub fn file(text: &str) -> Result<Self, InvalidPath> {
        let path = Self::folder(text)?;
        if path.is_root() {
            return Err(InvalidPath::Empty);
        }
        if text.ends_with('/') || text.ends_with("/.") {
            return Err(InvalidPath::Folder(short(text)));
        }
        Ok(path)
    }

    /// A folder's path as a client writes it; an empty text and `/` are the whole context.
    pub fn folder(text: &str) -> Result<Self, InvalidPath> {
        let too_long = |bytes| Err(InvalidPath::TooLong { bytes });
        if text.contains('\0') {
            return Err(InvalidPath::Nul);
        }
        let mut path = String::with_capacity(text.len() + 1);
        for name in text.split('/').filter(|name| !matches!(*name, "" | ".")) {
            if name == ".." {
                return Err(InvalidPath::Parent(short(text)));
            }
            if name.len() > Self::MAX_NAME_BYTES {
                return too_long(name.len());
            }
            path.push('/');
            path.push_str(name);
        }
        if path.len() > Self::MAX_BYTES {
            return too_long(path.len());
        }
        Ok(if path.is_empty() { Self::root() } else { Self(path) })
    }

    /// The path as text, with a slash in front.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the whole context.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The components, none for the whole context.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|name| !name.is_empty())
    }

    /// The last component; empty for the whole context.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl std::fmt::Display for ContextPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn short(text: &str) -> String {
    text.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_brought_into_one_form() {
        for (text, wanted) in [
            ("a", "/a"),
            ("/a/b", "/a/b"),
            ("//a/./b", "/a/b"),
            ("./a", "/a"),
            ("/tmp/ü ñ#%?*\n.txt", "/tmp/ü ñ#%?*\n.txt"),
            ("/a/...", "/a/..."),
            ("/a/..b", "/a/..b"),
        ] {
            assert_eq!(ContextPath::file(text).unwrap().as_str(), wanted, "{text:?}");
        }
        for root in ["", "/", "//", ".", "/./"] {
            assert!(ContextPath::folder(root).unwrap().is_root(), "{root:?}");
            assert_eq!(ContextPath::file(root), Err(InvalidPath::Empty), "{root:?}");
        }
        assert_eq!(ContextPath::folder("/a/b/").unwrap(), ContextPath::file("a/b").unwrap());
        assert_eq!(ContextPath::folder("/a/b").unwrap().names().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn nothing_leads_out_of_a_context() {
        for bad in ["..", "../x", "/..", "/a/../b", "/a/..", "a/../../b", "/../a"] {
            assert!(matches!(ContextPath::file(bad), Err(InvalidPath::Parent(_))), "{bad:?}");
            assert!(matches!(ContextPath::folder(bad), Err(InvalidPath::Parent(_))), "{bad:?}");
        }
        assert_eq!(ContextPath::file("/a\0b"), Err(InvalidPath::Nul));
        assert!(matches!(ContextPath::file("/a/"), Err(InvalidPath::Folder(_))));
        assert!(matches!(ContextPath::file(&"n".repeat(256)), Err(InvalidPath::TooLong { bytes: 256 })));
        assert!(ContextPath::file(&"n".repeat(255)).is_ok());
        assert!(matches!(ContextPath::file(&"n/".repeat(500).repeat(2)), Err(InvalidPath::TooLong { .. })));
    }
}
