//! What each of these tests plays on: three replicas, one adapter, a proxy.

use std::time::Duration;

use mcp_hub_e2e::{
    Answers, Cluster, ClusterOptions, EventStream, Inspection, Proxied, Replica, Session, inspect, request,
};
use mcp_hub_testing::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::hub::rows;

/// How long a client may take to be back. The TypeScript SDK waits 3 s before it opens a stream again.
const BACK: Duration = Duration::from_secs(20);

pub(super) const TOOL: &str = "tea_query";

/// Three replicas of the facade in front of one adapter of a SQLite file.
pub(super) struct Stage {
    pub(super) cluster: Cluster,
    _adapter: Replica,
    _folder: TempDir,
}

impl Stage {
    pub(super) async fn new() -> Option<Self> {
        Self::with(ClusterOptions::default(), &[]).await
    }

    /// `headers` are those that it takes to see the tools.
    pub(super) async fn with(mut options: ClusterOptions, headers: &[(&str, &str)]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tea.db");
        rusqlite::Connection::open(&file)
            .expect("a file")
            .execute_batch("create table tea (name text); insert into tea values ('oolong')")
            .expect("SQL");
        let adapter = Replica::adapter("mcp-hub-sqlite", &["--path", &file.display().to_string()], &[]).await;
        options.upstreams = format!("tea = \"{}\"\n{}", adapter.url(), options.upstreams);
        let cluster = Cluster::start(&options).await?;
        cluster.lists(TOOL, headers).await;
        Some(Self {
            cluster,
            _adapter: adapter,
            _folder: folder,
        })
    }

    /// Calls the tool with the Inspector, through the proxy; `more` are arguments of its command line. `None` when it is not installed.
    pub(super) async fn inspect(&self, transport: &str, more: &[&str]) -> Option<Value> {
        let (url, arguments) = (self.cluster.url("/sse"), arguments(21).to_string());
        let line = [
            "--server-url",
            &url,
            "--transport",
            transport,
            "--method",
            "tools/call",
            "--tool-name",
            TOOL,
            "--tool-args-json",
            &arguments,
        ];
        let Inspection { code, output, errors } = inspect(&[&line, more].concat()).await?;
        assert_eq!(code, 0, "{output} {errors}");
        Some(output)
    }

    /// The POSTs to `path` that each replica got from the proxy.
    pub(super) fn share(&self, path: &str) -> Vec<usize> {
        let requests = self.cluster.proxy().requests();
        let taken = |replica: &Replica| {
            let taken = |request: &&Proxied| {
                (&*request.method, &*request.path) == ("POST", path)
                    && request.replicas.last() == Some(&replica.address())
            };
            requests.iter().filter(taken).count()
        };
        self.cluster.replicas().iter().map(taken).collect()
    }

    /// The same since `before`. Each replica must have got a fair part.
    pub(super) fn share_since(&self, path: &str, before: &[usize]) -> Vec<usize> {
        let now = self.share(path);
        let share: Vec<usize> = now.iter().zip(before).map(|(now, before)| now - before).collect();
        let (least, all) = (share.iter().min(), share.iter().sum::<usize>());
        assert!(
            least.is_some_and(|least| *least > 0 && *least >= all / 4),
            "{share:?}"
        );
        share
    }

    /// The replica that has the one stream that is open.
    pub(super) async fn owner(&self) -> usize {
        eventually(Duration::from_secs(10), async || {
            let mut streams = Vec::new();
            for index in self.running() {
                streams.push((index, self.cluster.metric(index, "mcp_hub_sse_streams", "").await));
            }
            let open: Vec<_> = streams.iter().filter(|(_, count)| *count > 0.0).collect();
            match *open {
                [(index, 1.0)] => Ok(*index),
                _ => Err(format!("{streams:?}")),
            }
        })
        .await
    }

    /// POSTs a ping to a session, by each replica in turn, and returns the status codes. Their ids are this and the number of the replica:
    /// one that is in flight may not be used again.
    pub(super) async fn ping(&self, stream: &EventStream, token: Option<&str>, id: &str) -> Vec<u16> {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        let path = stream.endpoint.strip_prefix(&self.cluster.url(""));
        let path = path.expect("a URL of the proxy");
        let mut statuses = Vec::new();
        for (index, replica) in self.cluster.replicas().iter().enumerate() {
            let body = json!({"jsonrpc": "2.0", "id": format!("{id} {index}"), "method": "ping"}).to_string();
            let answer = request("POST", &format!("{}{path}", replica.url()), &headers, &body).await;
            statuses.push(answer.expect("an answer").status);
        }
        statuses
    }

    /// Waits until the proxy has had so many POSTs of legacy SSE answered.
    pub(super) async fn posted(&self, count: usize) {
        eventually(Duration::from_secs(10), async || {
            let posted = self.share("/messages").iter().sum::<usize>();
            if posted >= count {
                Ok(())
            } else {
                Err(format!("{posted}"))
            }
        })
        .await;
    }

    /// The replicas that run.
    pub(super) fn running(&self) -> impl Iterator<Item = usize> {
        let replicas = self.cluster.replicas().iter().enumerate();
        replicas
            .filter(|(_, replica)| replica.is_running())
            .map(|(index, _)| index)
    }

    /// How many messages the replicas have handed over to each other.
    pub(super) async fn handed_over(&self) -> f64 {
        let mut sum = 0.0;
        for index in self.running() {
            let taken = self
                .cluster
                .metric(index, "mcp_hub_relay_messages_total", "result=\"taken\"");
            sum += taken.await;
        }
        sum
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.cluster.proxy().log();
            let errors: Vec<&str> = log.lines().filter(|line| line.contains("[error]")).collect();
            eprintln!("what the proxy says:\n{}", errors.join("\n"));
        }
    }
}

/// Calls that each have an answer of their own.
pub(super) fn arguments(number: usize) -> Value {
    json!({"sql": "select ?1 * 2, name from tea", "params": [number]})
}

/// Whether an answer is that to the call of this number.
pub(super) fn is_right(number: usize, answer: &Value) -> bool {
    answer.get("isError") != Some(&Value::Bool(true))
        && answer.get("content").is_some()
        && rows(answer) == [json!([2 * number, "oolong"])]
}

/// Makes calls, four at a time, every one of which has to be answered rightly.
pub(super) async fn all_are_answered(session: &mut Session, count: usize) -> Answers {
    let arguments: Vec<Value> = (0..count).map(arguments).collect();
    let answers = session.calls(TOOL, &arguments, 4).await;
    assert_eq!(answers.answers.len(), count);
    for (number, answer) in answers.answers.iter().enumerate() {
        assert!(is_right(number, answer), "call {number}: {answer}");
    }
    answers
}

/// Calls until it is answered, at most as long as a client needs to find another replica, and returns what was said in the meantime.
pub(super) async fn answered_again(session: &mut Session) -> Vec<String> {
    let since = Instant::now();
    let (mut number, mut failures) = (0, Vec::new());
    eventually(BACK, async || {
        number += 1;
        let answer = session.call(TOOL, arguments(number)).await;
        if is_right(number, &answer) {
            return Ok(());
        }
        failures.push(answer.to_string());
        Err(answer)
    })
    .await;
    eprintln!(
        "answered again after {:?} and {} failures",
        since.elapsed(),
        failures.len()
    );
    failures
}
