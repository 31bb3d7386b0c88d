//! How far the audit is, on stderr, while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// Time between two drawings.
const TICK: Duration = Duration::from_millis(200);

/// The bar fills with bytes, as rows differ in size; rows and their rate stand beside it.
const TEMPLATE: &str = "{msg:12} {bar:24} {percent:>3}%  {rows}  {rows_per_second}  {eta} left";

/// A progress bar that any thread may move. It is drawn by a thread of its own, so moving it costs little.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    rows: Arc<AtomicU64>,
}

impl Progress {
    /// A bar over `total_bytes` of rows in canonical form, as the parts of a scan weigh them, both sides together.
    ///
    /// It is drawn only if `enabled` and if stderr is a terminal.
    pub fn new(enabled: bool, total_bytes: u64) -> Self {
        let rows = Arc::new(AtomicU64::new(0));
        let target = if enabled { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total_bytes), target);
        if !bar.is_hidden() {
            let (count, rate) = (rows.clone(), rows.clone());
            let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
            let style = style
                .progress_chars("=> ")
                .with_key("rows", move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
                    let _ = write!(out, "{} rows", HumanCount(count.load(Ordering::Relaxed)));
                })
                .with_key("rows_per_second", move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                    let per_second = rate.load(Ordering::Relaxed) as f64 / state.elapsed().as_secs_f64().max(0.001);
                    let _ = write!(out, "{}/s", HumanCount(per_second as u64));
                });
            bar.set_style(style);
            bar.enable_steady_tick(TICK);
        }
        Progress { bar, rows }
    }

    /// Names the stage of the audit.
    pub fn stage(&self, name: &'static str) {
        self.bar.set_message(name);
    }

    /// Adds bytes that turn out to be read as well, such as the rows that are read a second time.
    pub fn expect(&self, bytes: u64) {
        self.bar.inc_length(bytes);
    }

    /// Counts rows that were read, and their bytes.
    pub fn add(&self, rows: u64, bytes: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bar.inc(bytes);
    }

    /// Takes the bar off the terminal.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_bar_counts_from_many_threads() {
        let progress = Progress::new(false, 8000);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1000).for_each(|_| progress.add(2, 1)));
            }
        });
        assert_eq!(progress.rows.load(Ordering::Relaxed), 16_000);
        assert_eq!(progress.bar.position(), 8000);
        progress.expect(10);
        assert_eq!(progress.bar.length(), Some(8010));
        progress.finish();
    }
}
