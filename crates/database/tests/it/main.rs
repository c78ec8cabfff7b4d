//! Both databases, opened as programs of several versions would; PostgreSQL's connections when they
//! break.

mod compatibility;
mod connections;
mod file;
mod frozen;
mod migrations;
