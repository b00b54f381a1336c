//! What a session uses.

use crate::{Error, Response, Result, Session};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// What a session uses; a number that the service does not tell is 0.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// let metrics = session.metrics().await?;
/// println!("{:.1} % of {} CPUs, {} MiB", metrics.cpu_used_pct, metrics.cpu_count, metrics.mem_used >> 20);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Metrics {
    /// CPUs the session may use at once.
    pub cpu_count: f64,
    /// Share of them used lately, percent.
    pub cpu_used_pct: f64,
    /// Memory limit, bytes.
    #[serde(deserialize_with = "whole")]
    pub mem_total: u64,
    /// Memory in use, bytes.
    #[serde(deserialize_with = "whole")]
    pub mem_used: u64,
    /// Size of the disk, bytes.
    #[serde(deserialize_with = "whole")]
    pub disk_total: u64,
    /// Used of it, bytes.
    #[serde(deserialize_with = "whole")]
    pub disk_used: u64,
    /// KiB received per second lately.
    #[serde(alias = "rx_rate_kbyte_per_s")]
    pub rx_rate_kib_per_s: f64,
    /// KiB sent per second lately.
    #[serde(alias = "tx_rate_kbyte_per_s")]
    pub tx_rate_kib_per_s: f64,
    /// KiB received since the start.
    #[serde(alias = "rx_used_kbyte")]
    pub rx_used_kib: f64,
    /// KiB sent since the start.
    #[serde(alias = "tx_used_kbyte")]
    pub tx_used_kib: f64,
    /// When it was measured, as the service writes it.
    #[serde(deserialize_with = "as_text")]
    pub timestamp: Option<String>,
}

impl Session {
    /// What the session uses.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// println!("{} of {} bytes", session.metrics().await?.mem_used, session.metrics().await?.mem_total);
    /// # Ok(()) }
    /// ```
    pub async fn metrics(&self) -> Result<Response<Metrics>> {
        let text = self.call_tool("get_metrics", json!({})).await?;
        let unreadable =
            |error: serde_json::Error| Error::unexpected("measuring a session", error.to_string(), Some(text.request_id.clone()));
        let metrics = serde_json::from_str(&text).map_err(unreadable)?;
        Ok(text.map(|_| metrics))
    }
}

/// Some services write whole numbers as fractions.
fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    Ok(f64::deserialize(from)? as u64)
}

/// Text, or a number for which its digits stand.
fn as_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_names_and_numbers_are_read() {
        let text = r#"{"cpu_count":2,"cpu_used_pct":1.5,"mem_total":4096.0,"mem_used":7,"rx_rate_kbyte_per_s":0.5,"tx_used_kbyte":9,"timestamp":12}"#;
        let metrics: Metrics = serde_json::from_str(text).unwrap();
        assert_eq!((metrics.cpu_count, metrics.mem_total, metrics.mem_used, metrics.disk_used), (2.0, 4096, 7, 0));
        assert_eq!((metrics.rx_rate_kib_per_s, metrics.tx_used_kib, metrics.timestamp.as_deref()), (0.5, 9.0, Some("12")));
    }
}
