//! Who a tool acts as inside a sandbox.

/// The user a call runs as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxUser {
    /// `wuying`, uid and gid 1000, home `/home/wuying`: what programs written for the vendor expect.
    #[default]
    Wuying,
    /// uid 0 of the sandbox's own user namespace; nobody on the host.
    Root,
}

impl SandboxUser {
    /// Numeric user and group id inside the sandbox.
    pub fn uid(self) -> u32 {
        match self {
            Self::Wuying => 1000,
            Self::Root => 0,
        }
    }

    /// Login name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wuying => "wuying",
            Self::Root => "root",
        }
    }

    /// Home directory, also the default working directory.
    pub fn home(self) -> &'static str {
        match self {
            Self::Wuying => "/home/wuying",
            Self::Root => "/root",
        }
    }
}
