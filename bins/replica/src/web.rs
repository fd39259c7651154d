//! Short answers over HTTP, on an address that must be asked for.
//!
//! **Invariants**
//! - *Nobody holds others up*: connections are served beside one another.
//! - *Bounded*: so many connections at once, each for so long; others wait in the system's queue, which is short.
//!
//! **Absent**: authentication, so listen where only those can reach you who ought to; and requests with content.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Connections that are served at once.
const CONNECTIONS_MAX: usize = 64;
/// How long a request may take to come.
const HEAD_PATIENCE: Duration = Duration::from_secs(2);
/// How long a connection may take, its answer included.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a request; no scraper sends more.
const REQUEST_BYTES_MAX: usize = 8192;

/// What is answered.
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The type of the content.
    pub kind: &'static str,
    /// The content.
    pub body: String,
}

impl Answer {
    /// A line of plain text.
    pub fn text(status: u16, line: &str) -> Answer {
        Answer { status, kind: "text/plain; charset=utf-8", body: format!("{line}\n") }
    }
}

/// Serves what `answer` says of a path, from a thread of its own, for as long as the process lives; tells where.
///
/// # Errors
/// When there is no thread for it, or nothing that waits for connections.
pub fn serve(
    listener: TcpListener,
    answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _guard = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let serve = move || runtime.block_on(accept(listener, Arc::new(answer)));
    std::thread::Builder::new().name("metrics".into()).spawn(serve)?;
    Ok(address)
}

async fn accept<F>(listener: tokio::net::TcpListener, answer: Arc<F>)
where
    F: Fn(&str) -> Answer + Send + Sync + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // Never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // No descriptor is left, say: that passes.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            let answers = service_fn(move |request: Request<Incoming>| {
                let response = respond(&request, &*answer);
                async { Ok::<_, Infallible>(response) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
            server.max_buf_size(REQUEST_BYTES_MAX).keep_alive(false);
            let connection = server.serve_connection(TokioIo::new(stream), answers);
            // Whoever hangs up, or takes too long, gets nothing.
            let _ = timeout(PATIENCE, connection).await;
            drop(place);
        });
    }
}

/// To `HEAD` the content is not sent.
fn respond(request: &Request<Incoming>, answer: &impl Fn(&str) -> Answer) -> Response<Full<Bytes>> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let Answer { status, kind, body } = match is_read {
        true => answer(request.uri().path()),
        false => Answer::text(405, "only GET and HEAD are served"),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind.parse().expect("a type of content"));
    if !is_read {
        headers.insert(ALLOW, "GET, HEAD".parse().expect("a list of methods"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Instant;

    fn served() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        serve(listener, |path| match path {
            "/a" => Answer::text(200, "yes"),
            _ => Answer::text(404, "no"),
        })
        .unwrap()
    }

    fn asks(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn get_and_head_are_answered_and_others_are_told_so() {
        let address = served();
        let ask = |line: &str| asks(address, &format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let got = ask("GET /a?b=c");
        assert!(got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with("\r\n\r\nyes\n"), "{got}");
        assert!(got.to_lowercase().contains("content-length: 4"), "{got}");
        let head = ask("HEAD /a");
        assert!(head.to_lowercase().contains("content-length: 4") && head.ends_with("\r\n\r\n"));
        assert!(ask("GET /b").starts_with("HTTP/1.1 404 "));
        assert!(ask("POST /a").starts_with("HTTP/1.1 405 "));
        assert!(asks(address, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
    }

    #[test]
    fn whoever_says_nothing_or_too_much_holds_nobody_up() {
        let address = served();
        let _silent: Vec<TcpStream> =
            (0..CONNECTIONS_MAX - 2).map(|_| TcpStream::connect(address).unwrap()).collect();
        let mut endless = TcpStream::connect(address).unwrap();
        // It may be hung up on while it is still writing.
        let _ = endless.write_all(&[b'x'; 4 * REQUEST_BYTES_MAX]);
        let started = Instant::now();
        let answer = asks(address, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 "));
        assert!(started.elapsed() < HEAD_PATIENCE, "{:?}", started.elapsed());
        // More than there are places: others are hung up on, and make room.
        let _more: Vec<TcpStream> =
            (0..2 * CONNECTIONS_MAX).map(|_| TcpStream::connect(address).unwrap()).collect();
        let answer = asks(address, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 "));
    }
}
