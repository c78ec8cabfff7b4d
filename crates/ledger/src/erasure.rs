//! Erasure of users (W8). A user's name stands in one row; everything else knows the user by
//! number.

use async_trait::async_trait;
use cohort_preferences::TenantId;

use crate::LedgerError;
use crate::sealed::Sealed;

/// The part of the ledger that forgets users whom the Config Database has erased.
#[async_trait]
pub trait ErasureLedger: Sealed {
    /// Returns the cursor in the Config Database's change feed up to which erasures have been taken
    /// over; `None` before the first time.
    async fn erased_until(&self) -> Result<Option<String>, LedgerError>;

    /// Takes the names of these users out of the ledger, and what handlers said of them; counts and
    /// outcomes stay. Notes `until` as the cursor up to which erasures have been taken over.
    /// Numbers that the ledger does not know do no harm.
    async fn erase(&self, numbers: Vec<u64>, until: String) -> Result<(), LedgerError>;

    /// Returns users who have names here, by number and name, ascending from the number after this
    /// one.
    async fn named_tenants(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, TenantId)>, LedgerError>;
}

/// What an erased user is called, together with the number, as in the Config Database's lists.
pub(crate) const ERASED: &str = "erased:";
