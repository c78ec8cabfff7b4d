//! One connection: bytes in both directions, until a fault or an end.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio_util::sync::CancellationToken;

use crate::fault::Fault;
use crate::state::{State, lock};

const PIECE: usize = 64 * 1024;

/// A connection that has been accepted, with what was to be done to it then.
pub(crate) struct Connection {
    state: Arc<Mutex<State>>,
    upstream: SocketAddr,
    fault: Fault,
    reset: CancellationToken,
    silence: CancellationToken,
    end: CancellationToken,
}

/// How a connection ends.
enum Ending {
    Closed,
    Reset,
    Silenced,
    Garbled(Vec<u8>),
}

/// What goes one way.
struct Way {
    state: Arc<Mutex<State>>,
    is_answer: bool,
    /// The fault under which `passed` is counted.
    number: u64,
    /// Bytes that have passed since.
    passed: usize,
}

impl Connection {
    pub(crate) fn new(state: Arc<Mutex<State>>, end: CancellationToken) -> Self {
        let (upstream, fault, reset, silence) = {
            let state = lock(&state);
            (state.upstream, state.fault.clone(), state.reset.clone(), state.silence.clone())
        };
        Self { state, upstream, fault, reset, silence, end }
    }

    pub(crate) async fn run(self, mut client: TcpStream) {
        let ending = tokio::select! {
            () = self.end.cancelled() => Ending::Reset,
            () = self.reset.cancelled() => Ending::Reset,
            () = self.silence.cancelled() => Ending::Silenced,
            ending = self.pass(&mut client) => ending.unwrap_or(Ending::Reset),
        };
        match ending {
            Ending::Closed => {}
            Ending::Reset => reset(&client),
            Ending::Silenced => self.stay_silent(client).await,
            // A client that is gone needs no answer.
            Ending::Garbled(bytes) => drop(garble(client, &bytes).await),
        }
    }

    async fn pass(&self, client: &mut TcpStream) -> io::Result<Ending> {
        match &self.fault {
            Fault::Refuse => return Ok(Ending::Reset),
            Fault::Silence => return Ok(Ending::Silenced),
            Fault::Garbage(bytes) => {
                client.peek(&mut [0]).await?;
                return Ok(Ending::Garbled(bytes.clone()));
            }
            _ => {}
        }
        let mut server = TcpStream::connect(self.upstream).await?;
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let (requests, answers) = (self.way(false), self.way(true));
        tokio::select! {
            ending = requests.pump(from_client, to_server) => ending,
            ending = answers.pump(from_server, to_client) => ending,
        }
    }

    fn way(&self, is_answer: bool) -> Way {
        Way { state: Arc::clone(&self.state), is_answer, number: 0, passed: 0 }
    }

    /// Takes what comes and sends nothing back, until the client has had enough.
    async fn stay_silent(&self, mut client: TcpStream) {
        let mut piece = vec![0; PIECE];
        let swallowed =
            async { while client.read(&mut piece).await.is_ok_and(|length| length > 0) {} };
        tokio::select! {
            () = swallowed => {}
            () = self.end.cancelled() => {}
        }
    }
}

impl Way {
    async fn pump(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<Ending> {
        let mut piece = vec![0; PIECE];
        loop {
            let length = from.read(&mut piece).await?;
            if length == 0 {
                return Ok(Ending::Closed);
            }
            if let Some(ending) = self.pass(&piece[..length], &mut to).await? {
                return Ok(ending);
            }
        }
    }

    /// Does to a piece what the fault of the moment says.
    async fn pass(&mut self, piece: &[u8], to: &mut WriteHalf<'_>) -> io::Result<Option<Ending>> {
        let (fault, number) = {
            let state = lock(&self.state);
            (state.fault.clone(), state.number)
        };
        if number != self.number {
            (self.number, self.passed) = (number, 0);
        }
        let room = match fault {
            Fault::Refuse => return Ok(Some(Ending::Reset)),
            Fault::Silence => return Ok(Some(Ending::Silenced)),
            Fault::Garbage(bytes) => return Ok(Some(Ending::Garbled(bytes))),
            Fault::Latency(latency) => {
                tokio::time::sleep(latency).await;
                usize::MAX
            }
            Fault::ResetAfter(bytes) if self.is_answer => bytes - self.passed,
            Fault::ResetAfter(_) | Fault::None => usize::MAX,
        };
        let passing = &piece[..piece.len().min(room)];
        to.write_all(passing).await?;
        self.passed += passing.len();
        Ok((passing.len() == room).then_some(Ending::Reset))
    }
}

/// The peer gets RST in place of FIN when the stream is dropped.
fn reset(client: &TcpStream) {
    // Where this fails the peer is gone already.
    let _gone = client.set_zero_linger();
}

/// Sends these bytes and closes, after what the client has sent so far is read: unread bytes would
/// make it a reset.
async fn garble(mut client: TcpStream, bytes: &[u8]) -> io::Result<()> {
    client.write_all(bytes).await?;
    client.shutdown().await?;
    let mut piece = vec![0; PIECE];
    while client.read(&mut piece).await? > 0 {}
    Ok(())
}
