//! What a life does and meets, as it happens.

use std::any::Any;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use cohort_batch_agent::{Chunk, Handler, HandlerError, RunId, UserResult, Work};
use cohort_preferences::Clock;
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::{SUCCEEDED, TimersClock, Verdict};
use crate::faulty_ledger::{Fate, Moment, Point, Refused};

/// What the lives share.
#[derive(Default)]
pub(super) struct Crowd {
    pub(super) waiting: Mutex<Vec<Waiting>>,
    pub(super) events: Mutex<Vec<Event>>,
}

/// A life at a point.
pub(super) struct Waiting {
    pub(super) life: usize,
    pub(super) point: Point,
    pub(super) go: oneshot::Sender<Verdict>,
}

/// What happened, in this order.
pub(super) enum Event {
    Claimed { life: usize, at: Timestamp, chunk: Chunk },
    Called(Call),
}

/// One user in a call that has reached the handler.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) life: usize,
    pub(super) run: RunId,
    pub(super) tenant: String,
    pub(super) attempt: u32,
    pub(super) users: usize,
    /// How many users of this life were called and not yet answered, these included.
    pub(super) in_flight: usize,
    /// How many events there were when it was made.
    pub(super) made: usize,
    pub(super) answer: Option<Verdict>,
}

/// A life as the ledger, the Config Database and the handler meet it.
pub(super) struct Fated {
    pub(super) life: usize,
    pub(super) crowd: Arc<Crowd>,
    pub(super) clock: TimersClock,
    pub(super) calls: AtomicU64,
    /// Users called and not yet answered.
    pub(super) in_flight: AtomicUsize,
}

impl Fated {
    async fn wait(&self, point: Point) -> Verdict {
        let (go, told) = oneshot::channel();
        locked(&self.crowd.waiting).push(Waiting { life: self.life, point, go });
        match told.await {
            Ok(verdict) => verdict,
            Err(_nobody_orders_it_any_more) => std::future::pending().await,
        }
    }

    fn note_claimed<'a>(&self, chunks: impl IntoIterator<Item = &'a Chunk>) {
        let claimed = |chunk: &Chunk| Event::Claimed {
            life: self.life,
            at: self.clock.now(),
            chunk: chunk.clone(),
        };
        locked(&self.crowd.events).extend(chunks.into_iter().map(claimed));
    }

    /// Notes that a call has arrived. Returns where the events of its users are.
    fn note_call(&self, work: &Work, made: usize) -> Range<usize> {
        let users = work.users.len();
        let in_flight = self.in_flight.fetch_add(users, Ordering::Relaxed) + users;
        let mut events = locked(&self.crowd.events);
        let first = events.len();
        events.extend(work.users.iter().map(|user| {
            let (life, run, tenant, attempt) =
                (self.life, work.run_id, user.tenant_id.to_string(), user.attempt);
            Event::Called(Call { life, run, tenant, attempt, users, in_flight, made, answer: None })
        }));
        first..events.len()
    }

    fn note_answer(&self, calls: Range<usize>, verdict: Verdict) {
        self.in_flight.fetch_sub(calls.len(), Ordering::Relaxed);
        for event in &mut locked(&self.crowd.events)[calls] {
            if let Event::Called(call) = event {
                call.answer = Some(verdict);
            }
        }
    }
}

#[async_trait]
impl Fate for Fated {
    async fn meet(&self, point: Point) -> Result<(), Refused> {
        if self.wait(point).await == Verdict::Refused { Err(Refused) } else { Ok(()) }
    }

    fn overhear(&self, answer: &dyn Any) {
        if let Some(chunks) = answer.downcast_ref::<Vec<Chunk>>() {
            self.note_claimed(chunks);
        } else if let Some(suspect) = answer.downcast_ref::<Option<Chunk>>() {
            self.note_claimed(suspect);
        } else if let Some(pages) = answer.downcast_ref::<Vec<Option<Vec<Chunk>>>>() {
            self.note_claimed(pages.iter().flatten().flatten());
        }
    }
}

#[async_trait]
impl Handler for Fated {
    async fn call(&self, work: &Work) -> Result<Vec<UserResult>, HandlerError> {
        let (operation, number) = ("handler.call", self.calls.fetch_add(1, Ordering::Relaxed) + 1);
        let unreachable =
            || HandlerError::Retry { detail: "as fate will have it".into(), retry_after_s: None };
        let made = locked(&self.crowd.events).len();
        if self.wait(Point { moment: Moment::Before, operation, number }).await == Verdict::Refused
        {
            return Err(unreachable());
        }
        let calls = self.note_call(work, made);
        let verdict = match self.wait(Point { moment: Moment::After, operation, number }).await {
            Verdict::On => SUCCEEDED,
            verdict => verdict,
        };
        self.note_answer(calls, verdict);
        let Verdict::Answered(status, retry_after_s) = verdict else { return Err(unreachable()) };
        let of_user =
            |tenant_id| UserResult { status, retry_after_s, ..UserResult::succeeded(tenant_id) };
        Ok(work.users.iter().map(|user| of_user(user.tenant_id.clone())).collect())
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding it")
}
