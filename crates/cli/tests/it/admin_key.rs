//! The admin key of a folder: who may read it, and what becomes of a wrong one.

use std::path::Path;

use crate::serving::{Up, http};

#[cfg(unix)]
fn mode(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).expect("there").permissions().mode() & 0o777
}

#[tokio::test]
async fn keys_are_readable_by_the_owner_only_and_never_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path(), &[], &[("COHORT_LOG", "trace")]);
    #[cfg(unix)]
    assert_eq!(mode(&folder.path().join("admin.key")), 0o600);
    let (rest, key, base) = (up.rest(), up.key(), up.base());
    assert_eq!(rest.get("/runs").await.status, 200);
    for path in ["/runs", "/preferences/changes", "/features/posts/frequency-groups"] {
        let unknown = http()
            .get(format!("{base}{path}"))
            .bearer_auth("hunter2hunter2")
            .send()
            .await
            .expect("answered");
        assert_eq!(unknown.status(), 401);
        let none = http().get(format!("{base}{path}")).send().await.expect("answered");
        assert_eq!(none.status(), 401);
        assert!(!none.text().await.expect("a body").contains(&key));
    }
    let (ended, _) = up.terminate();
    assert!(ended.stderr.len() > 1_000, "it logged what it did");
    for secret in [key.as_str(), "hunter2hunter2"] {
        assert!(!ended.stdout.contains(secret), "a key on standard output");
        assert!(!ended.stderr.contains(secret), "a key on standard error");
    }
}

#[tokio::test]
async fn a_key_file_that_opens_nothing_is_replaced_by_one_that_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("admin.key");
    Up::start(folder.path(), &[], &[]).terminate();
    for useless in ["", "\n", "key-of-another-database\n", "no key at all\n"] {
        std::fs::write(&file, useless).expect("written");
        let up = Up::start(folder.path(), &[], &[]);
        assert_eq!(up.rest().get("/runs").await.status, 200, "{useless:?}");
        #[cfg(unix)]
        assert_eq!(mode(&file), 0o600);
        let key = up.key();
        up.terminate();
        let again = Up::start(folder.path(), &[], &[]);
        assert_eq!(again.key(), key, "one that opens it stays");
    }
}
