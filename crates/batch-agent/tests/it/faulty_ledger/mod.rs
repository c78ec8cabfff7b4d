//! A ledger and a Config Database that an agent reaches only as fate will have it.
//!
//! ```text
//! agent ─► before the operation ─► ledger ─► after it ─► agent
//!               │ refused: it has failed        │ refused: it is done, and nobody hears of it
//!               │ never let on: dies before     │ never let on: dies after
//! ```
//!
//! An operation of the ledger itself does not yield to the agents' runtime: nobody else moves while
//! it lasts, so that what happens depends on fate alone.

mod at_once;

/// Implements a trait by calling the same functions of what is under fate.
macro_rules! under_fate {
    (
        ($($of:tt)+) in $inner:ident, $error:ty {
            $(fn $name:ident($($argument:ident: $kind:ty),*) -> $returned:ty;)*
        }
        $($also:item)*
    ) => {
        #[async_trait]
        impl $($of)+ {
            $(async fn $name(&self, $($argument: $kind),*) -> Result<$returned, $error> {
                self.under_fate(concat!(stringify!($inner), ".", stringify!($name)),
                    self.$inner.$name($($argument),*)).await
            })*
            $($also)*
        }
    };
}

// After the macro that both use.
mod ledger;
mod source;

use std::any::Any;

use async_trait::async_trait;

pub(crate) use self::at_once::at_once;
pub(crate) use self::ledger::FaultyLedger;
pub(crate) use self::source::FaultySource;

/// Where an agent meets the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) moment: Moment,
    /// What is done there: `ledger.claim_chunks`, `source.members`, `handler.call`.
    pub(crate) operation: &'static str,
    /// Which operation of that part of the world it is for this agent, from 1.
    pub(crate) number: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

/// It does not go on here.
#[derive(Debug)]
pub(crate) struct Refused;

/// Decides what happens at each point.
#[async_trait]
pub(crate) trait Fate: Send + Sync {
    /// Lets the agent on, or refuses it. An agent that is never let on waits until it dies.
    async fn meet(&self, point: Point) -> Result<(), Refused>;

    /// Takes note of what the ledger returned, whether or not the agent hears of it.
    fn overhear(&self, _returned: &dyn Any) {}
}
