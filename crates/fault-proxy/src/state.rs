//! What a proxy's connections look at, and how a test changes it.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};

use tokio_util::sync::CancellationToken;

use crate::fault::Fault;

/// What connections look at.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) upstream: SocketAddr,
    pub(crate) fault: Fault,
    /// Grows with each fault, so that a connection knows when to count anew.
    pub(crate) number: u64,
    /// Cancelled when the connections that are open are to be reset.
    pub(crate) reset: CancellationToken,
    /// Cancelled when the connections that are open are to carry nothing any more.
    pub(crate) silence: CancellationToken,
}

impl State {
    /// Nothing is wrong with the way to this server.
    pub(crate) fn before(upstream: SocketAddr) -> Self {
        let (reset, silence) = (CancellationToken::new(), CancellationToken::new());
        Self { upstream, fault: Fault::None, number: 0, reset, silence }
    }

    pub(crate) fn set(&mut self, fault: Fault) {
        match fault {
            Fault::Refuse => self.reset_open(),
            Fault::Silence => self.silence_open(),
            _ => {}
        }
        self.fault = fault;
        self.number += 1;
    }

    pub(crate) fn reset_open(&mut self) {
        self.reset.cancel();
        self.reset = CancellationToken::new();
    }

    fn silence_open(&mut self) {
        self.silence.cancel();
        self.silence = CancellationToken::new();
    }
}

pub(crate) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("the state is changed by code that does not panic")
}
