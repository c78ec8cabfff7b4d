//! What an apply does to each job and purpose. Pure.

use cohort_ledger::{Alteration, Definition, DefinitionKind, StoredDefinitions};
use cohort_preferences::{BatchDocuments, Difference, differences};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// What becomes of one job or purpose.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DefinitionChange {
    /// Whether it is a job or a purpose.
    pub kind: DefinitionKind,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub change: Alteration,
    /// Its version afterwards.
    pub version: u32,
    /// Where its document differs; empty unless it is updated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// What is in force afterwards; `None` if it is removed.
    #[serde(skip)]
    pub document: Option<Value>,
}

/// The changes that make what is stored what is wanted. Jobs that are not wanted are removed, and
/// so are purposes if the documents speak of purposes at all.
pub(super) fn plan(stored: &StoredDefinitions, wanted: &BatchDocuments) -> Vec<DefinitionChange> {
    let jobs = wanted.jobs.iter().map(|(id, document)| (id.as_str(), document));
    let mut changes = changes_of(DefinitionKind::Job, stored, jobs.collect());
    if let Some(purposes) = &wanted.purposes {
        let purposes = purposes.iter().map(|(id, document)| (id.as_str(), document));
        changes.extend(changes_of(DefinitionKind::Purpose, stored, purposes.collect()));
    }
    changes
}

fn changes_of(
    kind: DefinitionKind,
    stored: &StoredDefinitions,
    wanted: Vec<(&str, &Value)>,
) -> Vec<DefinitionChange> {
    let is_wanted = |name: &str| wanted.iter().any(|(other, _)| *other == name);
    let in_force = stored
        .latest
        .iter()
        .filter(|definition| definition.kind == kind && definition.document.is_some());
    let removed =
        in_force.filter(|definition| !is_wanted(&definition.name)).map(removal).collect::<Vec<_>>();
    wanted
        .iter()
        .map(|(name, document)| change_to(kind, name, document, stored.find(kind, name)))
        .chain(removed)
        .collect()
}

fn removal(definition: &Definition) -> DefinitionChange {
    DefinitionChange {
        kind: definition.kind,
        name: definition.name.clone(),
        change: Alteration::Removed,
        version: definition.version + 1,
        differences: Vec::new(),
        document: None,
    }
}

fn change_to(
    kind: DefinitionKind,
    name: &str,
    document: &Value,
    latest: Option<&Definition>,
) -> DefinitionChange {
    let version = latest.map_or(0, |latest| latest.version);
    let (change, version, differences) = match latest.and_then(|latest| latest.document.as_ref()) {
        None => (Alteration::Created, version + 1, Vec::new()),
        Some(before) if before == document => (Alteration::Unchanged, version, Vec::new()),
        Some(before) => (Alteration::Updated, version + 1, differences(before, document)),
    };
    DefinitionChange {
        kind,
        name: name.to_owned(),
        change,
        version,
        differences,
        document: Some(document.clone()),
    }
}

/// The versions to store for these changes.
pub(super) fn versions(
    changes: &[DefinitionChange],
    by: &str,
    at: Timestamp,
) -> Vec<(Alteration, Definition)> {
    let changed = changes.iter().filter(|change| change.change != Alteration::Unchanged);
    let version = |change: &DefinitionChange| Definition {
        kind: change.kind,
        name: change.name.clone(),
        version: change.version,
        document: change.document.clone(),
        applied_at: at,
        applied_by: by.to_owned(),
    };
    changed.map(|change| (change.change, version(change))).collect()
}

/// What is stored once these versions are stored too.
pub(super) fn after(
    stored: &StoredDefinitions,
    versions: &[(Alteration, Definition)],
) -> StoredDefinitions {
    let mut after = stored.clone();
    for (_, version) in versions {
        after.latest.retain(|definition| {
            (definition.kind, &definition.name) != (version.kind, &version.name)
        });
        after.latest.push(version.clone());
    }
    after
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(id: &str, priority: &str) -> Value {
        json!({
            "job_id": id, "type": "individual_batch", "purpose_id": "p", "preference_based": true,
            "feature_type": "f",
            "priority": priority
        })
    }

    fn wanted(value: &Value) -> BatchDocuments {
        BatchDocuments::from_json(&value.to_string()).expect("valid")
    }

    fn apply(stored: &StoredDefinitions, value: &Value) -> (Vec<String>, StoredDefinitions) {
        let changes = plan(stored, &wanted(value));
        let told = |change: &DefinitionChange| {
            let paths: Vec<_> =
                change.differences.iter().map(|difference| difference.path.as_str()).collect();
            format!(
                "{} {} {:?} v{} {}",
                json!(change.kind),
                change.name,
                change.change,
                change.version,
                paths.join(" ")
            )
            .replace('"', "")
        };
        (
            changes.iter().map(told).collect(),
            after(stored, &versions(&changes, "somebody", Timestamp::MIN)),
        )
    }

    #[test]
    fn each_version_counts_on_and_what_stays_keeps_its_own() {
        let purpose = json!({"handler": "http", "url": "http://localhost:1/x"});
        let whole = json!({"batch_processing_jobs": [job("a", "high"), job("b", "low")],
            "purposes": {"p": purpose}});
        let (told, stored) = apply(&StoredDefinitions::default(), &whole);
        assert_eq!(told, ["job a Created v1 ", "job b Created v1 ", "purpose p Created v1 "]);
        let (told, stored) = apply(&stored, &whole);
        assert_eq!(told, ["job a Unchanged v1 ", "job b Unchanged v1 ", "purpose p Unchanged v1 "]);
        let (told, stored) =
            apply(&stored, &json!({"batch_processing_jobs": [job("a", "medium")]}));
        assert_eq!(
            told,
            ["job a Updated v2 /priority", "job b Removed v2 ", "purpose p Removed v2 "]
        );
        let (told, _) = apply(&stored, &json!({"batch_processing_jobs": [job("b", "low")]}));
        assert_eq!(told, ["job b Created v3 ", "job a Removed v3 "]);
    }

    #[test]
    fn a_list_of_jobs_leaves_the_purposes_alone() {
        let purposes = json!({"batch_processing_jobs": [],
            "purposes": {"p": {"handler": "http", "url": "http://localhost:1/x"}}});
        let (_, stored) = apply(&StoredDefinitions::default(), &purposes);
        let (told, stored) = apply(&stored, &json!([job("a", "high")]));
        assert_eq!(told, ["job a Created v1 "]);
        assert!(stored.find(DefinitionKind::Purpose, "p").expect("kept").document.is_some());
    }
}
