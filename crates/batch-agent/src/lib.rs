//! The agent: plans when each preference group fires, processes its users in chunks, and records
//! one outcome each.
//!
//! Read in this order: [`DynamicBatchScheduler`] opens runs, [`EnhancedBatchProcessor`] works on
//! them, a [`Handler`] does the work itself, and the [`Ledger`] is the record that decides.

mod accounting;
mod api;
mod clock;
mod explain;
mod handler;
mod handlers;
mod identity;
mod job_history;
mod ledger;
mod metrics;
mod processor;
mod registry;
mod scheduler;
mod source;

pub use accounting::{
    Account, AccountError, AccountFault, Accountant, Depth, JobAccount, Unaccounted,
};
pub use api::{KeyCheck, VerifiedKeys, agent_api, agent_health, agent_metrics, with_agent_metrics};
pub use clock::{AgentClock, ShiftedClock, SimulatedClock, SystemClock};
pub use cohort_config_client::FeedEvent;
pub use explain::{
    Answer, ExplainError, Explainer, Explanation, Moment, MomentError, Step, StepName,
};
pub use handler::{
    Handler, HandlerError, HandlerFactory, ResultStatus, ServedPurpose, UserResult, UserWork, Work,
    handler_fn,
};
pub use handlers::{
    HttpHandler, HttpHandlerError, SecretError, SigningSecret, TemplateHandler,
    TemplateHandlerError,
};
pub use identity::idempotency_key;
pub use ledger::{
    AccountingLedger, ActLedger, AgentLedger, AgentSign, Alteration, AttemptQuery, AttemptRecord,
    AttemptStatus, BacklogLedger, Chunk, ChunkStanding, ChunkState, Claim, Counts, DeadLetter,
    DeadLetterQuery, Definition, DefinitionEdit, DefinitionKind, DefinitionLedger, ErasureLedger,
    ExplainLedger, FailedAttempt, FailedReason, FairLedger, Fate, FeedPage, Firing, FiringName,
    JobStanding, Lane, Ledger, LedgerError, LedgerRetention, Mark, MembersQueued, MembersRead,
    MissedReason, NewRun, OpenMember, OpenWork, OtherRuns, Outcome, OutcomeQuery, OutcomeRecord,
    PaceLedger, Pause, Place, Plan, PostgresLedger, Pruned, RecordLedger, Requeue, Requeued,
    RescueLedger, RetentionError, RetentionLedger, RetriedAttempt, Run, RunAccount, RunId,
    RunQuery, RunState, Settlement, SkippedReason, SqliteLedger, StartedWith, Status, StatusName,
    StoredDefinitions, TzdbRelease, TzdbStanding, UnprocessedReason, UsedSettings, Waiting,
    WaitingWork, WorkStanding,
};
pub use processor::{
    BuildError, EnhancedBatchProcessor, PreferenceBatch, PreferenceBatchError, ProcessError,
    ProcessorBuilder, Serving,
};
pub use registry::{
    ApplyReport, DefinitionChange, JobRegistry, JobState, JobView, Outlook, PurposeView,
    RegistryError, Retried, RetriedRuns, Retry, StartReport, Triggered,
};
pub use scheduler::{
    DynamicBatchScheduler, NominalDates, ScheduleError, ScheduleKey, ScheduleView,
};
pub use source::{HistoryEntry, PreferenceSource, SourceError};
