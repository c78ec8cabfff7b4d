//! A handler made of a function over one user's work.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use cohort_ledger::{FiringName, RepeatedWork, RunId};
use cohort_preferences::{FeatureType, JobId, PurposeId, TenantId};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Handler, HandlerError, UserResult, UserShare, Work, failed};

/// One user's work as a function sees it: what is to be done, for whom, and with which settings.
///
/// `T` is the type of the user's template overrides; without one they are a JSON object.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UserWork<T = Map<String, Value>> {
    /// Who.
    pub tenant_id: TenantId,
    /// The idempotency key: the same across retries, agents and restarts (D1).
    pub key: String,
    /// Counted from 1.
    pub attempt: u32,
    /// The version of the preference that the overrides come from; 0 if the user stated none.
    pub preference_version: u64,
    /// The user's overrides, over the job's defaults (T12).
    pub template_overrides: T,
    /// Which job.
    pub job_id: JobId,
    /// Which run.
    pub run_id: RunId,
    /// Of which feature.
    pub feature_type: FeatureType,
    /// Which purpose.
    pub purpose_id: PurposeId,
    /// Which occurrence, by the clock of `timezone`.
    pub nominal: FiringName,
    /// On whose clock, as an IANA name.
    pub timezone: String,
    /// The occurrence's instant.
    pub scheduled_at: Timestamp,
    /// The work that is done again for the user; `None` but in a rerun (D13).
    pub repeats: Option<RepeatedWork>,
}

/// Makes a handler of an asynchronous function over one user's work.
///
/// What the function returns is kept with the outcome as JSON, up to 4 KiB (D11); `()` keeps
/// nothing. Overrides that `T` cannot be read from fail the user for good, and the outcome names
/// the field: give the job a default for what a user may leave out.
///
/// ```
/// use cohort_batch_agent::{HandlerError, UserWork, handler_fn};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Post {
///     tone: String,
/// }
///
/// let write = handler_fn(|work: UserWork<Post>| async move {
///     let UserWork { tenant_id, nominal, template_overrides, .. } = work;
///     let text = format!("{nominal}: a {} post for {tenant_id}", template_overrides.tone);
///     Ok::<_, HandlerError>(text)
/// });
/// # let _ = write;
/// ```
pub fn handler_fn<T, F, R, O>(function: F) -> Arc<dyn Handler>
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(UserWork<T>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<O, HandlerError>> + Send + 'static,
    O: Serialize + Send + 'static,
{
    Arc::new(FunctionHandler { function, overrides: PhantomData })
}

struct FunctionHandler<F, T> {
    function: F,
    overrides: PhantomData<fn() -> T>,
}

#[async_trait]
impl<T, F, R, O> Handler for FunctionHandler<F, T>
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(UserWork<T>) -> R + Send + Sync,
    R: Future<Output = Result<O, HandlerError>> + Send,
    O: Serialize + Send,
{
    async fn call(&self, work: &Work) -> Result<Vec<UserResult>, HandlerError> {
        let mut results = Vec::with_capacity(work.users.len());
        for user in &work.users {
            let done = match UserWork::of(work, user) {
                Ok(work) => (self.function)(work).await,
                Err(error) => Err(error),
            };
            results.push(result_of(user.tenant_id.clone(), done));
        }
        Ok(results)
    }
}

impl<T: DeserializeOwned> UserWork<T> {
    fn of(work: &Work, user: &UserShare) -> Result<Self, HandlerError> {
        Ok(Self {
            tenant_id: user.tenant_id.clone(),
            key: user.key.clone(),
            attempt: user.attempt,
            preference_version: user.preference_version,
            template_overrides: read_overrides(&user.template_overrides)?,
            job_id: work.job_id.clone(),
            run_id: work.run_id,
            feature_type: work.feature_type.clone(),
            purpose_id: work.purpose_id.clone(),
            nominal: work.nominal,
            timezone: work.timezone.clone(),
            scheduled_at: work.scheduled_at,
            repeats: user.repeats.clone(),
        })
    }
}

fn read_overrides<T: DeserializeOwned>(overrides: &Map<String, Value>) -> Result<T, HandlerError> {
    serde_path_to_error::deserialize(Value::Object(overrides.clone())).map_err(|error| {
        let (path, error) = (error.path().to_string(), error.into_inner());
        let field = if path == "." { String::new() } else { format!(".{path}") };
        HandlerError::reject(format!("template_overrides{field}: {error}"))
    })
}

fn result_of<O: Serialize>(tenant_id: TenantId, done: Result<O, HandlerError>) -> UserResult {
    match done {
        // The work is done: a result that cannot be kept must not have it done again.
        Ok(result) => {
            UserResult::succeeded(tenant_id.clone()).with_result(result).unwrap_or_else(|error| {
                tracing::warn!(%tenant_id, %error, "the result of a user is not kept");
                UserResult::succeeded(tenant_id)
            })
        }
        Err(error) => failed(tenant_id, error),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::handler::ResultStatus;

    #[derive(Deserialize)]
    struct Post {
        tone: String,
    }

    fn work(overrides: Value) -> Work {
        let Value::Object(template_overrides) = overrides else { panic!("an object") };
        Work {
            job_id: "write_posts".parse().expect("a job"),
            run_id: RunId(7),
            feature_type: "posts".parse().expect("a feature"),
            purpose_id: "write".parse().expect("a purpose"),
            nominal: FiringName::Nominal("2026-12-01T09:00".parse().expect("a time")),
            timezone: "Europe/Berlin".into(),
            scheduled_at: "2026-12-01T08:00:00Z".parse().expect("an instant"),
            users: vec![UserShare {
                tenant_id: "ann".parse().expect("a tenant"),
                key: "k".into(),
                attempt: 1,
                preference_version: 3,
                template_overrides,
                repeats: None,
            }],
            is_chunk: false,
        }
    }

    #[tokio::test]
    async fn a_function_sees_the_occurrence_and_typed_overrides_and_its_result_is_kept() {
        let handler = handler_fn(|work: UserWork<Post>| async move {
            let UserWork { job_id, timezone, template_overrides: Post { tone }, .. } = work;
            Ok(json!({"by": job_id, "zone": timezone, "tone": tone}))
        });
        let results = handler.call(&work(json!({"tone": "dry"}))).await.expect("a result");
        assert_eq!(results[0].status, ResultStatus::Succeeded);
        let kept = json!({"by": "write_posts", "zone": "Europe/Berlin", "tone": "dry"});
        assert_eq!(results[0].result, Some(kept));
    }

    #[tokio::test]
    async fn overrides_that_do_not_fit_the_type_fail_the_user_and_name_the_field() {
        let handler = handler_fn(|_work: UserWork<Post>| async move { Ok(()) });
        let results = handler.call(&work(json!({"tone": 7}))).await.expect("a result");
        assert_eq!(results[0].status, ResultStatus::Failed);
        let error = results[0].error.as_deref().expect("an error");
        assert!(error.starts_with("template_overrides.tone: invalid type"), "{error}");

        let lacking = handler.call(&work(json!({}))).await.expect("a result");
        let error = lacking[0].error.as_deref().expect("an error");
        assert!(error.contains("missing field `tone`"), "{error}");
    }

    #[tokio::test]
    async fn a_function_that_returns_nothing_keeps_nothing_and_its_error_is_the_users() {
        let done = handler_fn(|_work: UserWork| async move { Ok(()) });
        assert_eq!(done.call(&work(json!({}))).await.expect("a result")[0].result, None);

        let away = handler_fn(|_work: UserWork| async move {
            Err::<(), _>(HandlerError::retry("the model is loading"))
        });
        let results = away.call(&work(json!({}))).await.expect("a result");
        assert_eq!(results[0].status, ResultStatus::Retry);
        assert_eq!(results[0].error.as_deref(), Some("the model is loading"));
    }
}
