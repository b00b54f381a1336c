//! Sessions as the native API lists them.

use super::Native;
use crate::Result;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sessions fetched a request.
const PAGE: &str = "100";

/// A session in a list, with its labels.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// for session in client.native().sessions(&[]).await? {
///     println!("{} {} {:?}", session.id, session.state, session.labels);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Where it is in its life, in small letters.
    #[serde(default)]
    pub state: String,
    /// What it was started from.
    #[serde(default)]
    pub image: String,
    /// What it can be found by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created_at: Option<String>,
}

impl Native {
    /// All live sessions that have these labels, newest first.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let of_team = client.native().sessions(&[("team".into(), "a".into())]).await?;
    /// # Ok(()) }
    /// ```
    pub async fn sessions(&self, labels: &[(String, String)]) -> Result<Vec<Listed>> {
        #[derive(Deserialize)]
        struct Page {
            sessions: Vec<Listed>,
            #[serde(default)]
            next_cursor: Option<String>,
        }
        // The query separates labels by commas; those that contain one are looked at here.
        let asked: Vec<String> = labels
            .iter()
            .filter(|(key, value)| !key.contains(',') && !value.contains(','))
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut query = vec![("limit", PAGE.to_owned())];
            query.extend((!asked.is_empty()).then(|| ("labels", asked.join(","))));
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let transport = &self.client.transport;
            let request = transport.native(Method::GET, &["sessions"])?.query(&query);
            let answer = transport.send(request, "listing sessions", transport.timeout()).await?;
            let page: Page = super::read("listing sessions", &answer)?;
            found.extend(page.sessions);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        found.retain(|session| labels.iter().all(|(key, value)| session.labels.get(key) == Some(value)));
        Ok(found)
    }
}
