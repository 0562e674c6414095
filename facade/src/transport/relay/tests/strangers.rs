//! Who has none of the keys: learns nothing, gets nowhere, and is in nobody's way.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::*;

/// What a server says to whoever begins with `bytes`, until it hangs up.
async fn says(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may hang up before all has been written, or read.
    let _ = stream.write_all(bytes).await;
    let mut said = vec![];
    let _ = timeout(SOON, stream.read_to_end(&mut said))
        .await
        .expect("it hangs up");
    said
}

#[tokio::test]
async fn what_is_no_tls_is_told_no_more_than_an_alert() {
    let keys = Changeable::of(&[1]);
    let replica = Replica::start(&keys).await;
    for bytes in [
        &b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"\x16\x03\x01\xff\xff",
        b"SSH-2.0-scanner\r\n",
        &vec![0; 70_000],
    ] {
        let said = says(replica.address, bytes).await;
        // Nothing, or an alert of TLS: 5 bytes of a record's header and 2 of the alert.
        assert!(said.is_empty() || (said.len() == 7 && said[0] == 21), "{said:?}");
    }
}

#[tokio::test]
async fn who_is_slow_is_cut_off() {
    let keys = Changeable::of(&[1]);
    let replica = Replica::start(&keys).await;
    let start = Instant::now();
    let slow = [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01"];
    let said = join_all(slow.map(|bytes| says(replica.address, bytes))).await;
    assert_eq!(said, [b""; 3]);
    let elapsed = start.elapsed();
    assert!(
        elapsed > Duration::from_millis(900) && elapsed < Duration::from_secs(3),
        "{elapsed:?}"
    );
}

#[tokio::test]
async fn another_key_gets_no_answer_in_either_direction() {
    let (ours, theirs) = (Changeable::of(&[1]), Changeable::of(&[2]));
    let replica = Replica::start(&theirs).await;
    let relay = relay_to(replica.address, &ours);
    assert_eq!(
        relay.deliver(replica.address, message("x")).await,
        Err(Failure::Gone)
    );
    // A key that only one side knows. In the second case it is ours, and only the other end can tell: nothing may have left before
    // it has said so.
    for (ours_now, theirs_now) in [(&[1][..], &[2, 1][..]), (&[2, 1], &[1])] {
        ours.change(ours_now);
        theirs.change(theirs_now);
        assert_eq!(
            relay.deliver(replica.address, message("x")).await,
            Err(Failure::Gone),
            "{ours_now:?} {theirs_now:?}"
        );
    }
    assert_eq!(replica.taken.len(), 0);
}

#[tokio::test]
async fn ten_thousand_connections_do_not_keep_a_replica_out() {
    let keys = Changeable::of(&[1]);
    let replica = Replica::start(&keys).await;
    let mut open = vec![];
    for number in 1..=10_000 {
        // From an address of its own, as strangers have.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        open.push(socket.connect(replica.address).await.unwrap());
        if number % 100 == 0 {
            // A new relay each time: what has a connection already is not in question.
            let relay = relay_to(replica.address, &keys);
            assert_eq!(relay.deliver(replica.address, message("x")).await, ACCEPTED);
            relay.stop();
        }
        // What the test itself may hold open at the same time.
        if open.len() == 1000 {
            open.clear();
        }
    }
    assert_eq!(replica.taken.len(), 100);
}
