//! A PostgreSQL server of the test's own, which it may freeze.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Where the server is started from: the script knows its programs, and drops root.
const START: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/with-postgres");

/// Says where the server is, and then waits for its input to end.
const SAY_WHERE: &str = "echo \"$COHORT_TEST_POSTGRES\"; cat";

/// A server that nobody else uses. It ends when this is dropped, and its folder with it.
pub struct PrivateServer {
    /// The server's address.
    pub url: String,
    script: Child,
    /// The process that starts the others.
    postmaster: u32,
}

impl PrivateServer {
    /// Starts a server.
    ///
    /// # Panics
    /// When there is none that can be started.
    pub fn start() -> Self {
        let mut script = Command::new(START)
            .args(["--no-sync", "sh", "-c", SAY_WHERE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script is there");
        let mut said = BufReader::new(script.stdout.take().expect("piped")).lines();
        let url = said.next().expect("the server starts").expect("text");
        let postmaster = postmaster_at(&url).expect("the server listens");
        Self { url, script, postmaster }
    }

    /// Stops every process of the server where it is: the host still takes connections and
    /// acknowledges what is sent, and no answer comes.
    pub fn freeze(&self) {
        // The one that starts the others first, so that none is missed.
        signal("STOP", &[self.postmaster]);
        signal("STOP", &children_of(self.postmaster));
    }

    /// Lets the server go on.
    pub fn thaw(&self) {
        signal("CONT", &children_of(self.postmaster));
        signal("CONT", &[self.postmaster]);
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        self.thaw();
        // The script ends with its input, and stops the server.
        drop(self.script.stdin.take());
        let _ended = self.script.wait();
    }
}

/// The process whose command line names the port and that started no other way: it is found by the
/// port that the script gave it.
fn postmaster_at(url: &str) -> Option<u32> {
    let port = url.rsplit(':').next()?.split('/').next()?;
    let of_process = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let mut words = line.split('\0');
        let is_server = words.next()?.ends_with("/postgres");
        let is_this = line.contains(&format!("\0-p\0{port}\0"));
        (is_server && is_this).then_some(pid)
    };
    std::fs::read_dir("/proc").ok()?.filter_map(Result::ok).find_map(of_process)
}

fn children_of(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = std::fs::read_to_string(Path::new(&path)).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn signal(name: &str, processes: &[u32]) {
    for process in processes {
        // One that has ended meanwhile needs no signal.
        let kill = format!("kill -{name} {process} 2>/dev/null || true");
        let sent = Command::new("sh").args(["-c", &kill]).status();
        assert!(sent.expect("sh is there").success());
    }
}
