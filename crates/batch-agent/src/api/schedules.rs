//! `/schedules`: each group of each job, with its size and next occurrence.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use cohort_preferences::{JobId, PreferenceGroup};
use serde::{Deserialize, Serialize};

use super::problem::{Problem, Reply};
use crate::registry::JobRegistry;
use crate::schedules::{ScheduleKey, ScheduleView};

/// The most schedules of a page.
const MOST_A_PAGE: usize = 1_000;

/// Stands between the parts of a cursor, and in none of them.
const SEPARATOR: char = '|';

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleQuery {
    /// Only those of this job.
    job: Option<JobId>,
    /// The `next_cursor` of an earlier page.
    cursor: Option<String>,
    /// How many at most.
    limit: Option<usize>,
}

/// A page of schedules, by job and group.
#[derive(Serialize)]
pub(super) struct SchedulePage {
    schedules: Vec<ScheduleView>,
    /// The `cursor` of the next page; null on the last.
    next_cursor: Option<String>,
}

/// `GET /schedules` lists the schedules that the agent keeps, by job and group.
pub(super) async fn list(
    State(registry): State<JobRegistry>,
    query: Result<Query<ScheduleQuery>, QueryRejection>,
) -> Reply<SchedulePage> {
    let Query(query) = query?;
    let after =
        query.cursor.map(|cursor| read_cursor(&cursor).ok_or_else(wrong_cursor)).transpose()?;
    let limit = query.limit.unwrap_or(MOST_A_PAGE).clamp(1, MOST_A_PAGE);
    let schedules = registry.schedules(query.job.as_ref(), after.as_ref(), limit)?;
    let next_cursor = schedules.last().filter(|_| schedules.len() == limit).map(cursor_behind);
    Ok(Json(SchedulePage { schedules, next_cursor }))
}

fn cursor_behind(view: &ScheduleView) -> String {
    let (frequency, time_key) =
        (view.group.frequency().as_str(), view.group.time_key().to_string());
    [view.job_id.as_str(), frequency, &time_key, view.group.timezone().name()]
        .join(&SEPARATOR.to_string())
}

fn read_cursor(text: &str) -> Option<ScheduleKey> {
    let parts: Vec<&str> = text.split(SEPARATOR).collect();
    let [job, frequency, time_key, timezone] = parts[..] else { return None };
    Some(ScheduleKey {
        job_id: job.parse().ok()?,
        group: PreferenceGroup::parse(frequency, time_key, timezone).ok()??,
    })
}

fn wrong_cursor() -> Problem {
    Problem::wrong_query("cursor: expected one that an earlier page gave")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_names_the_job_and_the_group_that_a_page_ended_with() {
        let key = read_cursor("write_posts|weekly|monday:09:00|Europe/Berlin").expect("a cursor");
        assert_eq!(key.job_id.as_str(), "write_posts");
        assert_eq!(key.group.to_string(), "weekly:monday:09:00 Europe/Berlin");
    }

    #[test]
    fn what_no_page_gave_is_no_cursor() {
        for wrong in ["", "j|daily|09:00", "j|daily|09:00|UTC|", "j|daily|25:00|UTC", "j|daily|9|x"]
        {
            assert!(read_cursor(wrong).is_none(), "{wrong}");
        }
    }
}
