//! A deployment as it is copied: its Config Database, its ledger, and its admin key where there is
//! a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use cohort_batch_agent::{CopyPurpose, LedgerPlace, SystemClock, copy_ledger, verify_ledger};
use cohort_config_service::{
    CopyError, DatabaseAddress, copy_config_database, verify_config_database,
};
use cohort_preferences::Clock;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::failure::wrong_input;
use crate::lifecycle::{DataDir, read_admin_key, write_key_file};
use crate::progress::Progress;
use crate::services::{CONFIG_DATABASE, LEDGER};
use crate::simulated::Simulated;

/// Where a deployment is.
pub(crate) struct Deployment {
    /// The folder that holds both, if there is one.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) config: DatabaseAddress,
    pub(crate) ledger: DatabaseAddress,
}

/// What was copied.
pub(crate) struct Copied {
    /// The instant before which the copy began.
    pub(crate) as_of: Timestamp,
    config_rows: u64,
    ledger_rows: u64,
}

impl Deployment {
    /// The deployment of a data folder.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        Self {
            folder: Some(folder.to_owned()),
            config: DatabaseAddress::Sqlite(folder.join(CONFIG_DATABASE)),
            ledger: DatabaseAddress::Sqlite(folder.join(LEDGER)),
        }
    }

    /// Copies everything to a deployment that is new, or as new.
    ///
    /// The ledger goes first: whatever it names is then in the Config Database too, as it is a
    /// moment later.
    pub(crate) async fn copy_to(
        &self,
        to: &Self,
        purpose: fn(Timestamp) -> CopyPurpose,
    ) -> anyhow::Result<Copied> {
        let as_of = SystemClock.now();
        let progress = Progress::of_things("rows of the ledger", Some(0));
        let (from, target) = (place(&self.ledger), place(&to.ledger));
        let ledger = copy_ledger(&from, &target, purpose(as_of), as_of, shown(progress)).await;
        let ledger_rows = explained(ledger, &self.ledger)?.rows();
        let progress = Progress::of_things("rows of the Config Database", Some(0));
        let config = copy_config_database(&self.config, &to.config, shown(progress)).await;
        let config_rows = explained(config, &self.config)?.rows();
        self.copy_files_to(to)?;
        Ok(Copied { as_of, config_rows, ledger_rows })
    }

    /// The admin key stands in the database as a hash only: the file goes along, so that whoever
    /// has the key can go on using it.
    fn copy_files_to(&self, to: &Self) -> anyhow::Result<()> {
        let (Some(from), Some(to)) = (&self.folder, &to.folder) else { return Ok(()) };
        if let Some(key) = read_admin_key(from)? {
            write_key_file(&to.join(ADMIN_KEY), &key)?;
        }
        match Simulated::read(from)? {
            Some(simulated) => simulated.write(to),
            None => Ok(()),
        }
    }

    /// Checks that both databases are whole and not of a newer program.
    pub(crate) async fn verify(&self) -> anyhow::Result<()> {
        explained(verify_ledger(&place(&self.ledger)).await, &self.ledger)?;
        explained(verify_config_database(&self.config).await, &self.config)
    }
}

/// The file of the admin key in a data folder.
const ADMIN_KEY: &str = "admin.key";

impl Copied {
    /// What was copied, for programs.
    pub(crate) fn report(&self) -> Value {
        json!({
            "as_of": self.as_of.to_string(),
            "rows": self.config_rows + self.ledger_rows,
            "config_rows": self.config_rows,
            "ledger_rows": self.ledger_rows,
        })
    }

    /// All rows.
    pub(crate) fn rows(&self) -> u64 {
        self.config_rows + self.ledger_rows
    }
}

/// A folder that is filled under another name, and gets its own once it is whole.
pub(crate) struct NewFolder {
    path: PathBuf,
    partial: PathBuf,
    is_whole: bool,
}

impl NewFolder {
    /// Begins a folder, which must not be there, or be empty.
    pub(crate) fn begin(path: &Path) -> anyhow::Result<Self> {
        if path.exists() && !is_empty(path) {
            return Err(wrong_input(format!(
                "{}: is there already and not empty; give a new folder",
                path.display()
            )));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".partial-{}", std::process::id()));
        let partial = PathBuf::from(partial);
        make_private_folder(&partial)
            .with_context(|| format!("cannot make the folder {}", partial.display()))?;
        Ok(Self { path: path.to_owned(), partial, is_whole: false })
    }

    /// The folder while it is filled.
    pub(crate) fn partial(&self) -> &Path {
        &self.partial
    }

    /// Gives the folder its name, once everything in it is on the disk.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        let cannot = || format!("cannot finish {}", self.path.display());
        sync_folder(&self.partial).with_context(cannot)?;
        if self.path.exists() {
            // Only an empty one goes.
            std::fs::remove_dir(&self.path).with_context(cannot)?;
        }
        std::fs::rename(&self.partial, &self.path).with_context(cannot)?;
        self.is_whole = true;
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_folder(parent.unwrap_or(Path::new("."))).with_context(cannot)
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if !self.is_whole {
            // What cannot be removed has a name that says what it is.
            let _left_behind = std::fs::remove_dir_all(&self.partial);
        }
    }
}

fn is_empty(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

fn make_private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(false);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    builder.create(path)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    if cfg!(unix) { std::fs::File::open(path)?.sync_all() } else { Ok(()) }
}

/// Takes a folder's lock, so that nobody writes to it meanwhile; `None` where there is none.
pub(crate) async fn hold(deployment: &Deployment) -> anyhow::Result<Option<DataDir>> {
    match &deployment.folder {
        Some(folder) => DataDir::lock(folder).await.map(Some),
        None => Ok(None),
    }
}

fn place(address: &DatabaseAddress) -> LedgerPlace {
    match address {
        DatabaseAddress::Sqlite(path) => LedgerPlace::Sqlite(path.clone()),
        DatabaseAddress::Postgres { url, schema } => {
            LedgerPlace::Postgres { url: url.clone(), schema: schema.clone() }
        }
    }
}

fn shown(progress: Progress) -> Arc<dyn Fn(u64, u64) + Send + Sync> {
    Arc::new(move |rows, total| {
        progress.set_total(total);
        progress.set(rows);
    })
}

/// Says of which database an error is; what the user can mend is wrong input.
fn explained<T>(done: Result<T, CopyError>, database: &DatabaseAddress) -> anyhow::Result<T> {
    match done {
        Err(
            error @ (CopyError::Exists { .. }
            | CopyError::NotEmpty { .. }
            | CopyError::Nothing(_)
            | CopyError::Unknown(_)
            | CopyError::Missing(_)),
        ) => Err(wrong_input(error.to_string())),
        done => done.with_context(|| format!("cannot copy {database}")),
    }
}
