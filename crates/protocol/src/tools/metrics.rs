//! `get_metrics`: what the session uses, as the host's kernel counts it. The host answers it, not the guest.

/// Tool name.
pub const GET_METRICS: &str = "get_metrics";

/// Arguments of tools that take none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct NoArgs {}

/// Result of `get_metrics`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Metrics {
    /// CPUs the session may use at once; can be a fraction.
    pub cpu_count: f64,
    /// Share of `cpu_count` used lately, percent.
    pub cpu_used_pct: f64,
    /// Memory limit, bytes.
    pub mem_total: u64,
    /// Memory in use (without page cache that can be dropped at once), bytes.
    pub mem_used: u64,
    /// Size of the file system under the session's disk, bytes.
    pub disk_total: u64,
    /// Used of it, bytes.
    pub disk_used: u64,
    /// Bytes received from outside since the start.
    pub rx_bytes: u64,
    /// Bytes sent outside since the start.
    pub tx_bytes: u64,
    /// Bytes received per second lately.
    pub rx_bytes_per_s: f64,
    /// Bytes sent per second lately.
    pub tx_bytes_per_s: f64,
}
