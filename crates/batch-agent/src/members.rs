//! The lists that the members of a run come from, and the counts that they are held against (M1,
//! M8, T13).
//!
//! ```text
//! a job that follows preferences: members of the stated groups
//!                                   ─► tenants enrolled in it, who stated nothing
//! a static job:                   tenants of its filters
//! ```
//!
//! A list is read page by page. The run keeps a cursor that says in which list, and where in it,
//! the next page begins. Short lists of groups are read whole, many of them in one request.
//!
//! What may fail: the Config Database, or a list that does not have its count; then the run waits
//! and is read again (F4, M8).

use std::fmt;

use cohort_ledger::Run;
use cohort_preferences::{
    Job, Member, MembersRequest, PreferenceGroup, StatedGroup, TenantFilter, TenantMembersRequest,
    WholeList,
};
use jiff::Timestamp;

use crate::schedules::{GroupSources, GroupSourcesUnknown};
use crate::source::{PreferenceSource, SourceError};

/// The lists that the members of a run come from.
pub(crate) struct Lists {
    pub(crate) groups: Vec<StatedGroup>,
    tenants: Option<TenantFilter>,
}

/// A page of one of the lists.
pub(crate) struct Page {
    pub(crate) members: Vec<Member>,
    /// The cursor of the next page; `None` after the last one.
    pub(crate) next: Option<String>,
}

/// Why a page of members cannot be used; the run waits and is read again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    #[error("reading the members")]
    Source(#[from] SourceError),
    #[error("the change feed has not reached the occurrence's instant")]
    FeedBehind,
    #[error("what makes up the group is not known")]
    GroupSources(#[from] GroupSourcesUnknown),
    #[error("{asked} members' labels were asked for, {answered} came back")]
    LabelsDiffer { asked: usize, answered: usize },
    #[error("the list has {listed} members, the group counted {counted} as of the same instant")]
    CountDiffers { listed: u64, counted: u64 },
}

/// The position in the lists at which a page begins.
#[derive(Debug, PartialEq, Eq)]
enum Position {
    Groups(Option<String>),
    /// In the list of tenants, after so many members of groups.
    Tenants {
        before: u64,
        cursor: Option<String>,
    },
}

impl Lists {
    /// The lists of a job's run over these sources.
    pub(crate) fn of(job: &Job, sources: GroupSources) -> Self {
        if job.schedule.is_some() {
            return Self { groups: Vec::new(), tenants: Some(job.filters.tenants()) };
        }
        let enrolled = TenantFilter {
            timezones: sources.enrolled,
            unstated: Some(job.feature_type.clone()),
            ..TenantFilter::default()
        };
        Self {
            groups: sources.stated,
            tenants: (!enrolled.timezones.is_empty()).then_some(enrolled),
        }
    }

    /// Whether all members are those of stated groups.
    pub(crate) fn are_of_groups(&self) -> bool {
        self.tenants.is_none()
    }

    fn first(&self) -> Position {
        if self.groups.is_empty() && self.tenants.is_some() {
            Position::Tenants { before: 0, cursor: None }
        } else {
            Position::Groups(None)
        }
    }
}

/// Reads the pages of one run.
pub(crate) struct PageReader<'a> {
    pub(crate) source: &'a dyn PreferenceSource,
    pub(crate) run: &'a Run,
    pub(crate) job: &'a Job,
    /// The most members of a page.
    pub(crate) limit: usize,
}

impl PageReader<'_> {
    /// The next page of the run.
    pub(crate) async fn next_page(&self, lists: &Lists) -> Result<Page, PageError> {
        let position = self.run.cursor.as_deref().map_or_else(|| lists.first(), Position::read);
        match (position, &lists.tenants) {
            (Position::Groups(cursor), _) => self.page_of_groups(lists, cursor).await,
            (Position::Tenants { before, cursor }, Some(filter)) => {
                self.page_of_tenants(filter, before, cursor).await
            }
            // Nobody is enrolled any more.
            (Position::Tenants { .. }, None) => Ok(Page { members: Vec::new(), next: None }),
        }
    }

    async fn page_of_groups(
        &self,
        lists: &Lists,
        cursor: Option<String>,
    ) -> Result<Page, PageError> {
        let request = MembersRequest {
            feature_type: self.job.feature_type.clone(),
            groups: lists.groups.clone(),
            as_of: self.run.occurrence.at,
            cursor,
            limit: Some(self.limit),
        };
        let page = self.source.members(&request).await?;
        let listed = self.run.counts.members + page.members.len() as u64;
        if page.next_cursor.is_none() && listed != page.count_as_of {
            return Err(PageError::CountDiffers { listed, counted: page.count_as_of });
        }
        let then =
            lists.tenants.is_some().then_some(Position::Tenants { before: listed, cursor: None });
        let next = page.next_cursor.map(|cursor| Position::Groups(Some(cursor))).or(then);
        Ok(Page { members: page.members, next: next.map(|position| position.to_string()) })
    }

    async fn page_of_tenants(
        &self,
        filter: &TenantFilter,
        before: u64,
        cursor: Option<String>,
    ) -> Result<Page, PageError> {
        let request = TenantMembersRequest {
            filter: filter.clone(),
            as_of: self.run.occurrence.at,
            cursor,
            limit: Some(self.limit),
        };
        let page = self.source.tenants(&request).await?;
        let listed = (self.run.counts.members + page.members.len() as u64).saturating_sub(before);
        if let (None, Some(counted)) = (&page.next_cursor, page.count_as_of)
            && !is_believed(filter, listed, counted)
        {
            return Err(PageError::CountDiffers { listed, counted });
        }
        let next =
            page.next_cursor.map(|cursor| Position::Tenants { before, cursor: Some(cursor) });
        Ok(Page { members: page.members, next: next.map(|position| position.to_string()) })
    }
}

/// A preference group of a job at an instant.
#[derive(Clone, Copy)]
pub(crate) struct GroupAt<'a> {
    pub(crate) job: &'a Job,
    pub(crate) group: &'a PreferenceGroup,
    pub(crate) sources: &'a GroupSources,
    pub(crate) instant: Timestamp,
}

/// How many members the group has, by the Config Database's own count.
pub(crate) async fn count_members(
    source: &dyn PreferenceSource,
    asked: GroupAt<'_>,
) -> Result<u64, SourceError> {
    let GroupAt { job, sources, instant: as_of, .. } = asked;
    let Lists { groups, tenants } = Lists::of(job, sources.clone());
    let mut count = 0;
    if !groups.is_empty() {
        let feature_type = job.feature_type.clone();
        count += source
            .members(&MembersRequest { feature_type, groups, as_of, cursor: None, limit: Some(1) })
            .await?
            .count_as_of;
    }
    if let Some(filter) = tenants {
        let page = source
            .tenants(&TenantMembersRequest { filter, as_of, cursor: None, limit: Some(1) })
            .await?;
        count += page.count_as_of.unwrap_or_default();
    }
    Ok(count)
}

/// The only page of a run whose members were given as one list, if it has its count (M8).
pub(crate) fn whole_page(list: WholeList) -> Result<Page, PageError> {
    let (listed, counted) = (list.members.len() as u64, list.count_as_of);
    if listed == counted {
        Ok(Page { members: list.members, next: None })
    } else {
        Err(PageError::CountDiffers { listed, counted })
    }
}

/// Whether a list of tenants is believed. Labels and zones may change between two pages, so a list
/// by them need not have its count; but a list that is suddenly empty is never believed (M8).
fn is_believed(filter: &TenantFilter, listed: u64, counted: u64) -> bool {
    listed == counted || (!filter.is_fixed() && listed > 0)
}

const OF_TENANTS: &str = "tenants:";

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Groups(cursor) => f.write_str(cursor.as_deref().unwrap_or_default()),
            Self::Tenants { before, cursor } => {
                write!(f, "{OF_TENANTS}{before}:{}", cursor.as_deref().unwrap_or_default())
            }
        }
    }
}

impl Position {
    /// Reads the text of a position.
    fn read(text: &str) -> Self {
        let of_tenants = text.strip_prefix(OF_TENANTS).and_then(|rest| rest.split_once(':'));
        let cursor = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        match of_tenants.and_then(|(before, rest)| Some((before.parse().ok()?, rest))) {
            Some((before, rest)) => Self::Tenants { before, cursor: cursor(rest) },
            None => Self::Groups(cursor(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back_from_its_text() {
        let positions = [
            Position::Groups(Some("0000000a-1-7".into())),
            Position::Tenants { before: 12, cursor: None },
            Position::Tenants { before: 0, cursor: Some("0000000a-1:7".into()) },
        ];
        for position in positions {
            assert_eq!(Position::read(&position.to_string()), position);
        }
    }

    #[test]
    fn a_sudden_nothing_is_not_believed_and_a_moved_label_is() {
        let by_zone = TenantFilter {
            timezones: vec![cohort_preferences::OwnZone(None)],
            ..TenantFilter::default()
        };
        assert!(
            is_believed(&by_zone, 9, 10)
                && !is_believed(&by_zone, 0, 10)
                && is_believed(&by_zone, 0, 0)
        );
        assert!(
            !is_believed(&TenantFilter::default(), 9, 10)
                && is_believed(&TenantFilter::default(), 10, 10)
        );
    }
}
