//! The environment: read here, once, and nowhere else.

mod environment;
mod settings;
mod values;

pub(crate) use self::environment::{Environment, program, secret};
pub(crate) use self::settings::Setting;
