//! Plans an import, in the order in which it is fastest to write.

use std::collections::HashMap;
use std::sync::Arc;

use super::planner::{Plan, Tenants};
use crate::store::edit::ImportRow;

impl Plan<'_> {
    /// Writes many preferences, those of one tenant and feature in the order given; says for each
    /// whether it changed anything.
    ///
    /// Rows are written in the order of tenant numbers, and new tenants get theirs in the order of
    /// their names: both keep neighbours in the tables neighbours in time, which is what a fast
    /// import needs. A preference that comes twice is written in a second round, so that a plan has
    /// as many stamps as rounds and not as repetitions.
    pub(crate) fn import(
        &mut self,
        tenants: &mut Tenants,
        rows: Vec<ImportRow>,
        actor: &str,
    ) -> Vec<bool> {
        let actor: Arc<str> = actor.into();
        let mut changed = vec![false; rows.len()];
        tenants.reserve(rows.len());
        self.rows.changes.reserve(rows.len());
        self.rows.preferences.reserve(rows.len());
        let order = self.order_of_import(tenants, &rows);
        let mut rows: Vec<_> = rows.into_iter().map(Some).collect();
        for Numbered { tenant: number, index, .. } in order {
            let ImportRow { tenant, feature, stated } =
                rows[index].take().expect("each row is ordered once");
            let tenant = tenants.get_mut(&tenant).expect("numbered just above");
            changed[index] = self.write(number, tenant, &feature, Some(stated), &actor);
        }
        changed
    }

    fn order_of_import(&mut self, tenants: &mut Tenants, rows: &[ImportRow]) -> Vec<Numbered> {
        let mut by_name: Vec<usize> = (0..rows.len()).collect();
        by_name.sort_by_key(|index| rows[*index].tenant.as_str());
        let mut numbered: Vec<Numbered> = Vec::with_capacity(rows.len());
        let mut rounds: HashMap<&str, usize> = HashMap::new();
        for index in by_name {
            let ImportRow { tenant, feature, .. } = &rows[index];
            let number = match numbered.last() {
                Some(last) if rows[last.index].tenant == *tenant => last.tenant,
                _ => {
                    rounds.clear();
                    self.number_of(tenant, tenants.entry(tenant.clone()).or_default())
                }
            };
            let round = rounds.entry(feature.as_str()).and_modify(|round| *round += 1).or_default();
            numbered.push(Numbered { round: *round, tenant: number, index });
        }
        numbered.sort_unstable();
        numbered
    }
}

/// A row to import, in the order of writing.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Numbered {
    /// How many rows of the same tenant and feature come before it.
    round: usize,
    tenant: i64,
    index: usize,
}
