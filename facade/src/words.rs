//! Words that adapters say: names, comments, reasons. They go to models, terminals and logs, so that nothing hides in them, no line
//! of theirs passes for one of ours, and none is without end.

/// What is shown in place of the rest of a text.
const MORE: &str = "..";

/// A text without characters that can't be seen: they move a terminal's cursor, turn a line round, or tell a model what no person reads.
/// Ends of lines stay.
pub(crate) fn visible(text: &str) -> String {
    text.chars()
        .filter(|character| *character == '\n' || !is_hidden(*character))
        .collect()
}

/// A text as one line of `max` characters at most.
pub(crate) fn line(text: &str, max: usize) -> String {
    let mut line = String::new();
    let mut left = max;
    // A tab and an end of a line part words; what else can't be seen is left out.
    for word in text.split_whitespace() {
        let gap = usize::from(!line.is_empty());
        let mut visible = word.chars().filter(|character| !is_hidden(*character)).peekable();
        if visible.peek().is_none() {
            continue;
        }
        if left <= gap {
            line.push_str(MORE);
            return line;
        }
        if gap > 0 {
            line.push(' ');
            left -= 1;
        }
        for character in visible {
            if left == 0 {
                line.push_str(MORE);
                return line;
            }
            line.push(character);
            left -= 1;
        }
    }
    line
}

/// Whether it can be a name in a schema: providers of models take no other names of properties.
pub(crate) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 64
        && bytes
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Controls, and the format characters of Unicode: soft hyphen, zero widths, directions, and the tags that spell invisible text.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides() {
        assert_eq!(visible("a\u{1b}[31mb\n\u{202e}c\u{e0041}\u{200b}\r"), "a[31mb\nc");
        for (text, expected) in [
            ("  two\nli\t\u{7} me ", "two li me"),
            ("1234567890", "1234567890"),
            ("12345678901", "1234567890.."),
            ("12345 67890", "12345 6789.."),
            ("1234567890 1", "1234567890.."),
            ("\u{200b} \u{feff}", ""),
        ] {
            assert_eq!(line(text, 10), expected, "{text:?}");
        }
        for (text, expected) in [
            ("_a9", true),
            ("9a", false),
            ("", false),
            ("a-b", false),
            ("ä", false),
            ("\u{212a}", false),
        ] {
            assert_eq!(is_name(text), expected, "{text:?}");
        }
        assert!(!is_name(&"a".repeat(65)));
    }
}
