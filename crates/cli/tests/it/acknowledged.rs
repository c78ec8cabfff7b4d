//! What was acknowledged is there after `kill -9`, on both databases.
//!
//! Writers change users one after another and note each version that was acknowledged; the process
//! is killed while they are at it; another is started on the same database. Then each user stands
//! at the version acknowledged last or one after it (the request that was open may have been
//! stored, its answer lost), the feed holds every version from 1 to there, once and in order, and
//! the group counts are those of the members.
//!
//! Planted and seen red: answering before the commit (`synchronous = OFF` and no fsync do not show
//! under `kill -9`, which leaves the kernel's pages alone; a write that is answered and not yet
//! committed does).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cohort_database::testing::fresh_postgres;
use serde_json::{Value, json};

use crate::serving::{Rest, Up};

const WRITERS: usize = 8;
const USERS_A_WRITER: usize = 5;
const KILLS: u64 = 3;
const WRITES_BEFORE_A_KILL: u64 = 400;

/// The newest version that was acknowledged of each user.
type Acknowledged = BTreeMap<String, u64>;

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_is_lost_by_kill_9_on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("config.db").display());
    write_and_kill(folder.path(), &[("DATABASE_URL", &url)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_is_lost_by_kill_9_on_postgresql() {
    let (folder, database) = (tempfile::tempdir().expect("a folder"), fresh_postgres());
    let schema = database.schema.to_string();
    write_and_kill(folder.path(), &[("DATABASE_URL", &database.url), ("COHORT_NAME", &schema)])
        .await;
}

fn start(folder: &Path, environment: &[(&str, &str)]) -> Up {
    let key_file = folder.join("admin.key");
    let arguments: [&OsStr; 3] =
        ["config-service".as_ref(), "--admin-key-file".as_ref(), key_file.as_os_str()];
    Up::start_command(folder, &arguments, environment)
}

async fn write_and_kill(folder: &Path, environment: &[(&str, &str)]) {
    let mut acknowledged = Acknowledged::new();
    for _ in 0..KILLS {
        let service = start(folder, environment);
        acknowledged = write_until_killed(service, acknowledged).await;
    }
    assert!(
        acknowledged.values().sum::<u64>() > KILLS * WRITES_BEFORE_A_KILL / 2,
        "{acknowledged:?}"
    );
    let service = start(folder, environment);
    let rest = service.rest();
    let versions = versions_in_feed(&rest).await;
    for (user, acknowledged) in &acknowledged {
        let stored = versions.get(user).expect("its first write was acknowledged");
        assert_eq!(
            *stored,
            (1..=stored.len() as u64).collect::<Vec<_>>(),
            "{user}: every version once, in order"
        );
        let last = stored.len() as u64;
        assert!(
            (*acknowledged..=*acknowledged + KILLS).contains(&last),
            "{user}: {acknowledged} acknowledged, {last} stored"
        );
    }
    assert_counts_are_those_of_members(&rest).await;
}

/// Writes until enough is acknowledged, kills the service, and gives what was acknowledged by then.
async fn write_until_killed(service: Up, before: Acknowledged) -> Acknowledged {
    let (rest, written) = (service.rest(), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            tokio::spawn(write_on(rest.clone(), writer, before.clone(), Arc::clone(&written)))
        })
        .collect();
    while written.load(Ordering::SeqCst) < WRITES_BEFORE_A_KILL {
        tokio::task::yield_now().await;
    }
    service.kill();
    let mut acknowledged = before;
    for writer in writers {
        for (user, version) in writer.await.expect("no panic") {
            acknowledged.insert(user, version);
        }
    }
    acknowledged
}

/// Changes its own users in turn until a write is not answered.
async fn write_on(
    rest: Rest,
    writer: usize,
    mut acknowledged: Acknowledged,
    written: Arc<AtomicU64>,
) -> Acknowledged {
    for round in 0.. {
        let user = format!("user-{writer}-{}", round % USERS_A_WRITER);
        let time = format!("{:02}:{:02}", round / 60 % 24, round % 60);
        let preference = json!({"frequency": "daily", "preferred_time": time,
            "template_overrides": {"round": round}});
        let Some(answer) = rest
            .try_put(&format!("/tenants/{user}/preferences/posts"), preference.to_string())
            .await
        else {
            break;
        };
        assert!((200..300).contains(&answer.status), "{answer:?}");
        acknowledged.insert(user, answer.json()["version"].as_u64().expect("a version"));
        written.fetch_add(1, Ordering::SeqCst);
    }
    acknowledged.retain(|user, _| user.starts_with(&format!("user-{writer}-")));
    acknowledged
}

/// The versions of each user in the order of the feed.
async fn versions_in_feed(rest: &Rest) -> BTreeMap<String, Vec<u64>> {
    let (mut versions, mut since) = (BTreeMap::<String, Vec<u64>>::new(), String::new());
    loop {
        let page = rest.get(&format!("/preferences/changes?limit=500{since}")).await.json();
        let changes = page["changes"].as_array().expect("a list");
        if changes.is_empty() {
            return versions;
        }
        for change in changes {
            let user = change["tenant_id"].as_str().expect("a name").to_owned();
            versions.entry(user).or_default().push(change["version"].as_u64().expect("a version"));
        }
        since = format!("&since_id={}", page["next"].as_str().expect("a cursor"));
    }
}

async fn assert_counts_are_those_of_members(rest: &Rest) {
    let groups = rest.get("/features/posts/frequency-groups").await.json();
    let mut members = 0;
    for group in
        groups["groups"].as_array().expect("a list").iter().filter(|group| group["count"] != 0)
    {
        let path = format!(
            "/features/posts/frequency-groups/daily/{}/users",
            group["time_key"].as_str().expect("a key")
        );
        let list: Value = rest.get(&path).await.json();
        assert_eq!(list["count_as_of"], group["count"]);
        assert_eq!(
            list["members"].as_array().map(|members| members.len() as u64),
            group["count"].as_u64()
        );
        members += list["members"].as_array().expect("a list").len();
    }
    assert_eq!(members, WRITERS * USERS_A_WRITER);
}
