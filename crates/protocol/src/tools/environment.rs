//! The session's environment: variables that every later command, terminal and piece of code sees.

use std::collections::BTreeMap;

/// Tool name.
pub const SET_ENV: &str = "set_env";
/// Tool name.
pub const GET_ENV: &str = "get_env";
/// Most variables a session can have.
pub const MAX_VARIABLES: usize = 1024;
/// Most bytes of names and values together.
pub const MAX_BYTES: usize = 256 << 10;

/// Arguments of `set_env`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct SetEnvArgs {
    /// Name → value; variables that are not named stay as they are.
    pub envs: BTreeMap<String, String>,
}

/// Result of `set_env`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SetEnvResult {
    /// How many variables the session has now.
    pub count: usize,
}

/// Arguments of `get_env`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct GetEnvArgs {
    /// The names wanted; every variable that a command would see when absent or empty.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// Result of `get_env`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GetEnvResult {
    /// Name → value; a name that is not set is not there.
    pub envs: BTreeMap<String, String>,
}
