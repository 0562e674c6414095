//! The standard variables, `OTEL_*`: what they share, whatever they mean.
//!
//! As the specification wants it, an empty variable counts as one that is not set, and a value that can't be used is warned of and
//! ignored: telemetry never keeps a process from starting. Warnings have the name of the variable and not its value, which could be a
//! secret.

use std::cell::RefCell;
use std::str::FromStr;
use std::time::Duration;

/// The variables of one process, and what was wrong with those that were read.
pub(super) struct Variables<'a> {
    find: &'a dyn Fn(&str) -> Option<String>,
    warnings: RefCell<Vec<String>>,
}

impl<'a> Variables<'a> {
    /// Variables that `find` finds by their names.
    pub(super) fn new(find: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            find,
            warnings: RefCell::default(),
        }
    }

    /// What was wrong, each once, for the log.
    pub(super) fn into_warnings(self) -> Vec<String> {
        self.warnings.into_inner()
    }

    /// Says that the value of a variable is not used as it stands.
    pub(super) fn warn(&self, name: &str, problem: &str) {
        let warning = format!("{name} {problem}");
        let mut warnings = self.warnings.borrow_mut();
        // Traces and metrics read the general variables both.
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.find)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    /// The first of these variables whose value can be read; `must` completes the sentence about one that can't be: `must be a number`.
    pub(super) fn first<T>(&self, names: &[&str], must: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        names.iter().find_map(|name| {
            let value = read(&self.text(name)?);
            if value.is_none() {
                self.warn(name, &format!("{must}: it is ignored"));
            }
            value
        })
    }

    /// One of a few words, whatever their case.
    pub(super) fn choice<T: Copy>(&self, names: &[&str], choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        self.first(names, &format!("must be one of {}", words.join(", ")), |value| {
            let choice = choices.iter().find(|(word, _)| value.eq_ignore_ascii_case(word));
            choice.map(|(_, meaning)| *meaning)
        })
    }

    /// A list of words with commas between them, of those that are known. None when the variable is not set, or nothing of it is known.
    pub(super) fn list(&self, name: &str, known: &[&'static str]) -> Option<Vec<&'static str>> {
        let value = self.text(name)?;
        let mut words = Vec::new();
        for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match known.iter().find(|known| word.eq_ignore_ascii_case(known)) {
                Some(word) => words.push(*word),
                None => self.warn(
                    name,
                    &format!("may have {} only: the rest of it is ignored", known.join(", ")),
                ),
            }
        }
        (!words.is_empty()).then_some(words)
    }

    /// `true` or not. Anything but `true` and `false` is warned of and means `false`.
    pub(super) fn switch(&self, names: &[&str]) -> bool {
        self.choice(names, &[("true", true), ("false", false)])
            .unwrap_or_default()
    }

    /// A count from 1 to `most`.
    pub(super) fn count(&self, names: &[&str], most: usize) -> Option<usize> {
        self.first(names, &format!("must be a number from 1 to {most}"), |value| {
            value.parse().ok().filter(|count| (1..=most).contains(count))
        })
    }

    /// A limit, of which 0 is one too.
    pub(super) fn limit<T: FromStr>(&self, names: &[&str]) -> Option<T> {
        self.first(names, "must be a number that is not negative", |value| {
            value.parse().ok()
        })
    }

    /// Milliseconds: at least one, at most a day.
    pub(super) fn time(&self, names: &[&str]) -> Option<Duration> {
        const DAY: u64 = 24 * 60 * 60 * 1000;
        self.first(names, &format!("must be milliseconds from 1 to {DAY}"), |value| {
            let millis = value.parse().ok().filter(|millis| (1..=DAY).contains(millis))?;
            Some(Duration::from_millis(millis))
        })
    }

    /// `key=value` pairs with commas between them, the values percent-encoded. As the specification wants it, one mistake makes all of
    /// them void: half of them could mean something else.
    pub(super) fn pairs(&self, names: &[&str]) -> Vec<(String, String)> {
        let must = "must be key=value pairs with commas between them, the values percent-encoded UTF-8";
        self.first(names, must, |value| {
            value
                .split(',')
                .filter(|pair| !pair.trim().is_empty())
                .map(|pair| {
                    let (key, value) = pair.split_once('=')?;
                    let value = percent_encoding::percent_decode_str(value.trim());
                    let key = percent_encoding::percent_decode_str(key.trim());
                    let key = key.decode_utf8().ok().filter(|key| !key.is_empty())?;
                    Some((key.into_owned(), value.decode_utf8().ok()?.into_owned()))
                })
                .collect()
        })
        .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(value: &str, read: impl FnOnce(&Variables<'_>) -> T) -> (T, Vec<String>) {
        let find = |name: &str| (name == "X").then(|| value.to_owned());
        let variables = Variables::new(&find);
        let read = read(&variables);
        (read, variables.into_warnings())
    }

    #[test]
    fn what_is_empty_is_not_set() {
        for empty in ["", "  "] {
            let (read, warnings) = with(empty, |variables| {
                (
                    variables.text("X"),
                    variables.list("X", &["otlp"]),
                    variables.count(&["X"], 9),
                )
            });
            assert_eq!((read, warnings), ((None, None, None), vec![]), "{empty:?}");
        }
    }

    #[test]
    fn the_first_name_that_can_be_read_counts_and_others_are_warned_of_once() {
        let find = |name: &str| match name {
            "SPECIFIC" => Some("nonsense".to_owned()),
            "GENERAL" => Some("5".to_owned()),
            _ => None,
        };
        let variables = Variables::new(&find);
        for _ in 0..2 {
            assert_eq!(variables.count(&["NONE", "SPECIFIC", "GENERAL"], 9), Some(5));
        }
        assert_eq!(
            variables.into_warnings(),
            ["SPECIFIC must be a number from 1 to 9: it is ignored"]
        );
    }

    #[test]
    fn numbers_have_bounds() {
        for wrong in ["0", "10", "-1", "1.5", "99999999999999999999"] {
            let (read, warnings) = with(wrong, |variables| variables.count(&["X"], 9));
            assert_eq!((read, warnings.len()), (None, 1), "{wrong}");
        }
        let (read, warnings) = with("0", |variables| variables.time(&["X"]));
        assert_eq!((read, warnings.len()), (None, 1));
        let (read, warnings) = with("0", |variables| variables.limit::<u32>(&["X"]));
        assert_eq!((read, warnings.len()), (Some(0), 0));
    }

    #[test]
    fn words_have_any_case_and_unknown_ones_are_named_without_their_value() {
        let (read, warnings) = with("GZip", |variables| {
            variables.choice(&["X"], &[("gzip", 1), ("none", 2)])
        });
        assert_eq!((read, warnings), (Some(1), vec![]));
        let (read, warnings) = with("secret", |variables| variables.switch(&["X"]));
        assert_eq!(
            (read, warnings),
            (
                false,
                vec!["X must be one of true, false: it is ignored".to_owned()]
            )
        );
        let (read, warnings) = with("zipkin, OTLP", |variables| variables.list("X", &["otlp", "none"]));
        assert_eq!(
            (read, warnings),
            (
                Some(vec!["otlp"]),
                vec!["X may have otlp, none only: the rest of it is ignored".to_owned()]
            )
        );
    }

    #[test]
    fn pairs_are_decoded_all_or_none() {
        let (read, warnings) = with(" a = x%2Cy ,b=c=d,", |variables| variables.pairs(&["X"]));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            (read, warnings),
            (vec![pair("a", "x,y"), pair("b", "c=d")], vec![])
        );
        for wrong in ["a=b,c", "a=%ff", "=b"] {
            let (read, warnings) = with(wrong, |variables| variables.pairs(&["X"]));
            assert_eq!((read, warnings.len()), (vec![], 1), "{wrong}");
        }
    }
}
