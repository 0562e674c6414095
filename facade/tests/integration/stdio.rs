//! MCP on a pair of byte streams.

use mcp_hub_facade::upstream::Upstreams;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;

use crate::client::{Served, capabilities, initialize, modern_request, request, serve, within};

/// The client's end.
pub(crate) struct Client {
    pub(crate) reader: BufReader<ReadHalf<DuplexStream>>,
    pub(crate) writer: WriteHalf<DuplexStream>,
    pub(crate) facade: Served,
    served: JoinHandle<std::io::Result<()>>,
}

impl Client {
    async fn start() -> Self {
        Self::of(serve(&[], Upstreams::default()).await)
    }

    /// A client of a facade that runs already.
    pub(crate) fn of(facade: Served) -> Self {
        let (client, ours) = tokio::io::duplex(64 * 1024);
        let served = facade.lifecycle.spawn({
            let facade = facade.facade.clone();
            let (reader, writer) = tokio::io::split(ours);
            async move { facade.serve_stdio(reader, writer).await }
        });
        let (reader, writer) = tokio::io::split(client);
        Self {
            reader: BufReader::new(reader),
            writer,
            facade,
            served,
        }
    }

    /// Sends a message.
    pub(crate) async fn send(&mut self, message: &Value) {
        self.write(format!("{message}\n").as_bytes()).await;
    }

    async fn write(&mut self, line: &[u8]) {
        within(self.writer.write_all(line)).await.expect("writes");
    }

    pub(crate) async fn read(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = within(self.reader.read_line(&mut line)).await.expect("reads");
        (read > 0).then(|| serde_json::from_str(&line).expect("a line of JSON"))
    }

    pub(crate) async fn call(&mut self, message: &Value) -> Value {
        self.send(message).await;
        self.read().await.expect("an answer")
    }
}

#[tokio::test]
async fn each_older_version_is_echoed_and_changes_are_promised() {
    for (asked, answered) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
    ] {
        let mut client = Client::start().await;
        let answer = client.call(&initialize(asked)).await;
        assert_eq!(answer["result"]["protocolVersion"], answered);
        assert_eq!(answer["result"]["capabilities"], capabilities(true));
        client
            .write(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")
            .await;
        assert!(client.call(&request(2, "tools/list", json!({}))).await["result"]["tools"].is_array());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_said_behind_initialize_is_answered_before_it() {
    for round in 0..300 {
        let mut client = Client::start().await;
        let (first, second) = (initialize("2025-06-18"), request(2, "ping", json!({})));
        client.write(format!("{first}\n{second}\n").as_bytes()).await;
        let answers = [client.read().await, client.read().await].map(|answer| answer.expect("an answer"));
        assert!(
            answers[0]["result"]["protocolVersion"].is_string(),
            "round {round}: {answers:?}"
        );
        assert_eq!(answers[1]["id"], 2);
    }
}

#[tokio::test]
async fn the_stateless_era_works_too() {
    let mut client = Client::start().await;
    let answer = client
        .call(&modern_request(1, "server/discover", json!({})))
        .await;
    assert_eq!(answer["result"]["capabilities"], capabilities(true));
    let answer = client.call(&modern_request(2, "tools/list", json!({}))).await;
    assert_eq!(answer["result"]["cacheScope"], "private");
    let listen = modern_request(
        3,
        "subscriptions/listen",
        json!({"notifications": {"toolsListChanged": true}}),
    );
    assert_eq!(
        client.call(&listen).await["method"],
        "notifications/subscriptions/acknowledged"
    );
    // A subscription does not hold what comes after it.
    assert_eq!(
        client.call(&modern_request(4, "tools/list", json!({}))).await["id"],
        4
    );
}

#[tokio::test]
async fn what_is_no_message_gets_an_error_and_the_next_is_served() {
    let mut client = Client::start().await;
    for (line, code) in [
        (&b"nonsense"[..], -32700),
        (b"\xff\xff", -32700),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1", -32700),
        (b"[]", -32600),
        (br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
    ] {
        client.write(line).await;
        client.write(b"\r\n\n").await;
        assert_eq!(client.read().await.unwrap()["error"]["code"], code);
    }
    assert_eq!(
        client.call(&request(9, "ping", json!({}))).await["result"],
        json!({})
    );
}

#[tokio::test]
async fn a_line_without_end_costs_no_memory() {
    let mut client = Client::start().await;
    let chunk = vec![b'x'; 1024 * 1024];
    for _ in 0..20 {
        client.write(&chunk).await;
    }
    client.write(b"\n").await;
    assert_eq!(client.read().await.unwrap()["error"]["code"], -32600);
    assert_eq!(client.call(&request(9, "ping", json!({}))).await["id"], 9);
}

#[tokio::test]
async fn the_end_of_the_input_ends_the_service_after_the_last_answer() {
    let mut client = Client::start().await;
    let listen = modern_request(
        1,
        "subscriptions/listen",
        json!({"notifications": {"toolsListChanged": true}}),
    );
    client.call(&listen).await;
    // The last line lacks its line break.
    client
        .write(request(2, "ping", json!({})).to_string().as_bytes())
        .await;
    within(client.writer.shutdown()).await.unwrap();
    let mut answered = vec![];
    while let Some(answer) = client.read().await {
        answered.push(answer["id"].as_u64().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 2]);
    within(client.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_end_of_the_process_ends_the_service() {
    let mut client = Client::start().await;
    client.call(&initialize("2025-11-25")).await;
    client.facade.lifecycle.stop();
    within(client.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_went_away_ends_the_service() {
    let mut client = Client::start().await;
    client.call(&initialize("2025-11-25")).await;
    drop((client.reader, client.writer));
    within(client.served).await.unwrap().unwrap();
}
