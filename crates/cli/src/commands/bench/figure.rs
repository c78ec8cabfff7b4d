//! A figure: a line of JSON with the median of its runs.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

/// How often a workload is measured.
#[derive(Args)]
pub(super) struct Runs {
    /// How many runs; a figure is their median
    #[arg(long = "runs", value_name = "N", default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: u64,
}

/// One figure.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    /// What was done.
    pub(super) workload: &'static str,
    /// On which database.
    pub(super) backend: &'static str,
    /// How many users.
    pub(super) n: u64,
    /// What was measured.
    pub(super) metric: &'static str,
    /// In what.
    pub(super) unit: &'static str,
    /// The median of `runs`.
    pub(super) value: f64,
    /// Each run's.
    pub(super) runs: Vec<f64>,
}

/// What a workload's figures share.
#[derive(Clone, Copy)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) backend: &'static str,
    pub(super) users: u64,
}

impl Workload {
    /// Prints a figure, unless nothing was measured.
    pub(super) fn print(
        self,
        metric: &'static str,
        unit: &'static str,
        runs: &[f64],
    ) -> io::Result<()> {
        let Some(value) = median(runs) else { return Ok(()) };
        let (value, runs) = (rounded(value), runs.iter().copied().map(rounded).collect());
        let figure = Figure {
            workload: self.name,
            backend: self.backend,
            n: self.users,
            metric,
            unit,
            value,
            runs,
        };
        writeln!(io::stdout(), "{}", serde_json::to_string(&figure)?)
    }
}

/// The middle one; of an even number the mean of the two in the middle; `None` of nothing.
fn median(runs: &[f64]) -> Option<f64> {
    let mut sorted = runs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) =
        (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

/// The value that 99 of 100 do not exceed; `None` of nothing.
pub(super) fn p99(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get((values.len() * 99).div_ceil(100).checked_sub(1)?).copied()
}

/// To three decimals below ten, else to whole numbers: more is noise.
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
