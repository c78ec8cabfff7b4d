//! The real binary, as a shell runs it.

mod account;
mod acknowledged;
mod acts;
mod apart;
mod bad_input;
mod bench;
mod contract;
mod demo;
mod explain;
mod export;
mod folder;
mod house;
mod import;
mod jobs;
mod kill;
mod next;
mod operate;
mod program;
mod service;
mod serving;
mod under_load;
mod walk;
