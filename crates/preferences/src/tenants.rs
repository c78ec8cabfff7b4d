//! Tenants asked for as themselves, whatever they prefer: by the filter of a static job, or because
//! they never stated a preference (T13).

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{FeatureType, TenantId};
use crate::labels::{LabelName, Labels};
use crate::member::Member;
use crate::zone::Zone;

/// Which tenants; an empty part does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantFilter {
    /// Only those that carry all of these labels.
    pub labels: Labels,
    /// Only those whose own zone is one of these.
    pub timezones: Vec<OwnZone>,
    /// Only these.
    pub tenant_ids: Vec<TenantId>,
    /// Only those that never stated a preference for this feature (T13).
    pub unstated: Option<FeatureType>,
}

/// The zone that a tenant calls their own; `None`, as text `-`, if they name none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnZone(pub Option<Zone>);

/// Asks for a page of the tenants as of an instant.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantMembersRequest {
    /// Which ones. Labels and zones are those of now, whatever the instant.
    #[serde(default)]
    pub filter: TenantFilter,
    /// As of which instant (M1).
    pub as_of: Timestamp,
    /// Where to go on; `None` for the first page.
    #[serde(default)]
    pub cursor: Option<String>,
    /// The most tenants wanted in the page.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// A page of a list of tenants. Each stands as a member with version 0 and an empty preference;
/// one who has been erased since has none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TenantMemberPage {
    /// Ascending by `number`. A page may hold fewer than asked for, even none, and not be the last.
    pub members: Vec<Member>,
    /// The size of the whole list, counted apart from it (M8): on the first page and on the last.
    pub count_as_of: Option<u64>,
    /// The feed's position when the page was read (M3).
    pub position: String,
    /// The cursor of the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

/// A zone that tenants call their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantTimezone {
    /// Which one.
    pub timezone: OwnZone,
    /// When the first of the tenants who call it their own now began to.
    pub since: Timestamp,
}

/// The zones that tenants call their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantTimezones {
    /// Each once.
    pub timezones: Vec<TenantTimezone>,
}

/// Asks for one label of up to 1,000 tenants.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelValuesRequest {
    /// Which label.
    pub label: LabelName,
    /// Whose.
    pub tenant_ids: Vec<TenantId>,
}

/// One label of some tenants, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelValues {
    /// One a tenant asked for, in the order asked; `None` for one who does not carry the label, or
    /// is not there.
    pub values: Vec<Option<String>>,
}

impl TenantFilter {
    /// Whether a tenant once in the list as of an instant always is: labels and zones may change.
    pub fn is_fixed(&self) -> bool {
        self.labels.is_empty() && self.timezones.is_empty()
    }
}

impl OwnZone {
    /// The name, `-` where there is none.
    pub fn text(&self) -> &str {
        self.0.as_ref().map_or("-", Zone::name)
    }
}

impl Serialize for OwnZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OwnZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "-" => Ok(Self(None)),
            name => name.parse().map(|zone| Self(Some(zone))).map_err(serde::de::Error::custom),
        }
    }
}
