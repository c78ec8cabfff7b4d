//! Erasure of users (W8): who somebody is stands in one row, and elsewhere a number.

use async_trait::async_trait;
use cohort_preferences::TenantId;

use crate::LedgerError;

/// The part of the ledger that forgets users whom the Config Database has erased.
#[async_trait]
pub trait ErasureLedger: Send + Sync {
    /// Up to where in the Config Database's change feed erasures have been taken over; `None` if
    /// never yet.
    async fn erased_until(&self) -> Result<Option<String>, LedgerError>;

    /// Takes the names of these users out of the ledger, and what handlers said of them; counts and
    /// outcomes stay. Notes that all who were erased up to this place in the feed are. Numbers that
    /// the ledger does not know do no harm.
    async fn erase(&self, numbers: Vec<u64>, until: String) -> Result<(), LedgerError>;

    /// The users who have names here, ascending by number, behind this one.
    async fn named_tenants(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, TenantId)>, LedgerError>;
}

/// What stands in place of an erased user's name, as in the Config Database's lists.
pub(crate) const ERASED: &str = "erased:";
