//! What a feature lets its users choose (W7).
//!
//! A policy limits four things: the frequencies, the time between two occurrences, the slots in
//! which a time of day may fall, and the hours of the day. Tenants that carry a label may have
//! limits of their own.
//!
//! All of it is decided by arithmetic on what the preference asks of the local clock, taken as one
//! that never changes: a day is 24 hours. A change of the clock may bring two occurrences nearer,
//! or move one out of its slot (T6). Nobody chose that, and it breaks no policy. So the result
//! depends on preference, defaults, labels and policy only.
//!
//! What the user did not state is judged as the feature's defaults fill it (T12). What they do not
//! fill either is left to the job, and not judged. A disabled preference is judged like any other:
//! it may be enabled by a patch of that alone.

mod check;
mod field;
mod hours;
mod limits;
mod rules;
mod stated;

pub use self::hours::HoursOfDay;
pub use self::limits::Limits;
pub use self::rules::Policy;
