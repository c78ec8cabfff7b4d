//! The agent: plans when each preference group fires, processes its users in chunks, and records
//! one outcome each.
//!
//! Read in this order: [`DynamicBatchScheduler`] opens runs, [`EnhancedBatchProcessor`] works on
//! them, a [`Handler`] does the work itself, and the [`Ledger`] is the record that decides.
//! [`Agent`] drives both; [`handler_fn`] makes a handler of a function.

mod agent;
mod api;
mod clock;
mod completeness;
mod condition;
mod evidence;
mod explain;
mod handler;
mod handlers;
mod jobs;
mod members;
mod metrics;
mod own_faults;
mod processor;
mod readiness;
mod recovery;
mod registry;
mod scheduler;
mod schedules;
mod shared;
mod source;
mod spread;
mod status;

pub use agent::Agent;
pub use api::{
    KeyCheck, VerifiedKeys, agent_api, agent_health, agent_metrics, with_agent_metrics,
    with_agent_readiness,
};
pub use clock::{AgentClock, ShiftedClock, SimulatedClock, SystemClock};
pub use cohort_config_client::{ConfigDatabaseClient, FeedEvent};
pub use cohort_ledger::{
    AgentLedger, AgentSign, Alteration, AttemptQuery, AttemptRecord, AttemptStatus, BacklogLedger,
    Chunk, ChunkResult, ChunkStanding, ChunkState, Claim, CompletenessLedger, Counts, Definition,
    DefinitionEdit, DefinitionKind, DefinitionLedger, ErasureLedger, ExplainLedger, FailedAttempt,
    FailedReason, FairLedger, FeedPage, Firing, FiringName, HealthLedger, HealthState, JobStanding,
    JobWork, Lane, Ledger, LedgerError, LedgerRetention, MemberStanding, MembersQueued,
    MembersRead, MissedReason, NewRerun, NewRun, OpenMember, OpenRuns, OpenWork, OperationLedger,
    OtherRuns, Outcome, OutcomeQuery, OutcomeRecord, Pause, Plan, Pruned, PurposeHealth,
    ReadingGroup, RecordLedger, Recovery, RecoveryChoice, RecoveryLedger, RecoveryState, Repeated,
    RepeatedMember, RepeatedPage, RepeatedWork, Requeue, Requeued, RerunLedger, RescueLedger,
    RetentionError, RetentionLedger, RetriedAttempt, Run, RunId, RunOnRecord, RunQuery, RunState,
    SelectedCount, SelectedWork, Selection, SelectionLedger, SkippedReason, SqliteLedger,
    StartedWith, Status, StatusLedger, StatusName, StoredDefinitions, Treatment, TzdbRelease,
    TzdbStanding, UnprocessedReason, UsedSettings, Waiting, WaitingWork, Watermark, WorkStanding,
    idempotency_key,
};
#[cfg(feature = "postgres")]
pub use cohort_ledger::{
    CopyError, CopyPurpose, LedgerPlace, PostgresLedger, copy_ledger, verify_ledger,
};
pub use cohort_preferences::{
    BatchConfig, BatchDocuments, Enroll, FeatureType, Frequency, IdError, Job, JobId, Preference,
    PreferenceGroup, Purpose, PurposeId, TenantId, TimeKey,
};
pub use completeness::{
    CompletenessCheck, CompletenessFault, CompletenessReport, Depth, JobCompleteness, Unaccounted,
};
pub use condition::{Checked, Fault, Part};
pub use evidence::{Evidence, EvidenceError};
pub use explain::{
    Answer, Explainer, Explanation, Moment, MomentError, NamedDay, RunByHand, Step, StepName,
};
pub use handler::{
    Handler, HandlerError, HandlerFactory, ResultStatus, ServedPurpose, UserResult, UserShare,
    UserWork, Work, handler_fn,
};
#[cfg(feature = "http")]
pub use handlers::{HttpHandler, HttpHandlerError, SecretError, SigningSecret};
#[cfg(feature = "template")]
pub use handlers::{TemplateHandler, TemplateHandlerError};
pub use jobs::{BuildError, Jobs, Serving};
pub use processor::{EnhancedBatchProcessor, ProcessError, ProcessorBuilder};
pub use registry::{
    ApplyReport, Choice, ChosenWork, DefinitionChange, GapOfJob, JobChoice, JobRegistry, JobState,
    JobView, PurposeView, RecoveryView, RegistryError, Rerun, Retried, Retry, StartReport, Stopped,
    TriggerPreview, Triggered,
};
pub use scheduler::{
    ArgumentError, DynamicBatchScheduler, NoGroup, NotServed, PreferenceBatch,
    PreferenceBatchError, ScheduleError,
};
pub use schedules::{NominalDates, Outlook, ScheduleKey, ScheduleView};
pub use source::{HistoryEntry, PreferenceSource, SourceError};
pub use status::{
    AgentHere, AgentSeen, Facts, Finding, JobFacts, PurposeFacts, Severity, StatusReport,
};
