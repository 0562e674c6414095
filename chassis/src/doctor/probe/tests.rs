use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::protocol::{Greeting, Spoken, spoken};
use super::*;
use crate::Lifecycle;
use crate::doctor::surroundings::Surroundings;

const LIMIT: Duration = Duration::from_secs(2);

fn scope(networks: &[&str], contained: bool) -> Scope {
    let networks = networks.iter().map(|text| text.parse().expect("a network"));
    Scope {
        timeout: LIMIT,
        deadline: LIMIT,
        surroundings: Arc::new(Surroundings::of(networks, contained)),
    }
}

/// A server that greets so, and answers so to whatever comes.
async fn server(greeting: &'static [u8], answer: &'static [u8]) -> (SocketAddr, Lifecycle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let lifecycle = Lifecycle::new();
    let tasks = lifecycle.clone();
    lifecycle.spawn_until_stopped(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tasks.spawn_until_stopped(async move {
                let _ = stream.write_all(greeting).await;
                let mut buffer = [0; 512];
                while let Ok(1..) = stream.read(&mut buffer).await {
                    if answer.is_empty() || stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, lifecycle)
}

async fn verdicts(host: &str, port: u16, scope: &Scope) -> Vec<Verdict> {
    let reached = reach(&Server::new("orders", host, port), scope).await;
    reached.findings.iter().map(|finding| finding.verdict).collect()
}

async fn closed() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address").port()
}

#[tokio::test]
async fn where_a_closed_port_lies_says_why_it_is_closed() {
    let port = closed().await;
    assert_eq!(
        verdicts("127.0.0.1", port, &scope(&[], false)).await,
        [Verdict::Ok, Verdict::Refused]
    );
    assert_eq!(
        verdicts("localhost", port, &scope(&[], true)).await,
        [Verdict::LoopbackInContainer, Verdict::Refused]
    );
    assert_eq!(
        verdicts("0.0.0.0", port, &scope(&[], false)).await,
        [Verdict::AddressUnusable, Verdict::Refused]
    );
}

#[tokio::test]
async fn an_open_port_on_loopback_is_fine_in_a_container_too() {
    let (address, _lifecycle) = server(b"", b"x").await;
    let host = address.ip().to_string();
    assert_eq!(
        verdicts(&host, address.port(), &scope(&[], true)).await,
        [Verdict::Ok, Verdict::Ok]
    );
}

/// Loopback is taken before networks are looked at, so what works is asked by the function behind.
#[test]
fn an_address_of_a_container_is_a_warning_where_it_works_and_a_fault_where_not() {
    let scope = scope(&["kind=10.99.0.0/16"], false);
    let at = |address: &str| SocketAddr::new(address.parse().expect("an address"), 1);
    let of = |(verdict, network): (Verdict, Option<String>)| (verdict, network.unwrap_or_default());
    let network = "kind (10.99.0.0/16)".to_owned();
    assert_eq!(
        of(of_place_that_works(&scope, at("10.99.0.7"))),
        (Verdict::ContainerAddress, network.clone())
    );
    assert_eq!(
        of(of_place_that_fails(&scope, at("10.99.0.7"))),
        (Verdict::ContainerUnreachable, network.clone())
    );
    assert_eq!(
        of(of_place_that_works(&scope, at("10.99.0.1"))),
        (Verdict::GatewayAddress, network.clone())
    );
    assert_eq!(
        of(of_place_that_fails(&scope, at("10.99.0.1"))),
        (Verdict::GatewayUnreachable, network)
    );
    // What is only likely is no reason to warn of what works.
    assert_eq!(of_place_that_works(&scope, at("172.20.0.15")).0, Verdict::Ok);
    assert_eq!(
        of_place_that_fails(&scope, at("172.20.0.15")).0,
        Verdict::ContainerUnreachable
    );
}

#[tokio::test]
async fn a_firewall_command_names_the_network_that_is_there() {
    let port = closed().await;
    let server = Server::new("orders", "127.0.0.1", port);
    let reached = reach(&server, &scope(&["kind=10.99.0.0/16"], false)).await;
    let finding = Finding {
        verdict: Verdict::TimedOut,
        ..reached.findings[1].clone()
    };
    let expected = format!("from 10.99.0.0/16 to any port {port} proto tcp");
    assert!(finding.mend().contains(&expected), "{}", finding.mend());
}

#[test]
fn resolvers_say_by_their_words_whether_a_name_is_there() {
    let verdict = |text: &str| of_look_up(&io::Error::other(text.to_owned()));
    let failed = "failed to lookup address information: ";
    for (text, expected) in [
        // glibc and musl.
        ("Name or service not known", Verdict::NameNotFound),
        ("Name does not resolve", Verdict::NameNotFound),
        ("No address associated with hostname", Verdict::NameNotFound),
        ("Temporary failure in name resolution", Verdict::LookUpFailed),
        ("Try again", Verdict::LookUpFailed),
        (
            "Non-recoverable failure in name resolution",
            Verdict::LookUpFailed,
        ),
    ] {
        assert_eq!(verdict(&format!("{failed}{text}")), expected, "{text}");
    }
}

#[test]
fn each_error_of_the_system_has_its_verdict() {
    use io::ErrorKind as Kind;
    for (kind, expected) in [
        (Kind::ConnectionRefused, Verdict::Refused),
        (Kind::HostUnreachable, Verdict::Unreachable),
        (Kind::NetworkUnreachable, Verdict::Unreachable),
        (Kind::PermissionDenied, Verdict::NotPermitted),
        (Kind::ConnectionReset, Verdict::Closed),
        (Kind::TimedOut, Verdict::TimedOut),
        (Kind::AddrNotAvailable, Verdict::AddressUnusable),
    ] {
        assert_eq!(of_io(&kind.into()), expected, "{kind:?}");
    }
}

#[tokio::test]
async fn what_answers_is_known_by_its_first_bytes() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let nginx = b"HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent to HTTPS port";
    let mysql = b"\x4a\0\0\0\x0a8.0.36\0";
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    for (greeting, answer, expected) in [
        (&b""[..], &answer[..], Spoken::Http1),
        (b"", nginx, Spoken::Tls),
        (b"", b"\x15\x03\x01\0\x02\x02\x46", Spoken::Tls),
        (mysql, b"", Spoken::Greeting(Greeting::Mysql)),
        (b"SSH-2.0-x\r\n", b"", Spoken::Greeting(Greeting::Ssh)),
        (b"220 mail\r\n", b"", Spoken::Greeting(Greeting::Other)),
        (b"", settings, Spoken::Http2),
        (b"", b"nonsense", Spoken::Other),
        (b"", b"", Spoken::HangsUp),
    ] {
        let (address, _lifecycle) = server(greeting, answer).await;
        assert_eq!(
            spoken(address, LIMIT).await,
            expected,
            "{}",
            answer.escape_ascii()
        );
    }
    // The system takes the connection, and nobody reads.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address");
    assert_eq!(spoken(address, Duration::from_millis(500)).await, Spoken::Nothing);
}
