//! Waiting for a condition: the only place in the tests where time passes on purpose.

use std::fmt::Display;
use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep};

const POLL: Duration = Duration::from_millis(20);

/// What a look at the world can say: it holds (with a value), or not yet (with a reason, for the failure message).
pub trait Condition {
    /// What [`eventually`] returns once the condition holds.
    type Value;

    /// The value, or why the condition doesn't hold yet.
    fn check(self) -> Result<Self::Value, String>;
}

impl Condition for bool {
    type Value = ();

    fn check(self) -> Result<(), String> {
        if self {
            Ok(())
        } else {
            Err("the condition is false".to_owned())
        }
    }
}

impl<T> Condition for Option<T> {
    type Value = T;

    fn check(self) -> Result<T, String> {
        self.ok_or_else(|| "there is no value".to_owned())
    }
}

impl<T, E: Display> Condition for Result<T, E> {
    type Value = T;

    fn check(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:#}"))
    }
}

/// Looks again and again until the condition holds, and returns its value.
///
/// A look is a `bool`, an `Option` or a `Result`; the last error is part of the failure message. The condition is looked
/// at least once, and a look that is under way when the deadline passes is cut.
///
/// # Panics
///
/// When the condition does not hold within `deadline`. The message names the caller's line.
#[track_caller]
pub fn eventually<C, F>(deadline: Duration, mut look: F) -> impl Future<Output = C::Value>
where
    C: Condition,
    F: AsyncFnMut() -> C,
{
    let caller = Location::caller();
    async move {
        let end = Instant::now() + deadline;
        let mut last = "the first look did not return".to_owned();
        loop {
            match tokio::time::timeout_at(end, look()).await.map(Condition::check) {
                Ok(Ok(value)) => return value,
                Ok(Err(reason)) => last = reason,
                Err(_) => {}
            }
            assert!(Instant::now() < end, "not within {deadline:?} ({caller}): {last}");
            sleep(POLL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn returns_the_value_once_it_is_there() {
        let mut looks = 0;
        let value = eventually(Duration::from_secs(1), async || {
            looks += 1;
            (looks == 3).then_some("there")
        })
        .await;
        assert_eq!((value, looks), ("there", 3));
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "refused")]
    async fn panics_with_the_last_reason() {
        eventually(Duration::from_secs(1), async || Err::<(), _>("refused")).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "not within 1s")]
    async fn cuts_a_look_that_hangs() {
        eventually(Duration::from_secs(1), async || {
            std::future::pending::<bool>().await
        })
        .await;
    }
}
