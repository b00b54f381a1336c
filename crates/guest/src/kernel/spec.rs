//! Which kernels the image has: Jupyter's kernel specifications, one directory per language.

use protocol::tools::code::Language;
use protocol::{ToolError, ToolErrorCode};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where specifications stand, the first wins.
const DIRECTORIES: [&str; 2] = ["/usr/local/share/jupyter/kernels", "/usr/share/jupyter/kernels"];
const LANGUAGES: [Language; 4] = [Language::Python, Language::Javascript, Language::R, Language::Java];
/// Longest specification, bytes.
const MAX_BYTES: u64 = 64 * 1024;
/// What stands for the connection file's path in a kernel's arguments.
const CONNECTION_FILE: &str = "{connection_file}";

/// How a kernel is started and interrupted.
#[derive(Debug, Deserialize)]
pub(super) struct Spec {
    argv: Vec<String>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) interrupt_mode: InterruptMode,
}

/// How a kernel wants to be interrupted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum InterruptMode {
    /// By SIGINT.
    #[default]
    Signal,
    /// By a message on its control channel.
    Message,
}

impl Spec {
    /// The specification of a language's kernel.
    ///
    /// # Errors
    /// The image has none, or one that cannot be used.
    pub(super) fn read(language: Language) -> Result<Self, ToolError> {
        Self::read_in(&DIRECTORIES.map(PathBuf::from), language)
    }

    fn read_in(directories: &[PathBuf], language: Language) -> Result<Self, ToolError> {
        let path = |directory: &PathBuf, language: Language| directory.join(language.as_str()).join("kernel.json");
        for path in directories.iter().map(|directory| path(directory, language)) {
            let spec = match read(&path) {
                Ok(text) => serde_json::from_slice::<Self>(&text).map_err(io::Error::from),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
                Err(error) => Err(error),
            };
            let spec = spec.and_then(|spec| if spec.argv.is_empty() { Err(io::Error::other("its argv is empty")) } else { Ok(spec) });
            return spec.map_err(|error| {
                ToolError::new(ToolErrorCode::Internal, format!("the kernel specification {} cannot be used: {error}", path.display()))
            });
        }
        let there: Vec<_> = LANGUAGES
            .into_iter()
            .filter(|&other| directories.iter().any(|directory| path(directory, other).exists()))
            .map(Language::as_str)
            .collect();
        let there = if there.is_empty() { "no language".to_owned() } else { there.join(", ") };
        Err(ToolError::invalid(format!("this image has no kernel for {}; it has kernels for: {there}", language.as_str())))
    }

    /// The program and its arguments.
    pub(super) fn arguments(&self, connection_file: &Path) -> Vec<String> {
        let file = connection_file.to_string_lossy();
        self.argv.iter().map(|argument| argument.replace(CONNECTION_FILE, &file)).collect()
    }
}

/// A small regular file; never waits for a pipe's other end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_directory_wins_and_what_is_missing_is_told() {
        let root = tempfile::tempdir().unwrap();
        let directories = ["a", "b"].map(|name| root.path().join(name));
        let write = |directory: &Path, language: &str, text: &str| {
            std::fs::create_dir_all(directory.join(language)).unwrap();
            std::fs::write(directory.join(language).join("kernel.json"), text).unwrap();
        };
        write(&directories[1], "python", r#"{"argv": ["/usr/bin/python3"]}"#);
        assert_eq!(Spec::read_in(&directories, Language::Python).unwrap().interrupt_mode, InterruptMode::Signal);
        write(
            &directories[0],
            "python",
            r#"{"argv": ["/p", "-f={connection_file}"], "interrupt_mode": "message", "env": {"A": "b"}, "x": 1}"#,
        );
        let spec = Spec::read_in(&directories, Language::Python).unwrap();
        assert_eq!((spec.interrupt_mode, spec.env["A"].as_str()), (InterruptMode::Message, "b"));
        assert_eq!(spec.arguments(Path::new("/run/x.json")), ["/p", "-f=/run/x.json"]);
        let error = Spec::read_in(&directories, Language::R).unwrap_err();
        assert!(error.code == ToolErrorCode::InvalidArgument && error.message.contains("for r; it has kernels for: python"), "{error}");
        for text in ["", "[", r#"{"argv": []}"#, r#"{"argv": ["x"], "interrupt_mode": "odd"}"#] {
            write(&directories[0], "r", text);
            assert!(Spec::read_in(&directories, Language::R).unwrap_err().message.contains("a/r/kernel.json"), "{text}");
        }
    }
}
