//! The work that a rerun does again for a user (D13).

use cohort_preferences::{JobId, TenantId};
use serde::{Deserialize, Serialize};

use crate::{FiringName, work_key};

/// Work that a rerun does again, as a member and its outcome carry it (D13). The user's name is not
/// part of it, so that nothing of it needs to go when the user is erased (W8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeated {
    /// The name of the firing that it was part of.
    #[serde(rename = "n")]
    pub nominal: FiringName,
    /// The time zone of that name.
    #[serde(rename = "z")]
    pub timezone: String,
    /// What made its key differ from that of the occurrence (D1); `None` if it did not.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub key_nonce: Option<String>,
}

/// Work that a rerun does again, as handlers and lists are told of it (D13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepeatedWork {
    /// The name of the firing that it was part of.
    pub nominal: FiringName,
    /// The time zone of that name.
    pub timezone: String,
    /// The idempotency key that the handler saw then.
    pub key: String,
}

impl Repeated {
    /// The work of this user in this job.
    pub fn of(self, job: &JobId, tenant: &TenantId) -> RepeatedWork {
        let Self { nominal, timezone, key_nonce } = self;
        let key = work_key(job, tenant, nominal, &timezone, key_nonce.as_deref());
        RepeatedWork { nominal, timezone, key }
    }
}
