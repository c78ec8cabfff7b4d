//! What requests choose: one form for all operations (D6, D13, D14).

use cohort_ledger::{FailedReason, FiringName, RunId, SkippedReason, StatusName};
use cohort_preferences::{JobId, PurposeId, TenantId};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::problem::Problem;
use crate::registry::{Choice, JobChoice};

/// The most users that a request may name.
const MOST_TENANTS: usize = 1_000;

/// Which runs, and whose work in them. What is not given does not restrict.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ChoiceBody {
    /// Only this run.
    run: Option<RunId>,
    /// Only runs of this name, as of one trigger or rerun.
    nominal: Option<String>,
    /// Only runs of this job.
    job: Option<JobId>,
    /// Only runs of jobs of this purpose.
    purpose: Option<PurposeId>,
    /// Only runs of this instant or later.
    since: Option<Timestamp>,
    /// Only runs of before this instant.
    until: Option<Timestamp>,
    /// Only work of these users.
    tenants: Vec<TenantId>,
    /// Only work that ended so: succeeded, failed or skipped.
    status: Option<StatusName>,
    /// Only work that ended for this reason.
    reason: Option<String>,
    /// Only work whose last error has this in it.
    error: Option<String>,
    /// Of a retry: whether handlers see other keys than before.
    pub(super) new_key: bool,
    /// Of a rerun: under which identifier, so that the same request sent twice opens one.
    id: Option<String>,
    /// Only say what would be done.
    pub(super) dry_run: bool,
}

/// Which jobs: exactly one of the three is given.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct JobsBody {
    /// This job.
    job: Option<JobId>,
    /// The jobs of this purpose.
    purpose: Option<PurposeId>,
    /// All jobs.
    all: bool,
    /// Only say what would be done.
    pub(super) dry_run: bool,
}

impl ChoiceBody {
    /// Refuses fields that mean something to other operations only.
    pub(super) fn refuse(&self, operation: &str, fields: &[&str]) -> Result<(), Problem> {
        let is_given = |field: &str| match field {
            "new_key" => self.new_key,
            "id" => self.id.is_some(),
            "since" => self.since.is_some(),
            other => unreachable!("{other} is no field that an operation refuses"),
        };
        match fields.iter().find(|field| is_given(field)) {
            Some(field) => Err(wrong_body(format!("{field}: it means nothing to {operation}"))),
            None => Ok(()),
        }
    }

    /// The identifier of a rerun.
    pub(super) fn identifier(&self) -> Result<Option<Uuid>, Problem> {
        let read = |text: &String| {
            text.parse().map_err(|error| wrong_body(format!("id: expected a UUID: {error}")))
        };
        self.id.as_ref().map(read).transpose()
    }

    /// What is chosen.
    pub(super) fn choice(self) -> Result<Choice, Problem> {
        let named = self.tenants.len();
        if named > MOST_TENANTS {
            let detail = format!("tenants: at most {MOST_TENANTS} are named at once, got {named}");
            return Err(wrong_body(detail));
        }
        if self.status == Some(StatusName::Requeued) {
            return Err(wrong_body("status: expected succeeded, failed or skipped"));
        }
        self.reason.as_deref().map_or(Ok(()), refuse_unless_reason)?;
        Ok(Choice {
            run: self.run,
            nominal: self.nominal.as_deref().map(read_name).transpose()?,
            job: self.job,
            purpose: self.purpose,
            since: self.since,
            until: self.until,
            tenants: self.tenants,
            status: self.status,
            reason: self.reason,
            error: self.error,
        })
    }
}

/// Reasons are a closed set (A2): what is none of them selects nobody, and is a mistake.
fn refuse_unless_reason(text: &str) -> Result<(), Problem> {
    if text.parse::<FailedReason>().is_ok() || text.parse::<SkippedReason>().is_ok() {
        return Ok(());
    }
    Err(wrong_body(format!("reason: {text:?} is none that work fails or is skipped for")))
}

fn read_name(text: &str) -> Result<FiringName, Problem> {
    text.parse().map_err(|_unreadable| {
        wrong_body(format!(
            "nominal: expected a nominal time as 2026-12-01T09:00, trigger:UUID or rerun:UUID, got \
             {text:?}"
        ))
    })
}

impl JobsBody {
    /// Which jobs are chosen.
    pub(super) fn choice(self) -> Result<JobChoice, Problem> {
        match (self.job, self.purpose, self.all) {
            (Some(job), None, false) => Ok(JobChoice::One(job)),
            (None, Some(purpose), false) => Ok(JobChoice::OfPurpose(purpose)),
            (None, None, true) => Ok(JobChoice::All),
            _ => Err(wrong_body("expected exactly one of job, purpose and all")),
        }
    }
}

/// Reads a body; an empty one is an empty object.
pub(super) fn read_body<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    serde_json::from_str(text).map_err(|error| wrong_body(error.to_string()))
}

pub(super) fn wrong_body(detail: impl Into<String>) -> Problem {
    Problem::unprocessable("The body is wrong", detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(text: &str) -> String {
        let refused = read_body::<ChoiceBody>(text).and_then(ChoiceBody::choice).err();
        format!("{:?}", refused.expect("refused"))
    }

    #[test]
    fn an_empty_body_chooses_nothing_in_particular() {
        for text in ["", " \n", "{}"] {
            let body: ChoiceBody = read_body(text).expect("a body");
            assert_eq!(body.choice().expect("a choice"), Choice::default());
        }
    }

    #[test]
    fn a_wrong_body_is_refused_and_the_problem_names_the_field() {
        let too_many = json!({"tenants": vec!["u"; MOST_TENANTS + 1]}).to_string();
        for (text, field) in [
            (too_many.as_str(), "tenants"),
            (r#"{"status": "bored"}"#, "bored"),
            (r#"{"status": "requeued"}"#, "status"),
            (r#"{"nominal": "trigger:now"}"#, "nominal"),
            (r#"{"tenant": "u"}"#, "tenant"),
            (r#"{"reason": "mood"}"#, "reason"),
        ] {
            assert!(refusal(text).contains(field), "{text}");
        }
    }

    #[test]
    fn jobs_are_chosen_in_exactly_one_way() {
        let choice = |text: &str| read_body::<JobsBody>(text).and_then(JobsBody::choice).ok();
        assert_eq!(choice(r#"{"all": true}"#), Some(JobChoice::All));
        assert!(choice(r#"{"job": "a"}"#).is_some() && choice(r#"{"purpose": "p"}"#).is_some());
        for text in ["", r#"{"job": "a", "all": true}"#, r#"{"jobs": ["a"]}"#] {
            assert_eq!(choice(text), None, "{text}");
        }
    }
}
