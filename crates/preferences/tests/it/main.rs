//! Proof of the vocabulary: what a preference means, and when it fires.
//!
//! * `oracle` derives occurrences by brute force, from the words of the rules T2 to T9 alone.
//! * `against_the_oracle` compares the two over all zones, mostly around changes of the clock.
//! * `worked_examples` is the same in readable tables, each line checked by hand.
//! * `texts` proves T10 and T11: equal preferences are equal text, and every text reads back.
//! * `defaults` proves T12 against a model of its own.
//! * `policy` proves W7: examples of each limit, and the least interval against the occurrences
//!   themselves.
//! * `hostile_input` feeds what nobody should send: no panic, and each error names its place.
//!
//! The suite was seen to fail. Each of these was planted alone, in a copy of the crate, and turned
//! the named tests red:
//!
//! * `earlier` or `later` instead of `compatible` (T6, T7): the oracle, and the tables of T6, T8
//!   and T9, or of T7.
//! * No look back to the day before (T6): the oracle on the hardest days, and the tables of T6 and
//!   T8.
//! * The search ends at a hit inside a gap (T6, T8): the oracle, and the tables of T6 and T8.
//! * Parity by the remainder instead of `div_euclid` (T4): the oracle, and the table of T4.

mod against_the_oracle;
mod defaults;
mod hostile_input;
mod oracle;
mod policy;
mod texts;
mod worked_examples;
