//! Samples and the table they end in.

use std::time::Duration;

/// The durations of one row, in any order.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn add(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub(crate) fn median(&self) -> Duration {
        self.quantile(0.5)
    }

    /// The smallest sample that at least `q` of all samples do not exceed.
    pub(crate) fn quantile(&self, q: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a rank among few samples")]
        let rank = ((sorted.len() as f64 * q).ceil() as usize).clamp(1, sorted.len().max(1));
        sorted.get(rank - 1).copied().unwrap_or_default()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// Prints rows with their ratio to `base`, the median of the row they are compared with.
pub(crate) fn print_table(title: &str, base_name: &str, base: Duration, rows: &[(&str, &Samples)]) {
    println!("\n{title} (ratio to {base_name})");
    println!("  {:<44} {:>6} {:>10} {:>10} {:>10} {:>8}", "", "runs", "p50 ms", "p90 ms", "p99 ms", "ratio");
    for (name, samples) in rows {
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let ratio = samples.median().as_secs_f64() / base.as_secs_f64().max(1e-9);
        println!(
            "  {name:<44} {:>6} {:>10.2} {:>10.2} {:>10.2} {ratio:>7.2}x",
            samples.count(),
            ms(samples.median()),
            ms(samples.quantile(0.9)),
            ms(samples.quantile(0.99))
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_ranks() {
        let mut samples = Samples::default();
        for ms in (1..=100).rev() {
            samples.add(Duration::from_millis(ms));
        }
        assert_eq!(samples.median(), Duration::from_millis(50));
        assert_eq!(samples.quantile(0.99), Duration::from_millis(99));
        assert_eq!(Samples::default().median(), Duration::ZERO);
    }
}
