//! What a new terminal is to be.

use crate::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// Columns and rows, 1–500 each.
///
/// ```no_run
/// let size = roadstead_sdk::PtySize { cols: 80, rows: 24 };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PtySize {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

impl PtySize {
    pub(crate) fn check(self) -> Result<()> {
        let good = 1..=500;
        if good.contains(&self.cols) && good.contains(&self.rows) {
            return Ok(());
        }
        Err(Error::invalid(format!("a terminal cannot have {} columns and {} rows: choose 1 to 500 each", self.cols, self.rows)))
    }
}

/// What a new terminal is to be; 80 × 24 with a login shell unless said otherwise.
///
/// ```no_run
/// use roadstead_sdk::PtyOptions;
/// let options = PtyOptions::new().size(120, 40).env("EDITOR", "vi").cwd("/tmp").shell("bash");
/// ```
#[derive(Debug, Clone, Serialize)]
#[must_use = "options do nothing until a terminal is made with them"]
pub struct PtyOptions {
    pub(crate) size: PtySize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) envs: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cwd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shell: Option<String>,
}

impl Default for PtyOptions {
    fn default() -> Self {
        Self { size: PtySize { cols: 80, rows: 24 }, envs: BTreeMap::new(), cwd: None, shell: None }
    }
}

impl PtyOptions {
    /// 80 columns, 24 rows, a login shell in the user's home.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::PtyOptions::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Columns and rows, 1–500 each.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::PtyOptions::new().size(120, 40);
    /// ```
    pub fn size(mut self, cols: u16, rows: u16) -> Self {
        self.size = PtySize { cols, rows };
        self
    }

    /// One more environment variable. `TERM` is `xterm-256color` unless it is set here.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::PtyOptions::new().env("TERM", "vt100");
    /// ```
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.envs.insert(name.into(), value.into());
        self
    }

    /// The working directory; the user's home unless set.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::PtyOptions::new().cwd("/tmp");
    /// ```
    pub fn cwd(mut self, directory: impl Into<String>) -> Self {
        self.cwd = Some(directory.into());
        self
    }

    /// The program, a path or a name on PATH; the user's login shell unless set.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::PtyOptions::new().shell("bash");
    /// ```
    pub fn shell(mut self, program: impl Into<String>) -> Self {
        self.shell = Some(program.into());
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.size.check()
    }
}
