//! The tree of a call: of each engine, by each door, however the caller names its trace.

use mcp_hub_e2e::{Door, Session};
use mcp_hub_testing::jaeger::{Kind, Link, Span, Status, Trace};
use mcp_hub_testing::traces::Caller;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::client::{Named, Sse, VERSION, own};
use super::engine::Engine;
use super::stage::{FACADE, Stage, hex};
use super::tree::{below, errors, hides, instance, one, shows};

/// The spans of a call in each of the processes, whatever the door.
struct Spans<'a> {
    mcp: &'a Span,
    adapter: &'a Span,
}

/// How a call came to the facade.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// `POST /mcp`, answered by who got it.
    Http,
    /// `POST /messages` of one replica, for the stream of another.
    Relayed,
}

/// By whom a call says that it was made.
#[derive(Clone, Copy, Debug, Default)]
struct Callers {
    meta: Option<Caller>,
    header: Option<Caller>,
}

impl Callers {
    fn named(self) -> Named {
        Named {
            meta: self.meta.map(|caller| caller.traceparent().into()),
            header: self.header.map(|caller| caller.traceparent()),
            ..Named::default()
        }
    }

    /// Who is the parent of the call's span.
    fn parent(self) -> Caller {
        self.meta.or(self.header).expect("one of them")
    }
}

/// In the message, in the header, and in both: a client whose HTTP library is traced as well has spans of both in one trace.
fn ways_to_name() -> [Callers; 3] {
    let (meta, header, both) = (Caller::new(), Caller::new(), Caller::new());
    [
        Callers {
            meta: Some(meta),
            header: None,
        },
        Callers {
            meta: None,
            header: Some(header),
        },
        Callers {
            meta: Some(both),
            header: Some(both.sibling()),
        },
    ]
}

/// A call that was made, and is looked for in Jaeger.
struct Made<'a> {
    engine: &'a Engine,
    way: Way,
    callers: Callers,
    reply: Value,
}

#[tokio::test]
async fn a_call_of_each_engine_through_two_replicas_is_one_trace() {
    let Some(engines) = Engine::all().await else {
        return;
    };
    let Some(stage) = Stage::new(engines).await else {
        return;
    };
    let [one, two] = [0, 1].map(|index| stage.cluster.replica_url(index, ""));
    let mut stream = Sse::open(&one, &two, "night").await;
    let mut made = Vec::new();
    for engine in &stage.engines {
        for way in [Way::Http, Way::Relayed] {
            for callers in ways_to_name() {
                let (named, arguments) = (callers.named(), engine.arguments.clone());
                let reply = match way {
                    Way::Http => stage.night().naming(named).post(engine.tool, arguments).await,
                    Way::Relayed => stream.call(engine.tool, arguments, &named).await,
                };
                made.push(Made {
                    engine,
                    way,
                    callers,
                    reply,
                });
            }
        }
    }

    let session = hex(&Sha256::digest(stream.session_id())[..8]);
    for made in &made {
        made.is_one_trace(&stage, &session).await;
    }
    let session_id = stream.session_id();
    stage.nothing_is_told_of(&["testpassword", session_id]).await;
}

impl Made<'_> {
    async fn is_one_trace(&self, stage: &Stage, session: &str) {
        let Self {
            engine,
            callers,
            reply,
            ..
        } = self;
        let rows = reply["result"]["structuredContent"]["rows"].as_array();
        assert_eq!(rows.map(Vec::len), Some(1), "{reply}");
        let parent = callers.parent();
        let (trace_id, span_id) = own(reply);
        assert_eq!(trace_id, parent.trace_id(), "the answer names the caller's trace");

        let call = engine.call();
        let mut names = vec![&*call, engine.rpc, engine.rpc];
        if callers.header.is_some() {
            names.extend(self.transport());
        }
        let trace = stage.trace(&trace_id, &names).await;
        assert_eq!(errors(&trace), [""; 0], "{trace}");
        let spans = self.call(&trace);
        assert_eq!(spans.mcp.id, span_id, "the answer names the call's span");

        // Where the message came from: in the same trace when the header names it too, else in a trace of its own, which the link leads to.
        let transport = if callers.header.is_some() {
            trace.clone()
        } else {
            let [Link { trace_id, .. }] = &spans.mcp.links[..] else {
                panic!("one link: {:?}", spans.mcp.links)
            };
            assert_ne!(*trace_id, parent.trace_id());
            stage.trace(trace_id, self.transport()).await
        };
        let arrived = self.arrived(&transport);
        let linked: Vec<_> = spans
            .mcp
            .links
            .iter()
            .map(|link| (&link.trace_id, &link.span_id))
            .collect();
        if let Some(meta) = callers.meta {
            assert_eq!(spans.mcp.parent_id, Some(meta.span_id().to_string()));
            assert_eq!(linked, [(&arrived.trace_id, &arrived.id)]);
        } else {
            assert_eq!(spans.mcp.parent_id, Some(arrived.id.clone()));
            assert!(linked.is_empty(), "{linked:?}");
        }
        assert_eq!(
            instance(spans.mcp),
            instance(arrived),
            "the one that has the stream answers"
        );
        let roots = usize::from(callers.meta.is_some()) + usize::from(callers.header.is_some());
        assert_eq!(trace.roots().len(), roots, "{trace}");
        self.is_described(&spans, session);
        self.reaches_the_database(&trace, &spans);
    }

    /// The names of the spans of the message's way to the replica that answers it.
    fn transport(&self) -> &'static [&'static str] {
        match self.way {
            Way::Http => &["POST /mcp"],
            Way::Relayed => &["POST /messages", "relay", "relay"],
        }
    }

    /// The call: of the facade, and of the adapter.
    fn call<'a>(&self, trace: &'a Trace) -> Spans<'a> {
        let mcp = one(trace, &self.engine.call());
        assert_eq!((mcp.kind, &*mcp.service), (Kind::Server, FACADE));
        let client = below(trace, mcp, self.engine.rpc, Kind::Client);
        assert_eq!(instance(client), instance(mcp));
        shows(
            client,
            [
                ("rpc.system.name", json!("grpc")),
                ("rpc.method", json!(self.engine.rpc)),
                ("rpc.response.status_code", json!("OK")),
                ("server.address", json!("127.0.0.1")),
            ],
        );
        hides(client, &["mcp_hub.retry", "error.type"]);
        below(trace, mcp, "decode answer", Kind::Internal);
        let adapter = below(trace, client, self.engine.rpc, Kind::Server);
        assert_eq!(adapter.service, self.engine.service());
        shows(
            adapter,
            [
                ("rpc.system.name", json!("grpc")),
                ("rpc.method", json!(self.engine.rpc)),
                ("rpc.response.status_code", json!("OK")),
            ],
        );
        Spans { mcp, adapter }
    }

    /// The span by which the message came to the replica that answers it.
    fn arrived<'a>(&self, transport: &'a Trace) -> &'a Span {
        let name = self.transport()[0];
        let http = one(transport, name);
        assert_eq!((http.kind, &*http.service), (Kind::Server, FACADE));
        let parent = self.callers.header.map(|header| header.span_id().to_string());
        assert_eq!(http.parent_id, parent);
        let (status, route) = match self.way {
            Way::Http => (200, "/mcp"),
            Way::Relayed => (202, "/messages"),
        };
        shows(
            http,
            [
                ("http.request.method", json!("POST")),
                ("http.route", json!(route)),
                ("http.response.status_code", json!(status)),
                ("client.address", json!("127.0.0.1")),
            ],
        );
        if self.way == Way::Http {
            return http;
        }
        let sent = below(transport, http, "relay", Kind::Client);
        let taken = below(transport, sent, "relay", Kind::Server);
        assert_eq!(instance(sent), instance(http));
        assert_ne!(instance(taken), instance(sent), "another replica has the stream");
        for relay in [sent, taken] {
            shows(relay, [("mcp_hub.outcome", json!("taken"))]);
        }
        taken
    }

    /// Who called, and what came of it, is on one span, so that one search finds it.
    fn is_described(&self, spans: &Spans<'_>, session: &str) {
        let (version, session) = match self.way {
            Way::Http => ("2026-07-28", None),
            Way::Relayed => ("2024-11-05", Some(json!(session))),
        };
        shows(
            spans.mcp,
            [
                ("mcp.method.name", json!("tools/call")),
                ("gen_ai.operation.name", json!("execute_tool")),
                ("gen_ai.tool.name", json!(self.engine.tool)),
                ("mcp.protocol.version", json!(version)),
                ("jsonrpc.request.id", json!(self.reply["id"].to_string())),
                ("enduser.id", json!("token:night")),
                ("mcp_hub.client.name", json!("the night shift")),
                ("mcp_hub.client.version", json!(VERSION)),
                ("mcp_hub.upstream", json!(self.engine.key)),
                ("mcp_hub.outcome", json!("ok")),
                ("network.transport", json!("tcp")),
                ("client.address", json!("127.0.0.1")),
            ],
        );
        assert_eq!(
            spans.mcp.attributes.get("mcp.session.id"),
            session.as_ref(),
            "{}",
            spans.mcp
        );
        hides(
            spans.mcp,
            &[
                "error.type",
                "gen_ai.tool.call.arguments",
                "gen_ai.tool.call.result",
            ],
        );
    }

    fn reaches_the_database(&self, trace: &Trace, spans: &Spans<'_>) {
        let statement = below(trace, spans.adapter, &self.engine.summary, Kind::Client);
        for (name, value) in &self.engine.shows {
            shows(statement, [(name, value.clone())]);
        }
        let rows = if self.engine.at_once { 2 } else { 1 };
        shows(statement, [("db.response.returned_rows", json!(rows))]);
        let bytes = statement
            .attributes
            .get("mcp_hub.db.response.bytes")
            .and_then(Value::as_u64);
        assert!(bytes.is_some_and(|bytes| bytes > 0), "{statement}");
        hides(
            statement,
            &["db.query.text", "error.type", "db.response.status_code"],
        );
        if !self.engine.at_once {
            shows(statement, [("mcp_hub.db.response.truncated", json!(true))]);
            let first = statement.events.iter().filter(|event| event.name == "first row");
            assert_eq!(first.count(), 1, "{statement}: {:?}", statement.events);
        }
        let guards = trace
            .children(spans.adapter)
            .into_iter()
            .filter(|span| span.name == "guard");
        assert!(guards.count() >= 1, "{trace}");
        for span in trace
            .spans
            .iter()
            .filter(|span| span.service == self.engine.service())
        {
            assert_eq!(instance(span), instance(spans.adapter));
            assert_eq!(span.status, Status::Unset);
        }
    }
}

/// The Python SDK names its own span in `_meta`, and sends it to the same Jaeger.
#[tokio::test]
async fn a_client_that_is_traced_too_is_the_root_of_the_trace() {
    let Some(stage) = Stage::new(vec![Engine::sqlite()]).await else {
        return;
    };
    let engine = &stage.engines[0];
    for path in ["/mcp", "/sse"] {
        let url = stage.cluster.url(path);
        let door = if path == "/mcp" {
            Door::Http(url)
        } else {
            Door::Sse(url)
        };
        let door = door
            .with_token(super::stage::token("night"))
            .traced(stage.jaeger.otlp_endpoint(), "a-models-host");
        let Some(mut session) = Session::python(&door).await else {
            return;
        };
        // The replicas take turns, so that one of two messages to a stream is relayed.
        let mut replies = Vec::new();
        for _ in 0..2 {
            replies.push(session.call(engine.tool, engine.arguments.clone()).await);
        }
        session.close().await;
        for reply in replies {
            let (trace_id, span_id) = own(&json!({"result": reply}));
            let sent = format!("MCP send {}", engine.call());
            let trace = stage
                .trace(&trace_id, &[&sent, &engine.call(), engine.rpc, engine.rpc])
                .await;
            let [root] = trace.roots()[..] else {
                panic!("one root:\n{trace}");
            };
            assert_eq!(
                (&*root.name, &*root.service, &root.parent_id),
                (&*sent, "a-models-host", &None)
            );
            let mcp = below(&trace, root, &engine.call(), Kind::Server);
            assert_eq!(mcp.id, span_id);
            let client = below(&trace, mcp, engine.rpc, Kind::Client);
            let adapter = below(&trace, client, engine.rpc, Kind::Server);
            below(&trace, adapter, &engine.summary, Kind::Client);
        }
    }
    stage.nothing_is_told_of(&[]).await;
}
