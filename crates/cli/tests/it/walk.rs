//! The walk through the README and the page on handlers, executed as it stands there.
//!
//! A fenced block whose info string says `walk=NAME` is part of it: a name with a dot is a file, a
//! block of `sh` is a step, and another block shows what the step or the service of that name says.
//! Only the addresses are replaced, by free ones. What is printed has to be what the pages show,
//! but for instants.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::Value;
use tokio::sync::mpsc::unbounded_channel;

/// The pages that the walk goes through.
const PAGES: [&str; 2] =
    [include_str!("../../../../README.md"), include_str!("../../../../docs/HANDLERS.md")];

/// The steps that the tests below take; a page may have no other.
const STEPS: [&str; 6] = ["up", "import", "put", "outcome", "http", "result"];

/// Where the pages' `cohort up` listens.
const SERVICE: &str = "127.0.0.1:8000";

/// Where the pages' own service listens.
const HANDLER: &str = "127.0.0.1:9000";

/// Longer than the minute that the walk says a step may take.
const PATIENCE: Duration = Duration::from_secs(150);

/// A block of a page that is part of the walk.
struct Block {
    is_step: bool,
    name: String,
    text: String,
}

/// The walk in a folder of its own; the service that it starts ends with it.
struct Walk {
    folder: tempfile::TempDir,
    blocks: Vec<Block>,
    up: Option<Child>,
}

impl Walk {
    /// Writes the pages' files, with this address in place of that of the pages' own service.
    fn start(handler: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let service = free_address().to_string();
        let text = PAGES.concat().replace(SERVICE, &service).replace(HANDLER, handler);
        let blocks = blocks(&text);
        for file in blocks.iter().filter(|block| block.name.contains('.')) {
            std::fs::write(folder.path().join(&file.name), &file.text).expect("written");
        }
        Self { folder, blocks, up: None }
    }

    /// The text of a step.
    fn step(&self, name: &str) -> &str {
        self.block(name, true)
    }

    /// What a step or the service says.
    fn shown(&self, name: &str) -> &str {
        self.block(name, false)
    }

    fn block(&self, name: &str, is_step: bool) -> &str {
        let block = self.blocks.iter().find(|block| block.name == name && block.is_step == is_step);
        &block.unwrap_or_else(|| panic!("the pages lack the block {name}")).text
    }

    fn shell(&self, script: &str) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_cohort"))
            .parent()
            .expect("a file is in a folder")
            .to_owned();
        let inherited = std::env::var_os("PATH").expect("there is a PATH");
        let path =
            std::env::join_paths([binary].into_iter().chain(std::env::split_paths(&inherited)))
                .expect("a path");
        let mut shell = Command::new("sh");
        shell
            .args(["-e", "-c", script])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", path);
        shell.stdin(Stdio::null()).stdout(Stdio::piped());
        shell
    }

    /// Starts a step that serves, and returns once it says where it listens.
    fn serve(&mut self, step: &str) {
        // Without a shell around it, the process that is killed at the end is the service.
        let script = self.step(step).replace("cohort up", "exec cohort up");
        let mut child = self.shell(&script).spawn().expect("sh is there");
        let stdout = child.stdout.take().expect("piped");
        self.up = Some(child);
        let (said, first_line) = channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines();
            // A test that has given up no longer listens.
            let _given_up = said.send(lines.next());
            lines.for_each(drop);
        });
        let line = within_patience(&first_line, step).expect("it ended").expect("text");
        assert!(line.starts_with("Cohort listens on http://"), "{line}");
    }

    /// Runs a step that ends, and gives what it printed.
    fn run(&self, step: &str) -> String {
        let child =
            self.shell(self.step(step)).stderr(Stdio::piped()).spawn().expect("sh is there");
        let (ended, end) = channel();
        std::thread::spawn(move || ended.send(child.wait_with_output()));
        let Output { status, stdout, stderr } =
            within_patience(&end, step).expect("it can be waited for");
        assert!(status.success(), "{step}: {status}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).expect("text")
    }

    /// Runs a step whose output is what the page shows.
    fn run_as_shown(&self, step: &str) {
        let printed = self.run(step);
        assert_eq!(without_instants(&printed), without_instants(self.shown(step)), "{printed}");
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        if let Some(up) = &mut self.up {
            // One that has ended by itself cannot be killed, which is as good.
            let _ended = up.kill().and_then(|()| up.wait());
        }
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let text: String = lines
            .by_ref()
            .take_while(|line| *line != "```")
            .flat_map(|line| [line, "\n"])
            .collect();
        if let Some((language, name)) = info.split_once(" walk=") {
            blocks.push(Block { is_step: language == "sh", name: name.into(), text });
        }
    }
    blocks
}

/// The words of a text, with the same word for every instant and nominal time.
fn without_instants(text: &str) -> Vec<&str> {
    let words = text
        .split(|c: char| c.is_whitespace() || matches!(c, '"' | ','))
        .filter(|word| !word.is_empty());
    let is_date =
        |word: &str| word.get(..10).is_some_and(|start| start.parse::<jiff::civil::Date>().is_ok());
    let is_time = |word: &str| {
        word.len() == 5
            && word.is_char_boundary(2)
            && &word[2..3] == ":"
            && word[..2].parse::<u8>().is_ok()
    };
    let mut after_date = false;
    words
        .map(|word| {
            let is_instant = is_date(word) || (after_date && is_time(word));
            after_date = is_date(word);
            if is_instant { "…" } else { word }
        })
        .collect()
}

fn within_patience<T>(receiver: &Receiver<T>, step: &str) -> T {
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{step}: {error}"))
}

/// An address that nobody listens on now.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

/// The names of all fields, with their places.
fn fields(value: &Value, place: &str) -> Vec<String> {
    match value {
        Value::Object(object) => object
            .iter()
            .flat_map(|(name, value)| fields(value, &format!("{place}/{name}")))
            .chain([place.to_owned()])
            .collect(),
        Value::Array(list) => {
            list.iter().flat_map(|value| fields(value, &format!("{place}/-"))).collect()
        }
        _ => vec![place.to_owned()],
    }
}

#[test]
fn the_walk_of_the_readme_does_what_the_readme_shows() {
    let mut walk = Walk::start(HANDLER);
    walk.serve("up");
    walk.run_as_shown("import");
    walk.run_as_shown("put");
    walk.run_as_shown("outcome");
}

#[test]
fn every_step_of_the_pages_is_taken() {
    let blocks = blocks(&PAGES.concat());
    let steps = blocks.iter().filter(|block| block.is_step).map(|block| block.name.as_str());
    assert_eq!(steps.collect::<Vec<_>>(), STEPS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_called_as_the_readme_shows_answers_as_the_readme_shows() {
    let (received, mut requests) = unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mut walk = Walk::start(&listener.local_addr().expect("bound").to_string());
    let answer = walk.shown("answer").to_owned();
    let handler = post(async move |headers: HeaderMap, body: String| {
        // A test that has ended no longer counts the calls.
        let _ended = received.send((headers, body));
        answer
    });
    tokio::spawn(
        async move { axum::serve(listener, Router::new().route("/posts", handler)).await },
    );

    walk.serve("http");
    walk.run("import");
    let request =
        tokio::time::timeout(PATIENCE, requests.recv()).await.expect("called within a minute");
    let (headers, body) = request.expect("the service runs");
    for header in ["idempotency-key", "webhook-id", "webhook-timestamp", "webhook-signature"] {
        assert!(headers.contains_key(header), "{header}");
    }
    let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let (got, shown) = (read(&body), read(walk.shown("request")));
    assert_eq!(fields(&got, ""), fields(&shown, ""));
    assert_eq!(
        got["data"]["users"][0]["template_overrides"],
        shown["data"]["users"][0]["template_overrides"]
    );
    assert!(walk.run("result").contains("p-17"));
}
