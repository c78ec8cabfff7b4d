//! The agent by its behaviour: the real scheduler, processor and SQLite ledger in simulated time, between a Config
//! Database ([`source`]) and a handler ([`handler`]) that are the tests' own and can be told to misbehave.
//!
//! [`stage`] puts them together. Each module proves one part of the semantics and names the rules by their ids. An agent
//! "dies" by being dropped while it waits for an answer that never comes: its claims stay open in the file.
//!
//! These bugs were planted, one after another, to see that the tests can fail:
//!
//! | bug | red |
//! | --- | --- |
//! | outcomes are recorded without a look at the token (F3) | `ledger::an_agent_whose_claim_has_passed_on_records_nothing` |
//! | M6 is not looked up | seven of `membership` |
//! | a list shorter than its count is believed (M8) | three of `faults` |
//! | a retry takes today's settings (M3) | `consent::a_retry_reuses_the_first_attempts_settings_and_the_next_run_reads_anew` |

mod chunks;
mod consent;
mod faults;
mod handler;
mod http;
mod ledger;
mod live;
mod membership;
mod restart;
mod retries;
mod simulation;
mod source;
mod stage;
