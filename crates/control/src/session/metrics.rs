//! What a session uses. Rates need two measurements: the one kept from an earlier question, or two a moment apart.

use super::handle::Handle;
use crate::engine::Engine;
use protocol::ToolOutcome;
use protocol::tools::metrics::Metrics;
use runtime::{RuntimeError, SandboxUsage};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use types::SandboxLimits;

/// Least time between two measurements that are compared: the kernel counts CPU time in steps.
const SHORTEST: Duration = Duration::from_millis(100);
/// Most time: rates are about what happens lately.
const LONGEST: Duration = Duration::from_secs(60);

/// Remembers a session's latest measurement.
#[derive(Debug, Default)]
pub(super) struct Meter(Mutex<Option<Sample>>);

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    usage: SandboxUsage,
}

/// Answers `get_metrics`.
pub(super) async fn measure(engine: &Engine, handle: &Handle) -> Result<ToolOutcome, RuntimeError> {
    let kept = *handle.meter.0.lock().unwrap_or_else(PoisonError::into_inner);
    let first = match kept.filter(|sample| (SHORTEST..=LONGEST).contains(&sample.at.elapsed())) {
        Some(sample) => sample,
        None => {
            let sample = sample(engine, handle).await?;
            tokio::time::sleep(SHORTEST).await;
            sample
        }
    };
    let last = sample(engine, handle).await?;
    *handle.meter.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    let metrics = compare(handle.view().limits, first, last);
    Ok(Ok(serde_json::json!(metrics)))
}

async fn sample(engine: &Engine, handle: &Handle) -> Result<Sample, RuntimeError> {
    let limit = engine.config.timings.list;
    let silence = |_| RuntimeError::Unavailable { reason: format!("no measurement within {limit:?}") };
    let usage = tokio::time::timeout(limit, engine.runtime.usage(&handle.sandbox)).await.map_err(silence)??;
    Ok(Sample { at: Instant::now(), usage })
}

fn compare(limits: SandboxLimits, first: Sample, last: Sample) -> Metrics {
    let seconds = (last.at - first.at).as_secs_f64();
    let cpus = f64::from(limits.cpu_millis) / 1000.0;
    let cpu = last.usage.cpu_time.saturating_sub(first.usage.cpu_time).as_secs_f64();
    // A count that started anew says nothing about what it was before.
    let rate = |first: u64, last: u64| last.checked_sub(first).unwrap_or(last) as f64 / seconds;
    let SandboxUsage { memory_bytes, disk_total_bytes, disk_used_bytes, received_bytes, sent_bytes, .. } = last.usage;
    Metrics {
        cpu_count: cpus,
        // The kernel lets a group overdraw its share for a moment.
        cpu_used_pct: (100.0 * cpu / (seconds * cpus)).min(100.0),
        mem_total: limits.memory_bytes,
        mem_used: memory_bytes,
        disk_total: disk_total_bytes,
        disk_used: disk_used_bytes,
        rx_bytes: received_bytes,
        tx_bytes: sent_bytes,
        rx_bytes_per_s: rate(first.usage.received_bytes, received_bytes),
        tx_bytes_per_s: rate(first.usage.sent_bytes, sent_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_rates_are_of_the_time_between() {
        let start = Instant::now();
        let sample = |after_ms, cpu_ms, received_bytes, sent_bytes| Sample {
            at: start + Duration::from_millis(after_ms),
            usage: SandboxUsage {
                cpu_time: Duration::from_millis(cpu_ms),
                received_bytes,
                sent_bytes,
                memory_bytes: 7,
                ..SandboxUsage::default()
            },
        };
        let limits = SandboxLimits { cpu_millis: 2000, memory_bytes: 1 << 30, ..SandboxLimits::default() };
        let metrics = compare(limits, sample(0, 100, 1000, 500), sample(500, 600, 3000, 200));
        assert_eq!((metrics.cpu_count, metrics.cpu_used_pct), (2.0, 50.0));
        assert_eq!((metrics.mem_total, metrics.mem_used), (1 << 30, 7));
        assert_eq!((metrics.rx_bytes, metrics.rx_bytes_per_s), (3000, 4000.0));
        assert_eq!((metrics.tx_bytes, metrics.tx_bytes_per_s), (200, 400.0), "counted anew from 0");
        assert_eq!(compare(limits, sample(0, 0, 0, 0), sample(100, 900, 0, 0)).cpu_used_pct, 100.0);
    }
}
