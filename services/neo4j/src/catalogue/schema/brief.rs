//! A big graph by name: what fits into a first answer, and how to ask on.

use mcp_hub_proto::neo4j::v1 as pb;

use super::{MOST_LABELS, Schema, counts};
use crate::catalogue::{IndexKind, quoted_if_needed};

/// How much of a big graph is named, in characters: labels with their counts, more labels, relationship types, indexes. About 1,500
/// tokens together.
const COUNTED_LABELS: usize = 600;
const NAMED_LABELS: usize = 3_000;
const NAMED_TYPES: usize = 1_000;
const NAMED_INDEXES: usize = 500;

impl Schema {
    /// The names of a big graph: labels with counts, then what else there is in a sentence each.
    pub(super) fn named(&self) -> pb::SchemaResponse {
        let by_frequency = self.counts.by_frequency();
        let mut room = COUNTED_LABELS;
        let counted = by_frequency.iter().take_while(|(name, _)| {
            // The JSON around a name is about as long as three words.
            let needed = name.chars().count() + 12;
            let fits = needed <= room;
            room = room.saturating_sub(needed);
            fits
        });
        let labels: Vec<pb::Label> = counted
            .map(|(name, count)| pb::Label {
                name: (*name).to_owned(),
                count: *count,
                properties: vec![],
            })
            .collect();
        let more = by_frequency[labels.len()..]
            .iter()
            .map(|(name, _)| quoted_if_needed(name));
        let types = counts::by_frequency(&self.counts.types);
        let types = types.iter().map(|(name, _)| quoted_if_needed(name));
        let searchable = self
            .indexes
            .iter()
            .filter(|index| matches!(index.kind, IndexKind::Fulltext | IndexKind::Vector));
        let searchable =
            searchable.map(|index| format!("{} ({})", quoted_if_needed(&index.name), index.kind.name()));
        let mut notices = vec![format!(
            "These are names only, since there are {} labels: ask again with up to {MOST_LABELS} labels for their properties, patterns, \
             constraints and indexes.",
            by_frequency.len()
        )];
        notices.extend(names("More labels", more, NAMED_LABELS));
        notices.extend(names(
            "Relationship types, the most frequent first",
            types,
            NAMED_TYPES,
        ));
        notices.extend(names("Indexes for the search tool", searchable, NAMED_INDEXES));
        pb::SchemaResponse {
            node_count: Some(self.counts.nodes),
            relationship_count: Some(self.counts.relationships),
            labels,
            notices,
            ..pb::SchemaResponse::default()
        }
    }
}

/// A sentence of names, as many as there is room for; `None` without any.
fn names(what: &str, names: impl Iterator<Item = String>, room: usize) -> Option<String> {
    let mut text = String::new();
    let mut left_out = 0;
    for name in names {
        if left_out > 0 || text.chars().count() + name.chars().count() + 2 > room {
            left_out += 1;
            continue;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&name);
    }
    match (text.is_empty(), left_out) {
        (true, 0) => None,
        (_, 0) => Some(format!("{what}: {text}.")),
        (_, left_out) => Some(format!("{what}: {text}, and {left_out} more.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fill_a_sentence_and_no_more() {
        let all = || ["A", "B c", "D"].map(quoted_if_needed).into_iter();
        assert_eq!(
            names("Labels", all(), 100).as_deref(),
            Some("Labels: A, `B c`, D.")
        );
        assert_eq!(
            names("Labels", all(), 5).as_deref(),
            Some("Labels: A, and 2 more.")
        );
        assert_eq!(names("Labels", std::iter::empty(), 5), None);
    }
}
