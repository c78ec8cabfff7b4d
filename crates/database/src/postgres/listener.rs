//! Hears what others send by `NOTIFY`, over a connection that is made anew whenever it breaks.
//!
//! A notification is a hint and never the news itself: those that are sent while the connection is
//! down are lost, and of several that come together only the last is seen. Who is woken reads the
//! database.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use futures_util::future::poll_fn;
use tokio::sync::watch;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Connection, Socket};

use super::limits::INTERACTIVE;
use super::server::Server;
use super::tls::Tls;
use crate::error::DatabaseError;
use crate::heard::Heard;

type Socketed = Connection<Socket, <Tls as MakeTlsConnect<Socket>>::Stream>;

/// How often a connection that only listens asks whether the server is there.
const PROBE_EVERY: Duration = Duration::from_secs(15);

/// A connection on which `LISTEN` stands.
struct Listening {
    /// The connection lasts as long as its client.
    client: Client,
    connection: Socketed,
}

pub(super) async fn listen(
    server: Arc<Server>,
    channel: &str,
) -> Result<watch::Receiver<Heard>, DatabaseError> {
    let listening = start(&server, channel).await?;
    let (told, heard) = watch::channel(Heard { payload: None, connections: 1 });
    tokio::spawn(keep_hearing(server, channel.to_owned(), listening, told));
    Ok(heard)
}

/// Ends when nobody listens any more.
async fn keep_hearing(
    server: Arc<Server>,
    channel: String,
    mut listening: Listening,
    told: watch::Sender<Heard>,
) {
    loop {
        tokio::select! {
            () = hear(&mut listening, &told) => {}
            () = told.closed() => return,
        }
        listening = tokio::select! {
            listening = start_again(&server, &channel) => listening,
            () = told.closed() => return,
        };
        told.send_modify(|heard| heard.connections += 1);
    }
}

/// Passes on what comes, until the connection breaks or the server does not answer any more.
async fn hear(listening: &mut Listening, told: &watch::Sender<Heard>) {
    let Listening { client, connection } = listening;
    let mut silence = pin!(until_silent(client));
    loop {
        let message = tokio::select! {
            message = poll_fn(|context| connection.poll_message(context)) => message,
            () = &mut silence => {
                tracing::warn!("the connection that listens to the database is dead");
                return;
            }
        };
        match message {
            Some(Ok(AsyncMessage::Notification(note))) => {
                told.send_modify(|heard| heard.payload = Some(note.payload().to_owned()));
            }
            Some(Ok(_notice)) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, "the connection that listens to the database broke");
                return;
            }
            None => return,
        }
    }
}

/// Asks the server now and then whether it is there, and returns once it does not answer: a
/// listener sends nothing by itself, and would wait for ever for a peer that has gone.
async fn until_silent(client: &Client) {
    loop {
        tokio::time::sleep(PROBE_EVERY).await;
        let asked = tokio::time::timeout(INTERACTIVE, client.batch_execute("")).await;
        if !matches!(asked, Ok(Ok(()))) {
            return;
        }
    }
}

async fn start_again(server: &Server, channel: &str) -> Listening {
    let backoff = ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter()
        .without_max_times();
    let attempt = || start(server, channel);
    let started = attempt
        .retry(backoff)
        .notify(|error, _pause| tracing::warn!(%error, "listening to the database again"))
        .await;
    started.expect("an unlimited number of attempts ends with success only")
}

async fn start(server: &Server, channel: &str) -> Result<Listening, DatabaseError> {
    let (client, mut connection) =
        server.reached(server.config.connect(server.tls.clone())).await?;
    let listen = format!("LISTEN \"{}\"", channel.replace('"', "\"\""));
    // The connection does nothing by itself, so it is driven until the statement has its answer.
    tokio::select! {
        listening = client.batch_execute(&listen) => listening?,
        () = drive(&mut connection) => return Err(DatabaseError::Closed),
        () = tokio::time::sleep(INTERACTIVE) => return Err(server.no_answer(INTERACTIVE)),
    }
    Ok(Listening { client, connection })
}

/// Lets the connection work until it breaks. What is heard meanwhile is dropped: who listens has
/// yet to read the database.
async fn drive(connection: &mut Socketed) {
    while let Some(Ok(_message)) = poll_fn(|context| connection.poll_message(context)).await {}
}
