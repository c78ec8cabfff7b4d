//! Preferences as users state them: what they mean, how they are read, and how a patch changes them
//! (T1).

mod day;
mod merge;
mod read;
mod stated;

pub use self::stated::Preference;
