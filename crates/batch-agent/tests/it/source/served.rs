//! The database in memory as the agent asks it.

use std::time::Duration;

use async_trait::async_trait;
use cohort_batch_agent::{FeedEvent, HistoryEntry, PreferenceSource, SourceError};
use cohort_preferences::{
    BatchGetResponse, ChangePage, Clock, FeatureDefaults, FeatureType, GroupList, LabelName,
    MemberLists, MemberListsRequest, MemberPage, MembersRequest, PreferenceEntry, TenantId,
    TenantMemberPage, TenantMembersRequest, TenantTimezone,
};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;

use super::{CHANGES_A_PAGE, TestSource, User, feature};

#[async_trait]
impl PreferenceSource for TestSource {
    async fn groups(&self, _feature: &FeatureType) -> Result<GroupList, SourceError> {
        let mut state = self.reach()?;
        let complete_until = state.promise_until(self.clock.now());
        Ok(GroupList {
            feature_type: feature(),
            groups: state.summaries(),
            defaults: state.defaults.clone(),
            position: state.position(),
            complete_until,
            next_cursor: None,
        })
    }

    async fn members(&self, request: &MembersRequest) -> Result<MemberPage, SourceError> {
        self.hang_if_told(
            request.cursor.as_deref().map_or(0, |cursor| cursor.parse().expect("a cursor")),
        )
        .await;
        let (page, hook) = {
            let mut state = self.reach()?;
            assert!(
                request.as_of <= self.clock.now(),
                "nobody knows the members of an instant to come (M1)"
            );
            let page = state.page(request);
            state.pages.push(page.members.len());
            (page, state.after_page.take())
        };
        if let Some(hook) = hook {
            hook();
        }
        Ok(page)
    }

    async fn member_lists(&self, request: &MemberListsRequest) -> Result<MemberLists, SourceError> {
        self.hang_if_told(0).await;
        let (lists, hook) = {
            let mut state = self.reach()?;
            if state.faults.no_joint_lists {
                return Err(SourceError::Unavailable("lists are given alone".into()));
            }
            assert!(
                request.as_of <= self.clock.now(),
                "nobody knows the members of an instant to come (M1)"
            );
            let lists = state.lists(request);
            state.pages.push(lists.lists.iter().flatten().map(|list| list.members.len()).sum());
            (lists, state.after_page.take())
        };
        if let Some(hook) = hook {
            hook();
        }
        Ok(lists)
    }

    async fn tenants(
        &self,
        request: &TenantMembersRequest,
    ) -> Result<TenantMemberPage, SourceError> {
        Ok(self.reach()?.tenants(request))
    }

    async fn timezones(&self) -> Result<Vec<TenantTimezone>, SourceError> {
        Ok(self.reach()?.timezones())
    }

    async fn label_values(
        &self,
        _label: &LabelName,
        tenants: &[TenantId],
    ) -> Result<Vec<Option<String>>, SourceError> {
        let state = self.reach()?;
        let value = |tenant: &TenantId| state.users[state.numbers.get(tenant)?].label.clone();
        Ok(tenants.iter().map(value).collect())
    }

    async fn preferences(
        &self,
        _feature: &FeatureType,
        tenants: &[TenantId],
    ) -> Result<BatchGetResponse, SourceError> {
        self.lock().settings_requests += 1;
        let state = self.reach()?;
        let entry = |tenant_id: &TenantId| {
            let number = state.numbers.get(tenant_id);
            let user = number.map(|number| &state.users[number]);
            PreferenceEntry {
                tenant_id: tenant_id.clone(),
                number: number.copied(),
                version: user.map_or(0, |user| user.version),
                preference: user.and_then(User::raw_preference),
            }
        };
        Ok(BatchGetResponse {
            preferences: tenants.iter().map(entry).collect(),
            position: state.position(),
        })
    }

    async fn history(&self, tenant: &TenantId) -> Result<Vec<HistoryEntry>, SourceError> {
        let state = self.reach()?;
        let user = state.numbers.get(tenant).map(|number| &state.users[number]);
        Ok(user.map(|user| user.history.iter().rev().cloned().collect()).unwrap_or_default())
    }

    async fn feature_defaults(
        &self,
        _feature: &FeatureType,
    ) -> Result<Vec<FeatureDefaults>, SourceError> {
        Ok(self.reach()?.defaults.clone())
    }

    async fn changes(&self, since: &str, wait: Duration) -> Result<ChangePage, SourceError> {
        let changed = self.changed.notified();
        if !wait.is_zero() && self.lock().position() == since {
            changed.await;
        }
        let mut state = self.reach()?;
        state.feed_requests += 1;
        if state.faults.feed_denied {
            return Err(SourceError::Denied("unknown key".into()));
        }
        if state.faults.feed_away {
            return Err(SourceError::Unavailable("the feed is away".into()));
        }
        // A cursor of another database is one that this one has never given.
        let from = if since == "now" {
            state.changes.len()
        } else {
            since.parse().map_err(|_not_its_own| SourceError::Gone)?
        };
        if from < state.faults.forgotten_changes {
            return Err(SourceError::Gone);
        }
        let end = if state.faults.knows_nobody { from } else { state.changes.len() };
        let until = end.min(from + CHANGES_A_PAGE);
        let changes = state.changes[from..until].to_vec();
        let is_end = until == end;
        let last_at = changes.last().map_or(Timestamp::MIN, |change| change.at);
        let complete_until = if is_end { state.promise_until(self.clock.now()) } else { last_at };
        Ok(ChangePage { changes, next: until.to_string(), complete_until })
    }

    fn follow(&self, since: String) -> BoxStream<'_, Result<FeedEvent, SourceError>> {
        let poll = move |from: String| async move {
            let page = self.changes(&from, Duration::from_secs(25)).await?;
            let next = page.next.clone();
            let since = if self.lock().faults.feed_overlaps { "0".to_owned() } else { from };
            Ok(Some((FeedEvent::Page { since, page }, next)))
        };
        stream::try_unfold(since, poll).boxed()
    }
}
