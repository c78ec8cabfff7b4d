//! A TCP proxy for tests: stands before a server, and does to its connections what networks do.
//!
//! ```text
//! client ─► FaultProxy (127.0.0.1, a free port) ─► server
//!               ▲
//!               └── set(Fault::…) at any time, by the test
//! ```
//!
//! A fault holds from the moment at which [`FaultProxy::set`] returns, for open connections and for
//! new ones, until the next is set. A connection that was reset or silenced stays so: only new
//! connections find the fault gone. A connection is new when the proxy accepts it, which
//! [`FaultProxy::has_accepted`] waits for. While connections are refused the proxy keeps its port,
//! so that nobody else can get it.
//!
//! It knows nothing of HTTP: bytes in, bytes out. It listens on loopback only and ends when it is
//! dropped, with every connection.

mod connection;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::connection::Connection;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// What is done to connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: bytes pass.
    None,
    /// Connections are refused; open ones are reset.
    Refuse,
    /// A connection is reset after so many bytes of the server's answers, counted from now or from
    /// its beginning.
    ResetAfter(usize),
    /// Each piece of data waits so long, in both directions.
    Latency(Duration),
    /// Open connections stay open and carry nothing any more; new ones are accepted and never
    /// answered.
    Silence,
    /// Whoever sends or is sent something gets these bytes in place of an answer, and then the end
    /// of the connection. The server is not asked.
    Garbage(Vec<u8>),
}

/// A proxy before one server; see the crate's description.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    relisten: mpsc::UnboundedSender<oneshot::Sender<()>>,
    accepted: watch::Receiver<usize>,
    _ends_everything: DropGuard,
}

/// What connections look at.
#[derive(Debug)]
struct State {
    upstream: SocketAddr,
    fault: Fault,
    /// Grows with each fault, so that a connection knows when to count anew.
    number: u64,
    /// Cancelled when the connections that are open are to be reset.
    reset: CancellationToken,
    /// Cancelled when the connections that are open are to carry nothing any more.
    silence: CancellationToken,
}

impl FaultProxy {
    /// Begins to listen before the server at `upstream`, without a fault. To be called within a
    /// tokio runtime.
    pub fn before(upstream: SocketAddr) -> io::Result<Self> {
        // Holds the port also while nobody listens on it; nothing more is done with it.
        let port_holder = socket_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = port_holder.local_addr()?;
        let end = CancellationToken::new();
        let (reset, silence) = (CancellationToken::new(), CancellationToken::new());
        let state =
            Arc::new(Mutex::new(State { upstream, fault: Fault::None, number: 0, reset, silence }));
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

    /// From when this returns on, the fault holds in place of the one before.
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

impl State {
    fn set(&mut self, fault: Fault) {
        match fault {
            Fault::Refuse => self.reset_open(),
            Fault::Silence => self.silence_open(),
            _ => {}
        }
        self.fault = fault;
        self.number += 1;
    }

    fn reset_open(&mut self) {
        self.reset.cancel();
        self.reset = CancellationToken::new();
    }

    fn silence_open(&mut self) {
        self.silence.cancel();
        self.silence = CancellationToken::new();
    }
}

/// The task that accepts connections.
struct Listening {
    address: SocketAddr,
    _port_holder: TcpSocket,
    state: Arc<Mutex<State>>,
    count: watch::Sender<usize>,
    end: CancellationToken,
}

impl Listening {
    async fn run(
        self,
        listener: TcpListener,
        mut orders: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    ) {
        let mut listener = Some(listener);
        loop {
            tokio::select! {
                () = self.end.cancelled() => return,
                order = orders.recv() => {
                    let Some(done) = order else { return };
                    listener = self.listen_unless_refusing(listener);
                    // Whoever set the fault may have gone away meanwhile.
                    let _gone = done.send(());
                }
                accepted = accept(listener.as_ref()) => self.serve(accepted),
            }
        }
    }

    fn listen_unless_refusing(&self, listener: Option<TcpListener>) -> Option<TcpListener> {
        let is_refusing = lock(&self.state).fault == Fault::Refuse;
        match listener {
            _ if is_refusing => None,
            Some(listener) => Some(listener),
            None => Some(self.listen().expect("the port was held")),
        }
    }

    fn listen(&self) -> io::Result<TcpListener> {
        socket_at(self.address)?.listen(BACKLOG)
    }

    fn serve(&self, client: TcpStream) {
        let connection = Connection::new(Arc::clone(&self.state), self.end.clone());
        self.count.send_modify(|count| *count += 1);
        tokio::spawn(connection.run(client));
    }
}

/// The next connection; never where nobody listens.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    loop {
        match listener {
            None => std::future::pending().await,
            // A client that is gone before it is accepted is nobody's concern.
            Some(listener) => {
                if let Ok((client, _)) = listener.accept().await {
                    return client;
                }
            }
        }
    }
}

/// A socket that shares its port with others of this proxy.
fn socket_at(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("the state is changed by code that does not panic")
}
