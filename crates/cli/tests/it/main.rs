//! The real binary, as a shell runs it.

mod folder;
mod next;
mod program;
mod service;
