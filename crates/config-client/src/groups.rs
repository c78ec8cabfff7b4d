//! Groups and their members (M1).

use cohort_preferences::{
    Frequency, GroupList, Member, MemberLists, MemberListsRequest, MemberPage, MembersRequest,
    StatedGroup, TimeKey,
};
use futures_util::{Stream, StreamExt, TryFutureExt, TryStreamExt, stream};
use reqwest::Method;

use crate::client::{ConfigDatabaseClient, read_feature};
use crate::error::ClientError;
use crate::transport::{Answer, Request, segment};

/// A member list of which some pages are read.
struct MemberList {
    client: ConfigDatabaseClient,
    /// Asks for the next page; `None` behind the last.
    request: Option<MembersRequest>,
    /// How many members the list has, as its first page says, and how many are still to come;
    /// `None` before that page, and where the list is not read from its beginning.
    rest: Option<(u64, u64)>,
    is_whole: bool,
    /// The number of the last member that came.
    last: Option<u64>,
}

impl ConfigDatabaseClient {
    /// All stated groups of a feature with their counts, and the feed's position from which to
    /// follow them.
    pub async fn get_frequency_groups(&self, feature: &str) -> Result<GroupList, ClientError> {
        let feature = read_feature(feature)?;
        let request = Request::new(
            Method::GET,
            format!("/features/{}/frequency-groups", segment(feature.as_str())),
        );
        let answer = self.transport.retried(&request).await?;
        let list: GroupList = answer.read()?;
        if list.feature_type != feature {
            return Err(answer.garbage(format!(
                "the answer lists the groups of another feature, {:?}",
                list.feature_type.as_str()
            )));
        }
        if list.next_cursor.is_some() {
            return Err(answer
                .garbage(format!("the answer lists only the first {} groups", list.groups.len())));
        }
        Ok(list)
    }

    /// The users who state this frequency and time, in every zone, as they are when the stream is
    /// first asked.
    ///
    /// They come in pages, so that nothing holds them all. A list that does not add up to its
    /// group's count ends in an error (M8): nobody is to conclude from a list that came out short.
    pub fn get_frequency_group_users(
        &self,
        feature: &str,
        frequency: Frequency,
        time_key: &TimeKey,
    ) -> impl Stream<Item = Result<Member, ClientError>> + Send + use<> {
        let (client, feature, time_key) = (self.clone(), feature.to_owned(), *time_key);
        let pages = async move {
            let request = client.request_for_every_zone(&feature, frequency, &time_key).await?;
            Ok(stream::iter(request).flat_map(move |request| client.get_member_pages(request)))
        };
        pages
            .try_flatten_stream()
            .map_ok(|page| stream::iter(page.members.into_iter().map(Ok)))
            .try_flatten()
    }

    /// `None` if nobody states this.
    async fn request_for_every_zone(
        &self,
        feature: &str,
        frequency: Frequency,
        time_key: &TimeKey,
    ) -> Result<Option<MembersRequest>, ClientError> {
        let list = self.get_frequency_groups(feature).await?;
        let is_wanted = |group: &StatedGroup| {
            group.frequency() == Some(frequency) && group.time_key() == *time_key
        };
        let groups: Vec<_> =
            list.groups.into_iter().map(|summary| summary.group).filter(is_wanted).collect();
        let request = MembersRequest {
            feature_type: list.feature_type,
            groups,
            as_of: list.complete_until,
            cursor: None,
            limit: None,
        };
        Ok((!request.groups.is_empty()).then_some(request))
    }

    /// The members of some groups as of an instant (M1), with their settings of now (M3), page by
    /// page from the request's cursor on. A list read from its beginning that does not add up to
    /// its count ends in an error (M8).
    pub fn get_member_pages(
        &self,
        request: MembersRequest,
    ) -> impl Stream<Item = Result<MemberPage, ClientError>> + Send + use<> {
        let is_whole = request.cursor.is_none();
        let list = MemberList {
            client: self.clone(),
            request: Some(request),
            rest: None,
            is_whole,
            last: None,
        };
        stream::try_unfold(list, MemberList::next)
    }

    /// One page of the members of some groups as of an instant (M1), with their settings of now
    /// (M3). Not cached.
    pub async fn get_frequency_group_members(
        &self,
        request: &MembersRequest,
    ) -> Result<MemberPage, ClientError> {
        self.ask_for_members(request).await?.read()
    }

    /// The members of many lists of groups as of an instant, each list whole (M1, M8), with their
    /// settings of now (M3). Not cached.
    pub async fn get_member_lists(
        &self,
        request: &MemberListsRequest,
    ) -> Result<MemberLists, ClientError> {
        let answer = self
            .transport
            .retried(&Request::new(Method::POST, "/preferences/groups/member-lists").json(request))
            .await?;
        let lists: MemberLists = answer.read()?;
        let (got, asked) = (lists.lists.len(), request.lists.len());
        if got == asked {
            Ok(lists)
        } else {
            Err(answer.garbage(format!("{got} lists were given where {asked} were asked for")))
        }
    }

    async fn ask_for_members(&self, request: &MembersRequest) -> Result<Answer, ClientError> {
        self.transport
            .retried(&Request::new(Method::POST, "/preferences/groups/members").json(request))
            .await
    }
}

impl MemberList {
    async fn next(mut self) -> Result<Option<(MemberPage, Self)>, ClientError> {
        let Some(request) = self.request.take() else { return Ok(None) };
        let answer = self.client.ask_for_members(&request).await?;
        let page: MemberPage = answer.read()?;
        self.check(&page).map_err(|what| answer.garbage(what))?;
        self.request = page
            .next_cursor
            .clone()
            .map(|cursor| MembersRequest { cursor: Some(cursor), ..request });
        Ok(Some((page, self)))
    }

    /// Says what is wrong with a page that cannot be the next one.
    fn check(&mut self, page: &MemberPage) -> Result<(), String> {
        for member in &page.members {
            if self.last.is_some_and(|last| member.number <= last) {
                return Err(format!(
                    "the member {} stands behind {} in the list",
                    member.number,
                    self.last.unwrap_or_default()
                ));
            }
            self.last = Some(member.number);
        }
        if !self.is_whole {
            return Ok(());
        }
        let (count, rest) = self.rest.unwrap_or((page.count_as_of, page.count_as_of));
        let came = page.members.len() as u64;
        let is_last = page.next_cursor.is_none();
        if page.count_as_of != count || came > rest || (is_last && came < rest) {
            return Err(format!(
                "the list does not add up: {count} members are counted, and {} are listed",
                count - rest + came
            ));
        }
        self.rest = Some((count, rest - came));
        Ok(())
    }
}
