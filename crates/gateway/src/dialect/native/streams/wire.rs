//! What a client says on a stream: its first message, and what may follow.

use control::Control;
use protocol::StreamOpen;
use protocol::packet::Packet;
use protocol::streams::{self, CodeOpen, ExecInput, ExecOpen, PtyInput, PtyOpen, WatchOpen};
use protocol::tools::code::{Language, RunCodeArgs};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use types::SandboxUser;
use utoipa::ToSchema;

/// What a stream is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Exec,
    Pty,
    Code,
    Watch,
}

/// First message on `exec`: a command with its output as it comes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ExecStream {
    /// Given to `sh -c`.
    command: String,
    /// Working directory; the user's home when absent.
    #[serde(default)]
    cwd: Option<String>,
    /// Variables added to the environment.
    #[serde(default)]
    envs: BTreeMap<String, String>,
    /// Time limit; none when absent. When it passes, everything the command started is killed.
    #[serde(default)]
    timeout_ms: Option<u64>,
    /// Whether standard input comes over the stream; otherwise it is empty.
    #[serde(default)]
    stdin: bool,
    /// `wuying` (default) or `root` of the sandbox.
    #[serde(default)]
    #[schema(value_type = String)]
    user: SandboxUser,
}

/// First message on `pty`: a terminal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct PtyStream {
    /// A new one, or one that lives.
    target: PtyTarget,
    /// `wuying` (default) or `root` of the sandbox.
    #[serde(default)]
    #[schema(value_type = String)]
    user: SandboxUser,
}

/// A new terminal, or one that lives.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(in super::super) enum PtyTarget {
    /// Makes one.
    New {
        /// Its size.
        size: PtySize,
        /// Variables added to the environment; `TERM` is `xterm-256color` unless named here.
        #[serde(default)]
        envs: BTreeMap<String, String>,
        /// Working directory; the user's home when absent.
        #[serde(default)]
        cwd: Option<String>,
        /// The program, a path or a name on PATH; a login shell when absent.
        #[serde(default)]
        shell: Option<String>,
    },
    /// Connects to one.
    Existing {
        /// Its id.
        id: String,
    },
}

/// Columns and rows, 1 to 500 each.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct PtySize {
    cols: u16,
    rows: u16,
}

/// First message on `code`: code in the kernel of its language, which keeps its state.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct CodeStream {
    code: String,
    /// `python`, `javascript`, `r` or `java`.
    #[schema(value_type = String)]
    language: Language,
    /// Time limit in seconds; 60 when absent. When it passes, the code is interrupted and the state is kept.
    #[serde(default)]
    timeout_s: Option<f64>,
    /// `wuying` (default) or `root` of the sandbox.
    #[serde(default)]
    #[schema(value_type = String)]
    user: SandboxUser,
}

/// First message on `watch`: changes below a directory.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct WatchStream {
    /// Absolute path of a directory.
    path: String,
    /// `wuying` (default) or `root` of the sandbox.
    #[serde(default)]
    #[schema(value_type = String)]
    user: SandboxUser,
}

impl Kind {
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "exec" => Self::Exec,
            "pty" => Self::Pty,
            "code" => Self::Code,
            "watch" => Self::Watch,
            _ => return None,
        })
    }

    /// What the first message wants of the session; a text for the client when it cannot be used.
    pub(super) fn opening(self, text: &str, control: &Control) -> Result<StreamOpen, String> {
        Ok(match self {
            Self::Exec => {
                let ExecStream { command, cwd, envs, timeout_ms, stdin, user } = read(text)?;
                StreamOpen::Exec(ExecOpen { call: control.new_call(user), command, cwd, envs, timeout_ms, stdin })
            }
            Self::Pty => {
                let PtyStream { target, user } = read(text)?;
                StreamOpen::Pty(PtyOpen { user, target: target.into() })
            }
            Self::Code => {
                let CodeStream { code, language, timeout_s, user } = read(text)?;
                StreamOpen::Code(CodeOpen { call: control.new_call(user), args: RunCodeArgs { code, language, timeout_s } })
            }
            Self::Watch => {
                let WatchStream { path, user } = read(text)?;
                StreamOpen::Watch(WatchOpen { user, path })
            }
        })
    }

    /// A later text message, as the guest takes it.
    pub(super) fn message(self, text: &str) -> Result<Packet, String> {
        let packet = match self {
            Self::Exec => Packet::message(&read::<ExecInput>(text)?),
            Self::Pty => Packet::message(&read::<PtyInput>(text)?),
            Self::Code | Self::Watch => return Err("nothing is said on this stream after its first message; close it to leave".into()),
        };
        packet.map_err(|error| error.to_string())
    }

    /// Whether bytes are taken.
    pub(super) fn takes_bytes(self) -> bool {
        matches!(self, Self::Exec | Self::Pty)
    }

    /// What becomes of it when the server stops.
    pub(super) fn on_drain(self) -> &'static str {
        match self {
            Self::Exec => "the server is stopping, which ends the command; run it again when the server is back",
            Self::Pty => "the server is stopping; the terminal goes on, connect to it again by its id when the server is back",
            Self::Code => "the server is stopping; the code goes on until its time limit, but the rest of its output is lost",
            Self::Watch => "the server is stopping; watch again when it is back",
        }
    }
}

impl From<PtyTarget> for streams::PtyTarget {
    fn from(target: PtyTarget) -> Self {
        match target {
            PtyTarget::New { size: PtySize { cols, rows }, envs, cwd, shell } => {
                Self::New { size: streams::PtySize { cols, rows }, envs, cwd, shell }
            }
            PtyTarget::Existing { id } => Self::Existing { id },
        }
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("the message is not the JSON expected here: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_may_say_depends_on_the_stream() {
        let check = |kind: Kind, text: &str, fine: bool| assert_eq!(kind.message(text).is_ok(), fine, "{kind:?} {text}");
        check(Kind::Exec, r#"{"kind":"eof"}"#, true);
        check(Kind::Exec, r#"{"kind":"signal","signal":15}"#, true);
        check(Kind::Exec, r#"{"kind":"resize","size":{"cols":1,"rows":1}}"#, false);
        check(Kind::Pty, r#"{"kind":"resize","size":{"cols":80,"rows":24}}"#, true);
        check(Kind::Pty, r#"{"kind":"resize","size":{"cols":-1,"rows":24}}"#, false);
        check(Kind::Code, r#"{"kind":"eof"}"#, false);
        check(Kind::Watch, "{}", false);
    }

    #[test]
    fn first_messages_are_read_with_their_defaults_and_nothing_unknown() {
        let exec: ExecStream = read(r#"{"command":"ls"}"#).unwrap();
        assert!(!exec.stdin && exec.timeout_ms.is_none() && exec.user == SandboxUser::Wuying);
        assert!(read::<ExecStream>(r#"{"command":"ls","shell":"zsh"}"#).is_err());
        assert!(read::<PtyStream>(r#"{"target":{"kind":"new","size":{"cols":80,"rows":24}}}"#).is_ok());
        assert!(read::<PtyStream>(r#"{"target":{"kind":"existing","id":"pty-1"},"user":"root"}"#).is_ok());
        assert!(read::<PtyStream>(r#"{"target":{"kind":"new"}}"#).is_err());
        assert!(read::<CodeStream>(r#"{"code":"1","language":"cobol"}"#).is_err());
    }
}
