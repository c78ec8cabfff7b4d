//! What becomes of the occurrences that have come due: pure decisions (F1).

use cohort_preferences::{Job, Misfire, Occurrence, PreferenceGroup};
use jiff::{SignedDuration, Timestamp};

use cohort_ledger::{MissedReason, Pause, UnprocessedReason};

/// An occurrence this late is still on time: nothing was down, the agent was merely busy.
pub(crate) const ON_TIME: SignedDuration = SignedDuration::from_secs(60);

/// The most missed occurrences of a group that `"misfire": "all"` fires (F1).
const MOST_CAUGHT_UP: usize = 100;

/// What is to be done about one occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Process its members.
    Fire,
    /// Record that it is not processed, and why.
    Skip(UnprocessedReason),
}

/// Decides about the occurrences of a group that came due since it was last planned, oldest first
/// (F1).
///
/// What falls due while the job is paused is skipped, and what fell due before the pause is missed:
/// a job that was paused has nothing to catch up on.
pub(crate) fn judge(
    job: &Job,
    pause: Option<Pause>,
    group: &PreferenceGroup,
    due: &[Occurrence],
    now: Timestamp,
) -> Vec<Verdict> {
    let lateness = |occurrence: &Occurrence| now.duration_since(occurrence.at);
    let is_latest = |index: usize| index + 1 == due.len();
    let miss = |reason| Verdict::Skip(UnprocessedReason::Missed(reason));
    let verdict = |(index, occurrence): (usize, &Occurrence)| match job.misfire {
        _ if pause.is_some_and(|pause| pause.covers(occurrence.at)) => {
            Verdict::Skip(UnprocessedReason::JobPaused)
        }
        _ if lateness(occurrence) <= ON_TIME => Verdict::Fire,
        _ if pause.is_some_and(|pause| occurrence.at < pause.from) => miss(MissedReason::Downtime),
        Misfire::Latest
            if is_latest(index)
                && lateness(occurrence) <= job.catchup_window(group.frequency()) =>
        {
            Verdict::Fire
        }
        Misfire::Latest => miss(MissedReason::Downtime),
        Misfire::All if due.len() - index <= MOST_CAUGHT_UP => Verdict::Fire,
        Misfire::All => miss(MissedReason::MisfireLimit),
        Misfire::Skip => miss(MissedReason::MisfireSkip),
    };
    due.iter().enumerate().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use cohort_preferences::{BatchConfig, Schedule};
    use serde_json::json;

    use super::*;

    fn job(misfire: &str) -> Job {
        let job = json!({
            "job_id": "j",
            "type": "individual_batch",
            "purpose_id": "p",
            "preference_based": true,
            "feature_type": "f",
            "misfire": misfire,
        });
        BatchConfig::from_json(&job.to_string()).expect("valid").jobs.remove(0)
    }

    fn daily() -> PreferenceGroup {
        PreferenceGroup::parse("daily", "09:00", "UTC").expect("a group").expect("complete")
    }

    fn instant(text: &str) -> Timestamp {
        text.parse().expect("instant")
    }

    fn missed(reason: MissedReason) -> Verdict {
        Verdict::Skip(UnprocessedReason::Missed(reason))
    }

    fn verdicts(misfire: &str, from: &str, now: &str) -> Vec<Verdict> {
        verdicts_of_paused(misfire, None, from, now)
    }

    fn verdicts_of_paused(
        misfire: &str,
        pause: Option<Pause>,
        from: &str,
        now: &str,
    ) -> Vec<Verdict> {
        let now = instant(now);
        let due: Vec<_> = Schedule::of(&daily())
            .after(instant(from))
            .take_while(|occurrence| occurrence.at <= now)
            .collect();
        judge(&job(misfire), pause, &daily(), &due, now)
    }

    #[test]
    fn what_is_on_time_fires_whatever_the_job_says_of_misfires() {
        for misfire in ["latest", "all", "skip"] {
            assert_eq!(
                verdicts(misfire, "2026-12-01T00:00:00Z", "2026-12-01T09:00:30Z"),
                [Verdict::Fire]
            );
        }
    }

    #[test]
    fn after_three_days_only_the_latest_within_the_window_fires() {
        let late = missed(MissedReason::Downtime);
        assert_eq!(
            verdicts("latest", "2026-12-01T10:00:00Z", "2026-12-04T20:00:00Z"),
            [late, late, Verdict::Fire]
        );
        assert_eq!(
            verdicts("latest", "2026-12-01T10:00:00Z", "2026-12-04T21:00:01Z"),
            [late, late, late]
        );
    }

    #[test]
    fn all_fires_the_last_hundred_and_skip_none() {
        let caught_up = verdicts("all", "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z");
        assert_eq!(caught_up.iter().filter(|verdict| **verdict == Verdict::Fire).count(), 100);
        assert_eq!(caught_up[0], missed(MissedReason::MisfireLimit));
        let skipped = verdicts("skip", "2026-12-01T10:00:00Z", "2026-12-03T20:00:00Z");
        assert_eq!(skipped, [missed(MissedReason::MisfireSkip); 2]);
    }
}
