//! Simulated time as it passes, shown as a bar.

use cohort_batch_agent::{DynamicBatchScheduler, SimulatedClock};
use cohort_preferences::Clock;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::calendar::{Interval, midnight};
use crate::output::Output;
use crate::progress::Progress;

/// Runs a scheduler through the days of a demo, and shows which day it is.
pub(super) struct Days {
    bar: Progress,
    first: Date,
}

impl Days {
    pub(super) fn start(interval: Interval, output: Output) -> Self {
        let bar = match output {
            Output::Json => Progress::hidden(),
            Output::Text => Progress::of_things("days", Some(interval.dates().count() as u64)),
        };
        // Emptying the folder of a long demo takes a while too.
        bar.set_message("getting ready");
        Self { bar, first: interval.first }
    }

    /// Runs up to `until`, a day at a time.
    pub(super) async fn run(
        &self,
        scheduler: &DynamicBatchScheduler,
        clock: &SimulatedClock,
        until: Timestamp,
    ) -> anyhow::Result<()> {
        loop {
            let today = TimeZone::UTC.to_datetime(clock.now()).date();
            self.show(today);
            let next = midnight(today.tomorrow()?)?.min(until);
            scheduler.run_simulated_until(clock, next).await?;
            if next == until {
                return Ok(());
            }
        }
    }

    fn show(&self, today: Date) {
        let days = today.duration_since(self.first).as_hours() / 24;
        self.bar.set_message(today.to_string());
        // The clock starts before the first date.
        self.bar.set(u64::try_from(days).unwrap_or(0));
    }

    pub(super) fn finish(&self) {
        self.bar.finish();
    }
}
