//! `cohort tenants`: the users, with everything that is kept of one (W3, W8).

mod erase;
mod history;
mod link;
mod list;
mod paged_table;
mod show;
mod tenant;

use clap::Subcommand;

use crate::config::Environment;
use crate::output::Output;

pub(super) const EXAMPLE: &str = "Example:
  cohort tenants history user123 --data ./data";

/// Look at users, erase one, or give one a link to their own preferences
#[derive(Subcommand)]
pub(crate) enum Tenants {
    List(list::List),
    Show(show::Show),
    History(history::History),
    Erase(erase::Erase),
    Link(link::Link),
}

impl Tenants {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.run(environment, output).await,
            Self::Show(show) => show.run(environment, output).await,
            Self::History(history) => history.run(environment, output).await,
            Self::Erase(erase) => erase.run(environment, output).await,
            Self::Link(link) => link.run(environment, output).await,
        }
    }
}
