//! `cohort demo`: the specification's scenarios 1 and 2, for real, in simulated time.
//!
//! The Config Database over loopback HTTP, the scheduler, the processor, the ledger and the
//! `template` handler are those of `cohort up`; only the clock is another. It starts before the
//! first date begins anywhere and ends after the last date has ended everywhere, and the scheduler
//! plans the occurrences whose nominal date lies in between.

mod calendar;
mod folder;
mod progress;
mod report;
mod report_text;
mod stage;
mod users;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use cohort_batch_agent::{SimulatedClock, SystemClock};
use cohort_preferences::{Clock, Frequency, Zone};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use self::calendar::{Interval, Move, midnight};
use self::progress::Days;
use self::report::{Report, Setting};
use self::stage::Stage;
use self::users::User;
use crate::config;
use crate::failure::wrong_input;
use crate::output::Output;
use crate::simulated::Simulated;

const EXAMPLE: &str = r#"Example:
  cohort demo
  cohort demo --from 2028-02-01 --days 29 --static --json

With --json the last line is {"users", "from", "to", "groups":[{"feature_type",
"frequency", "time_key", "timezone", "members"}], "runs", "outcomes":{"succeeded",
"failed", "skipped", "missed"}, "expected", "unaccounted", "moved_user":{"tenant_id",
"last_daily", "first_weekly"}, "seconds"}; "expected" is counted from the calendar,
"moved_user" is null with --static."#;

/// How long before the first date begins in UTC the clock starts: no zone is further east than
/// 14 h.
const LEAD: SignedDuration = SignedDuration::from_hours(15);

/// How long after the last date has ended in UTC the clock stops: no zone is further west than
/// 12 h.
const TAIL: SignedDuration = SignedDuration::from_hours(13);

/// Run the specification's scenario with 3,000 users, in simulated time
///
/// 2,000 users want daily posts at 9, 100 weekly ones on Monday and 900 monthly ones on the 1st, in
/// ten time zones and each with their own tone and length. One of them moves from daily to weekly
/// half way.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Demo {
    /// The folder for databases and texts; emptied if an earlier demo made it
    #[arg(long, value_name = "DIR", default_value = "cohort-demo")]
    dir: PathBuf,
    /// The first date [default: the 1st of the next month]
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<Date>,
    /// How many days [default: to the end of the month]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=366))]
    days: Option<u16>,
    /// Leave everybody as they are: nobody moves from daily to weekly
    #[arg(long = "static")]
    is_static: bool,
}

impl Demo {
    pub(crate) async fn run(&self, output: Output) -> anyhow::Result<()> {
        let started = Instant::now();
        let interval = self.interval()?;
        let users = users::all();
        let moved = (!self.is_static).then(|| moved_user(&users[0], interval));
        let clock = SimulatedClock::starting_at(midnight(interval.first)? - LEAD);
        let end = midnight(interval.last.tomorrow()?)? + TAIL;

        let days = Days::start(interval, output);
        let stage = Stage::set(&self.dir, Simulated { end }, &clock, interval).await?;
        stage.import(&users).await?;
        let scheduler = &stage.scheduler;
        scheduler.initialize_dynamic_schedules().await?;
        if let Some(moved) = &moved {
            days.run(scheduler, &clock, zoned_noon(users[0].timezone, moved.on)?).await?;
            stage.state(&users[0], Frequency::Weekly).await.context("cannot move the user")?;
        }
        days.run(scheduler, &clock, end).await?;
        days.finish();

        let setting = Setting {
            users: users.len(),
            interval,
            expected: calendar::expected(&users, interval, moved.as_ref()),
            moved,
            schedules: scheduler.schedules(),
            ledger: &*stage.ledger,
        };
        let report = Report::of(setting, started.elapsed().as_secs_f64()).await?;
        stage.end().await?;
        match output {
            Output::Json => println!("{}", serde_json::to_string(&report)?),
            Output::Text => report.print(&self.dir, &config::program()),
        }
        report.check()
    }

    fn interval(&self) -> anyhow::Result<Interval> {
        let today = TimeZone::UTC.to_datetime(SystemClock.now()).date();
        let first = match self.from {
            Some(from) => from,
            None => today.first_of_month().checked_add(1.month())?,
        };
        let last = match self.days {
            Some(days) => first.checked_add((i64::from(days) - 1).days()),
            None => Ok(first.last_of_month()),
        };
        let last =
            last.ok().filter(|last| (1971..=9_000).contains(&first.year()) && last.year() <= 9_000);
        let last = last.ok_or_else(|| {
            wrong_input(format!("--from: expected a date from 1971 to 9000, got {first}"))
        })?;
        Ok(Interval { first, last })
    }
}

/// Returns the move of the first user, in the middle of the interval.
fn moved_user(user: &User, interval: Interval) -> Move {
    let dates: Vec<Date> = interval.dates().collect();
    Move { tenant_id: user.tenant_id.clone(), on: dates[dates.len() / 2] }
}

fn zoned_noon(zone: &str, date: Date) -> anyhow::Result<Timestamp> {
    let zone: Zone = zone.parse()?;
    zone.rules()
        .to_timestamp(date.at(12, 0, 0, 0))
        .context("the date lies at an end of the calendar")
}
