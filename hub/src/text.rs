//! What a hub sent, as text for people: lines of a list, and blocks of content.

use std::fmt::Write as _;

use serde_json::Value;

/// One line an entry: its columns, all but the last as wide as the widest.
pub(crate) fn lines(entries: impl Iterator<Item = [String; 3]>) -> String {
    let entries: Vec<[String; 3]> = entries.collect();
    let width = |column: usize| {
        let lengths = entries.iter().map(|entry| entry[column].chars().count());
        lengths.max().unwrap_or_default()
    };
    let (first, second) = (width(0), width(1));
    let mut out = String::new();
    for [one, two, three] in &entries {
        let line = format!("{one:first$}  {two:second$}  {three}");
        // Writing to a `String` can't fail.
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// The columns of an entry: what it is called by, its title, the first sentence about it.
pub(crate) fn entry(entry: &Value, called: &str) -> [String; 3] {
    let text = |field: &str| cell(&entry[field].as_str().unwrap_or_default().into());
    let description = entry["description"].as_str().unwrap_or_default();
    [
        text(called),
        text("title"),
        cell(&first_sentence(description).into()),
    ]
}

/// A text up to its first full stop.
fn first_sentence(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.find(". ").map_or(line, |end| &line[..=end])
}

/// A block of content: its text, or what it is where it has none.
pub(crate) fn block(block: &Value) -> String {
    match block["type"].as_str().unwrap_or_default() {
        "text" => block["text"].as_str().unwrap_or_default().to_owned(),
        "resource" => document(&block["resource"]),
        "resource_link" => format!("({})", cell(&block["uri"])),
        _ => bytes(&block["mimeType"], &block["data"]),
    }
}

/// A document, or a part of one.
pub(crate) fn document(document: &Value) -> String {
    match document["text"].as_str() {
        Some(text) => text.to_owned(),
        None => bytes(&document["mimeType"], &document["blob"]),
    }
}

/// Bytes in base64, which are not shown.
fn bytes(kind: &Value, base64: &Value) -> String {
    let base64 = base64.as_str().unwrap_or_default().trim_end_matches('=');
    format!("({}, {} bytes)", cell(kind), base64.len() * 3 / 4)
}

/// A text of several lines for a terminal, which must not be steered by it.
pub(crate) fn harmless(text: &str) -> String {
    let shown = |character: char| match character {
        '\n' | '\t' => character.to_string(),
        control if control.is_control() => control.escape_default().to_string(),
        other => other.to_string(),
    };
    text.chars().map(shown).collect()
}

/// A value in one line. Control characters, which could steer the terminal, are shown by their names.
pub(crate) fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let shown = |character: char| match character {
        '\n' => "↵".to_owned(),
        control if control.is_control() => control.escape_default().to_string(),
        other => other.to_string(),
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_is_one_line() {
        let tools = [
            json!({ "name": "shop_query", "title": "Query", "description": "Runs SQL. Then more." }),
            json!({ "name": "list_services", "title": "List services", "description": "Lists e.g.\nmore" }),
            json!({ "name": "x\u{1b}" }),
        ];
        assert_eq!(
            lines(tools.iter().map(|tool| entry(tool, "name"))),
            "shop_query     Query          Runs SQL.\nlist_services  List services  Lists e.g.\nx\\u{1b}\n"
        );
    }

    #[test]
    fn blocks_are_text_or_say_what_they_are() {
        for (content, expected) in [
            (json!({ "type": "text", "text": "a\nb" }), "a\nb"),
            (
                json!({ "type": "image", "mimeType": "image/png", "data": "aGVsbG8=" }),
                "(image/png, 5 bytes)",
            ),
            (
                json!({ "type": "resource", "resource": { "uri": "x", "text": "t" } }),
                "t",
            ),
            (
                json!({ "type": "resource", "resource": { "uri": "x", "mimeType": "a/b", "blob": "aGVs" } }),
                "(a/b, 3 bytes)",
            ),
            (
                json!({ "type": "resource_link", "uri": "mcphub://a/b" }),
                "(mcphub://a/b)",
            ),
        ] {
            assert_eq!(block(&content), expected);
        }
        assert_eq!(harmless("a\n\u{1b}[2J"), "a\n\\u{1b}[2J");
    }
}
