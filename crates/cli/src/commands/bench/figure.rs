//! Figures: lines of JSON, each with the median of its runs.

use std::io::{self, Write};

use serde::Serialize;

/// The figures of a workload, in the order in which they were first noted.
pub(super) struct Figures {
    workload: &'static str,
    backend: &'static str,
    users: u64,
    metrics: Vec<Metric>,
}

/// What the runs measured of one thing.
struct Metric {
    name: &'static str,
    unit: &'static str,
    runs: Vec<f64>,
}

/// One figure, as it is printed.
#[derive(Debug, Serialize)]
struct Figure {
    /// What was done.
    workload: &'static str,
    /// On which database.
    backend: &'static str,
    /// How many users.
    n: u64,
    /// What was measured.
    metric: &'static str,
    /// In what.
    unit: &'static str,
    /// The median of `runs`.
    value: f64,
    /// What each run measured.
    runs: Vec<f64>,
}

impl Figures {
    pub(super) fn of(workload: &'static str, backend: &'static str, users: u64) -> Self {
        Self { workload, backend, users, metrics: Vec::new() }
    }

    /// Notes what a run measured.
    pub(super) fn note(&mut self, name: &'static str, unit: &'static str, value: f64) {
        match self.metrics.iter_mut().find(|metric| metric.name == name) {
            Some(metric) => metric.runs.push(value),
            None => self.metrics.push(Metric { name, unit, runs: vec![value] }),
        }
    }

    /// Prints a line for each metric.
    pub(super) fn print(&self) -> io::Result<()> {
        let figures = self.metrics.iter().filter_map(|metric| self.figure(metric));
        figures
            .into_iter()
            .try_for_each(|figure| writeln!(io::stdout(), "{}", serde_json::to_string(&figure)?))
    }

    fn figure(&self, metric: &Metric) -> Option<Figure> {
        Some(Figure {
            workload: self.workload,
            backend: self.backend,
            n: self.users,
            metric: metric.name,
            unit: metric.unit,
            value: rounded(median(&metric.runs)?),
            runs: metric.runs.iter().copied().map(rounded).collect(),
        })
    }
}

/// Returns the middle value, or the mean of the two in the middle; `None` of nothing.
pub(super) fn median(runs: &[f64]) -> Option<f64> {
    let mut sorted = runs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) =
        (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

/// Returns the value that 99 of 100 do not exceed; `None` of nothing.
pub(super) fn p99(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get((values.len() * 99).div_ceil(100).checked_sub(1)?).copied()
}

/// Rounds to three decimals below ten, else to whole numbers: more is noise.
fn rounded(value: f64) -> f64 {
    if value.abs() < 10.0 { (value * 1000.0).round() / 1000.0 } else { value.round() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_percentile_is_what_99_of_100_do_not_exceed() {
        assert_eq!(p99((1..=100).map(f64::from).collect()), Some(99.0));
        assert_eq!(p99(vec![3.0, 1.0]), Some(3.0));
        assert_eq!(p99(Vec::new()), None);
    }

    #[test]
    fn the_median_is_the_middle_run() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
