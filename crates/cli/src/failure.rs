//! How a command fails: what is said on standard error, and the exit code.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// Wrong usage or input: the command ends with 2 instead of 1.
#[derive(Debug)]
pub(crate) struct WrongInput(pub(crate) String);

impl fmt::Display for WrongInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongInput {}

/// Two things were compared and differ, which has been shown: the command ends with 1 and says no
/// more, as `diff` does.
#[derive(Debug)]
pub(crate) struct Differs;

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("they differ")
    }
}

impl std::error::Error for Differs {}

/// Says what failed with its causes, and gives the exit code.
///
/// A reader that closed standard output (`cohort next | head`) has seen enough: that is no failure.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if is_closed_output(error) {
        return ExitCode::SUCCESS;
    }
    if error.is::<Differs>() {
        return ExitCode::FAILURE;
    }
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    ExitCode::from(if error.is::<WrongInput>() { 2 } else { 1 })
}

fn is_closed_output(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
