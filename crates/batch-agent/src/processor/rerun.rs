//! Reruns: whom an operator has work done again for (D13).
//!
//! Their members are not those of a group but of work that the ledger has on record. They are read
//! from it a page at a time, and wait there as chunks that any agent claims. Settings are read when
//! they are attempted, as for all work that waited.

use cohort_ledger::{LedgerError, Run};
use cohort_preferences::Job;

use super::claimed::CLAIM_USERS;
use super::unread::MemberReader;

/// The most pages read at once where nobody is in them who is not in the rerun already.
const PAGES_AT_ONCE: usize = 8;

impl MemberReader {
    /// Puts the next of a rerun's users into chunks.
    pub(super) async fn queue_repeated(&self, mut run: Run, job: &Job) -> Result<(), LedgerError> {
        let ledger = &self.shared.ledger;
        for _page in 0..PAGES_AT_ONCE {
            let page = ledger.repeated_page(&run, CLAIM_USERS).await?;
            let next = page.next_cursor.clone();
            let now = self.shared.clock.now();
            let queued = ledger.queue_repeated(&run, page, job.chunk_size, now).await?;
            tracing::debug!(run = %run.id, queued, "a page of a rerun is read");
            if queued != Some(0) || next.is_none() {
                break;
            }
            run.cursor = next;
        }
        Ok(())
    }
}
