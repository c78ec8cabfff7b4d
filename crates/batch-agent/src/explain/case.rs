//! The case that is explained: one job, one user and one instant.

use cohort_preferences::JobId;
use jiff::Timestamp;

use super::facts::{Question, UserFacts};
use super::timeline::MembershipInterval;
use super::words::time_of;
use crate::jobs::JobHistory;

/// What is known of a job and a user that both exist, about one instant.
pub(super) struct Case<'a> {
    pub(super) job_id: &'a JobId,
    pub(super) job: &'a JobHistory,
    pub(super) user: &'a UserFacts,
    /// The interval of the user's timeline that the instant lies in.
    pub(super) interval: &'a MembershipInterval,
    pub(super) now: Timestamp,
}

impl<'a> Case<'a> {
    pub(super) fn new(question: &'a Question, job: &'a JobHistory, user: &'a UserFacts) -> Self {
        let interval = user.timeline.at(user.chosen.at);
        Self { job_id: &question.job_id, job, user, interval, now: question.now }
    }

    /// The instant that is explained.
    pub(super) fn at(&self) -> Timestamp {
        self.user.chosen.at
    }

    /// Any instant in words, on the user's clock.
    pub(super) fn time(&self, instant: Timestamp) -> String {
        time_of(instant, &self.user.chosen.zone, self.now)
    }

    /// Whether the job was paused at the instant, or is paused until after it.
    pub(super) fn is_paused(&self) -> bool {
        let pause = self.job.standing.and_then(|standing| standing.pause);
        pause.is_some_and(|pause| pause.covers(self.at()))
    }

    /// How far the job is planned; `None` if no agent has ever planned it.
    pub(super) fn planned_until(&self) -> Option<Timestamp> {
        self.job.standing.map(|standing| standing.planned_until)
    }
}
