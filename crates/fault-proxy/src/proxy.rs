//! The proxy as a test holds it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fault::Fault;
use crate::listening::{Listening, socket_at};
use crate::state::{State, lock};

/// A proxy before one server; see the crate's description.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    relisten: mpsc::UnboundedSender<oneshot::Sender<()>>,
    accepted: watch::Receiver<usize>,
    _ends_everything: DropGuard,
}

impl FaultProxy {
    /// Begins to listen before the server at `upstream`, without a fault. To be called within a
    /// tokio runtime.
    pub fn before(upstream: SocketAddr) -> io::Result<Self> {
        // Holds the port also while nobody listens on it; nothing more is done with it.
        let port_holder = socket_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = port_holder.local_addr()?;
        let end = CancellationToken::new();
        let state = Arc::new(Mutex::new(State::before(upstream)));
        let (relisten, orders) = mpsc::unbounded_channel();
        let (count, accepted) = watch::channel(0);
        let listening = Listening {
            address,
            _port_holder: port_holder,
            state: Arc::clone(&state),
            count,
            end: end.clone(),
        };
        let listener = listening.listen()?;
        tokio::spawn(listening.run(listener, orders));
        Ok(Self { address, state, relisten, accepted, _ends_everything: end.drop_guard() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the fault, which holds in place of the one before as soon as this returns.
    pub async fn set(&self, fault: Fault) {
        lock(&self.state).set(fault);
        let (done, is_done) = oneshot::channel();
        self.relisten.send(done).expect("the proxy listens as long as it lives");
        is_done.await.expect("the proxy listens as long as it lives");
    }

    /// Resets the connections that are open, once; new ones pass as the fault says.
    pub fn reset_open_connections(&self) {
        lock(&self.state).reset_open();
    }

    /// From now on new connections go to another server, as after a restart.
    pub fn go_to(&self, upstream: SocketAddr) {
        lock(&self.state).upstream = upstream;
    }

    /// How many connections have been accepted so far.
    pub fn accepted(&self) -> usize {
        *self.accepted.borrow()
    }

    /// Returns once so many connections have been accepted.
    pub async fn has_accepted(&self, connections: usize) {
        let mut accepted = self.accepted.clone();
        accepted
            .wait_for(|count| *count >= connections)
            .await
            .expect("the proxy listens as long as it lives");
    }
}
