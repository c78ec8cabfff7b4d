//! Runs `cohort` and keeps what it says.

use std::io::Write;
use std::process::{Command, Stdio};

pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary with these arguments and this standard input, in an environment that says
/// nothing about Cohort.
pub(crate) fn cohort(arguments: &[&str], input: &str) -> Finished {
    cohort_with(arguments, &[], input)
}

/// The same with these environment variables.
pub(crate) fn cohort_with(
    arguments: &[&str],
    environment: &[(String, String)],
    input: &str,
) -> Finished {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cohort"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is built");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    // A program that refuses its arguments does not read; only its answer counts.
    drop(writing.join().expect("no panic"));
    Finished {
        code: output.status.code().unwrap_or_else(|| {
            panic!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr))
        }),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}
