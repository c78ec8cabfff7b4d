//! Tenants as members of static jobs and of enrolments, whatever they prefer (T13). Not cached.

use cohort_preferences::{TenantMemberPage, TenantMembersRequest, TenantTimezone, TenantTimezones};
use reqwest::Method;

use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::transport::Request;

impl ConfigDatabaseClient {
    /// One page of the tenants of a filter as of an instant.
    pub async fn get_tenant_members(&self, request: &TenantMembersRequest) -> Result<TenantMemberPage, ClientError> {
        let request = Request::new(Method::POST, "/all-tenants/members").json(request);
        self.transport.retried(&request).await?.read()
    }

    /// The zones that tenants call their own.
    pub async fn get_tenant_timezones(&self) -> Result<Vec<TenantTimezone>, ClientError> {
        let request = Request::new(Method::GET, "/all-tenants/timezones");
        let list: TenantTimezones = self.transport.retried(&request).await?.read()?;
        Ok(list.timezones)
    }
}
