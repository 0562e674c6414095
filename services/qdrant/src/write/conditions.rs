//! What a filter asks of points: whether it asks anything, and of which keys of the payload.

use std::collections::BTreeSet;

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::{Condition, Filter};

/// Whether a filter has no condition in it, however deep its empty clauses are: all points match it.
pub(super) fn is_unconditional(filter: &Filter) -> bool {
    !conditions(filter).any(|condition| match &condition.condition_one_of {
        None => false,
        Some(ConditionOneOf::Filter(filter)) => !is_unconditional(filter),
        Some(_) => true,
    })
}

/// The keys of the payload, as it has them at its top, on which it depends whether a point matches.
pub(super) fn keys(filter: &Filter) -> BTreeSet<&str> {
    let mut keys = BTreeSet::new();
    add_keys(filter, &mut keys);
    keys
}

fn add_keys<'a>(filter: &'a Filter, keys: &mut BTreeSet<&'a str>) {
    for condition in conditions(filter) {
        let path = match &condition.condition_one_of {
            Some(ConditionOneOf::Field(field)) => &field.key,
            Some(ConditionOneOf::IsEmpty(empty)) => &empty.key,
            Some(ConditionOneOf::IsNull(null)) => &null.key,
            // What stands inside is about keys below this one.
            Some(ConditionOneOf::Nested(nested)) => &nested.key,
            Some(ConditionOneOf::Filter(filter)) => {
                add_keys(filter, keys);
                continue;
            }
            Some(ConditionOneOf::HasId(_) | ConditionOneOf::HasVector(_) | ConditionOneOf::Slice(_))
            | None => {
                continue;
            }
        };
        keys.insert(top(path));
    }
}

/// The first key of a path: `a` of `a.b` and of `a[].b`, `a.b` of `"a.b".c`.
pub(super) fn top(path: &str) -> &str {
    if let Some(quoted) = path.strip_prefix('"') {
        return quoted.split('"').next().unwrap_or_default();
    }
    path.split(['.', '[']).next().unwrap_or_default()
}

fn conditions(filter: &Filter) -> impl Iterator<Item = &Condition> {
    let at_least = filter.min_should.iter().flat_map(|clause| &clause.conditions);
    let clauses = [&filter.must, &filter.should, &filter.must_not];
    clauses.into_iter().flatten().chain(at_least)
}

#[cfg(test)]
mod tests {
    use qdrant_client::qdrant::{MinShould, NestedCondition, SliceCondition};

    use super::*;

    #[test]
    fn a_filter_without_a_condition_is_for_all_points() {
        let inner: Condition = Filter::must([Filter::default().into()]).into();
        for empty in [
            Filter::default(),
            Filter::must([inner.clone()]),
            Filter::must_not([inner.clone(), Condition::default()]),
            Filter::min_should(1, [inner.clone()]),
        ] {
            assert!(is_unconditional(&empty), "{empty:?}");
        }
        for condition in [
            Condition::matches("a", true),
            Condition::has_id([1]),
            Condition::has_vector(""),
            Filter::should([Condition::is_null("a")]).into(),
            Condition {
                condition_one_of: Some(ConditionOneOf::Slice(SliceCondition { total: 2, index: 1 })),
            },
        ] {
            let filter = Filter::should([inner.clone(), condition]);
            assert!(!is_unconditional(&filter), "{filter:?}");
        }
    }

    #[test]
    fn the_keys_that_a_filter_depends_on_are_found_at_any_depth() {
        let nested = NestedCondition {
            key: "n[].m".to_owned(),
            filter: Some(Filter::must([Condition::matches("x", 1)])),
        };
        let filter = Filter {
            must: vec![Condition::matches("a.b", 1), Condition::has_id([1])],
            should: vec![Condition::is_empty("c[]"), nested.into()],
            must_not: vec![Filter::must([Condition::is_null("\"d.e\".f")]).into()],
            min_should: Some(MinShould {
                conditions: vec![Condition::matches("g", true)],
                min_count: 1,
            }),
        };
        assert_eq!(keys(&filter), BTreeSet::from(["a", "c", "d.e", "g", "n"]));
    }

    #[test]
    fn odd_paths_have_a_first_key_too() {
        for (path, first) in [
            ("", ""),
            ("\"", ""),
            ("\"a", "a"),
            ("a", "a"),
            ("a[0].b", "a"),
            (".a", ""),
        ] {
            assert_eq!(top(path), first, "{path:?}");
        }
    }
}
