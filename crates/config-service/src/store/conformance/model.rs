//! Member lists of any past instant, held against a simple model.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::sync::Arc;

use cohort_preferences::Clock;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::kit::{
    Hand, Promise, at, daily, daily_group, feature, listed_groups, names, page, put, stated, write,
};
use crate::store::Store;
use crate::store::list::ListsQuery;
use crate::store::settled::whole_micros;

pub(super) const ALL: [Promise; 2] = [
    |store, clock| Box::pin(lists_as_of_any_past_instant_equal_a_simple_model(store, clock)),
    |store, clock| {
        Box::pin(a_list_read_as_of_an_instant_never_changes_while_writers_move_users(store, clock))
    },
];

/// Who was in which hour's group since when, one entry a change.
type Model = Vec<(Timestamp, String, Option<u32>)>;

fn expected(model: &Model, hours: &[u32], as_of: Timestamp) -> BTreeSet<String> {
    let mut state = BTreeMap::new();
    for (_, name, hour) in model.iter().filter(|(at, ..)| *at <= as_of) {
        state.insert(name.clone(), *hour);
    }
    let is_in = |hour: &Option<u32>| hour.is_some_and(|hour| hours.contains(&hour));
    state.into_iter().filter(|(_, hour)| is_in(hour)).map(|(name, _)| name).collect()
}

async fn random_edit(store: &dyn Store, random: &mut StdRng, model: &mut Model) {
    let name = format!("user{}", random.random_range(0..40));
    let hour = random.random_range(0..6);
    let (wanted, hour) = match random.random_range(0..8) {
        0 => (None, None),
        1 => (Some(stated(r#"{"enabled":false}"#)), None),
        _ => (Some(stated(&daily(hour))), Some(hour)),
    };
    // Deleting what never was leaves nothing.
    if let Some(current) = write(store, &name, wanted).await {
        model.push((current.at, name, hour));
    }
}

async fn lists_as_of_any_past_instant_equal_a_simple_model(
    store: Arc<dyn Store>,
    clock: Arc<Hand>,
) {
    let random = &mut StdRng::seed_from_u64(7);
    let mut model = Model::new();
    let began = clock.now().as_microsecond();
    for round in 0..400 {
        random_edit(&*store, random, &mut model).await;
        if round % 4 != 0 {
            continue;
        }
        let as_of = at(random.random_range(began..=clock.now().as_microsecond()));
        let hours: Vec<u32> = (0..6).filter(|_| random.random()).collect();
        assert_eq!(names(&*store, &hours, as_of).await, expected(&model, &hours, as_of));
        lists_are_the_members_of_each(&*store, &model, &hours, as_of).await;
        let paged = paged_while_users_move(&*store, random, &mut model, &hours, as_of).await;
        assert_eq!(
            paged,
            expected(&model, &hours, as_of),
            "pages of one list, with edits between them"
        );
    }
    let now = whole_micros(clock.now());
    let groups = listed_groups(&*store, Timestamp::MIN).await.groups;
    for group in groups {
        let hour = (0..6).find(|hour| daily_group(*hour) == group.group).expect("one of ours");
        assert_eq!(group.count as usize, expected(&model, &[hour], now).len());
        assert_eq!(group.empty_since.is_some(), group.count == 0);
    }
}

/// Each hour is a list of its own, but the first two, which are one.
async fn lists_are_the_members_of_each(
    store: &dyn Store,
    model: &Model,
    hours: &[u32],
    as_of: Timestamp,
) {
    let (first, rest) = hours.split_at(hours.len().min(2));
    let wanted: Vec<&[u32]> = iter::once(first).chain(rest.chunks(1)).collect();
    let groups =
        wanted.iter().map(|hours| hours.iter().map(|hour| daily_group(*hour)).collect()).collect();
    let lists = store
        .member_lists(ListsQuery { feature: feature(), lists: groups, as_of, limit: 5_000 })
        .await
        .expect("lists");
    assert_eq!(lists.lists.len(), wanted.len());
    for (hours, list) in wanted.into_iter().zip(lists.lists) {
        let list = list.expect("there is room");
        assert!(list.members.is_sorted_by_key(|member| member.number));
        assert_eq!(list.count_as_of as usize, list.members.len(), "M8");
        let names: BTreeSet<String> =
            list.members.into_iter().map(|member| member.tenant_id).collect();
        assert_eq!(names, expected(model, hours, as_of));
    }
}

async fn paged_while_users_move(
    store: &dyn Store,
    random: &mut StdRng,
    model: &mut Model,
    hours: &[u32],
    as_of: Timestamp,
) -> BTreeSet<String> {
    let (mut names, mut after) = (Vec::new(), 0);
    loop {
        let list = page(store, hours, as_of, after, 3).await;
        after = list.members.last().map_or(after, |member| member.number);
        names.extend(list.members.into_iter().map(|member| member.tenant_id));
        if !list.has_more {
            break;
        }
        random_edit(store, random, model).await;
    }
    let distinct: BTreeSet<_> = names.iter().cloned().collect();
    assert_eq!(distinct.len(), names.len(), "nobody is listed twice");
    distinct
}

async fn a_list_read_as_of_an_instant_never_changes_while_writers_move_users(
    store: Arc<dyn Store>,
    clock: Arc<Hand>,
) {
    let writers = (0..4).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for round in 0..60 {
                put(
                    &*store,
                    &format!("user{}", (round * 7 + writer) % 20),
                    &daily((round + writer) % 3),
                )
                .await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut seen = Vec::new();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        let now = whole_micros(clock.now());
        seen.push((now, names(&*store, &[0, 1, 2], now).await, names(&*store, &[1], now).await));
    }
    assert!(!seen.is_empty());
    for (as_of, all, one) in seen {
        assert_eq!(names(&*store, &[0, 1, 2], as_of).await, all, "as of {as_of}");
        assert_eq!(names(&*store, &[1], as_of).await, one, "as of {as_of}");
    }
}
