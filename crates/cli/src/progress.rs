//! The progress of long work: a bar on standard error, or nothing where that is not a terminal.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often a bar moves although nothing has come.
const TICK: Duration = Duration::from_millis(200);

/// How far a long piece of work is.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shows nothing, wherever standard error goes.
    pub(crate) fn hidden() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    /// Counts things, such as `users`; `total` is how many there are, where that is known.
    pub(crate) fn of_things(unit: &str, total: Option<u64>) -> Self {
        match total {
            Some(_) => Self::start(total, &format!("{{msg}} {{wide_bar}} {{pos}}/{{len}} {unit}")),
            None => Self::start(total, &format!("{{spinner}} {{human_pos}} {unit}, {{per_sec}}")),
        }
    }

    /// Counts bytes of an input of this size, where that is known.
    pub(crate) fn of_bytes(size: Option<u64>) -> Self {
        match size {
            Some(_) => {
                Self::start(size, "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left")
            }
            None => Self::start(size, "{spinner} {bytes}, {bytes_per_sec}"),
        }
    }

    fn start(total: Option<u64>, template: &str) -> Self {
        if !io::stderr().is_terminal() {
            return Self::hidden();
        }
        let style = ProgressStyle::with_template(template).expect("every template is well formed");
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_style(style);
        bar.enable_steady_tick(TICK);
        Self { bar }
    }

    /// Says how much there is in all.
    pub(crate) fn set_total(&self, total: u64) {
        self.bar.set_length(total);
    }

    /// Shows that this much is done.
    pub(crate) fn set(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// Shows what is being done.
    pub(crate) fn set_message(&self, message: impl Into<String>) {
        self.bar.set_message(message.into());
    }

    /// Prints a line on standard error, above the bar.
    pub(crate) fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // Work that failed leaves no bar above its error.
        self.finish();
    }
}
