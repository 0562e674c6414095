//! What a collector that is away costs: nothing but the spans.

use std::time::Duration;

use mcp_hub_e2e::load::{Load, Plan, Question, Workload};
use mcp_hub_e2e::{Exit, request};
use mcp_hub_testing::{Collector, Jaeger, Memory, eventually, free_port};
use serde_json::Value;
use tokio::time::Instant;

use super::client::{Client, own};
use super::engine::Engine;
use super::stage::{SOON, Stage};
use crate::hub::Hub;
use crate::shops::alone;

/// How many calls are compared. Half of them are slower than the median, which one slow call does not move.
const COMPARED: usize = 150;

/// How much slower the median call may be beside that of a hub whose collector is there: more than the noise of a busy machine, and much less
/// than one wait for a collector.
const NOISE: f64 = 1.6;

/// How long the end of a process may take that has nothing to do but to send its last spans to who does not take them.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A hub that sends its spans there, and tries for so long.
async fn hub(endpoint: &str, engine: &Engine, more: &[(&str, &str)]) -> Hub {
    let own = engine
        .environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()));
    let telemetry = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let environment: Vec<(&str, &str)> = own.chain(telemetry).chain(more.iter().copied()).collect();
    Hub::start(&[], &environment).await
}

fn client(hub: &Hub) -> Client {
    Client::new(hub.url("/mcp"), "night")
}

/// Calls the tool, which has to work.
async fn call(client: &Client, engine: &Engine) -> Value {
    let reply = client.post(engine.tool, engine.arguments.clone()).await;
    let rows = reply["result"]["structuredContent"]["rows"].as_array();
    assert_eq!(rows.map(Vec::len), Some(1), "{reply}");
    reply
}

/// The median times of calls of both, taken in turns, so that what else the machine does hits both.
async fn medians(clients: [&Client; 2], engine: &Engine) -> [Duration; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..COMPARED {
        for (client, times) in clients.iter().zip(&mut times) {
            let begun = Instant::now();
            call(client, engine).await;
            times.push(begun.elapsed());
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[COMPARED / 2]
    })
}

#[tokio::test]
async fn a_collector_that_is_away_costs_calls_nothing() {
    let Some(jaeger) = Jaeger::start().await else {
        return;
    };
    let _alone = alone().await;
    let engine = Engine::sqlite();
    let there = Collector::start().await;
    let endpoint = there.endpoint();
    let (well, tried) = tokio::join!(
        hub(&endpoint, &engine, &[]),
        hub(jaeger.otlp_endpoint(), &engine, &[])
    );
    let (on_well, on_tried) = (client(&well), client(&tried));
    for client in [&on_well, &on_tried] {
        call(client, &engine).await;
    }
    let compared = async |how: &str| {
        let [well, tried] = medians([&on_well, &on_tried], &engine).await;
        eprintln!("a collector that is {how}: {tried:?} beside {well:?}");
        let ratio = tried.as_secs_f64() / well.as_secs_f64();
        assert!(
            ratio < NOISE,
            "a collector that is {how}: {tried:?} beside {well:?}"
        );
    };
    // Its connections are open, and nothing answers.
    jaeger.pause();
    compared("halted").await;
    jaeger.resume();
    seen(&jaeger, &on_tried, &engine).await;
    // Nothing listens.
    jaeger.kill().await;
    compared("dead").await;
    // It forgot everything, and knows what comes from now on.
    jaeger.start_again().await;
    seen(&jaeger, &on_tried, &engine).await;
    assert!(!there.spans().is_empty(), "it was sent spans all the time");
    let output = tried.process.output();
    let complaints = output
        .lines()
        .filter(|line| line.contains("can't be sent"))
        .count();
    assert!(
        (1..=4).contains(&complaints),
        "once for each time that it was away:\n{output}"
    );
}

/// Calls until one of the calls has been seen: what was in the batch that was given up last is lost.
async fn seen(jaeger: &Jaeger, client: &Client, engine: &Engine) {
    let mut calls = Vec::new();
    eventually(SOON, async || {
        calls.push(own(&call(client, engine).await));
        for (trace_id, span_id) in &calls {
            let trace = jaeger
                .trace(trace_id)
                .await
                .map_err(|error| format!("{error:#}"))?;
            if trace.spans.iter().any(|span| span.id == *span_id) {
                return Ok(());
            }
        }
        Err(format!("none of {} calls", calls.len()))
    })
    .await;
}

/// Reads, as fast as they are answered.
#[derive(Debug)]
struct Reads(Engine);

impl Workload for Reads {
    fn next(&self, _: u64) -> Question {
        Question {
            label: "read",
            tool: Some(self.0.tool.to_owned()),
            arguments: self.0.arguments.clone(),
            write: None,
            check: Box::new(|answer| match answer["rows"].as_array().map(Vec::len) {
                Some(1) => Ok(()),
                _ => Err("not one row".to_owned()),
            }),
        }
    }
}

/// How many calls it takes to fill the queue, and then how many follow: of several spans each.
const FILLING: u64 = 400;
const FOLLOWING: u64 = 1_200;

/// How much more memory the process may take for those that follow. What waits for the collector would be twice as much.
const MORE_KIB: u64 = 6 * 1024;

#[tokio::test]
async fn what_waits_for_a_collector_is_bounded() {
    let Some(jaeger) = Jaeger::start().await else {
        return;
    };
    let _alone = alone().await;
    let engine = Engine::sqlite();
    let metrics = format!("127.0.0.1:{}", free_port());
    let more = [
        ("MCP_HUB_METRICS_LISTEN", &*metrics),
        ("MCP_HUB_LOG", "warn"),
        // One batch is tried for so long that the queue behind it fills.
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "60000"),
    ];
    let hub = hub(jaeger.otlp_endpoint(), &engine, &more).await;
    jaeger.pause();
    let mut plan = Plan::at(format!("127.0.0.1:{}", hub.port));
    plan.pace = Duration::ZERO;
    let load = Load::start(plan, Reads(engine));
    eventually(SOON, async || load.succeeded() >= FILLING).await;
    let memory = Memory::watch(hub.process.id());
    eventually(Duration::from_mins(1), async || {
        load.succeeded() >= FILLING + FOLLOWING
    })
    .await;
    let (before, peak) = memory.peak();
    let report = load.finish().await;
    eprintln!("{before} KiB became {peak} KiB\n{report}");
    assert!(report.failures.is_empty() && report.wrong == 0, "{report}");
    assert!(peak < before + MORE_KIB, "{before} KiB became {peak} KiB");
    let dropped = dropped(&metrics).await;
    assert!(dropped > 1000.0, "{dropped} spans did not wait");
    ends_soon(hub.process.terminate().await);
    jaeger.resume();
}

/// How many spans were dropped because the queue was full.
async fn dropped(metrics: &str) -> f64 {
    let answer = request("GET", &format!("http://{metrics}/metrics"), &[], "")
        .await
        .expect("metrics");
    let lines = answer.body.lines();
    let counts =
        lines.filter(|line| line.starts_with("mcp_hub_trace_dropped") && line.contains("queue_full"));
    counts
        .map(|line| {
            line.rsplit(' ')
                .next()
                .expect("a value")
                .parse::<f64>()
                .expect("a number")
        })
        .sum()
}

fn ends_soon(exit: Exit) {
    let Exit {
        status,
        after,
        output,
    } = exit;
    assert!(
        status.success() && after < LAST_WORDS,
        "{status} after {after:?}:\n{output}"
    );
}

#[tokio::test]
async fn the_last_spans_are_sent_before_the_end() {
    let Some(jaeger) = Jaeger::start().await else {
        return;
    };
    let engine = Engine::sqlite();
    let (call, rpc, summary) = (engine.call(), engine.rpc, engine.summary.clone());
    let (tool, arguments) = (engine.tool, engine.arguments.clone());
    // Nothing is sent because time passes.
    let Some(mut stage) = Stage::with(jaeger, vec![engine], &[("OTEL_BSP_SCHEDULE_DELAY", "600000")]).await
    else {
        return;
    };
    let client = Client::new(stage.cluster.replica_url(0, "/mcp"), "night");
    let reply = client.post(tool, arguments.clone()).await;
    let (trace_id, _) = own(&reply);
    ends_soon(stage.cluster.terminate(0).await);
    ends_soon(stage.adapters[0].terminate().await);
    let trace = stage.jaeger.trace(&trace_id).await.expect("an answer");
    for name in ["POST /mcp", &call, rpc, &summary] {
        assert!(!trace.named(name).is_empty(), "no {name:?} in\n{trace}");
    }
    assert_eq!(trace.named(rpc).len(), 2, "{trace}");

    // Who does not take them is not waited for.
    stage.cluster.restart(0).await;
    stage.adapters[0].restart().await;
    stage
        .cluster
        .lists(tool, &[("Authorization", &super::stage::bearer("night"))])
        .await;
    client.post(tool, arguments).await;
    stage.jaeger.pause();
    ends_soon(stage.cluster.terminate(0).await);
    ends_soon(stage.adapters[0].terminate().await);
    stage.jaeger.resume();
}
