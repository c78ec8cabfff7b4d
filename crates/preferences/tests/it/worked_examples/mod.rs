//! T2 to T9 and T11 in examples, each line checked by hand against the zone's history.

mod changes_of_the_clock;
mod following_the_clock;
mod frequencies;
mod table;
