//! Cron expressions in five fields, in a normal form (T9, T10).
//!
//! `croner` reads the syntax. What is kept is the set of values of each field, because equal
//! preferences must be equal text. One thing besides the sets changes the meaning and is kept too:
//! an hour field that is a wildcard or a step follows the clock through a repeated hour, while
//! listed hours fire once a day (T9).

mod calendar;
mod expression;
mod parse;

pub use self::expression::Cron;
pub use self::parse::CronError;
