//! The feature registry.

use cohort_preferences::{FeatureDefinition, FeatureType, IdError};
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::names::feature_type;
use crate::request::Request;
use crate::response::Answer;

/// A feature in its newest definition.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RegisteredFeature {
    /// Its name.
    pub feature_type: FeatureType,
    /// How often it has been defined.
    pub version: u64,
    /// Since when this definition holds.
    pub registered_at: Timestamp,
    /// Who gave it.
    pub registered_by: String,
    /// What users may state, and what holds where they state nothing (T12, W7).
    pub definition: FeatureDefinition,
}

/// A feature as it is sent.
#[derive(Deserialize)]
struct Sent {
    feature_type: FeatureType,
    version: u64,
    registered_at: Timestamp,
    registered_by: String,
    definition: Value,
}

#[derive(Deserialize)]
struct SentList {
    feature_types: Vec<Sent>,
}

impl ConfigDatabaseClient {
    /// Returns all registered features, by name.
    pub async fn get_feature_types(&self) -> Result<Vec<RegisteredFeature>, ClientError> {
        let answer = self.transport.retried(&Request::new(Method::GET, "/feature-types")).await?;
        let list: SentList = answer.read()?;
        list.feature_types.into_iter().map(|sent| read(sent, &answer)).collect()
    }

    /// Returns a registered feature. One that is not is [`ClientError::Refused`] with status 404.
    pub async fn get_feature_type(
        &self,
        feature: impl TryInto<FeatureType, Error: Into<IdError>>,
    ) -> Result<RegisteredFeature, ClientError> {
        let feature = feature_type(feature)?;
        let answer = self.transport.retried(&one(Method::GET, &feature)?).await?;
        read_one(&feature, &answer)
    }

    /// Registers a feature, or the next version of its definition.
    pub async fn set_feature_type(
        &self,
        feature: impl TryInto<FeatureType, Error: Into<IdError>>,
        definition: &FeatureDefinition,
    ) -> Result<RegisteredFeature, ClientError> {
        let feature = feature_type(feature)?;
        let request = one(Method::PUT, &feature)?.json(&definition.to_json());
        let answer = self.transport.retried(&request).await?;
        read_one(&feature, &answer)
    }
}

fn one(method: Method, feature: &FeatureType) -> Result<Request, ClientError> {
    Request::new(method, "/feature-types/{feature_type}").at("feature_type", feature.as_str())
}

fn read_one(feature: &FeatureType, answer: &Answer) -> Result<RegisteredFeature, ClientError> {
    let registered = read(answer.read()?, answer)?;
    if registered.feature_type != *feature {
        return Err(answer.garbage(format!(
            "the answer is about another feature, {:?}",
            registered.feature_type.as_str()
        )));
    }
    Ok(registered)
}

fn read(sent: Sent, answer: &Answer) -> Result<RegisteredFeature, ClientError> {
    let Sent { feature_type, version, registered_at, registered_by, definition } = sent;
    let definition = FeatureDefinition::from_json(&definition).map_err(|wrong| {
        answer.garbage(format!(
            "the definition of {:?} makes no sense: {wrong}",
            feature_type.as_str()
        ))
    })?;
    Ok(RegisteredFeature { feature_type, version, registered_at, registered_by, definition })
}
