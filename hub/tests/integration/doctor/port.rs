//! Names that do not resolve, ports that are closed, silent, or somebody else's.

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Duration, timeout};

use super::Report;
use crate::fake::{Fake, Reply};

#[tokio::test]
async fn a_closed_port_is_refused() {
    let report = Report::of(&["--node-port", "127.0.0.1:1"], &[]).await;
    let finding = report.finds("node-port", "refused");
    assert_eq!(finding["subject"], "NodePort: 127.0.0.1:1");
    let mend = finding["mend"].as_str().expect("a mend");
    assert!(mend.contains("publish port 1 "), "{mend}");
}

#[tokio::test]
async fn a_silent_port_times_out() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a port");
    let listener = socket.listen(0).expect("a listener");
    let address = listener.local_addr().expect("an address");
    // Nobody takes them: when its queue is full, the kernel drops what comes, as a firewall does.
    let mut waiting = vec![];
    while let Ok(stream) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        waiting.push(stream.expect("a place in the queue"));
    }
    let report = Report::of(&["--service", &address.to_string()], &[]).await;
    let finding = report.finds("service", "timed-out");
    let mend = finding["mend"].as_str().expect("a mend");
    assert!(
        mend.contains(&format!("to any port {} proto tcp", address.port())),
        "{mend}"
    );
}

#[tokio::test]
async fn a_name_that_is_not_there_is_none() {
    let report = Report::of(&["--service", "mcp-hub-service.invalid:8000"], &[]).await;
    // A machine whose resolver reaches nobody can't know it.
    let found = report.json["findings"].as_array().expect("findings").iter();
    let names = ["name-not-found", "look-up-failed"];
    let count = found
        .filter(|finding| names.iter().any(|name| finding["verdict"] == *name))
        .count();
    assert_eq!(count, 1, "{}", report.all());
    report.finds("service", "skipped");
}

#[tokio::test]
async fn what_hangs_up_or_speaks_something_else_is_told_from_a_facade() {
    let closing = Fake::start(|_| Reply::HangUp).await;
    let report = Report::of(&["--service", super::authority(&closing.url)], &[]).await;
    report.finds("service", "closed");

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move {
        let mut taken = vec![];
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await;
            taken.push(stream);
        }
    });
    let report = Report::of(&["--service", &address], &[]).await;
    let finding = report.finds("service", "wrong-protocol");
    assert_eq!(finding["detail"], "SSH answers");
}
