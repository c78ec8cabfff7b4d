//! An HTTP server in this process, and the signals that end it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What `--help` says of an address to listen at.
pub(crate) const LISTEN_HELP: &str =
    "Where to listen; port 0 takes a free one [default: COHORT_LISTEN, or 127.0.0.1:8000]";

/// How long open requests may take once the server ends: a client that sends half a request does
/// not keep it from ending.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// An address that is taken, and not served yet.
pub(crate) struct Listening {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// A server at work.
pub(crate) struct HttpServer {
    serving: JoinHandle<std::io::Result<()>>,
    stop: watch::Sender<bool>,
}

impl Listening {
    /// Takes the address; port 0 takes a free one.
    pub(crate) async fn at(listen: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen).await.with_context(|| {
            format!("cannot listen on {listen}; --listen takes another address")
        })?;
        let address = listener.local_addr().context("cannot tell where the server listens")?;
        Ok(Self { listener, address })
    }

    /// Serves these routes until [`HttpServer::stop`].
    pub(crate) fn serve(self, routes: Router) -> HttpServer {
        let (stop, mut stopped) = watch::channel(false);
        let until_stopped = async move { _ = stopped.wait_for(|stopped| *stopped).await };
        let listener = self.listener.tap_io(|connection| {
            // Without it small answers wait for the reader's acknowledgement; a connection that
            // refuses is merely slower.
            let _slower = connection.set_nodelay(true);
        });
        let serving = tokio::spawn(
            axum::serve(listener, routes).with_graceful_shutdown(until_stopped).into_future(),
        );
        HttpServer { serving, stop }
    }
}

impl HttpServer {
    /// Finishes the open requests and closes; after [`LAST_ANSWERS`] it closes in any case.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        let Ok(served) = tokio::time::timeout(LAST_ANSWERS, self.serving).await else {
            tracing::warn!(waited = ?LAST_ANSWERS, "requests that did not end are cut off");
            return Ok(());
        };
        served.context("the HTTP server broke down")?.context("the HTTP server failed")
    }
}

/// The signals that end the program.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let signal = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Starts something, unless a signal comes first: then `None`. A database that hangs does not
    /// keep the program from ending.
    pub(crate) async fn unless_ended<T>(
        &mut self,
        starting: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<Option<T>> {
        tokio::select! {
            started = starting => started.map(Some),
            () = self.next() => Ok(None),
        }
    }

    /// Ends something in good order, unless another signal ends the program at once (F6).
    pub(crate) async fn unless_again(
        &mut self,
        ending: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        tokio::select! {
            ended = ending => ended,
            () = self.next() => anyhow::bail!(
                "stopped at once; work in hand is done again after the next start"
            ),
        }
    }
}
