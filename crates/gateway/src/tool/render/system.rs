//! What a session uses, under the names that SDKs read.

use protocol::tools::metrics::Metrics;
use serde_json::json;
use types::Timestamp;

/// A kilobyte as the SDKs' names mean it.
const KBYTE: f64 = 1024.0;

/// The JSON of `get_metrics`. Go reads the number of CPUs as a whole one; a share of a CPU is shown as one CPU.
pub(super) fn metrics(metrics: &Metrics, now: Timestamp) -> String {
    let kbytes = |bytes: f64| rounded(bytes / KBYTE);
    json!({
        // The cast is exact: it was just rounded up, and limits are small.
        "cpu_count": metrics.cpu_count.ceil().max(1.0) as u64,
        "cpu_used_pct": rounded(metrics.cpu_used_pct),
        "mem_total": metrics.mem_total,
        "mem_used": metrics.mem_used,
        "disk_total": metrics.disk_total,
        "disk_used": metrics.disk_used,
        "rx_rate_kbyte_per_s": kbytes(metrics.rx_bytes_per_s),
        "tx_rate_kbyte_per_s": kbytes(metrics.tx_bytes_per_s),
        "rx_used_kbyte": kbytes(metrics.rx_bytes as f64),
        "tx_used_kbyte": kbytes(metrics.tx_bytes as f64),
        "timestamp": now.to_string(),
    })
    .to_string()
}

/// To two digits behind the point, for people.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
