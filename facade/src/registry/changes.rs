//! When each of MCP's lists became another one.

use tokio::sync::watch;

/// One of the lists that clients keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list` and `resources/templates/list`.
    Resources,
}

impl List {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tools, Self::Prompts, Self::Resources];
}

/// How often each list has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes([u64; List::ALL.len()]);

impl Changes {
    /// How often a list has changed.
    pub fn of(&self, list: List) -> u64 {
        self.0[list as usize]
    }

    pub(super) fn count(&mut self, list: List) {
        self.0[list as usize] += 1;
    }
}

/// Tells one client which lists have changed. What changes often before it is asked is told once.
#[derive(Debug)]
pub(crate) struct Follower {
    changes: watch::Receiver<Changes>,
    told: Changes,
}

impl Follower {
    /// Tells of changes from now on.
    pub(crate) fn new(mut changes: watch::Receiver<Changes>) -> Self {
        let told = *changes.borrow_and_update();
        Self { changes, told }
    }

    /// Waits until a list is another than it was when this told of it last, or at the beginning. `None` when there will be no more. May be
    /// dropped and called again without loss.
    pub(crate) async fn next(&mut self) -> Option<List> {
        loop {
            let now = *self.changes.borrow_and_update();
            let changed = List::ALL
                .into_iter()
                .find(|list| now.of(*list) != self.told.of(*list));
            if let Some(list) = changed {
                self.told.0[list as usize] = now.of(list);
                return Some(list);
            }
            self.changes.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn each_list_is_told_once_however_often_it_changed() {
        let changes = watch::Sender::new(Changes::default());
        let count = |list: List| changes.send_modify(|changes| changes.count(list));
        count(List::Tools);
        let mut follower = Follower::new(changes.subscribe());
        assert_eq!(
            follower.next().now_or_never(),
            None,
            "what was before is not told"
        );
        for list in [List::Resources, List::Tools, List::Resources, List::Resources] {
            count(list);
        }
        assert_eq!(follower.next().now_or_never(), Some(Some(List::Tools)));
        assert_eq!(follower.next().now_or_never(), Some(Some(List::Resources)));
        assert_eq!(follower.next().now_or_never(), None);
        count(List::Prompts);
        assert_eq!(follower.next().now_or_never(), Some(Some(List::Prompts)));
        count(List::Tools);
        drop(changes);
        assert_eq!(follower.next().now_or_never(), Some(Some(List::Tools)));
        assert_eq!(follower.next().now_or_never(), Some(None));
    }
}
