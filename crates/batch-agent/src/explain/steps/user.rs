//! Whether there is such a user.

use cohort_preferences::TenantId;
use serde_json::json;

use super::Ending;
use crate::explain::answer::Answer;
use crate::explain::step::{Step, StepName};

/// There is no such user.
pub(crate) fn unknown(tenant_id: &TenantId) -> Ending {
    let why =
        format!("there is no user {tenant_id}: there never was, or the person has been erased");
    Step::new(StepName::User, why, json!({"tenant_id": tenant_id})).ends_in(Answer::UnknownUser)
}
