//! The task that accepts connections, unless they are to be refused.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::fault::Fault;
use crate::state::{State, lock};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// The task that accepts connections.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    pub(crate) _port_holder: TcpSocket,
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) count: watch::Sender<usize>,
    pub(crate) end: CancellationToken,
}

impl Listening {
    pub(crate) async fn run(
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

    pub(crate) fn listen(&self) -> io::Result<TcpListener> {
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
pub(crate) fn socket_at(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
