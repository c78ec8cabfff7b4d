#![doc = include_str!("../README.md")]
//!
//! # Where to begin
//!
//! The Config Database, its client and the agent all speak these types, so that two processes
//! cannot disagree on what a preference means.
//!
//! Read in this order: [`Preference`] is what a user states, [`StatedGroup`] is what the Config
//! Database makes of it, [`PreferenceGroup`] is what a job's defaults make of that, and
//! [`Schedule`] says when such a group fires.

mod batch_config;
mod batch_documents;
mod change;
mod clock;
mod cron;
mod day;
mod defaults;
mod document;
mod duration;
mod feature;
mod frequency;
mod from_text;
mod group;
mod group_list;
mod id;
mod invalid;
mod labels;
mod member;
mod nominal;
mod occurrence;
mod parity;
mod policy;
mod preference;
mod reader;
mod schedule;
mod static_job;
mod tenants;
mod time_key;
mod time_of_day;
mod zone;

pub use batch_config::{
    BatchConfig, BatchConfigBuilder, BatchConfigError, CommandPurpose, Enroll, HttpPurpose, Job,
    JobBuilder, JobType, Misfire, OncePer, Priority, Purpose, TemplatePurpose,
};
pub use batch_documents::{BatchDocuments, Difference, differences};
pub use change::{
    AlreadyRan, Change, ChangeKind, ChangePage, NamedRun, NextRun, NoNextRun, Receipt,
    is_later_cursor, is_of_one_feed,
};
pub use clock::{Clock, MonotonicStamps};
pub use cron::{Cron, CronError};
pub use day::{Day, DayError, MonthDay, Weekdays};
pub use defaults::{Defaults, UnresolvedGroup};
pub use document::{DocumentError, FEATURE_PREFERENCES, PreferenceDocument};
pub use duration::{InvalidDuration, deserialize_duration, parse_duration};
pub use feature::{DefaultPreferences, FeatureDefaults, FeatureDefinition};
pub use frequency::{Frequency, FrequencyError};
pub use group::{GroupError, PreferenceGroup, StatedGroup};
pub use group_list::{GroupList, GroupSummary};
pub use id::{ConfigKey, FeatureType, IdError, JobId, PurposeId, TenantId};
pub use invalid::{FieldError, Invalid, child as child_pointer};
pub use labels::{LabelError, LabelFilter, LabelName, Labels};
pub use member::{
    BatchGetRequest, BatchGetResponse, Member, MemberLists, MemberListsRequest, MemberPage,
    MembersRequest, PreferenceEntry, WholeList,
};
pub use nominal::{NominalError, NominalTime};
pub use occurrence::Occurrence;
pub use parity::Parity;
pub use policy::{HoursOfDay, Limits, Policy};
pub use preference::Preference;
pub use schedule::Schedule;
pub use static_job::{Filters, StaticSchedule};
pub use tenants::{
    LabelValues, LabelValuesRequest, OwnZone, TenantFilter, TenantMemberPage, TenantMembersRequest,
    TenantTimezone, TenantTimezones,
};
pub use time_key::{TimeKey, TimeKeyError};
pub use time_of_day::{TimeOfDay, TimeOfDayError};
pub use zone::{Zone, ZoneError, time_zone_database_version};
