//! Checks that the fields of a job do not contradict each other.

use super::choices::Enroll;
use super::error::BatchConfigError;
use super::job::{Job, MOST_USERS_A_CHUNK};
use crate::static_job::Filters;

/// The most tenants that a job's filter may name.
const MOST_NAMED_TENANTS: usize = 1_000;

impl Job {
    pub(super) fn check(&self) -> Result<(), BatchConfigError> {
        if self.preference_based {
            self.check_preference_based()?;
        } else {
            self.check_static()?;
        }
        self.check_durations()?;
        if !(1..=MOST_USERS_A_CHUNK).contains(&self.chunk_size) {
            return Err(self.error("chunk_size", "expected 1 to 25"));
        }
        Ok(())
    }

    fn check_durations(&self) -> Result<(), BatchConfigError> {
        let durations = [("deadline", self.deadline), ("catchup_window", self.catchup_window)];
        for (field, duration) in durations {
            if duration.is_some_and(|duration| duration.is_negative()) {
                return Err(self.error(field, "expected a duration that is not negative"));
            }
        }
        Ok(())
    }

    fn check_preference_based(&self) -> Result<(), BatchConfigError> {
        if self.schedule.is_some() {
            return Err(self.error(
                "schedule",
                "users' preferences say when this job runs; leave it out, or preference_based",
            ));
        }
        if self.filters != Filters::default() {
            return Err(self.error(
                "filters",
                "a job that follows preferences serves those who have one; leave it out",
            ));
        }
        if let Some(unused) = self.default_preferences.unused_field() {
            let detail = format!("{unused} is not used by their frequency");
            return Err(self.error("default_preferences", &detail));
        }
        Ok(())
    }

    fn check_static(&self) -> Result<(), BatchConfigError> {
        if self.schedule.is_none() {
            return Err(self.error(
                "schedule",
                "expected a schedule such as {\"frequency\": \"daily\", \"time\": \"09:00\"}, or \
                 \"preference_based\": true",
            ));
        }
        if self.enroll == Enroll::Everyone {
            return Err(self.error(
                "enroll",
                "a job with a schedule serves all tenants of its filters; leave it out",
            ));
        }
        if !self.default_preferences.states_only_overrides() {
            return Err(self.error(
                "default_preferences",
                "only template_overrides have a meaning where a schedule says when",
            ));
        }
        self.check_filters()
    }

    fn check_filters(&self) -> Result<(), BatchConfigError> {
        let filters = &self.filters;
        let nothing_else = Filters { all_users: true, ..Filters::default() };
        if filters.all_users && *filters != nothing_else {
            return Err(self.error("filters", "all_users contradicts the other filters"));
        }
        if filters.tenant_ids.len() > MOST_NAMED_TENANTS {
            return Err(self.error("filters", "expected at most 1,000 tenant_ids"));
        }
        Ok(())
    }

    pub(super) fn error(&self, field: &'static str, detail: &str) -> BatchConfigError {
        BatchConfigError::Job { job_id: self.job_id.clone(), field, detail: detail.into() }
    }
}
