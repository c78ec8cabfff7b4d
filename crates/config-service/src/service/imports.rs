//! Imports: what passes the rules is written, batch by batch.

use cohort_preferences::{Invalid, Labels};

use super::config_service::ConfigService;
use crate::error::Result;
use crate::import::Row;
use crate::store::edit::ImportRow;

impl ConfigService {
    /// Admits the preferences of an import by the labels that their tenants have now. Returns a
    /// result for each, in the order given.
    pub(crate) async fn admit(&self, rows: Vec<Row>) -> Result<Vec<Result<ImportRow, Invalid>>> {
        let registry = self.registry().await?;
        if registry.all().next().is_none() {
            return Ok(rows.into_iter().map(|row| Ok(row.admitted(0))).collect());
        }
        let tenants = rows.iter().map(|row| row.tenant.clone()).collect();
        let labels = self.0.store.labels(tenants).await?;
        let none = Labels::default();
        let admit = |row: Row| {
            let Row { tenant, feature, stated } = row;
            let stated =
                registry.admit(&feature, stated, labels.get(&tenant).unwrap_or(&none), "")?;
            Ok(ImportRow { tenant, feature, stated })
        };
        Ok(rows.into_iter().map(admit).collect())
    }

    /// Writes many preferences in one transaction. Returns for each whether it changed anything.
    #[tracing::instrument(level = "debug", skip_all, fields(rows = rows.len()))]
    pub(crate) async fn import(&self, rows: Vec<ImportRow>, actor: String) -> Result<Vec<bool>> {
        self.0.store.import(rows, actor).await
    }
}
