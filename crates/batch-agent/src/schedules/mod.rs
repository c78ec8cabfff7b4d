//! What is planned: the preference groups of each job, when each is due, and what the change feed
//! says of them. The scheduler and the processor both read it; neither is known here.
//!
//! ```text
//! list of groups, defaults ─► all: every job ─► of_job: its groups ─► of_group: what makes one up
//! change feed ─► feed ────────┘  replace, learn    │ due
//!                                                  ▼
//!                                         misfire: fire, or skip and say why
//! ```

mod all;
mod change_log;
mod defaults;
mod due;
mod feed;
mod learn;
mod misfire;
mod of_group;
mod of_job;
mod replace;
mod views;

pub(crate) use self::all::SUDDENLY_EMPTY;
pub(crate) use self::all::Schedules;
pub(crate) use self::change_log::LogPosition;
pub(crate) use self::defaults::{DefaultsInTime, Interval};
pub use self::due::NominalDates;
pub(crate) use self::due::{Due, Named};
pub(crate) use self::feed::{ChangeFeed, is_of_the_erased};
pub(crate) use self::misfire::{ON_TIME, Verdict};
pub(crate) use self::of_group::{GroupSources, GroupSourcesUnknown};
pub(crate) use self::replace::Listed;
pub use self::views::{Outlook, ScheduleKey, ScheduleView};
