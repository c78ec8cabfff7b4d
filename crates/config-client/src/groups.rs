//! Groups: users of a feature who state the same.

use cohort_preferences::{
    FeatureType, Frequency, FrequencyError, GroupList, IdError, Member, MembersRequest,
    StatedGroup, TimeKey, TimeKeyError,
};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryFutureExt};
use reqwest::Method;

use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::names::feature_type;
use crate::request::Request;

/// What the caller of [`ConfigDatabaseClient::get_frequency_group_users`] asks for: one group of a
/// feature, in every zone.
struct Wanted {
    feature_type: FeatureType,
    frequency: Frequency,
    time_key: TimeKey,
}

impl ConfigDatabaseClient {
    /// Returns all stated groups of a feature with their counts, and the feed's position from which
    /// to follow them.
    ///
    /// A feature needs no registration before its first user states a preference, so the list of
    /// one that nobody uses is empty and not an error. [`ConfigDatabaseClient::get_feature_type`]
    /// tells whether it is registered.
    pub async fn get_frequency_groups(
        &self,
        feature: impl TryInto<FeatureType, Error: Into<IdError>>,
    ) -> Result<GroupList, ClientError> {
        let feature = feature_type(feature)?;
        let request = Request::new(Method::GET, "/features/{feature_type}/frequency-groups")
            .at("feature_type", feature.as_str())?;
        let answer = self.transport.retried(&request).await?;
        let list: GroupList = answer.read()?;
        if list.feature_type != feature {
            let other = list.feature_type.as_str();
            return Err(answer
                .garbage(format!("the answer lists the groups of another feature, {other:?}")));
        }
        if list.next_cursor.is_some() {
            let listed = list.groups.len();
            return Err(answer.garbage(format!("the answer lists only the first {listed} groups")));
        }
        Ok(list)
    }

    /// Returns the users who state this frequency and time, in every zone, as they are when the
    /// stream is first polled.
    ///
    /// They come in pages, so that nothing holds them all. A list that does not add up to its
    /// group's count ends in an error (M8): nobody is to conclude from a list that came out short.
    /// A group that the feature does not have is [`ClientError::NoSuchGroup`], and so is any group
    /// of a feature that nobody uses. One that its last user left recently is empty.
    ///
    /// ```no_run
    /// use cohort_config_client::{ClientError, ConfigDatabaseClient};
    /// use futures_util::TryStreamExt;
    ///
    /// # async fn example(client: ConfigDatabaseClient) -> Result<(), ClientError> {
    /// let mut users = client.get_frequency_group_users("instagram_posts", "daily", "09:00");
    /// while let Some(user) = users.try_next().await? {
    ///     println!("{}", user.tenant_id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_frequency_group_users(
        &self,
        feature: impl TryInto<FeatureType, Error: Into<IdError>>,
        frequency: impl TryInto<Frequency, Error: Into<FrequencyError>>,
        time_key: impl TryInto<TimeKey, Error: Into<TimeKeyError>>,
    ) -> BoxStream<'static, Result<Member, ClientError>> {
        let wanted = match Wanted::of(feature, frequency, time_key) {
            Ok(wanted) => wanted,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        let client = self.clone();
        let users = async move {
            let request = client.request_for_every_zone(wanted).await?;
            Ok(client.members(request))
        };
        users.try_flatten_stream().boxed()
    }

    async fn request_for_every_zone(&self, wanted: Wanted) -> Result<MembersRequest, ClientError> {
        let list = self.get_frequency_groups(&wanted.feature_type).await?;
        let groups = list.groups.into_iter().map(|summary| summary.group);
        let groups: Vec<_> = groups.filter(|group| wanted.includes(group)).collect();
        if groups.is_empty() {
            let Wanted { feature_type, frequency, time_key } = wanted;
            return Err(ClientError::NoSuchGroup { feature_type, frequency, time_key });
        }
        Ok(MembersRequest {
            feature_type: list.feature_type,
            groups,
            as_of: list.complete_until,
            cursor: None,
            limit: None,
        })
    }
}

impl Wanted {
    fn of(
        feature: impl TryInto<FeatureType, Error: Into<IdError>>,
        frequency: impl TryInto<Frequency, Error: Into<FrequencyError>>,
        time_key: impl TryInto<TimeKey, Error: Into<TimeKeyError>>,
    ) -> Result<Self, ClientError> {
        let feature_type = feature_type(feature)?;
        let invalid = |source| ClientError::Group { source };
        let frequency = frequency.try_into().map_err(|error| invalid(error.into().into()))?;
        let time_key = time_key.try_into().map_err(|error| invalid(error.into().into()))?;
        // A key that belongs to another frequency is the caller's mistake, not a missing group.
        StatedGroup::new(Some(frequency), time_key, None).map_err(invalid)?;
        Ok(Self { feature_type, frequency, time_key })
    }

    fn includes(&self, group: &StatedGroup) -> bool {
        group.frequency() == Some(self.frequency) && group.time_key() == self.time_key
    }
}
