//! Names as callers give them: as text, or already of their kind.

use cohort_preferences::{FeatureType, IdError, TenantId};

use crate::error::ClientError;

pub(crate) fn tenant_id(
    name: impl TryInto<TenantId, Error: Into<IdError>>,
) -> Result<TenantId, ClientError> {
    read("tenant id", name)
}

pub(crate) fn feature_type(
    name: impl TryInto<FeatureType, Error: Into<IdError>>,
) -> Result<FeatureType, ClientError> {
    read("feature type", name)
}

fn read<T>(
    kind: &'static str,
    name: impl TryInto<T, Error: Into<IdError>>,
) -> Result<T, ClientError> {
    name.try_into().map_err(|error| ClientError::Name { kind, source: error.into() })
}
