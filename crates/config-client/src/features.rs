//! The feature registry.

use cohort_preferences::{FeatureDefinition, FeatureType};
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::client::{ConfigDatabaseClient, read_feature};
use crate::error::ClientError;
use crate::transport::{Answer, Request, segment};

/// A feature in its newest definition.
#[derive(Debug, Clone, PartialEq)]
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
    /// All registered features, by name.
    pub async fn get_feature_types(&self) -> Result<Vec<RegisteredFeature>, ClientError> {
        let answer = self.transport.retried(&Request::new(Method::GET, "/feature-types")).await?;
        let list: SentList = answer.read()?;
        list.feature_types.into_iter().map(|sent| read(sent, &answer)).collect()
    }

    /// A registered feature; one that is not is [`ClientError::Refused`] with status 404.
    pub async fn get_feature_type(&self, feature: &str) -> Result<RegisteredFeature, ClientError> {
        let feature = read_feature(feature)?;
        let answer =
            self.transport.retried(&Request::new(Method::GET, feature_path(&feature))).await?;
        read_one(&feature, &answer)
    }

    /// Registers a feature, or the next version of its definition.
    pub async fn set_feature_type(
        &self,
        feature: &str,
        definition: &FeatureDefinition,
    ) -> Result<RegisteredFeature, ClientError> {
        let feature = read_feature(feature)?;
        let request = Request::new(Method::PUT, feature_path(&feature)).json(&definition.to_json());
        let answer = self.transport.retried(&request).await?;
        read_one(&feature, &answer)
    }
}

fn feature_path(feature: &FeatureType) -> String {
    format!("/feature-types/{}", segment(feature.as_str()))
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
