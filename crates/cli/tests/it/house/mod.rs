//! The house rules: what is to stay true of the tree itself.
//!
//! The tests read the sources, the manifests and the documents as text, from the root of the
//! repository, and say file and line of what breaks a rule. Each rule is tried on a small planted
//! tree too, so that a test that can no longer fail is noticed.
//!
//! * [`circles`]: the modules of a crate import each other in one direction.
//! * [`borders`]: which crate may depend on what; where SQL, status codes and the environment are.
//! * [`commands`]: commands that the documents show are taken.
//! * [`documents`]: paths and links that the documents name exist.
//! * [`references`]: the reference pages name every table, metric and variable.
//! * [`shape`]: the width of lines and the length of files.
//! * [`words`]: names that were given up stay away.

mod borders;
mod circles;
mod code;
mod commands;
mod documents;
mod modules;
mod references;
mod shape;
mod tree;
mod words;
