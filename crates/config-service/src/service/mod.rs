//! What the Config Database decides: who may do what, what an edit means, how long a reader waits.

mod admission;
mod authentication;
mod bounds;
mod changes;
mod config_service;
mod documents;
mod features;
mod groups;
mod history;
mod imports;
mod keys;
mod links;
mod members;
mod options;
mod preferences;
mod preview;
mod profiles;
mod rate;
mod readiness;
mod receipts;
mod rules;
mod tenants;
mod trial;
mod upkeep;

pub(crate) use self::changes::ChangesRequest;
pub use self::config_service::ConfigService;
pub(crate) use self::keys::{Expiry, KeyRequest};
pub(crate) use self::links::PREFIX as LINK_PREFIX;
pub(crate) use self::members::{ListRequest, MemberPage};
pub use self::options::ConfigServiceOptions;
pub(crate) use self::preview::PreviewRequest;
pub(crate) use self::rate::Asker;
pub(crate) use self::receipts::Written;
pub(crate) use self::tenants::{TenantMemberPage, TenantsRequest};
