//! A handler that writes down each call and answers as its script says.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use cohort_batch_agent::{
    Handler, HandlerError, ResultStatus, SimulatedClock, UserResult, UserShare, Work,
};
use cohort_preferences::Clock;
use jiff::Timestamp;
use tokio::sync::Notify;

/// What the handler does with one user; anybody without a script succeeds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Script {
    /// Refuses for good.
    Fail,
    /// Asks to be tried again in this many attempts.
    Retry { times: u32, after_s: Option<u64> },
    /// Leaves the user out of the answer in this many attempts.
    LeaveOut { times: u32 },
    /// The whole call fails in this many attempts, and may succeed later.
    Unreachable { times: u32, after_s: Option<u64> },
    /// Panics in this many attempts.
    Panic { times: u32 },
    /// Never answers.
    Hang,
}

/// One call, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) job: String,
    pub(crate) at: Timestamp,
    pub(crate) is_chunk: bool,
    pub(crate) users: Vec<UserShare>,
}

type Hook = Box<dyn FnOnce() + Send>;

pub(crate) struct RecordingHandler {
    clock: SimulatedClock,
    calls: Mutex<Vec<Call>>,
    scripts: Mutex<HashMap<String, Script>>,
    on_call: Mutex<Option<Hook>>,
    away: Mutex<Option<Range<Timestamp>>>,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
    /// Told when a call begins to hang.
    pub(crate) hung: Notify,
}

impl RecordingHandler {
    pub(crate) fn new(clock: SimulatedClock) -> Self {
        let (in_flight, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (calls, scripts, on_call) = (Mutex::default(), Mutex::default(), Mutex::default());
        let (away, hung) = (Mutex::default(), Notify::new());
        Self { clock, calls, scripts, on_call, away, in_flight, peak, hung }
    }

    pub(crate) fn script(&self, tenant: &str, script: Script) {
        locked(&self.scripts).insert(tenant.into(), script);
    }

    /// Has every call fail between these instants, as if nobody answered.
    pub(crate) fn is_away(&self, from: Timestamp, until: Timestamp) {
        *locked(&self.away) = Some(from..until);
    }

    pub(crate) fn forget_scripts(&self) {
        locked(&self.scripts).clear();
    }

    /// Does something once, at the next call.
    pub(crate) fn on_next_call(&self, hook: impl FnOnce() + Send + 'static) {
        *locked(&self.on_call) = Some(Box::new(hook));
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        locked(&self.calls).clone()
    }

    /// The calls for one user, with their instants.
    pub(crate) fn calls_of(&self, tenant: &str) -> Vec<(Timestamp, UserShare)> {
        let calls = self.calls();
        let of_tenant = |call: &Call| {
            call.users
                .iter()
                .find(|user| user.tenant_id.as_str() == tenant)
                .map(|user| (call.at, user.clone()))
        };
        calls.iter().filter_map(of_tenant).collect()
    }

    /// The most users that were called and not yet answered at once.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::SeqCst)
    }

    fn script_of(&self, user: &UserShare) -> Option<Script> {
        locked(&self.scripts).get(user.tenant_id.as_str()).copied()
    }

    async fn enter(&self, users: usize) {
        let now = self.in_flight.fetch_add(users, Ordering::SeqCst) + users;
        self.peak.fetch_max(now, Ordering::SeqCst);
        // Whoever else may call now gets the chance to, so that the peak is the real one.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no script panics while it holds a lock")
}

#[async_trait]
impl Handler for RecordingHandler {
    async fn call(&self, work: &Work) -> Result<Vec<UserResult>, HandlerError> {
        locked(&self.calls).push(Call {
            job: work.job_id.to_string(),
            at: self.clock.now(),
            is_chunk: work.is_chunk,
            users: work.users.clone(),
        });
        if let Some(hook) = { locked(&self.on_call).take() } {
            hook();
        }
        self.enter(work.users.len()).await;
        if locked(&self.away).as_ref().is_some_and(|away| away.contains(&self.clock.now())) {
            self.leave(work.users.len());
            return Err(HandlerError::retry("no answer"));
        }
        let mut results = Vec::new();
        for user in &work.users {
            match self.script_of(user) {
                Some(Script::Hang) => {
                    self.hung.notify_one();
                    std::future::pending::<()>().await;
                }
                script => results
                    .extend(answer(user, script).inspect_err(|_| self.leave(work.users.len()))?),
            }
        }
        self.leave(work.users.len());
        Ok(results)
    }
}

impl RecordingHandler {
    fn leave(&self, users: usize) {
        self.in_flight.fetch_sub(users, Ordering::SeqCst);
    }
}

fn answer(user: &UserShare, script: Option<Script>) -> Result<Option<UserResult>, HandlerError> {
    let mut result = UserResult::succeeded(user.tenant_id.clone());
    match script {
        Some(Script::Fail) => {
            (result.status, result.error) = (ResultStatus::Failed, Some("no such account".into()));
        }
        Some(Script::Retry { times, after_s }) if user.attempt <= times => {
            (result.status, result.error, result.retry_after_s) =
                (ResultStatus::Retry, Some("busy".into()), after_s);
        }
        Some(Script::LeaveOut { times }) if user.attempt <= times => return Ok(None),
        Some(Script::Unreachable { times, after_s }) if user.attempt <= times => {
            return Err(HandlerError::Retry {
                detail: "unreachable".into(),
                retry_after_s: after_s,
            });
        }
        Some(Script::Panic { times }) if user.attempt <= times => panic!("as the script says"),
        _ => {}
    }
    Ok(Some(result))
}
