//! Operations on one purpose: an operator pauses, disables or resumes it (D12).

use cohort_ledger::{Alteration, DefinitionKind, HealthState, PurposeHealth};
use cohort_preferences::PurposeId;

use crate::processor::health::{change, transitions};
use crate::registry::plan::DefinitionChange;
use crate::registry::{JobRegistry, RegistryError};

impl JobRegistry {
    /// Sets whether a purpose is called: healthy lifts whatever holds it, a pause that its handler
    /// asked for and a failing state too. Returns its health.
    ///
    /// # Errors
    /// [`RegistryError::PurposeAlreadySo`] if it is in that state, set by an operator or not.
    pub async fn set_purpose(
        &self,
        purpose: &PurposeId,
        state: HealthState,
        by: &str,
    ) -> Result<PurposeHealth, RegistryError> {
        if let Some(reason) = &self.read_only {
            return Err(RegistryError::ReadOnly(reason.clone()));
        }
        self.find_purpose(purpose).await?;
        let now = self.clock.now();
        let set = |health: &PurposeHealth| {
            (health.state_at(now) != state)
                .then(|| transitions::set_by_operator(health, state, by, now))
        };
        let health = change(&*self.ledger, purpose, set).await?;
        self.tell_agent_of_health().await?;
        health.ok_or(RegistryError::PurposeAlreadySo { purpose: purpose.clone(), state })
    }

    /// Lifts what holds purposes whose definition was changed: what the handler asked for or got
    /// wrong says nothing of the new one.
    pub(in crate::registry) async fn lift_changed_purposes(
        &self,
        changes: &[DefinitionChange],
    ) -> Result<(), RegistryError> {
        let changed = changes.iter().filter(|change| {
            change.kind == DefinitionKind::Purpose && change.change != Alteration::Unchanged
        });
        let now = self.clock.now();
        for purpose in changed.filter_map(|change| change.name.parse().ok()) {
            change(&*self.ledger, &purpose, |health| transitions::corrected(health, now)).await?;
        }
        self.tell_agent_of_health().await
    }

    /// Returns a purpose that is stored or has been called, or an error if there is none.
    async fn find_purpose(&self, purpose: &PurposeId) -> Result<(), RegistryError> {
        let is_known =
            self.purposes().await?.iter().any(|view| view.purpose_id == purpose.as_str());
        if is_known { Ok(()) } else { Err(RegistryError::NoSuchPurpose(purpose.clone())) }
    }

    async fn tell_agent_of_health(&self) -> Result<(), RegistryError> {
        if let Some(agent) = &self.agent {
            agent.take_over_health().await?;
        }
        Ok(())
    }
}
