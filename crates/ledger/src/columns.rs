//! The columns that runs, outcomes and claimed chunks are read from, on both databases.
//!
//! A row is read by the names of its columns. These rows come by the thousand, so that the place of
//! each name is looked up once for a statement and not once for a row.

/// Declares columns: what a SELECT names, and a struct with the place of each column in its rows.
macro_rules! columns {
    ($(#[$doc:meta])* $name:ident {
        $first:ident = $first_expression:literal,
        $($column:ident = $expression:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(crate) struct $name {
            pub(crate) $first: usize,
            $(pub(crate) $column: usize,)*
        }

        impl $name {
            /// The columns as a SELECT lists them.
            pub(crate) const LIST: &str = concat!(
                $first_expression, " AS ", stringify!($first),
                $(", ", $expression, " AS ", stringify!($column),)*
            );

            /// Looks each column up by its name.
            pub(crate) fn find<E>(
                place: impl Fn(&'static str) -> Result<usize, E>,
            ) -> Result<Self, E> {
                Ok(Self {
                    $first: place(stringify!($first))?,
                    $($column: place(stringify!($column))?,)*
                })
            }
        }
    };
}

columns! {
    /// What a run is read from.
    RunColumns {
        id = "r.id",
        job_id = "j.job_id",
        job_version = "r.job_version",
        feature_type = "r.feature_type",
        frequency = "r.frequency",
        time_key = "r.time_key",
        timezone = "r.timezone",
        nominal = "r.nominal",
        scheduled_at = "r.scheduled_at",
        state = "r.state",
        reason = "r.reason",
        stated = "r.stated",
        cursor = "r.cursor",
        read_faults = "r.read_faults",
        members = "r.members",
        succeeded = "r.succeeded",
        failed = "r.failed",
        skipped = "r.skipped",
        unread = "r.unread",
        missed = "r.missed",
        opened_at = "r.opened_at",
        canceled_at = "r.canceled_at",
        closed_at = "r.closed_at",
    }
}

columns! {
    /// What an outcome is read from.
    OutcomeColumns {
        run = "o.run",
        ordinal = "o.ordinal",
        tenant_id = "t.tenant_id",
        chunk = "o.chunk",
        status = "o.status",
        reason = "o.reason",
        detail = "o.detail",
        attempts = "o.attempts",
        preference_version = "o.preference_version",
        stale = "o.stale",
        result = "o.result",
        finished_at = "o.finished_at",
        key_nonce = "o.key_nonce",
        purpose_version = "o.purpose_version",
        repeats = "o.repeats",
        job_id = "j.job_id",
        feature_type = "r.feature_type",
        nominal = "r.nominal",
        timezone = "r.timezone",
        scheduled_at = "r.scheduled_at",
    }
}

columns! {
    /// What a chunk is read from when it was claimed, and what claimed chunks are sorted by.
    ClaimedColumns {
        id = "chunk.id",
        run = "chunk.run",
        open_members = "chunk.open_members",
        attempt = "chunk.attempt",
        token = "chunk.token",
        deaths = "chunk.deaths",
        split_from = "chunk.split_from",
        turn = "chunk.turn",
        ready_at = "chunk.ready_at",
    }
}

/// The columns of [`RunColumns`], for a SELECT from [`RUNS`].
pub(crate) const RUN: &str = RunColumns::LIST;

/// Runs with the names of their jobs.
pub(crate) const RUNS: &str = "run r JOIN job j ON j.id = r.job";

/// The columns of [`OutcomeColumns`], for a SELECT from outcomes `o` with [`RUN_JOB_TENANT`].
pub(crate) const OUTCOME: &str = OutcomeColumns::LIST;

/// The columns of [`ClaimedColumns`], for an UPDATE of `chunk` that returns them.
pub(crate) const CLAIMED_CHUNK: &str = ClaimedColumns::LIST;

/// The tables that say of an outcome `o` to which run, job and user it belongs.
pub(crate) const RUN_JOB_TENANT: &str = "JOIN run r ON r.id = o.run \
    JOIN job j ON j.id = r.job \
    JOIN tenant t ON t.number = o.tenant";

/// The columns of an outcome that a requeue keeps (D6).
pub(crate) const KEPT_BY_REQUEUE: &str = "run, ordinal, tenant, chunk, status, reason, detail, \
    attempts, preference_version, stale, result, finished_at, settlement, key_nonce, \
    purpose_version, repeats";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_each_column_and_each_name_is_looked_up() {
        assert!(RUN.starts_with("r.id AS id, j.job_id AS job_id, "));
        assert!(OUTCOME.ends_with(", r.scheduled_at AS scheduled_at"));
        let names: Vec<&str> =
            RUN.split(", ").filter_map(|column| Some(column.split_once(" AS ")?.1)).collect();
        let place = |name| names.iter().position(|other| *other == name).ok_or(name);
        let columns = RunColumns::find(place).expect("each is listed");
        assert_eq!((columns.id, columns.job_id, columns.closed_at), (0, 1, names.len() - 1));
        assert_eq!(OutcomeColumns::find(place).err(), Some("run"));
    }
}
