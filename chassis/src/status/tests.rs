use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A database that answers what the test says.
#[derive(Default)]
struct Double {
    look: Mutex<Option<Failure>>,
    open: AtomicU32,
    rights: AtomicU32,
    judged: AtomicU32,
}

#[derive(Debug, thiserror::Error)]
#[error("10.0.0.7:5432 says no")]
struct Error(Failure);

#[tonic::async_trait]
impl Watched for Double {
    type Error = Error;

    const KIND: &'static str = "double";

    fn about(&self) -> About {
        About {
            database: "shop".to_owned(),
            description: "orders since 2019".to_owned(),
            allow_writes: true,
            pool: Some(Pool {
                open: self.open.load(Ordering::Relaxed),
                ..Pool::default()
            }),
        }
    }

    async fn look(&self) -> Result<Product, Error> {
        match self.look.lock().expect("not poisoned").clone() {
            Some(failure) => Err(Error(failure)),
            None => Ok(Product {
                name: "Double".to_owned(),
                version: "1.2".to_owned(),
            }),
        }
    }

    fn failure(error: Error) -> Failure {
        error.0
    }

    async fn judge(&self) -> Result<Vec<String>, Error> {
        self.judged.fetch_add(1, Ordering::Relaxed);
        match self.rights.load(Ordering::Relaxed) {
            0 => Err(Error(Failure::Silent)),
            _ => Ok(vec!["The user may do too much.".to_owned()]),
        }
    }
}

fn double() -> Status<Double> {
    Status::new(Double::default())
}

impl Status<Double> {
    async fn look(&self, failure: Option<Failure>) -> (bool, String) {
        *self.database.look.lock().expect("not poisoned") = failure;
        let up = self.probe().await;
        let status = self.status().await;
        assert_eq!(status.state() == State::Serving, up);
        (up, status.reason)
    }

    fn times_judged(&self) -> u32 {
        self.database.judged.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn what_is_known_is_told_before_and_after_the_first_look() {
    let status = double();
    let before = status.status().await;
    assert_eq!(
        (before.kind.as_str(), before.database.as_str()),
        ("double", "shop")
    );
    assert_eq!(
        (before.mode(), before.state()),
        (Mode::ReadWrite, State::Unavailable)
    );
    assert_eq!(before.description, "orders since 2019");
    assert!(before.pool.is_some() && before.product.is_empty());
    assert_eq!(status.look(None).await, (true, String::new()));
    let after = status.status().await;
    assert_eq!(
        (after.product.as_str(), after.product_version.as_str()),
        ("Double", "1.2")
    );
}

#[tokio::test]
async fn a_database_that_is_down_has_a_clean_reason_and_is_still_known() {
    let status = double();
    status.look(None).await;
    let refused = Failure::Unusable("connection refused".to_owned());
    assert_eq!(
        status.look(Some(refused)).await,
        (false, "connection refused".to_owned())
    );
    assert_eq!(status.status().await.product, "Double");
    assert_eq!(
        status.look(Some(Failure::Silent)).await,
        (false, "it does not answer".to_owned())
    );
    assert_eq!(status.look(None).await, (true, String::new()));
}

#[tokio::test]
async fn a_database_at_work_is_up_as_long_as_a_connection_is_open() {
    let status = double();
    let (up, reason) = status.look(Some(Failure::Busy)).await;
    assert!(!up && reason.contains("in use"), "{reason}");
    status.database.open.store(1, Ordering::Relaxed);
    assert_eq!(status.look(Some(Failure::Busy)).await, (true, String::new()));
}

#[tokio::test(start_paused = true)]
async fn the_login_is_judged_from_time_to_time_and_after_an_outage() {
    let status = double();
    status.look(None).await;
    status.look(None).await;
    assert_eq!(status.times_judged(), 2, "until it can be judged");
    status.database.rights.store(1, Ordering::Relaxed);
    for _ in 0..3 {
        status.look(None).await;
    }
    assert_eq!(status.times_judged(), 3);
    assert_eq!(status.status().await.posture, ["The user may do too much."]);
    tokio::time::advance(JUDGE_EVERY).await;
    status.look(None).await;
    assert_eq!(status.times_judged(), 4);
    status.look(Some(Failure::Silent)).await;
    status.look(None).await;
    assert_eq!(
        status.times_judged(),
        5,
        "another server may have taken its place"
    );
}
