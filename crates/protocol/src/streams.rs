//! What is said on each kind of packet stream.
//!
//! | stream | host says | guest says |
//! |---|---|---|
//! | exec | [`ExecInput`], data = standard input | data, stderr, at last [`ExecOutput`] |
//! | terminal | [`PtyInput`], data = what is typed | first [`PtyOutput::Opened`], data = what is shown, at last [`PtyOutput::Exited`] |
//! | code | nothing | [`CodeEvent`]s, the last is [`CodeEvent::Ended`] or [`CodeEvent::Failed`] |
//! | file out | nothing | [`FileReadOutput::Opened`], data, [`FileReadOutput::Ended`] |
//! | file in | data, [`FileWriteInput::End`] | one [`FileWriteOutput`] |
//! | watch | nothing | [`WatchOutput`]s until the host closes |
//!
//! Reading is the flow control: a side that does not read stops the other, down to the program inside.

mod code;
mod exec;
mod file;
mod pty;
mod watch;

pub use code::{CodeEvent, CodeOpen};
pub use exec::{ExecInput, ExecOpen, ExecOutput};
pub use file::{FileReadOpen, FileReadOutput, FileWriteInput, FileWriteOpen, FileWriteOutput};
pub use pty::{PtyInput, PtyOpen, PtyOutput, PtySize, PtyTarget};
pub use watch::{WatchOpen, WatchOutput};
