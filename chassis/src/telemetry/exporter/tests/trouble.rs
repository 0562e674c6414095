//! Collectors that are down, refuse, hang or talk nonsense.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::io::AsyncWriteExt as _;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::Lifecycle;

/// What is wrong with a collector.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Down,
    Silent,
    Garbage,
}

/// A collector with that trouble; its address.
async fn troubled(trouble: Trouble, lifecycle: &Lifecycle) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    lifecycle.spawn_until_stopped(async move {
        let mut open = Vec::new();
        while let (Ok((mut stream, _)), false) = (listener.accept().await, matches!(trouble, Trouble::Down)) {
            if let Trouble::Garbage = trouble {
                let _ = stream.write_all(&[0x47; 4096]).await;
            }
            open.push(stream);
        }
    });
    if let Trouble::Down = trouble {
        // The listener goes with the first connection, and then nobody is there.
        let _ = tokio::net::TcpStream::connect(address).await;
        eventually(DEADLINE, async || {
            tokio::net::TcpStream::connect(address).await.is_err()
        })
        .await;
    }
    format!("http://{address}")
}

/// A log that a test can read.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn with(&self, part: &str) -> usize {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes)
            .lines()
            .filter(|line| line.contains(part))
            .count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_ends_in_time_whatever_the_collector_does() {
    let lifecycle = Lifecycle::new();
    for protocol in PROTOCOLS {
        for trouble in [Trouble::Down, Trouble::Silent, Trouble::Garbage] {
            let endpoint = troubled(trouble, &lifecycle).await;
            for (short, long) in [
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_BSP_EXPORT_TIMEOUT"),
                ("OTEL_BSP_EXPORT_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"),
            ] {
                let environment = Environment::default()
                    .with("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
                    .with("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
                    .with(short, 200)
                    .with(long, 600_000);
                let provider = environment.tracer().0.expect("sends");
                make_span(&provider);
                let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(DEADLINE * 2));
                // Ten minutes are what it would be otherwise.
                let ended = tokio::time::timeout(DEADLINE, ended).await;
                assert!(ended.is_ok(), "{protocol} {trouble:?} {short}");
            }
        }
    }
    lifecycle.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_cost_no_more_with_a_collector_that_hangs_and_what_waits_is_bounded() {
    const SPANS: u32 = 20_000;
    let lifecycle = Lifecycle::new();
    let endpoint = troubled(Trouble::Silent, &lifecycle).await;
    let collector = Collector::start().await;
    let environment = |endpoint: &str| {
        Environment::default()
            .with("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            .with("OTEL_EXPORTER_OTLP_TIMEOUT", 600_000)
            .with("OTEL_BSP_MAX_QUEUE_SIZE", 100)
            .with("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 10)
    };
    let time = |provider: &SdkTracerProvider| {
        let begun = Instant::now();
        within(provider, || {
            for _ in 0..SPANS {
                drop(trace::server("call", Context::new()));
            }
        });
        begun.elapsed()
    };
    let dropped = || {
        let text = crate::metrics::text();
        let line = text
            .lines()
            .find(|line| line.starts_with(r#"mcp_hub_trace_dropped_total{reason="queue_full"}"#));
        let count = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        count.unwrap_or_default()
    };
    let healthy = environment(&collector.endpoint()).tracer().0.expect("sends");
    let hanging = environment(&endpoint).tracer().0.expect("sends");
    let (with, before) = (time(&healthy), dropped());
    let without = time(&hanging);
    // All but those in the queue and the batch that is under way; other tests may have dropped some too.
    assert!(
        dropped() - before >= f64::from(SPANS - 110),
        "{}",
        dropped() - before
    );
    assert!(
        without < with * 4 + Duration::from_millis(100),
        "{without:?} against {with:?}"
    );
    end(healthy).await;
    let rest = collector.spans().len();
    assert!(rest >= 100, "the queue's last spans are sent: {rest}");
    lifecycle.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_said_once_and_so_is_its_end() {
    let lines = Lines::default();
    let log = tracing_subscriber::fmt().with_writer(lines.clone()).finish();
    let collector = Collector::start().await;
    let environment = Environment::default().with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    let find = environment.find();
    let exporter = traces(&Variables::new(&find), &Handle::current()).expect("sends");
    // The batch processor's thread has no subscriber but the process's: here the exporter is asked in the test's own.
    let export = async |refuses: bool| {
        use opentelemetry_sdk::trace::SpanExporter as _;
        collector.refuse(refuses);
        let _ = exporter.export(vec![]).await;
    };
    let log = tracing::Dispatch::new(log);
    for refuses in [false, true, true, false, false, true] {
        use tracing::instrument::WithSubscriber as _;
        export(refuses).with_subscriber(log.clone()).await;
    }
    assert_eq!(
        (
            lines.with("traces can't be sent"),
            lines.with("traces are sent again")
        ),
        (2, 1)
    );
}
