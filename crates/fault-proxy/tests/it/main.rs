//! The proxy before a server that sends back what it is sent.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use cohort_fault_proxy::{Fault, FaultProxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn proxy_before_an_echo() -> FaultProxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    FaultProxy::before(address).expect("a free port")
}

async fn connect(proxy: &FaultProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.expect("it listens")
}

/// Sends a text and reads as much as it is long, or as much as comes.
async fn echo(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes()).await?;
    let mut answer = vec![0; text.len()];
    let mut length = 0;
    while length < answer.len() {
        match stream.read(&mut answer[length..]).await? {
            0 => break,
            more => length += more,
        }
    }
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[tokio::test]
async fn bytes_pass_and_connections_are_counted() {
    let proxy = proxy_before_an_echo().await;
    let mut stream = connect(&proxy).await;
    assert_eq!(echo(&mut stream, "hello").await.expect("echoed"), "hello");
    proxy.has_accepted(1).await;
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn refused_connections_are_refused_by_the_kernel_and_the_port_is_kept() {
    let proxy = proxy_before_an_echo().await;
    let mut stream = connect(&proxy).await;
    assert_eq!(echo(&mut stream, "hello").await.expect("echoed"), "hello");
    proxy.set(Fault::Refuse).await;
    assert!(echo(&mut stream, "x").await.is_err(), "open ones are reset");
    let error = TcpStream::connect(proxy.address()).await.expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    proxy.set(Fault::None).await;
    assert_eq!(echo(&mut connect(&proxy).await, "back").await.expect("echoed"), "back");
}

#[tokio::test]
async fn a_connection_is_reset_after_the_bytes_that_were_said() {
    let proxy = proxy_before_an_echo().await;
    let mut stream = connect(&proxy).await;
    assert_eq!(echo(&mut stream, "before").await.expect("echoed"), "before");
    proxy.set(Fault::ResetAfter(3)).await;
    stream.write_all(b"hello").await.expect("sends");
    let mut came = Vec::new();
    let error = stream.read_to_end(&mut came).await.expect_err("a reset");
    assert_eq!((came.as_slice(), error.kind()), (b"hel".as_slice(), ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_silenced_connection_stays_open_and_silent_when_the_fault_is_gone() {
    let proxy = proxy_before_an_echo().await;
    let mut stream = connect(&proxy).await;
    assert_eq!(echo(&mut stream, "hello").await.expect("echoed"), "hello");
    proxy.set(Fault::Silence).await;
    let mut accepted_and_never_answered = connect(&proxy).await;
    proxy.has_accepted(2).await;
    proxy.set(Fault::None).await;
    assert_eq!(echo(&mut connect(&proxy).await, "new").await.expect("echoed"), "new");
    for stream in [&mut stream, &mut accepted_and_never_answered] {
        let answered =
            tokio::time::timeout(Duration::from_millis(50), echo(stream, "anybody?")).await;
        answered.expect_err("nothing comes, not even an end");
    }
}

#[tokio::test]
async fn garbage_comes_in_place_of_an_answer() {
    let proxy = proxy_before_an_echo().await;
    let mut open = connect(&proxy).await;
    assert_eq!(echo(&mut open, "hello").await.expect("echoed"), "hello");
    proxy.set(Fault::Garbage(b"<html>".to_vec())).await;
    for mut stream in [open, connect(&proxy).await] {
        stream.write_all(b"hello").await.expect("sends");
        let mut came = Vec::new();
        stream.read_to_end(&mut came).await.expect("an end");
        assert_eq!(came, b"<html>");
    }
}

#[tokio::test]
async fn latency_holds_in_both_directions() {
    let proxy = proxy_before_an_echo().await;
    proxy.set(Fault::Latency(Duration::from_millis(30))).await;
    let began = Instant::now();
    assert_eq!(echo(&mut connect(&proxy).await, "hello").await.expect("echoed"), "hello");
    assert!(began.elapsed() >= Duration::from_millis(60), "{:?}", began.elapsed());
}

#[tokio::test]
async fn open_connections_can_be_reset_without_a_fault_for_new_ones() {
    let proxy = proxy_before_an_echo().await;
    let mut stream = connect(&proxy).await;
    assert_eq!(echo(&mut stream, "hello").await.expect("echoed"), "hello");
    proxy.reset_open_connections();
    let error = stream.read(&mut [0]).await.expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(echo(&mut connect(&proxy).await, "new").await.expect("echoed"), "new");
}

#[tokio::test]
async fn new_connections_go_where_the_server_has_gone() {
    let (here, there) = (proxy_before_an_echo().await, proxy_before_an_echo().await);
    here.go_to(there.address());
    assert_eq!(echo(&mut connect(&here).await, "hello").await.expect("echoed"), "hello");
    assert_eq!(there.accepted(), 1);
}
