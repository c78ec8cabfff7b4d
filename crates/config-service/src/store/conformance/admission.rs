//! Keys, and definitions of features.

use std::sync::Arc;

use cohort_preferences::{ChangeKind, FeatureDefinition};
use jiff::Timestamp;
use serde_json::json;

use super::kit::{Promise, everything, feature, put};
use crate::error::ConfigServiceError;
use crate::key::{KeyUse, NewKey, Scope};
use crate::precondition::{Precondition, Tags};
use crate::registry::Registration;
use crate::store::Store;
use crate::store::list::GroupsQuery;

pub(super) const ALL: [Promise; 5] = [
    |store, _| Box::pin(the_first_key_is_stored_once(store)),
    |store, _| Box::pin(a_revoked_key_stays_listed_with_its_uses(store)),
    |store, _| Box::pin(a_definition_has_versions_and_stands_in_the_feed(store)),
    |store, _| Box::pin(groups_come_with_the_defaults_by_which_they_may_still_be_planned(store)),
    |store, _| Box::pin(async move { assert_ne!(store.link_secret(), [0; 32], "it is random") }),
];

fn key(text: u8, name: &str) -> NewKey {
    NewKey {
        hash: [text; 32],
        name: name.into(),
        scopes: [Scope::Read, Scope::Write].into_iter().collect(),
        created_by: "test".into(),
        expires_at: Some(Timestamp::UNIX_EPOCH),
    }
}

async fn the_first_key_is_stored_once(store: Arc<dyn Store>) {
    let first = store.add_key(key(1, "first"), true).await.expect("stores").expect("the first");
    assert!(store.add_key(key(2, "second"), true).await.expect("asks").is_none());
    assert!(store.add_key(key(2, "second"), false).await.expect("stores").is_some());
    let found = store.key([1; 32]).await.expect("reads").expect("there");
    assert_eq!(found, first);
    assert_eq!(
        (found.scopes.text().as_str(), found.expires_at),
        ("read write", Some(Timestamp::UNIX_EPOCH))
    );
    assert!(store.key([3; 32]).await.expect("reads").is_none());
}

async fn a_revoked_key_stays_listed_with_its_uses(store: Arc<dyn Store>) {
    let id = store.add_key(key(1, "one"), false).await.expect("stores").expect("stored").id;
    let mut admissions = store.admissions();
    admissions.mark_unchanged();
    let used = KeyUse { id, last_used_at: Timestamp::UNIX_EPOCH, uses: 3 };
    store.note_key_uses(vec![used, used]).await.expect("notes");
    let revoked = store.revoke_key(id).await.expect("revokes").expect("there");
    admissions.changed().await.expect("a revocation is told");
    let again = store.revoke_key(id).await.expect("revokes").expect("there");
    assert!(revoked.revoked_at.is_some() && again.revoked_at == revoked.revoked_at);
    let all = store.keys().await.expect("lists");
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].uses, all[0].last_used_at), (6, Some(Timestamp::UNIX_EPOCH)));
    assert!(store.revoke_key(99).await.expect("asks").is_none());
}

async fn groups_come_with_the_defaults_by_which_they_may_still_be_planned(store: Arc<dyn Store>) {
    put(&*store, "ann", "{}").await;
    let mut since = Vec::new();
    for defaults in [json!({"frequency": "daily"}), json!({"frequency": "weekly"})] {
        let definition = FeatureDefinition::from_json(&json!({"default_preferences": defaults}))
            .expect("a definition");
        let registration = Registration {
            feature: feature(),
            actor: "test".into(),
            definition,
            precondition: Precondition::default(),
        };
        since.push(store.register(registration).await.expect("registers").at);
    }
    let listed = async |emptied_after: Timestamp| {
        let query = GroupsQuery { feature: feature(), emptied_after, after: 0, limit: 10 };
        let defaults = store.groups(query).await.expect("lists").defaults;
        defaults
            .into_iter()
            .map(|defaults| (defaults.since, defaults.default_preferences.is_some()))
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(Timestamp::MIN).await, [(since[0], true), (since[1], true)]);
    assert_eq!(
        listed(since[0]).await,
        [(since[0], true), (since[1], true)],
        "the first held a moment longer than that"
    );
    assert_eq!(listed(since[1]).await, [(since[1], true)]);
}

async fn a_definition_has_versions_and_stands_in_the_feed(store: Arc<dyn Store>) {
    let register = async |description: &str, precondition: Precondition| {
        let definition = FeatureDefinition::from_json(&json!({"description": description}))
            .expect("a definition");
        store
            .register(Registration {
                feature: feature(),
                actor: "test".into(),
                definition,
                precondition,
            })
            .await
    };
    assert!(store.definitions().await.expect("reads").is_empty());
    assert_eq!(register("one", Precondition::default()).await.expect("registers").version, 1);
    let only_new = Precondition { if_none_match: Some(Tags::Any), if_match: None };
    assert!(matches!(
        register("two", only_new).await,
        Err(ConfigServiceError::PreconditionFailed(_))
    ));
    assert_eq!(register("two", Precondition::default()).await.expect("registers").version, 2);
    let newest = store.definitions().await.expect("reads");
    assert_eq!(newest.len(), 1);
    assert_eq!((newest[0].version, newest[0].content.description.as_str()), (2, "two"));
    let feed = everything(&*store).await;
    assert_eq!(
        feed.iter().map(|change| (change.kind, change.version)).collect::<Vec<_>>(),
        [(ChangeKind::Defaults, 1), (ChangeKind::Defaults, 2)]
    );
    assert!(feed.iter().all(|change| change.tenant_id.is_none() && change.number.is_none()));
}
