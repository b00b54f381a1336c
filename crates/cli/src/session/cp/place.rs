//! Either side of a copy.

use crate::env::quote;
use crate::failure::Failure;
use roadstead_sdk::native::{Exec, Native, User};
use std::path::{Path, PathBuf};

/// A side.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Here(PathBuf),
    /// Standard input or output.
    Standard,
    Inside(Inside),
}

/// A path in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inside {
    pub(super) session: String,
    /// Absolute.
    pub(super) path: String,
    /// Who reads and writes there.
    pub(super) user: User,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Nothing,
    Directory,
    Other,
}

impl Place {
    /// `ID:/path`, `-`, or a path here; one with a colon is written with a slash before it. Paths inside that do not start
    /// with `/` start in the user's home.
    pub(super) fn parse(text: &str, user: User) -> Result<Self, Failure> {
        match text.split_once(':') {
            _ if text == "-" => Ok(Self::Standard),
            Some((session, path)) if !session.is_empty() && !session.contains('/') => {
                let path = if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", home(user)) };
                Ok(Self::Inside(Inside { session: session.to_owned(), path, user }))
            }
            _ if text.is_empty() => Err(Failure::new("an empty path names nothing")),
            _ => Ok(Self::Here(PathBuf::from(text))),
        }
    }
}

impl Inside {
    /// What is there.
    pub(super) async fn kind(&self, native: &Native) -> Result<Kind, Failure> {
        let path = quote(&self.path);
        let line =
            format!("if [ -d {path} ]; then echo directory; elif [ -e {path} ] || [ -L {path} ]; then echo other; else echo nothing; fi");
        let done = native.exec(&self.session, &Exec::new(line).user(self.user)).await?;
        match done.stdout.trim() {
            "directory" => Ok(Kind::Directory),
            "other" => Ok(Kind::Other),
            "nothing" => Ok(Kind::Nothing),
            _ => Err(super::inside("looking at", self, done.stderr)),
        }
    }

    /// Itself, or `name` in it when it is a directory or is written like one.
    pub(super) async fn within(self, native: &Native, name: &str) -> Result<Self, Failure> {
        if self.path.ends_with('/') || self.kind(native).await? == Kind::Directory {
            let path = format!("{}/{name}", self.path.trim_end_matches('/'));
            return Ok(Self { path, ..self });
        }
        Ok(self)
    }

    /// Its last part.
    pub(super) fn name(&self) -> Option<&str> {
        self.path.trim_end_matches('/').rsplit('/').next().filter(|name| !matches!(*name, "" | "." | ".."))
    }

    /// The directory it is in.
    pub(super) fn parent(&self) -> &str {
        match self.path.trim_end_matches('/').rsplit_once('/') {
            Some(("", _)) | None => "/",
            Some((parent, _)) => parent,
        }
    }
}

impl std::fmt::Display for Inside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.session, self.path)
    }
}

fn home(user: User) -> &'static str {
    if user == User::Root { "/root" } else { "/home/wuying" }
}

/// The last part of a path here.
pub(super) fn name_of(path: &Path) -> Result<String, Failure> {
    let full = path.canonicalize().map_err(|error| Failure::io("reading", path, &error))?;
    // A link's name is its own, not that of what it leads to.
    let name = path.file_name().or(full.file_name()).and_then(|name| name.to_str());
    name.map(str::to_owned)
        .ok_or_else(|| Failure::new(format!("{} has no name that could be used inside; name the whole path there", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_read_as_it_is_meant() {
        let inside = |session: &str, path: &str| Place::Inside(Inside { session: session.into(), path: path.into(), user: User::Wuying });
        let check = |text: &str, place: Place| assert_eq!(Place::parse(text, User::Wuying).unwrap(), place, "{text}");
        check("session-1:/a b", inside("session-1", "/a b"));
        check("session-1:a/b:c", inside("session-1", "/home/wuying/a/b:c"));
        check("session-1:", inside("session-1", "/home/wuying/"));
        check("-", Place::Standard);
        check("./a:b", Place::Here("./a:b".into()));
        check("/a:b", Place::Here("/a:b".into()));
        check("a", Place::Here("a".into()));
        assert!(Place::parse("", User::Wuying).is_err());
        let root = |path: &str| Place::Inside(Inside { session: "s".into(), path: path.into(), user: User::Root });
        assert_eq!((Place::parse("s:a", User::Root).unwrap(), Place::parse("s:/a", User::Root).unwrap()), (root("/root/a"), root("/a")));
    }

    #[test]
    fn parents_and_names_are_those_of_the_path() {
        let check = |path: &str, parent: &str, name: Option<&str>| {
            let inside = Inside { session: "s".into(), path: path.into(), user: User::Wuying };
            assert_eq!((inside.parent(), inside.name()), (parent, name), "{path}");
        };
        check("/a/b", "/a", Some("b"));
        check("/a/", "/", Some("a"));
        check("/", "/", None);
        check("/a/..", "/a", None);
    }
}
