//! An upstream that writes down what it is asked, and is no facade.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What it does when it has read a request. It always says that it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// 200, with nothing.
    Answers,
    /// It closes the connection.
    HangsUp,
}

/// It ends with this value.
pub(super) struct Upstream {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Upstream {
    pub(super) async fn start(then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let mut task = JoinSet::new();
        let written = Arc::clone(&heads);
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(take(connection, then, Arc::clone(&written)));
            }
        });
        Self {
            address,
            heads,
            _task: task,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The heads of the requests so far that begin like this.
    pub(super) fn requests(&self, start: &str) -> Vec<String> {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads
            .iter()
            .filter(|head| head.starts_with(start))
            .cloned()
            .collect()
    }
}

/// One request of a connection. What it can't read or write is a connection that the other side has closed.
async fn take(connection: TcpStream, then: Then, heads: Arc<Mutex<Vec<String>>>) {
    let mut connection = BufReader::new(connection);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if !matches!(connection.read_line(&mut head).await, Ok(1..)) {
            return;
        }
    }
    let probe = head.starts_with("GET /readyz ") || head.starts_with("GET /livez ");
    heads.lock().unwrap_or_else(PoisonError::into_inner).push(head);
    if probe || then == Then::Answers {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        if connection.write_all(answer).await.is_ok() {
            let _ = connection.shutdown().await;
        }
    }
}
