//! Writes the rows of a plan, each table's together.

mod changes;
mod known;
mod moves;
mod preferences;
mod profiles;
mod write;

pub(super) use self::known::feature;
pub(super) use self::write::write;
