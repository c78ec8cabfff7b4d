//! How a command fails: what is said on standard error, and the exit code.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

/// Wrong usage or input: the command ends with 2 instead of 1.
#[derive(Debug)]
struct WrongInput(String);

impl fmt::Display for WrongInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for WrongInput {}

/// Returns an error that blames what the user wrote, so that the command ends with 2.
pub(crate) fn wrong_input(text: impl Into<String>) -> anyhow::Error {
    WrongInput(text.into()).into()
}

/// Returns an error that blames what the user wrote, with all causes of `error` in one text.
pub(crate) fn wrong_input_with_causes(error: &dyn Error) -> anyhow::Error {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    wrong_input(text)
}

/// Returns whether an error blames what the user wrote, so that trying again is in vain.
pub(crate) fn is_wrong_input(error: &anyhow::Error) -> bool {
    error.is::<WrongInput>()
}

/// Two things were compared and differ, which has been shown: the command ends with 1 and says no
/// more, as `diff` does.
#[derive(Debug)]
pub(crate) struct Differs;

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("they differ")
    }
}

impl Error for Differs {}

/// Something is not well, which has been shown: the command ends with 1 and says no more.
#[derive(Debug)]
pub(crate) struct NotWell;

impl fmt::Display for NotWell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not all is well")
    }
}

impl Error for NotWell {}

/// Prints what failed and why on standard error, and returns the exit code.
///
/// A reader that closed standard output (`cohort next | head`) has seen enough: that is no failure.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if is_closed_output(error) {
        return ExitCode::SUCCESS;
    }
    if error.is::<Differs>() || error.is::<NotWell>() {
        return ExitCode::FAILURE;
    }
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    ExitCode::from(if is_wrong_input(error) { 2 } else { 1 })
}

fn is_closed_output(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
