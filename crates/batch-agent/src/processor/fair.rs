//! Fair shares: the users of a job are served in turn by the value of a label (D7).
//!
//! All users must be known before they can be served in turn. So the members of such a job are read
//! ahead, many pages for each claim, and wait in the ledger. The price: their settings are read a
//! second time when their turn comes, and a run of many pages begins a little later.
//!
//! What may fail: the labels cannot be read; then the run waits like one whose members cannot be
//! read (F4).

use cohort_ledger::{Lane, MembersQueued};
use cohort_preferences::{LabelName, Member, TenantId};
use tracing::Instrument;

use super::claimed::CLAIM_USERS;
use super::error::ProcessError;
use super::unread::{MemberReader, Unread, span_of};
use crate::members::PageError;

/// The most pages read ahead for each claim: at about 15 ms a page, a claim waits an eighth of
/// a second at most, and eight times as many users are read as are claimed.
const PAGES_AHEAD: usize = 8;

impl MemberReader {
    /// Whether members of the lane are served in turn.
    pub(super) fn is_shared_out(&self, lane: &Lane) -> bool {
        self.shared
            .jobs
            .find(&lane.job)
            .is_some_and(|in_force| in_force.job.fair_share_by.is_some())
    }

    /// Reads members of the lane into chunks that wait for their turns.
    pub(super) async fn queue_members(&self, lane: &Lane) -> Result<(), ProcessError> {
        for _page in 0..PAGES_AHEAD {
            let Some(run) =
                self.shared.ledger.next_run_to_read(lane, self.shared.clock.now()).await?
            else {
                break;
            };
            if let Some(unread) = self.unread(run).await? {
                self.queue_page_of(&unread).await?;
            }
        }
        Ok(())
    }

    async fn queue_page_of(&self, unread: &Unread) -> Result<(), ProcessError> {
        let (run, job) = (&unread.run, &unread.in_force.job);
        let read = async {
            let page = self.next_page(unread, CLAIM_USERS).await?;
            let values = self.values_of(job.fair_share_by.as_ref(), &page.members).await?;
            Ok::<_, PageError>((page, values))
        };
        match read.instrument(span_of(run)).await {
            Ok((page, values)) => {
                let read = unread.members_read(&page, self.identity.claim_now());
                let is_ours =
                    self.shared.ledger.queue_members(MembersQueued { read, values }).await?;
                tracing::debug!(run = %run.id, members = page.members.len(), is_ours,
                    "members wait for their turns");
                Ok(())
            }
            Err(error) => self.wait_or_give_up(run, job, &error).await,
        }
    }

    async fn values_of(
        &self,
        label: Option<&LabelName>,
        members: &[Member],
    ) -> Result<Vec<String>, PageError> {
        let Some(label) = label.filter(|_| !members.is_empty()) else {
            return Ok(vec![String::new(); members.len()]);
        };
        let tenants: Vec<TenantId> =
            members.iter().map(|member| member.tenant_id.clone()).collect();
        let values = self.shared.source.label_values(label, &tenants).await?;
        if values.len() != members.len() {
            return Err(PageError::LabelsDiffer { asked: members.len(), answered: values.len() });
        }
        Ok(values.into_iter().map(Option::unwrap_or_default).collect())
    }
}
