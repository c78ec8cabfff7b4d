//! The feature registry: which features there are, and what each asks of preferences (W1, W7).

use cohort_preferences::{FeatureDefinition, FeatureType};
use jiff::Timestamp;

use crate::precondition::Precondition;

/// The newest definition of a feature.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    /// Of which feature.
    pub(crate) feature: FeatureType,
    /// From 1, growing.
    pub(crate) version: u64,
    /// When it was registered.
    pub(crate) at: Timestamp,
    /// Who registered it.
    pub(crate) actor: String,
    /// What it says.
    pub(crate) content: FeatureDefinition,
}

/// A definition to register.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    /// Of which feature.
    pub(crate) feature: FeatureType,
    /// Who asks for it.
    pub(crate) actor: String,
    /// What it says.
    pub(crate) definition: FeatureDefinition,
    /// Checked against the version that is there.
    pub(crate) precondition: Precondition,
}
