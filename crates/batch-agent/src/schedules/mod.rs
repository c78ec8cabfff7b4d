//! What is planned: the preference groups of each job, when each is due, and what the change feed
//! says of them. The scheduler and the processor both read it; neither is known here.
//!
//! ```text
//! list of groups, defaults ─► all: every job ─► of_job: its groups ─► of_group: what makes one up
//! change feed ─► feed ────────┘                 │ due
//!                                               ▼
//!                                      misfire: fire, or skip and say why
//! ```

mod all;
mod defaults;
mod feed;
mod misfire;
mod of_group;
mod of_job;

pub(crate) use self::all::{GroupSourcesUnknown, Schedules};
pub use self::all::{Outlook, ScheduleKey, ScheduleView};
pub(crate) use self::defaults::{DefaultsInTime, Interval};
pub(crate) use self::feed::{ChangeFeed, ChangedSince, LogPosition, is_of_the_erased};
pub(crate) use self::misfire::{ON_TIME, Verdict};
pub(crate) use self::of_group::GroupSources;
pub use self::of_job::NominalDates;
pub(crate) use self::of_job::{Due, Named};
