//! What the answer of an endpoint means for each user of the call. Pure (D4, D5).
//!
//! | answer | each user |
//! | --- | --- |
//! | 2xx whose body is JSON with `results` | as its result says; missing from the results: retry |
//! | such a one that breaks the contract | those without a valid result: bad answer |
//! | any other 2xx: empty, `OK`, `{}`, a page | succeeded |
//! | 2xx whose body is too long to be read | bad answer if it may be JSON, else succeeded |
//! | 408, 425, 429, 5xx | retry, not before `Retry-After` |
//! | other | rejected, with the beginning of the body |
//!
//! A 2xx says that the work was done. So nobody is called again because of what stands in its body,
//! unless the body says so in words that can be read.

use std::collections::HashMap;

use cohort_preferences::TenantId;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::StatusCode;
use serde_json::Value;

use crate::handler::{HandlerError, UserResult, Work, excerpt};

/// The most bytes of an answer that are read.
pub(super) const LONGEST_ANSWER: usize = 1 << 20;

/// The body of an answer.
pub(super) enum Body {
    Whole(Vec<u8>),
    /// It has more than [`LONGEST_ANSWER`] bytes, and begins with these.
    TooLong(Vec<u8>),
}

/// What an answer says of its users.
enum Stated {
    /// Nothing: it has no results.
    Nothing,
    /// These, which are still to be read.
    Results(Vec<Value>),
    /// Something that cannot be read.
    Unreadable(String),
}

/// What a 2xx with this body means.
pub(super) fn of_success(work: &Work, body: &Body) -> Result<Vec<UserResult>, HandlerError> {
    let stated = match body {
        Body::Whole(bytes) => stated(bytes),
        Body::TooLong(bytes) if may_be_object(bytes) => Stated::Unreadable(format!(
            "the answer has more than {LONGEST_ANSWER} bytes, so that its results are not read"
        )),
        Body::TooLong(_) => Stated::Nothing,
    };
    match stated {
        Stated::Nothing => Ok(all_succeeded(work)),
        Stated::Results(entries) => Ok(results(work, entries)),
        Stated::Unreadable(why) => Err(HandlerError::BadAnswer { detail: why }),
    }
}

fn stated(body: &[u8]) -> Stated {
    match serde_json::from_slice(without_byte_order_mark(body)) {
        Ok(Value::Object(mut answer)) => match answer.remove("results") {
            None => Stated::Nothing,
            Some(Value::Array(entries)) => Stated::Results(entries),
            Some(other) => Stated::Unreadable(format!(
                "results: expected a list, got {}",
                excerpt(other.to_string().as_bytes())
            )),
        },
        Ok(_no_object) => Stated::Nothing,
        // Who writes results, though not as JSON, means to say something of single users.
        Err(error) if may_be_object(body) && names_results(body) => {
            Stated::Unreadable(format!("the answer has results, but is no JSON: {error}"))
        }
        Err(_no_json) => Stated::Nothing,
    }
}

fn without_byte_order_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

fn may_be_object(body: &[u8]) -> bool {
    without_byte_order_mark(body).trim_ascii_start().starts_with(b"{")
}

fn names_results(body: &[u8]) -> bool {
    [b"\"results\"", b"'results'"].iter().any(|name| body.windows(9).any(|at| at == *name))
}

fn all_succeeded(work: &Work) -> Vec<UserResult> {
    work.users.iter().map(|user| UserResult::succeeded(user.tenant_id.clone())).collect()
}

/// The result of each user. If any entry breaks the contract, nobody knows whom it was meant for:
/// then each user without a valid result has a bad answer.
fn results(work: &Work, entries: Vec<Value>) -> Vec<UserResult> {
    let mut valid = HashMap::new();
    let mut broken = None;
    for (index, entry) in entries.into_iter().enumerate() {
        if let Err(why) = take(work, entry, &mut valid) {
            broken.get_or_insert_with(|| format!("results[{index}]{why}"));
        }
    }
    let result_of = |tenant_id: &TenantId| {
        let stated = valid.remove(tenant_id).flatten();
        let unstated = || Some(UserResult::bad_answer(tenant_id.clone(), broken.as_deref()?));
        stated.or_else(unstated)
    };
    work.users.iter().map(|user| &user.tenant_id).filter_map(result_of).collect()
}

/// Takes an entry in. Of a user who is named twice nothing is valid.
fn take(
    work: &Work,
    entry: Value,
    valid: &mut HashMap<TenantId, Option<UserResult>>,
) -> Result<(), String> {
    let result = read(entry)?;
    let tenant_id = result.tenant_id.clone();
    if !work.users.iter().any(|user| user.tenant_id == tenant_id) {
        return Err(format!(".tenant_id: {} is not a user of this call", tenant_id.as_str()));
    }
    if valid.contains_key(&tenant_id) {
        valid.insert(tenant_id.clone(), None);
        return Err(format!(".tenant_id: {} has two results", tenant_id.as_str()));
    }
    valid.insert(tenant_id, Some(result));
    Ok(())
}

fn read(entry: Value) -> Result<UserResult, String> {
    serde_path_to_error::deserialize(entry).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { String::new() } else { format!(".{path}") };
        format!("{field}: {}", error.into_inner())
    })
}

/// What a status other than 2xx means. The beginning of the body is kept: it says why.
pub(super) fn of_refusal(
    status: StatusCode,
    retry_after: Option<&str>,
    beginning: &[u8],
    now: Timestamp,
) -> HandlerError {
    let said = excerpt(beginning);
    let colon = if said.is_empty() { "" } else { ": " };
    let detail = format!("answered {status}{colon}{said}");
    let may_succeed_later = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
    ) || status.is_server_error();
    if may_succeed_later {
        let retry_after_s = retry_after.and_then(|text| seconds_of(text, now));
        HandlerError::Retry { detail, retry_after_s }
    } else {
        HandlerError::Reject { detail }
    }
}

/// The seconds that a `Retry-After` asks for, as a number or as a date (RFC 9110, section 10.2.3).
fn seconds_of(retry_after: &str, now: Timestamp) -> Option<u64> {
    if let Ok(seconds) = retry_after.parse() {
        return Some(seconds);
    }
    let left = DateTimeParser::new().parse_timestamp(retry_after).ok()?.duration_since(now);
    // A part of a second counts as a whole one: it is a floor.
    u64::try_from(left.as_secs() + i64::from(left.subsec_nanos() > 0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    use crate::handler::{ResultStatus, UserShare};

    fn work(tenants: &[&str]) -> Work {
        let user = |tenant: &&str| UserShare {
            tenant_id: tenant.parse().expect("a tenant"),
            key: (*tenant).into(),
            attempt: 1,
            preference_version: 1,
            template_overrides: serde_json::Map::new(),
            repeats: None,
        };
        Work {
            job_id: "j".parse().expect("a job"),
            run_id: cohort_ledger::RunId(1),
            feature_type: "posts".parse().expect("a feature"),
            purpose_id: "p".parse().expect("a purpose"),
            nominal: "2026-12-01T09:00".parse().expect("a nominal time"),
            timezone: "UTC".into(),
            scheduled_at: "2026-12-01T09:00:00Z".parse().expect("an instant"),
            users: tenants.iter().map(user).collect(),
            is_chunk: tenants.len() > 1,
        }
    }

    /// What became of ann, bob and cid in one call, by the body of a 2xx.
    fn ends(body: impl Into<Vec<u8>>) -> Result<Vec<(String, ResultStatus)>, String> {
        let results = of_success(&work(&["ann", "bob", "cid"]), &Body::Whole(body.into()));
        let end = |result: UserResult| (result.tenant_id.to_string(), result.status);
        match results {
            Ok(results) => Ok(results.into_iter().map(end).collect()),
            Err(HandlerError::BadAnswer { detail }) => Err(detail),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_2xx_is_success_for_everybody_unless_it_has_results() {
        for body in [
            "",
            "\n",
            "OK",
            "{}",
            "{\"ok\":true}",
            "[]",
            "null",
            "<html>no</html>",
            "{\"a\":",
            "\"results\"",
            "{\"data\":{\"results\":3}}",
        ] {
            let ends = ends(body).expect("no bad answer");
            assert_eq!(ends.len(), 3, "{body}");
            assert!(ends.iter().all(|(_, end)| *end == ResultStatus::Succeeded), "{body}");
        }
    }

    #[test]
    fn results_that_cannot_be_read_are_a_bad_answer_to_everybody() {
        for (body, why) in [
            (r#"{"results": null}"#, "results: expected a list, got null"),
            (r#"{"results": {"ann": "succeeded"}}"#, "results: expected a list, got {"),
            (r#"{"results": [{"tenant_id": "ann",]}"#, "has results, but is no JSON"),
            ("{'results': []}", "has results, but is no JSON"),
        ] {
            let detail = ends(body).expect_err(body);
            assert!(detail.contains(why), "{body}: {detail}");
        }
    }

    #[test]
    fn an_entry_that_breaks_the_contract_spares_who_has_a_valid_result() {
        let bad = ResultStatus::BadAnswer;
        for (entry, why) in [
            (json!({"tenant_id": "bob", "status": "done"}), "results[1].status: unknown variant"),
            (json!({"tenant_id": "bob"}), "results[1]: missing field `status`"),
            (json!({"tenant_id": "BOB", "status": "succeeded"}), "BOB is not a user of this call"),
            (json!({"tenant_id": 7, "status": "succeeded"}), "results[1].tenant_id"),
            (json!("bob"), "results[1]: invalid type"),
        ] {
            let ann = json!({"tenant_id": "ann", "status": "succeeded"});
            let body = Body::Whole(json!({"results": [ann, entry]}).to_string().into());
            let results = of_success(&work(&["ann", "bob", "cid"]), &body).expect("results");
            let statuses: Vec<_> = results.iter().map(|result| result.status).collect();
            assert_eq!(statuses, [ResultStatus::Succeeded, bad, bad]);
            let error = results[1].error.as_deref().expect("an error");
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn who_has_two_results_has_a_bad_answer_and_who_is_missing_is_left_out() {
        let (yes, no) = ("succeeded", "failed");
        let twice = json!({"results": [
            {"tenant_id": "ann", "status": yes}, {"tenant_id": "bob", "status": yes},
            {"tenant_id": "ann", "status": no}, {"tenant_id": "cid", "status": yes},
        ]});
        let ends_of_twice = ends(twice.to_string()).expect("results");
        assert_eq!(ends_of_twice[0], ("ann".into(), ResultStatus::BadAnswer));
        assert_eq!(ends_of_twice[1], ("bob".into(), ResultStatus::Succeeded));

        let missing = json!({"results": [{"tenant_id": "bob", "status": yes}]});
        assert_eq!(
            ends(format!("\u{feff}{missing}")).expect("results"),
            [("bob".into(), ResultStatus::Succeeded)],
            "the processor tries the others again"
        );
    }

    #[test]
    fn an_answer_too_long_to_be_read_is_bad_only_if_it_may_have_results() {
        let of = |beginning: &str| of_success(&work(&["ann"]), &Body::TooLong(beginning.into()));
        assert_eq!(of("<html>").expect("success")[0].status, ResultStatus::Succeeded);
        assert!(matches!(of(" {\"results\""), Err(HandlerError::BadAnswer { .. })));
    }

    #[test]
    fn a_refusal_keeps_the_beginning_of_what_was_said() {
        let now = Timestamp::UNIX_EPOCH;
        let refused = of_refusal(StatusCode::BAD_REQUEST, None, b"{\"why\":\n\"rude\"}", now);
        let detail = "answered 400 Bad Request: {\"why\": \"rude\"}".to_owned();
        assert_eq!(refused, HandlerError::Reject { detail });
        let busy = of_refusal(StatusCode::SERVICE_UNAVAILABLE, Some("7"), b"", now);
        let detail = "answered 503 Service Unavailable".to_owned();
        assert_eq!(busy, HandlerError::Retry { detail, retry_after_s: Some(7) });
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = "2026-12-01T00:00:00Z".parse().expect("instant");
        assert_eq!(seconds_of("120", now), Some(120));
        assert_eq!(seconds_of("Tue, 01 Dec 2026 00:01:30 GMT", now), Some(90));
        let between = "2026-12-01T00:00:00.7Z".parse().expect("instant");
        assert_eq!(
            seconds_of("Tue, 01 Dec 2026 00:01:30 GMT", between),
            Some(90),
            "never too early"
        );
        assert_eq!(seconds_of("Mon, 30 Nov 2026 00:00:00 GMT", now), None);
        assert_eq!(seconds_of("soon", now), None);
    }
}
