//! The last warnings and errors of a log, as processes of ours write it, or as `kubectl logs`, `docker compose logs` and `journalctl` show
//! it: with something in front of each line.

use std::collections::VecDeque;
use std::io::BufRead as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// The longest line that is looked at, in bytes: a log is text from outside too.
const LONGEST: usize = 64 * 1024;

/// The last `count` warnings and errors of a log.
pub(super) fn last(path: &Path, count: usize) -> Result<Value> {
    let unreadable = |source| Error::unreadable(path, source);
    let mut log = super::open(path).map_err(unreadable)?;
    let mut last = VecDeque::new();
    let mut seen = 0_u64;
    let mut line = Vec::new();
    loop {
        line.clear();
        if log.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        seen += 1;
        line.truncate(LONGEST);
        if let Some(entry) = read(&String::from_utf8_lossy(&line)) {
            last.push_back(entry);
            if last.len() > count {
                last.pop_front();
            }
        }
    }
    Ok(json!({ "lines_read": seen, "errors": last }))
}

/// A line, when it is a warning or an error of ours.
fn read(line: &str) -> Option<Value> {
    from_json(line).or_else(|| from_text(line))
}

/// A line of `--log-format json`, whatever stands in front of it.
fn from_json(line: &str) -> Option<Value> {
    let entry: Map<String, Value> = serde_json::from_str(&line[line.find('{')?..]).ok()?;
    is_bad(entry.get("level")?.as_str()?).then(|| entry.into())
}

/// A line for people: `TIME LEVEL TARGET: MESSAGE NAME=VALUE ..`.
fn from_text(line: &str) -> Option<Value> {
    let line = line.trim_end();
    let mut words = line.split_whitespace();
    let level = words.find(|word| is_bad(word))?;
    let target = words.next()?.strip_suffix(':')?;
    let behind = line.split_once(&format!("{target}:"))?.1;
    let time = line
        .split_whitespace()
        .find(|word| word.ends_with('Z') && word.contains('T'));
    Some(json!({
        "timestamp": time,
        "level": level,
        "target": target,
        "message": behind.trim(),
    }))
}

fn is_bad(level: &str) -> bool {
    matches!(level, "WARN" | "ERROR")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_forms_are_read_whatever_stands_in_front() {
        let json = r#"{"timestamp":"2026-01-01T00:00:00Z","level":"WARN","target":"x","message":"down","error":"refused"}"#;
        for line in [json.to_owned(), format!("[pod/mcp-hub-7d/mcp-hub] {json}\n")] {
            assert_eq!(read(&line).expect("a warning")["error"], "refused", "{line}");
        }
        let text =
            "mcp-hub-1  | 2026-01-01T00:00:00.000001Z ERROR mcp_hub_facade: it failed error=\"refused\"";
        assert_eq!(
            read(text).expect("an error"),
            json!({
                "timestamp": "2026-01-01T00:00:00.000001Z",
                "level": "ERROR",
                "target": "mcp_hub_facade",
                "message": "it failed error=\"refused\"",
            })
        );
        for line in [
            "",
            "{",
            "not of ours: password=x",
            r#"{"level":"INFO","message":"well"}"#,
            "2026-01-01T00:00:00Z  INFO mcp_hub: well",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn the_last_ones_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let lines = (0..100).map(|number| format!("2026-01-01T00:00:00Z WARN x: {number}\n"));
        std::fs::write(&path, lines.collect::<String>()).expect("writes");
        let last = last(&path, 2).expect("reads");
        assert_eq!(last["lines_read"], 100);
        let messages: Vec<_> = last["errors"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|entry| &entry["message"])
            .collect();
        assert_eq!(messages, ["98", "99"]);
    }
}
