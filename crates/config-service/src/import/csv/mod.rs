//! CSV (RFC 4180): a header line of column names, then a record for each user and feature.
//!
//! Columns may stand in any order; `tenant_id` and `feature_type` must be there. An empty cell
//! states nothing. The cells are those of a preference, as text:
//!
//! | column | cell |
//! | --- | --- |
//! | `tenant_id` | as it is, blanks included |
//! | `enabled` | `true` or `false`, in any case |
//! | `preferred_day` | a weekday, a list of weekdays, a day of the month or `last` |
//! | `template_overrides` | a JSON object |
//! | the others | as in JSON |
//!
//! A list of weekdays has `|` between them, as in `monday|friday`. A list of one has it behind:
//! `monday|` is not `monday`, so that what was exported says the same when it is imported. The
//! other fields of a preference (`anchor_date`, `cron`, `snoozed_until`, `skip_next`) have no
//! column.

mod cell;
mod columns;
mod records;

pub(crate) use self::columns::Columns;
pub(crate) use self::records::Records;
