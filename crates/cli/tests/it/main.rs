//! The real binary, as a shell runs it.

mod next;
mod program;
