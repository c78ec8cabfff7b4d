//! Who may do what (W4): one table of all routes. What does not stand in it is refused.
//!
//! * `read` looks at everything but keys and histories, which name who wrote.
//! * `support` looks at histories too, and makes links.
//! * `write` writes preferences and tenants, and reverts.
//! * `agent` has what an agent asks for: groups, members, changes, preferences, tenants, features,
//!   and histories to explain by.
//! * `admin` may do all; the registry, keys, erasure and repair are its alone.
//!
//! A signed link has no scope: it opens routes of its own tenant, and those that show nothing of
//! anybody.

use crate::key::Scope::{self, Admin, Agent, Read, Support, Write};

/// Who may use a route.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access {
    method: &'static str,
    path: &'static str,
    /// Keys that hold one of these may.
    pub(super) scopes: &'static [Scope],
    /// Whether a link may, for its own tenant if the route names one.
    pub(super) is_open_to_links: bool,
}

const LOOK: &[Scope] = &[Read, Support, Write, Admin];
const LOOK_AS_AGENT: &[Scope] = &[Read, Support, Write, Agent, Admin];
const HELP: &[Scope] = &[Support, Write, Admin];
const HELP_OR_EXPLAIN: &[Scope] = &[Support, Write, Agent, Admin];
const CHANGE: &[Scope] = &[Write, Admin];
const GOVERN: &[Scope] = &[Admin];

const TABLE: &[Access] = &[
    keys("GET", "/tenants", LOOK_AS_AGENT),
    keys("GET", "/tenants/{tenant_id}", LOOK_AS_AGENT),
    keys("PUT", "/tenants/{tenant_id}", CHANGE),
    keys("DELETE", "/tenants/{tenant_id}", GOVERN),
    keys("GET", "/tenants/{tenant_id}/export", HELP),
    keys("GET", "/tenants/{tenant_id}/history", HELP_OR_EXPLAIN),
    keys("POST", "/tenants/{tenant_id}/revert", CHANGE),
    keys("POST", "/tenants/{tenant_id}/links", HELP),
    keys_and_links("GET", "/tenants/{tenant_id}/configs/{config_key}", LOOK_AS_AGENT),
    keys("PUT", "/tenants/{tenant_id}/configs/{config_key}", CHANGE),
    keys("DELETE", "/tenants/{tenant_id}/configs/{config_key}", CHANGE),
    keys_and_links("GET", "/tenants/{tenant_id}/preferences/{feature_type}", LOOK_AS_AGENT),
    keys_and_links("PUT", "/tenants/{tenant_id}/preferences/{feature_type}", CHANGE),
    keys_and_links("PATCH", "/tenants/{tenant_id}/preferences/{feature_type}", CHANGE),
    keys_and_links("DELETE", "/tenants/{tenant_id}/preferences/{feature_type}", CHANGE),
    keys("GET", "/configs/{config_key}/all-tenants", LOOK_AS_AGENT),
    keys("POST", "/all-tenants/members", LOOK_AS_AGENT),
    keys("GET", "/all-tenants/timezones", LOOK_AS_AGENT),
    keys("POST", "/all-tenants/label-values", LOOK_AS_AGENT),
    keys("POST", "/preferences/batch-get", LOOK_AS_AGENT),
    keys("POST", "/preferences/import", CHANGE),
    keys("GET", "/preferences/changes", LOOK_AS_AGENT),
    keys("GET", "/preferences/changes/stream", LOOK_AS_AGENT),
    keys("GET", "/preferences/groups", LOOK_AS_AGENT),
    keys("POST", "/preferences/groups/members", LOOK_AS_AGENT),
    keys("POST", "/preferences/groups/member-lists", LOOK_AS_AGENT),
    keys("POST", "/preferences/groups/check", GOVERN),
    keys("GET", "/features/{feature_type}/frequency-groups", LOOK_AS_AGENT),
    keys("GET", "/features/{feature_type}/frequency-groups/users", LOOK_AS_AGENT),
    keys(
        "GET",
        "/features/{feature_type}/frequency-groups/{frequency}/{time_key}/users",
        LOOK_AS_AGENT,
    ),
    keys("GET", "/features/{feature_type}/unstated", LOOK_AS_AGENT),
    keys_and_links("GET", "/feature-types", LOOK_AS_AGENT),
    keys("GET", "/feature-types/{feature_type}", LOOK_AS_AGENT),
    keys("PUT", "/feature-types/{feature_type}", GOVERN),
    keys_and_links("POST", "/preview", LOOK),
    keys("GET", "/api-keys", GOVERN),
    keys("POST", "/api-keys", GOVERN),
    keys("DELETE", "/api-keys/{id}", GOVERN),
    keys("POST", "/api-keys/verify", LOOK_AS_AGENT),
    keys("GET", "/storage/preferences", LOOK_AS_AGENT),
];

const fn keys(method: &'static str, path: &'static str, scopes: &'static [Scope]) -> Access {
    Access { method, path, scopes, is_open_to_links: false }
}

const fn keys_and_links(
    method: &'static str,
    path: &'static str,
    scopes: &'static [Scope],
) -> Access {
    Access { is_open_to_links: true, ..keys(method, path, scopes) }
}

impl Access {
    /// Returns who may use a route, or `None` if the table does not know it. `HEAD` is `GET`
    /// without a body.
    pub(super) fn to(method: &str, path: &str) -> Option<&'static Self> {
        let method = if method == "HEAD" { "GET" } else { method };
        TABLE.iter().find(|access| access.method == method && access.path == path)
    }

    /// Returns whether only keys of scope admin may use the route: such requests are put on record.
    pub(super) fn is_govern(&self) -> bool {
        self.scopes == GOVERN
    }

    /// Returns every route of the table, as method and path.
    #[cfg(test)]
    pub(super) fn routes() -> impl Iterator<Item = (&'static str, &'static str)> {
        TABLE.iter().map(|access| (access.method, access.path))
    }
}
