//! What the tests said: counts and times by part, reasons, one table at the end.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// How many tests passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// They ran and were right.
    pub(crate) passed: usize,
    /// They ran and were wrong, or never came to an end.
    pub(crate) failed: usize,
    /// They said that something is missing, or are marked `#[ignore]`.
    pub(crate) skipped: usize,
}

impl Counts {
    /// One check that passed or failed.
    pub(crate) fn one(passed: bool) -> Self {
        Self {
            passed: usize::from(passed),
            failed: usize::from(!passed),
            skipped: 0,
        }
    }

    /// The sum of libtest's `test result:` lines.
    pub(crate) fn of_libtest(output: &str) -> Self {
        let mut counts = Self::default();
        for line in output.lines().filter(|line| line.starts_with("test result:")) {
            let mut number = None;
            for word in line.split_whitespace() {
                match word.trim_end_matches(';') {
                    "passed" => counts.passed += number.unwrap_or(0),
                    "failed" => counts.failed += number.unwrap_or(0),
                    "ignored" => counts.skipped += number.unwrap_or(0),
                    word => number = word.parse().ok(),
                }
            }
        }
        counts
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// One line of the table.
#[derive(Debug)]
struct Row {
    part: String,
    counts: Counts,
    time: Duration,
}

/// Collects what happens and prints it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    skipped: Vec<String>,
    failed: Vec<String>,
}

impl Report {
    /// Runs a part, prints its heading, and notes its counts and time. A part that can't run counts as one failure.
    pub(crate) fn part(&mut self, part: &str, run: impl FnOnce(&mut Self) -> anyhow::Result<Counts>) -> bool {
        println!("\n== {part}");
        let start = Instant::now();
        let counts = run(self).unwrap_or_else(|error| {
            self.failure(format!("{part}: {error:#}"));
            Counts::one(false)
        });
        let time = start.elapsed();
        self.rows.push(Row {
            part: part.to_owned(),
            counts,
            time,
        });
        println!("== {part}: {}, {:.1} s", describe(counts), time.as_secs_f64());
        counts.failed == 0
    }

    /// Notes and prints why something was left out.
    pub(crate) fn skip(&mut self, reason: String) {
        println!("skipped: {reason}");
        self.skipped.push(reason);
    }

    /// Notes and prints what is wrong.
    pub(crate) fn failure(&mut self, what: String) {
        println!("FAILED: {what}");
        self.failed.push(what);
    }

    /// Prints the table, every reason, and as the last line the total; true when nothing failed.
    pub(crate) fn finish(&self) -> bool {
        println!("\n{}", self.table());
        for (title, lines) in [("skipped", &self.skipped), ("failed", &self.failed)] {
            for line in lines {
                println!("{title}: {line}");
            }
        }
        let total = self.total();
        println!("{}", describe(total));
        total.failed == 0 && self.failed.is_empty()
    }

    fn total(&self) -> Counts {
        let mut total = Counts::default();
        for row in &self.rows {
            total += row.counts;
        }
        total
    }

    fn table(&self) -> String {
        let mut table = format!(
            "{:<14}{:>8}{:>8}{:>9}{:>9}\n",
            "part", "passed", "failed", "skipped", "time"
        );
        for Row {
            part,
            counts:
                Counts {
                    passed,
                    failed,
                    skipped,
                },
            time,
        } in &self.rows
        {
            let seconds = time.as_secs_f64();
            // Infallible: writing to a String.
            let _ = writeln!(
                table,
                "{part:<14}{passed:>8}{failed:>8}{skipped:>9}{seconds:>7.1} s"
            );
        }
        table
    }
}

fn describe(
    Counts {
        passed,
        failed,
        skipped,
    }: Counts,
) -> String {
    format!("{passed} passed, {failed} failed, {skipped} skipped")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_every_result_line() {
        let output = "running 3 tests\ntest a ... ok\n\n\
            test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 7 filtered out; finished in 0.08s\n\
            test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.0s\n";
        assert_eq!(
            Counts::of_libtest(output),
            Counts {
                passed: 15,
                failed: 1,
                skipped: 2
            }
        );
    }

    #[test]
    fn a_part_that_cannot_run_is_a_failure() {
        let mut report = Report::default();
        assert!(!report.part("one", |_| anyhow::bail!("no server")));
        assert!(report.part("two", |_| Ok(Counts::one(true))));
        assert_eq!(
            report.total(),
            Counts {
                passed: 1,
                failed: 1,
                skipped: 0
            }
        );
        assert!(!report.finish());
    }
}
