//! Putting the stages of a processor together.

use std::sync::Arc;

use cohort_ledger::TzdbRelease;

use super::attempt::Worker;
use super::call::Caller;
use super::cancellations::Cancellations;
use super::capacity::Capacity;
use super::claim::Claimer;
use super::current::SettingsReader;
use super::health::Health;
use super::identity::Identity;
use super::in_hand::InHand;
use super::last_look::LastLook;
use super::pulse::LedgerPulse;
use super::record::Recorder;
use super::signals::Signals;
use super::unread::MemberReader;
use super::{EnhancedBatchProcessor, Inner};
use crate::metrics::Metrics;
use crate::shared::Shared;

impl EnhancedBatchProcessor {
    /// A processor of this name and time zone database that may call so many users at once.
    pub(super) fn new(
        shared: Shared,
        name: &str,
        tzdb: TzdbRelease,
        max_concurrent_items: usize,
    ) -> Self {
        let (ledger, clock) = (&shared.ledger, &shared.clock);
        let identity = Identity::new(name, tzdb, Arc::clone(clock));
        let signals = Arc::new(Signals::default());
        let in_hand = Arc::new(InHand::new(Arc::clone(ledger), Arc::clone(clock)));
        let cancellations = Arc::new(Cancellations::new(Arc::clone(ledger)));
        let health = Arc::new(Health::new(Arc::clone(ledger), Arc::clone(clock), name));
        let capacity = Arc::new(Capacity::of(max_concurrent_items));
        let metrics = Arc::new(Metrics::new());
        let pulse = Arc::new(LedgerPulse::new(Arc::clone(ledger), Arc::clone(clock)));
        let recorder = Recorder {
            ledger: Arc::clone(ledger),
            pulse: Arc::clone(&pulse),
            metrics: Arc::clone(&metrics),
            condition: Arc::clone(&shared.condition),
        };
        let settings = Arc::new(SettingsReader::new(Arc::clone(&shared.source), Arc::clone(clock)));
        let last_look = LastLook {
            shared: shared.clone(),
            signals: Arc::clone(&signals),
            pulse: Arc::clone(&pulse),
            settings: Arc::clone(&settings),
        };
        let claimer = Claimer {
            shared: shared.clone(),
            in_hand: Arc::clone(&in_hand),
            cancellations: Arc::clone(&cancellations),
            health: Arc::clone(&health),
            reader: MemberReader {
                shared: shared.clone(),
                identity: identity.clone(),
                pulse: Arc::clone(&pulse),
            },
            recorder: recorder.clone(),
            stride: tokio::sync::Mutex::default(),
        };
        let caller = Caller {
            clock: Arc::clone(clock),
            signals: Arc::clone(&signals),
            in_hand: Arc::clone(&in_hand),
            cancellations: Arc::clone(&cancellations),
            health: Arc::clone(&health),
            capacity: Arc::clone(&capacity),
            last_look,
            own_faults: Arc::clone(&shared.own_faults),
            metrics: Arc::clone(&metrics),
        };
        let worker = Worker {
            shared: shared.clone(),
            signals: Arc::clone(&signals),
            in_hand: Arc::clone(&in_hand),
            cancellations: Arc::clone(&cancellations),
            health: Arc::clone(&health),
            settings,
            caller,
            recorder,
        };
        Self(Arc::new(Inner {
            shared,
            identity,
            signals,
            in_hand,
            cancellations,
            health,
            capacity,
            pulse,
            claimer,
            worker,
            metrics,
        }))
    }
}
