//! `cohort up` and other commands that serve, as a child process that cannot outlive its test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use cohort_config_client::ConfigDatabaseClient;
use serde_json::Value;

use crate::program::Finished;

/// Far longer than anything takes that does not hang.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A running command that serves; killed when it is dropped.
pub(crate) struct Up {
    child: Child,
    data: PathBuf,
    address: String,
    /// The lines of standard output; closed when the process has ended.
    lines: Receiver<String>,
    stdout: String,
    /// The lines of standard error; closed likewise.
    logs: Receiver<String>,
    stderr: String,
}

impl Up {
    /// Starts it on the folder and a free port, and waits until it says where it listens.
    pub(crate) fn start(data: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let data_of_up = ["up".as_ref(), "--data".as_ref(), data.as_os_str()];
        Self::start_command(
            data,
            &data_of_up.into_iter().chain(arguments.iter().map(AsRef::as_ref)).collect::<Vec<_>>(),
            environment,
        )
    }

    /// Starts a command that serves, at a free port, and waits until it says where it listens.
    /// `data` has its admin key.
    pub(crate) fn start_command(
        data: &Path,
        arguments: &[&OsStr],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cohort"))
            .args(arguments)
            .args(["--listen", "127.0.0.1:0"])
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary is built");
        let lines = lines_of(child.stdout.take().expect("piped"));
        let logs = lines_of(child.stderr.take().expect("piped"));
        let (address, stdout, stderr) = (String::new(), String::new(), String::new());
        let mut up = Self { child, data: data.into(), address, lines, stdout, logs, stderr };
        let first = up.next_line().unwrap_or_else(|| panic!("it did not start: {}", up.all_logs()));
        let address = first.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        address.unwrap_or_else(|| panic!("no address in {first:?}")).clone_into(&mut up.address);
        up
    }

    /// The next line of its standard output; `None` once it has ended.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        next(&self.lines, &mut self.stdout)
    }

    /// Waits until it logs a line that contains this.
    pub(crate) fn until_logged(&mut self, part: &str) {
        let asked = Instant::now();
        while let Some(line) = next(&self.logs, &mut self.stderr) {
            if line.contains(part) {
                return;
            }
            assert!(
                asked.elapsed() < PATIENCE,
                "it logs all sorts of things, but not {part:?}: {}",
                self.stderr
            );
        }
        panic!("it ended without {part:?}: {}", self.stderr);
    }

    fn all_logs(&mut self) -> String {
        while next(&self.logs, &mut self.stderr).is_some() {}
        std::mem::take(&mut self.stderr)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The base address of its API.
    pub(crate) fn base(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// The folder's admin key.
    pub(crate) fn key(&self) -> String {
        std::fs::read_to_string(self.data.join("admin.key"))
            .expect("written before it listens")
            .trim()
            .to_owned()
    }

    /// A client that knows address and key.
    pub(crate) fn rest(&self) -> Rest {
        Rest { http: http(), base: self.base(), key: self.key() }
    }

    /// The client of its Config Database.
    pub(crate) fn client(&self) -> ConfigDatabaseClient {
        ConfigDatabaseClient::builder(self.base()).api_key(self.key()).build().expect("a client")
    }

    /// Ends it without a chance to do anything before.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }

    /// Asks it to end, and says how it did and after how long.
    pub(crate) fn terminate(self) -> (Finished, Duration) {
        self.ask_to_end();
        self.ended()
    }

    /// Sends SIGTERM.
    pub(crate) fn ask_to_end(&self) {
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -TERM {}", self.pid())])
            .status()
            .expect("sh is there");
        assert!(sent.success());
    }

    /// Waits until it has ended, and says how it did and after how long.
    pub(crate) fn ended(mut self) -> (Finished, Duration) {
        let asked = Instant::now();
        while self.next_line().is_some() {}
        let status = self.child.wait().expect("it has ended");
        let took = asked.elapsed();
        let code = status.code().unwrap_or_else(|| panic!("{status}"));
        (Finished { code, stdout: std::mem::take(&mut self.stdout), stderr: self.all_logs() }, took)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // An error means that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // A test that no longer listens has seen enough.
            drop(sender.send(line));
        }
    });
    lines
}

/// The next line, which is added to what was said before; `None` once there are no more.
fn next(lines: &Receiver<String>, said: &mut String) -> Option<String> {
    match lines.recv_timeout(PATIENCE) {
        Ok(line) => {
            said.push_str(&line);
            said.push('\n');
            Some(line)
        }
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => panic!("it hangs; so far it said {said}"),
    }
}

/// An HTTP client for loopback.
pub(crate) fn http() -> reqwest::Client {
    // The first who installs a provider wins; whichever it is, it serves.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .timeout(PATIENCE)
        .build()
        .expect("a client")
}

/// Requests to a running `cohort up` with its admin key.
#[derive(Clone)]
pub(crate) struct Rest {
    http: reqwest::Client,
    base: String,
    key: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Rest {
    /// The same with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: key.into(), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    pub(crate) async fn put(&self, path: &str, body: impl Into<String>) -> Answer {
        let request = self
            .http
            .put(format!("{}{path}", self.base))
            .header("content-type", "application/json");
        self.send(request.body(body.into())).await
    }

    /// The same, but `None` if the answer does not come whole.
    pub(crate) async fn try_put(&self, path: &str, body: impl Into<String>) -> Option<Answer> {
        let request = self
            .http
            .put(format!("{}{path}", self.base))
            .header("content-type", "application/json");
        let response = request.body(body.into()).bearer_auth(&self.key).send().await.ok()?;
        let status = response.status().as_u16();
        let text = response.text().await.ok()?;
        Some(Answer { status, kind: String::new(), retry_after: None, text })
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.http.post(format!("{}{path}", self.base)).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.http.delete(format!("{}{path}", self.base))).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.bearer_auth(&self.key).send().await.expect("it answers");
        let header = |name| {
            let value = response.headers().get(name)?;
            Some(value.to_str().expect("text").to_owned())
        };
        Answer {
            status: response.status().as_u16(),
            kind: header("content-type").unwrap_or_default(),
            retry_after: header("retry-after"),
            text: response.text().await.expect("a whole answer"),
        }
    }

    /// Every outcome, once there are so many.
    pub(crate) async fn outcomes_when(&self, number: usize) -> Vec<Value> {
        loop {
            let all = self.outcomes().await;
            if all.len() >= number {
                return all;
            }
        }
    }

    /// Every outcome, page by page.
    pub(crate) async fn outcomes(&self) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/outcomes?limit=1000{cursor}")).await.json();
            all.extend(page["outcomes"].as_array().expect("a list").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }
}
