use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::sleep;

use super::*;

/// Counts the looks, each of which takes `time` and finds a closed port.
fn counting(time: Duration) -> (Diagnosis, Arc<AtomicUsize>) {
    let looks = Arc::new(AtomicUsize::new(0));
    let diagnosis = Diagnosis::new(looks.clone(), "orders", move |looks, key, _| async move {
        looks.fetch_add(1, Ordering::SeqCst);
        sleep(time).await;
        let subject = format!("{key}: db.example.com:5432");
        let finding = Finding::new(Hop::Port, subject, Verdict::Refused).of_setting("POSTGRES_PORT");
        vec![
            finding
                .fill("host", "db.example.com")
                .with_detail("db.example.com says no"),
        ]
    });
    (diagnosis, looks)
}

#[tokio::test(start_paused = true)]
async fn however_many_ask_one_look_is_under_way_and_it_is_shared_for_a_while() {
    let lifecycle = Lifecycle::new();
    let (diagnosis, looks) = counting(Duration::from_secs(2));
    let asked = std::iter::repeat_with(|| diagnosis.tell(None, &lifecycle)).take(20);
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    diagnosis.tell(None, &lifecycle).await;
    assert_eq!(looks.load(Ordering::SeqCst), 1);
    sleep(SHARED).await;
    diagnosis.tell(None, &lifecycle).await;
    assert_eq!(looks.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn who_can_not_wait_spoils_nothing_for_the_others() {
    let lifecycle = Lifecycle::new();
    let (diagnosis, looks) = counting(Duration::from_secs(2));
    for _ in 0..5 {
        let hasty = diagnosis.tell(Some(Duration::from_millis(1)), &lifecycle).await;
        assert_eq!(hasty.findings[0].verdict, "unfinished");
    }
    let patient = diagnosis.tell(None, &lifecycle).await;
    assert_eq!(patient.findings[0].verdict, "refused");
    assert_eq!(looks.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_look_without_end_ends() {
    let lifecycle = Lifecycle::new();
    let (diagnosis, _) = counting(Duration::from_hours(1));
    let answer = diagnosis.tell(Some(Duration::from_mins(1)), &lifecycle).await;
    assert_eq!(answer.findings[0].verdict, "unfinished");
    // The process stops: nobody waits for a look.
    lifecycle.stop();
    sleep(SHARED).await;
    let answer = diagnosis.tell(None, &lifecycle).await;
    assert_eq!(answer.findings[0].verdict, "unfinished");
    lifecycle.drain(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_look_that_panics_is_followed_by_another() {
    let lifecycle = Lifecycle::new();
    let looks = Arc::new(AtomicUsize::new(0));
    let diagnosis = Diagnosis::new(
        looks.clone(),
        "orders",
        |looks: Arc<AtomicUsize>, _, _| async move {
            assert!(looks.fetch_add(1, Ordering::SeqCst) > 0, "the first one panics");
            vec![Finding::new(Hop::Login, "x", Verdict::Ok)]
        },
    );
    assert_eq!(
        diagnosis.tell(None, &lifecycle).await.findings[0].verdict,
        "unfinished"
    );
    assert_eq!(diagnosis.tell(None, &lifecycle).await.findings[0].verdict, "ok");
}

#[tokio::test]
async fn others_learn_settings_and_no_addresses() {
    let (diagnosis, _) = counting(Duration::ZERO);
    let answer = diagnosis.tell(None, &Lifecycle::new()).await;
    assert!(!format!("{answer:?}").contains("example"), "{answer:?}");

    let heard = heard("orders", answer);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].subject, "orders: POSTGRES_PORT");
    assert_eq!((heard[0].hop, heard[0].verdict), (Hop::Port, Verdict::Refused));
}

#[test]
fn what_a_newer_adapter_says_is_told_by_its_code() {
    let told = |severity: proto::Severity| {
        let finding = proto::Finding {
            hop: "quantum".to_owned(),
            verdict: "entangled".to_owned(),
            severity: severity.into(),
            ..Default::default()
        };
        heard(
            "orders",
            DiagnoseResponse {
                findings: vec![finding],
            },
        )
        .remove(0)
    };
    let failure = told(proto::Severity::Failure);
    assert_eq!((failure.hop, failure.verdict), (Hop::Adapter, Verdict::Unknown));
    assert_eq!(failure.detail, "entangled");
    assert_eq!(told(proto::Severity::Fine).verdict, Verdict::Ok);
}
