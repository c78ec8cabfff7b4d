//! `cohort demo`: the specification's scenarios 1 and 2, for real, in simulated time.
//!
//! The Config Database over loopback HTTP, the scheduler, the processor, the ledger and the
//! `template` handler are those of `cohort up`; only the clock is another. It starts before the
//! first date begins anywhere and ends after the last has ended everywhere, and the scheduler plans
//! the occurrences whose nominal date lies in between.

mod calendar;
mod folder;
mod report;
mod users;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use cohort_batch_agent::{
    AgentClock, DynamicBatchScheduler, EnhancedBatchProcessor, JobRegistry, Ledger, NominalDates,
    Serving, SimulatedClock, SystemClock,
};
use cohort_config_client::{ConfigDatabaseClient, ImportStatus};
use cohort_preferences::{Clock, Frequency, Zone};
use futures_util::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use self::calendar::{Move, Stretch};
use self::report::{Report, Setting};
use self::users::User;
use crate::commands::Output;
use crate::config;
use crate::failure::WrongInput;
use crate::lifecycle::admin_key;
use crate::purposes::{Handlers, read_documents};
use crate::services::{Address, open_config_service, open_ledger};
use crate::simulated::Simulated;

const EXAMPLE: &str = r#"Example:
  cohort demo
  cohort demo --from 2028-02-01 --days 29 --static --json

With --json the last line is {"users", "from", "to", "groups":[{"feature_type",
"frequency", "time_key", "timezone", "members"}], "runs", "outcomes":{"succeeded",
"failed", "skipped", "missed"}, "expected", "unaccounted", "moved_user":{"tenant_id",
"last_daily", "first_weekly"}, "seconds"}; "expected" is counted from the calendar,
"moved_user" is null with --static."#;

/// How long before the first date begins in UTC the clock starts: no zone is further east than 14
/// h.
const LEAD: SignedDuration = SignedDuration::from_hours(15);

/// How long after the last date has ended in UTC the clock stops: no zone is further west than 12
/// h.
const TAIL: SignedDuration = SignedDuration::from_hours(13);

/// The period in which the scheduler would read everything anew, in real time; a demo ends sooner.
const POLL_INTERVAL: std::time::Duration = std::time::Duration::from_mins(1);

/// Users called at once, as many as an agent calls unless told otherwise.
const MOST_AT_ONCE: usize = 25;

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
    /// Nobody moves
    #[arg(long = "static")]
    is_static: bool,
}

impl Demo {
    pub(crate) async fn run(&self, output: Output) -> anyhow::Result<()> {
        let started = Instant::now();
        let stretch = self.stretch()?;
        let users = users::all();
        let moved = (!self.is_static).then(|| moved_user(&users[0], stretch));
        let clock = SimulatedClock::starting_at(midnight(stretch.first)? - LEAD);
        let end = midnight(stretch.last.tomorrow()?)? + TAIL;

        let progress = Progress::start(stretch, output);
        let held = folder::take(&self.dir, Simulated { end }).await?;
        let config = open_config_service(held.path(), Arc::new(clock.clone()), None).await?;
        let key = admin_key(&held, &config).await?;
        let ledger = open_ledger(held.path(), false)?;
        let agent_clock: Arc<dyn AgentClock> = Arc::new(clock.clone());
        self.apply(Arc::clone(&ledger), &agent_clock).await?;
        let address = Address::take(([127, 0, 0, 1], 0).into(), &key).await?;
        let processor = processor(&address.client, Arc::clone(&ledger), agent_clock, stretch)?;
        let server = address.serve(config, JobRegistry::of_agent(&processor));
        import(&server.client, &users).await?;
        let scheduler = DynamicBatchScheduler::new(processor, POLL_INTERVAL);
        scheduler.initialize_dynamic_schedules().await?;
        if let Some(moved) = &moved {
            let noon = zoned_noon(users[0].timezone, moved.on)?;
            progress.run(&scheduler, &clock, noon).await?;
            let weekly = users[0].preference(Frequency::Weekly);
            server
                .client
                .set_feature_preference(moved.tenant_id.as_str(), users::FEATURE, &weekly)
                .await
                .context("cannot move the user")?;
        }
        progress.run(&scheduler, &clock, end).await?;
        progress.finish();

        let expected = calendar::expected(&users, stretch, moved.as_ref());
        let setting = Setting {
            users: users.len(),
            stretch,
            expected,
            moved,
            schedules: scheduler.schedules(),
            ledger: &*ledger,
        };
        let report = Report::of(setting, started.elapsed().as_secs_f64()).await?;
        server.stop().await?;
        match output {
            Output::Json => println!("{}", serde_json::to_string(&report)?),
            Output::Text => report.print(&self.dir, &config::program()),
        }
        report.check()
    }

    fn stretch(&self) -> anyhow::Result<Stretch> {
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
            WrongInput(format!("--from: expected a date from 1971 to 9000, got {first}"))
        })?;
        Ok(Stretch { first, last })
    }

    /// Applies the demo's batch config.
    async fn apply(
        &self,
        ledger: Arc<dyn Ledger>,
        clock: &Arc<dyn AgentClock>,
    ) -> anyhow::Result<()> {
        let documents = read_documents(&[self.dir.join(folder::BATCH_CONFIG)])?;
        let serving = Serving::new(Arc::new(Handlers { clock: Arc::clone(clock) }), MOST_AT_ONCE);
        let registry = JobRegistry::new(ledger, Arc::clone(clock), serving);
        registry.apply(&documents, "demo").await.context("cannot apply the batch config")?;
        Ok(())
    }
}

fn processor(
    client: &ConfigDatabaseClient,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    stretch: Stretch,
) -> anyhow::Result<EnhancedBatchProcessor> {
    let dates = NominalDates { first: stretch.first, last: stretch.last };
    let handlers = Arc::new(Handlers { clock: Arc::clone(&clock) });
    let builder = EnhancedBatchProcessor::builder(client.clone(), ledger)
        .clock(clock)
        .horizon(dates)
        .stored_jobs(handlers);
    Ok(builder.max_concurrent_items(MOST_AT_ONCE).build()?)
}

/// The first user moves in the middle of the stretch.
fn moved_user(user: &User, stretch: Stretch) -> Move {
    let dates: Vec<Date> = stretch.dates().collect();
    Move { tenant_id: user.tenant_id.clone(), on: dates[dates.len() / 2] }
}

fn midnight(date: Date) -> anyhow::Result<Timestamp> {
    TimeZone::UTC
        .to_timestamp(date.to_datetime(Time::midnight()))
        .context("the date lies at an end of the calendar")
}

fn zoned_noon(zone: &str, date: Date) -> anyhow::Result<Timestamp> {
    let zone: Zone = zone.parse()?;
    zone.rules()
        .to_timestamp(date.at(12, 0, 0, 0))
        .context("the date lies at an end of the calendar")
}

async fn import(client: &ConfigDatabaseClient, users: &[User]) -> anyhow::Result<()> {
    let documents: String = users.iter().map(User::document).collect();
    let results = client
        .import(std::io::Cursor::new(documents.into_bytes()))
        .await
        .context("cannot import the users")?;
    let refused = results
        .try_filter(|line| std::future::ready(line.status != ImportStatus::Stored))
        .try_collect::<Vec<_>>()
        .await?;
    anyhow::ensure!(
        refused.is_empty(),
        "{} users were not stored, the first because of {:?}",
        refused.len(),
        refused[0]
    );
    Ok(())
}

/// The days gone by, as a bar on a terminal.
struct Progress {
    bar: ProgressBar,
    stretch: Stretch,
}

impl Progress {
    fn start(stretch: Stretch, output: Output) -> Self {
        let bar = match output {
            Output::Json => ProgressBar::hidden(),
            Output::Text => ProgressBar::new(stretch.dates().count() as u64),
        };
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} days")
            .expect("the template is well formed");
        let bar = bar.with_style(style).with_message("getting ready");
        // Emptying the folder of a long demo takes a while too.
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        Self { bar, stretch }
    }

    /// Runs up to `until`, a day at a time.
    async fn run(
        &self,
        scheduler: &DynamicBatchScheduler,
        clock: &SimulatedClock,
        until: Timestamp,
    ) -> anyhow::Result<()> {
        loop {
            let today = TimeZone::UTC.to_datetime(clock.now()).date();
            self.bar.set_message(today.to_string());
            let days = today.duration_since(self.stretch.first).as_hours() / 24;
            self.bar.set_position(u64::try_from(days).unwrap_or(0));
            let next = midnight(today.tomorrow()?)?.min(until);
            scheduler.run_simulated_until(clock, next).await?;
            if next == until {
                return Ok(());
            }
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
