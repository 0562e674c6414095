//! Which labels are connected by which relationship types.
//!
//! The count store counts relationships by type and one end. That tells both ends exactly wherever one label is at an end of all
//! relationships of a type, which is how most graphs are made. The rest is seen in samples.

use std::collections::{BTreeMap, BTreeSet};

use super::counts::{Counts, Ends};
use super::sample::{self, Around};
use crate::database::Transaction;
use crate::error::Error;

/// The most places that are looked at.
const MOST_PLACES: usize = 60;

/// The patterns that are connected with labels.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    /// How many by start label, type and end label; no label is the empty one, and `None` is not known.
    pub(super) counts: BTreeMap<(String, String, String), Option<u64>>,
    /// Types whose patterns were estimated.
    pub(super) estimated: BTreeSet<String>,
    /// Whether there were more places than were looked at.
    pub(super) incomplete: bool,
}

/// Finds the patterns of the graph; with labels, only theirs.
pub(super) async fn find(
    transaction: &mut Transaction,
    counts: &Counts,
    labels: &[&str],
    narrowed: bool,
) -> Result<Patterns, Error> {
    let mut patterns = Patterns::default();
    let mut places = if let Some(ends) = &counts.ends {
        known(counts, ends, narrowed.then_some(labels), &mut patterns)
    } else {
        let around = labels.iter().flat_map(|label| {
            let label = (*label).to_owned();
            [Around::From(label.clone(), None), Around::To(label, None)]
        });
        around.collect()
    };
    patterns.incomplete = places.len() > MOST_PLACES;
    places.truncate(MOST_PLACES);
    patterns
        .look(transaction, counts, &places, narrowed.then_some(labels))
        .await?;
    Ok(patterns)
}

/// Finds the patterns of one relationship type.
pub(super) async fn of_type(
    transaction: &mut Transaction,
    counts: &Counts,
    name: &str,
) -> Result<Patterns, Error> {
    let mut patterns = Patterns::default();
    let counts = counts.of_type(name);
    let places = match &counts.ends {
        Some(ends) => known(&counts, ends, None, &mut patterns),
        None => vec![Around::Type(name.to_owned())],
    };
    patterns.look(transaction, &counts, &places, None).await?;
    Ok(patterns)
}

impl Patterns {
    /// Adds what is seen at some places; with labels, only what is theirs.
    async fn look(
        &mut self,
        transaction: &mut Transaction,
        counts: &Counts,
        places: &[Around],
        labels: Option<&[&str]>,
    ) -> Result<(), Error> {
        let seen = sample::ends(transaction, places).await?;
        for (place, seen) in places.iter().zip(seen) {
            let whole = if seen.is_complete() {
                Some(seen.total)
            } else {
                whole(counts, place)
            };
            for (pattern, many) in seen.patterns {
                let is_wanted = |label: &String| labels.is_none_or(|labels| labels.contains(&label.as_str()));
                if !is_wanted(&pattern.0) && !is_wanted(&pattern.2) {
                    continue;
                }
                if seen.total != whole.unwrap_or_default() {
                    self.estimated.insert(pattern.1.clone());
                }
                let count = whole.map(|whole| scaled(many, seen.total, whole));
                self.counts.entry(pattern).or_insert(count);
            }
        }
        Ok(())
    }
}

/// Adds what the counts alone tell; returns where to look for the rest.
fn known(counts: &Counts, ends: &Ends, labels: Option<&[&str]>, patterns: &mut Patterns) -> Vec<Around> {
    let mut places = Vec::new();
    let nothing = BTreeMap::new();
    let wanted = |label: &str| labels.is_none_or(|labels| labels.contains(&label));
    for (name, total) in super::counts::by_frequency(&counts.types) {
        let starts = ends.starts.get(name).unwrap_or(&nothing);
        let ends = ends.ends.get(name).unwrap_or(&nothing);
        if labels.is_some() && !starts.keys().chain(ends.keys()).any(|label| wanted(label)) {
            continue;
        }
        let covers = |counts: &BTreeMap<String, u64>| counts.values().any(|count| Some(*count) == total);
        let (start_covers, end_covers) = (covers(starts), covers(ends));
        // A node without labels at one end can only be seen.
        let is_counted = |counts: &BTreeMap<String, u64>| Some(counts.values().sum::<u64>()) >= total;
        let exact = start_covers && is_counted(ends) || end_covers && is_counted(starts);
        if !exact {
            if labels.is_none() {
                places.push(Around::Type(name.to_owned()));
                continue;
            }
            let from = starts.keys().filter(|label| wanted(label));
            places.extend(from.map(|label| Around::From(label.clone(), Some(name.to_owned()))));
            let to = ends.keys().filter(|label| wanted(label));
            places.extend(to.map(|label| Around::To(label.clone(), Some(name.to_owned()))));
            continue;
        }
        for (start, from) in starts {
            for (end, to) in ends {
                let count = if Some(*to) == total {
                    *from
                } else if Some(*from) == total {
                    *to
                } else {
                    // Two labels that some nodes have besides the one that all have.
                    continue;
                };
                if wanted(start) || wanted(end) {
                    let pattern = (start.clone(), name.to_owned(), end.clone());
                    patterns.counts.insert(pattern, Some(count));
                }
            }
        }
    }
    places
}

/// How many relationships a place has, as far as it was counted.
fn whole(counts: &Counts, place: &Around) -> Option<u64> {
    let ends = counts.ends.as_ref();
    match place {
        Around::Type(name) => *counts.types.get(name)?,
        Around::From(label, name) => ends?.starts.get(name.as_ref()?)?.get(label).copied(),
        Around::To(label, name) => ends?.ends.get(name.as_ref()?)?.get(label).copied(),
    }
}

/// A part of a sample as a part of the whole.
fn scaled(many: u64, sample: u64, whole: u64) -> u64 {
    let scaled = u128::from(many) * u128::from(whole) / u128::from(sample.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(types: &[(&str, u64)], starts: &[(&str, &str, u64)], ends: &[(&str, &str, u64)]) -> Counts {
        let by_label = |triples: &[(&str, &str, u64)]| {
            let mut map: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
            for (name, label, count) in triples {
                map.entry((*name).to_owned())
                    .or_default()
                    .insert((*label).to_owned(), *count);
            }
            map
        };
        Counts {
            types: types
                .iter()
                .map(|(name, count)| ((*name).to_owned(), Some(*count)))
                .collect(),
            ends: Some(Ends {
                starts: by_label(starts),
                ends: by_label(ends),
            }),
            ..Counts::default()
        }
    }

    fn shown(patterns: &Patterns) -> Vec<String> {
        let shown = patterns
            .counts
            .iter()
            .map(|((start, name, end), count)| format!("{start}-{name}-{end} {count:?}"));
        shown.collect()
    }

    #[test]
    fn one_label_at_an_end_of_all_tells_everything() {
        let counts = counts(
            &[("BOUGHT", 10), ("KNOWS", 6)],
            &[
                ("BOUGHT", "Person", 10),
                ("BOUGHT", "Vip", 3),
                ("KNOWS", "Person", 4),
                ("KNOWS", "Bot", 2),
            ],
            &[
                ("BOUGHT", "Book", 7),
                ("BOUGHT", "Film", 3),
                ("KNOWS", "Person", 5),
                ("KNOWS", "Bot", 1),
            ],
        );
        let mut patterns = Patterns::default();
        let ends = counts.ends.as_ref().expect("known");
        let places = known(&counts, ends, None, &mut patterns);
        assert_eq!(
            shown(&patterns),
            ["Person-BOUGHT-Book Some(7)", "Person-BOUGHT-Film Some(3)"]
        );
        // Who knows whom can't be told from the ends alone.
        assert_eq!(places, [Around::Type("KNOWS".to_owned())]);

        let mut patterns = Patterns::default();
        let places = known(&counts, ends, Some(&["Bot"]), &mut patterns);
        assert!(patterns.counts.is_empty());
        let knows = || Some("KNOWS".to_owned());
        assert_eq!(
            places,
            [
                Around::From("Bot".to_owned(), knows()),
                Around::To("Bot".to_owned(), knows())
            ]
        );
    }

    #[test]
    fn an_end_without_labels_is_looked_for() {
        let counts = counts(&[("AT", 10)], &[("AT", "Person", 10)], &[("AT", "Place", 9)]);
        let mut patterns = Patterns::default();
        let places = known(&counts, counts.ends.as_ref().expect("known"), None, &mut patterns);
        assert_eq!(places, [Around::Type("AT".to_owned())]);
    }

    #[test]
    fn a_sample_is_scaled() {
        assert_eq!(scaled(250, 1_000, 40_000), 10_000);
        assert_eq!(scaled(1, 0, 5), 5);
    }
}
