//! Members of groups as of an instant (M1), page by page and checked to add up (M8).

use cohort_preferences::{Member, MemberLists, MemberListsRequest, MemberPage, MembersRequest};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt, TryStreamExt};
use reqwest::Method;

use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::request::Request;
use crate::response::Answer;

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
    /// Returns the members of some groups as of an instant (M1), with their settings of now (M3),
    /// page by page from the request's cursor on. A list read from its beginning that does not add
    /// up to its count ends in an error (M8).
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

    /// The members of [`ConfigDatabaseClient::get_member_pages`], one by one.
    pub(crate) fn members(
        &self,
        request: MembersRequest,
    ) -> BoxStream<'static, Result<Member, ClientError>> {
        self.get_member_pages(request)
            .map_ok(|page| stream::iter(page.members.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }

    /// Returns one page of the members of some groups as of an instant (M1), with their settings of
    /// now (M3). Not cached.
    pub async fn get_frequency_group_members(
        &self,
        request: &MembersRequest,
    ) -> Result<MemberPage, ClientError> {
        self.ask_for_members(request).await?.read()
    }

    /// Returns the members of many lists of groups as of an instant, each list whole (M1, M8), with
    /// their settings of now (M3). Not cached.
    pub async fn get_member_lists(
        &self,
        request: &MemberListsRequest,
    ) -> Result<MemberLists, ClientError> {
        let sent = Request::new(Method::POST, "/preferences/groups/member-lists").json(request);
        let answer = self.transport.retried(&sent).await?;
        let lists: MemberLists = answer.read()?;
        let (got, asked) = (lists.lists.len(), request.lists.len());
        if got == asked {
            Ok(lists)
        } else {
            Err(answer.garbage(format!("{got} lists came where {asked} were asked for")))
        }
    }

    async fn ask_for_members(&self, request: &MembersRequest) -> Result<Answer, ClientError> {
        let request = Request::new(Method::POST, "/preferences/groups/members").json(request);
        self.transport.retried(&request).await
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
