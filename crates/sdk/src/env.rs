//! The session's environment.

use crate::{Error, Response, Result, Session};
use serde_json::json;
use std::collections::BTreeMap;

/// Variables that every later command, terminal and piece of code of one session sees, see [`Session::env`].
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// session.env().set([("STAGE", "test")]).await?;
/// assert_eq!(session.command().run("echo $STAGE").await?.stdout, "test\n");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Environment {
    session: Session,
}

impl Environment {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    /// Sets variables; those that are not named stay as they are.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.env().set([("LANG", "C.UTF-8"), ("STAGE", "test")]).await?;
    /// # Ok(()) }
    /// ```
    pub async fn set<K: Into<String>, V: Into<String>>(&self, variables: impl IntoIterator<Item = (K, V)>) -> Result<Response<()>> {
        let variables: BTreeMap<String, String> = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        if variables.is_empty() {
            return Err(Error::invalid("no variables: setting needs at least one"));
        }
        if let Some(name) = variables.keys().find(|name| name.trim().is_empty() || name.contains(['=', '\0'])) {
            return Err(Error::invalid(format!("`{name}` is no name of a variable")));
        }
        let envs: Vec<_> = variables.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        Ok(self.session.call_tool("set_env", json!({"envs": envs})).await?.map(drop))
    }

    /// The values of these variables, or of all when none is named; what is not set is not there.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// println!("{:?}", session.env().get(["PATH"]).await?.get("PATH"));
    /// # Ok(()) }
    /// ```
    pub async fn get<K: Into<String>>(&self, names: impl IntoIterator<Item = K>) -> Result<Response<BTreeMap<String, String>>> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let arguments = if names.is_empty() { json!({}) } else { json!({"keys": names}) };
        let text = self.session.call_tool("get_env", arguments).await?;
        let unreadable =
            |error: serde_json::Error| Error::unexpected("reading the environment", error.to_string(), Some(text.request_id.clone()));
        let values = serde_json::from_str(&text).map_err(unreadable)?;
        Ok(text.map(|_| values))
    }

    /// The value of one variable.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// println!("{:?}", session.env().value("HOME").await?);
    /// # Ok(()) }
    /// ```
    pub async fn value(&self, name: &str) -> Result<Option<String>> {
        Ok(self.get([name]).await?.remove(name))
    }
}
