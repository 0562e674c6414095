//! What a load saw.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use super::{Failure, Fate, Kind};

/// How many wrong answers are kept in full.
const KEPT: usize = 10;

/// What is counted while clients run.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) calls: u64,
    pub(super) ok: u64,
    pub(super) failures: Vec<Failure>,
    pub(super) wrong: u64,
    pub(super) wrong_answers: Vec<String>,
    pub(super) latencies: Vec<Duration>,
    pub(super) writes: HashMap<String, Fate>,
    pub(super) lists: BTreeMap<Vec<String>, u64>,
    pub(super) reconnects: u64,
    pub(super) not_opened: BTreeMap<Kind, u64>,
    pub(super) notifications: u64,
}

impl Counted {
    pub(super) fn wrong(&mut self, what: String) {
        self.wrong += 1;
        if self.wrong_answers.len() < KEPT {
            self.wrong_answers.push(what);
        }
    }
}

/// What a load saw. Printed, it is a table.
#[derive(Debug)]
pub struct Report {
    /// Calls that came to an end, this way or that.
    pub calls: u64,
    /// Calls with a right answer.
    pub ok: u64,
    /// Calls that failed.
    pub failures: Vec<Failure>,
    /// Answers that were not what was asked for, or came unasked.
    pub wrong: u64,
    /// The first of them, in full.
    pub wrong_answers: Vec<String>,
    /// What the callers of writes may believe of each, by its id.
    pub writes: HashMap<String, Fate>,
    /// The tool lists that were seen, each with how often.
    pub lists: BTreeMap<Vec<String>, u64>,
    /// How often a lost stream was opened again.
    pub reconnects: u64,
    /// How often a stream could not be opened, by kind.
    pub not_opened: BTreeMap<Kind, u64>,
    /// Notifications that came on streams.
    pub notifications: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// How long each call with a right answer took, in order of length.
    latencies: Vec<Duration>,
}

/// What became of the writes of a load, as the ledger shows it. The first three are never right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// Done more than once.
    pub twice: Vec<String>,
    /// Done although the caller was told that it was not.
    pub denied: Vec<String>,
    /// Not done although the caller was told that it was.
    pub missing: Vec<String>,
    /// The caller does not know, and it was done.
    pub unclear_done: usize,
    /// The caller does not know, and it was not done.
    pub unclear_not_done: usize,
    /// Told to be done, and done once.
    pub done: usize,
    /// Told not to be done, and not done.
    pub not_done: usize,
}

impl Report {
    pub(super) fn new(counted: Counted, elapsed: Duration) -> Self {
        let mut latencies = counted.latencies;
        latencies.sort_unstable();
        Self {
            calls: counted.calls,
            ok: counted.ok,
            failures: counted.failures,
            wrong: counted.wrong,
            wrong_answers: counted.wrong_answers,
            writes: counted.writes,
            lists: counted.lists,
            reconnects: counted.reconnects,
            not_opened: counted.not_opened,
            notifications: counted.notifications,
            elapsed,
            latencies,
        }
    }

    /// The latency that this share of the calls with a right answer does not exceed, in thousandths; zero when there was none.
    pub fn latency(&self, thousandths: usize) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let index = (self.latencies.len() * thousandths / 1000).min(last);
        self.latencies.get(index).copied().unwrap_or_default()
    }

    /// Compares what callers believe of their writes with how often each was done.
    pub fn writes(&self, ledger: &HashMap<String, u32>) -> Writes {
        let mut writes = Writes::default();
        for (id, fate) in &self.writes {
            let times = ledger.get(id).copied().unwrap_or_default();
            if times > 1 {
                writes.twice.push(id.clone());
            }
            match (fate, times) {
                (Fate::Done, 0) => writes.missing.push(id.clone()),
                (Fate::Done, _) => writes.done += 1,
                (Fate::NotDone, 0) => writes.not_done += 1,
                (Fate::NotDone, _) => writes.denied.push(id.clone()),
                (Fate::Unclear, 0) => writes.unclear_not_done += 1,
                (Fate::Unclear, _) => writes.unclear_done += 1,
            }
        }
        writes
    }

    /// The failures of these kinds of calls, by door and kind.
    pub fn by_kind(&self) -> BTreeMap<(&'static str, &'static str, Kind), u64> {
        let mut kinds = BTreeMap::new();
        for failure in &self.failures {
            let key = (failure.label, failure.door, failure.kind.clone());
            *kinds.entry(key).or_default() += 1;
        }
        kinds
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        writeln!(
            formatter,
            "calls {}  ok {}  failed {}  wrong {}  in {seconds:.1} s",
            self.calls,
            self.ok,
            self.failures.len(),
            self.wrong
        )?;
        writeln!(
            formatter,
            "latency p50 {:.1?}  p99 {:.1?}  max {:.1?}",
            self.latency(500),
            self.latency(990),
            self.latency(1000)
        )?;
        writeln!(
            formatter,
            "streams opened again {}  notifications {}  different tool lists {}",
            self.reconnects,
            self.notifications,
            self.lists.len()
        )?;
        for (kind, count) in &self.not_opened {
            writeln!(formatter, "{count:>7}  stream not opened: {kind}")?;
        }
        for ((label, door, kind), count) in self.by_kind() {
            writeln!(formatter, "{count:>7}  {label:<10} {door:<16} {kind}")?;
        }
        for wrong in &self.wrong_answers {
            writeln!(formatter, "WRONG  {wrong}")?;
        }
        Ok(())
    }
}

impl Writes {
    /// Whether none was done twice, none was done that was denied, and none is missing that was confirmed.
    pub fn are_right(&self) -> bool {
        self.twice.is_empty() && self.denied.is_empty() && self.missing.is_empty()
    }
}

impl fmt::Display for Writes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "writes: done {}, not done {}, unclear and done {}, unclear and not done {}; twice {:?}, denied yet done {:?}, \
             confirmed yet missing {:?}",
            self.done,
            self.not_done,
            self.unclear_done,
            self.unclear_not_done,
            self.twice,
            self.denied,
            self.missing
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_compared_with_the_ledger() {
        let mut counted = Counted::default();
        for (id, fate) in [
            ("a", Fate::Done),
            ("b", Fate::Done),
            ("c", Fate::NotDone),
            ("d", Fate::NotDone),
            ("e", Fate::Unclear),
            ("f", Fate::Unclear),
            ("g", Fate::Done),
        ] {
            counted.writes.insert(id.to_owned(), fate);
        }
        let report = Report::new(counted, Duration::ZERO);
        let ledger = [("a", 1), ("c", 1), ("e", 1), ("g", 2)];
        let ledger = ledger.map(|(id, times)| (id.to_owned(), times)).into();
        let writes = report.writes(&ledger);
        assert_eq!(writes.missing, ["b"]);
        assert_eq!(writes.denied, ["c"]);
        assert_eq!(writes.twice, ["g"]);
        assert_eq!((writes.done, writes.not_done), (2, 1));
        assert_eq!((writes.unclear_done, writes.unclear_not_done), (1, 1));
        assert!(!writes.are_right());
    }
}
