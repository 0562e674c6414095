use opentelemetry_sdk::trace::Sampler;
use tokio_stream::StreamExt as _;

use super::*;
use crate::fault::Reason;
use crate::trace::{self, recorded::Recorded};

type Message = (Option<Progress>, Option<u32>);

fn start<F>(lifecycle: &Lifecycle, limit: u64, work: impl FnOnce(Counter) -> F) -> Stream<Message>
where
    F: Future<Output = Result<u32, Fault>> + Send + 'static,
{
    follow(
        lifecycle,
        Duration::from_secs(limit),
        |progress, answer| (progress, answer),
        work,
    )
}

#[tokio::test(start_paused = true)]
async fn time_and_rows_are_told_every_second_and_then_the_answer() {
    let stream = start(&Lifecycle::new(), 2, |counter| async move {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        (0..4_000).for_each(|_| counter.row());
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(7)
    });
    let all: Vec<Message> = stream.map(|message| message.expect("no fault")).collect().await;
    let told: Vec<_> = all
        .iter()
        .filter_map(|(progress, _)| progress.as_ref())
        .map(|progress| (progress.progress, progress.total, progress.message.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (1.0, Some(2.0), "1 s: waiting for the database"),
            (2.0, Some(2.0), "2 s: 4,000 rows read"),
            (3.0, None, "3 s: 4,000 rows read"),
        ]
    );
    assert_eq!(all.last(), Some(&(None, Some(7))));
    assert_eq!(all.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_done_now_is_told_until_rows_are_read() {
    let stream = start(&Lifecycle::new(), 30, |counter| async move {
        counter.phase("embedding the text");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        counter.phase("searching");
        tokio::time::sleep(Duration::from_secs(1)).await;
        counter.row();
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(7)
    });
    let all: Vec<Message> = stream.map(|message| message.expect("no fault")).collect().await;
    let told = all
        .into_iter()
        .filter_map(|(progress, _)| Some(progress?.message));
    assert_eq!(
        told.collect::<Vec<_>>(),
        ["1 s: embedding the text", "2 s: searching", "3 s: 1 row read"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_quick_call_is_its_answer() {
    let all: Vec<_> = start(&Lifecycle::new(), 30, |_| async { Ok(1) }).collect().await;
    assert!(matches!(all[..], [Ok((None, Some(1)))]), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fault_ends_it_and_so_does_a_panic() {
    let fault = async |work: fn(Counter) -> std::future::Ready<Result<u32, Fault>>| {
        let mut stream = start(&Lifecycle::new(), 30, move |counter| async move {
            work(counter).await
        });
        let last = stream.next().await.expect("told").expect_err("a fault");
        assert!(stream.next().await.is_none());
        Fault::from_status(&last)
    };
    assert_eq!(
        fault(|_| std::future::ready(Err(Fault::busy()))).await,
        Fault::busy()
    );
    assert_eq!(
        fault(|_| panic!("a fault of ours")).await.reason,
        Reason::Internal
    );
}

#[tokio::test(start_paused = true)]
async fn it_ends_after_the_longest_call_whatever_its_work_does() {
    let mut stream = start(&Lifecycle::new(), 290, |_| std::future::pending());
    let begun = Instant::now();
    let last = loop {
        match stream.next().await.expect("goes on") {
            Ok((Some(_), None)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(status) => break Fault::from_status(&status),
        }
    };
    assert_eq!(last.reason, Reason::StatementTimedOut);
    assert_eq!(begun.elapsed(), LONGEST_CALL);
}

#[tokio::test(start_paused = true)]
async fn the_work_is_dropped_with_its_caller_and_finished_when_the_process_stops() {
    let lifecycle = Lifecycle::new();
    let (alive, mut dropped) = mpsc::channel::<()>(1);
    let stream = start(&lifecycle, 30, |_| async move {
        std::future::pending::<()>().await;
        drop(alive);
        Ok(0)
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    drop(stream);
    let gone = tokio::time::timeout(Duration::from_millis(1), dropped.recv()).await;
    assert_eq!(gone, Ok(None));

    let stream = start(&lifecycle, 30, |_| async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(5)
    });
    lifecycle.stop();
    let all: Vec<_> = stream.collect().await;
    assert!(matches!(all.last(), Some(Ok((None, Some(5))))), "{all:?}");
    let begun = Instant::now();
    lifecycle.drain(Duration::from_mins(1)).await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "nothing is left");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_takes_nothing_holds_nothing_up() {
    let (done, finished) = tokio::sync::oneshot::channel();
    let stream = start(&Lifecycle::new(), 30, |_| async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        let _ = done.send(Instant::now());
        Ok(5)
    });
    let begun = Instant::now();
    let at = finished.await.expect("it is done");
    assert_eq!(at - begun, Duration::from_secs(20));
    let all: Vec<Message> = stream.map(|message| message.expect("no fault")).collect().await;
    let values: Vec<f64> = all
        .iter()
        .filter_map(|(progress, _)| Some(progress.as_ref()?.progress))
        .collect();
    assert!(values.is_sorted_by(|one, other| one < other), "{values:?}");
    assert_eq!(all.last(), Some(&(None, Some(5))));
}

#[test]
fn numbers_are_grouped() {
    let all = [
        (0, "0"),
        (999, "999"),
        (1_000, "1,000"),
        (12_345_678, "12,345,678"),
    ];
    for (number, text) in all {
        assert_eq!(grouped(number), text);
    }
}

#[tokio::test]
async fn the_work_is_done_in_the_span_of_its_call() {
    let recorded = Recorded::by(Sampler::AlwaysOn);
    let call = trace::server("a call", opentelemetry::Context::new());
    let stream = call.in_scope(|| {
        start(&Lifecycle::new(), 2, |_| async {
            trace::internal("rows").in_scope(|| {});
            Ok(7)
        })
    });
    drop(call);
    assert_eq!(stream.collect::<Vec<_>>().await.len(), 1);
    let spans = recorded.take();
    let [rows, call] = &spans[..] else {
        panic!("{spans:?}")
    };
    assert_eq!(
        (&*rows.name, rows.parent_span_id),
        ("rows", call.span_context.span_id())
    );
}
