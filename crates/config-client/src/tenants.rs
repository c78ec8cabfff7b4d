//! Tenants as members of static jobs and of enrolments, whatever they prefer (T13), and one label
//! of many. Not cached.

use cohort_preferences::{
    LabelName, LabelValues, LabelValuesRequest, TenantId, TenantMemberPage, TenantMembersRequest,
    TenantTimezone, TenantTimezones,
};
use reqwest::Method;

use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::preferences::USERS_A_BATCH;
use crate::request::Request;

impl ConfigDatabaseClient {
    /// Returns one page of the tenants of a filter as of an instant.
    pub async fn get_tenant_members(
        &self,
        request: &TenantMembersRequest,
    ) -> Result<TenantMemberPage, ClientError> {
        let request = Request::new(Method::POST, "/all-tenants/members").json(request);
        self.transport.retried(&request).await?.read()
    }

    /// Returns the zones that tenants call their own.
    pub async fn get_tenant_timezones(&self) -> Result<Vec<TenantTimezone>, ClientError> {
        let request = Request::new(Method::GET, "/all-tenants/timezones");
        let list: TenantTimezones = self.transport.retried(&request).await?.read()?;
        Ok(list.timezones)
    }

    /// Returns the value of a label of each of these tenants, in the order asked; `None` for one
    /// who does not carry it. More than a thousand are asked for in several requests.
    pub async fn get_label_values(
        &self,
        label: &LabelName,
        tenant_ids: &[TenantId],
    ) -> Result<Vec<Option<String>>, ClientError> {
        let mut values = Vec::with_capacity(tenant_ids.len());
        for some in tenant_ids.chunks(USERS_A_BATCH) {
            let asked = LabelValuesRequest { label: label.clone(), tenant_ids: some.to_vec() };
            let request = Request::new(Method::POST, "/all-tenants/label-values").json(&asked);
            let answer: LabelValues = self.transport.retried(&request).await?.read()?;
            values.extend(answer.values);
        }
        Ok(values)
    }
}
