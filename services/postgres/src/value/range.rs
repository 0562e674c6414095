//! The text form of multiranges: `{[1,3),[7,9)}`. A range itself is its text.

/// The ranges, each as its text; `None` when the text is no multirange.
pub(crate) fn parse(text: &str) -> Option<Vec<String>> {
    let mut rest = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut ranges = Vec::new();
    while !rest.is_empty() {
        let length = length(rest)?;
        let (range, after) = rest.split_at(length);
        ranges.push(range.to_owned());
        rest = match after.strip_prefix(',') {
            Some("") => return None,
            Some(after) => after,
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(ranges)
}

/// How many bytes the range at the beginning has.
fn length(text: &str) -> Option<usize> {
    if !text.starts_with(['[', '(']) {
        return None;
    }
    let mut quoted = false;
    let mut characters = text.char_indices();
    loop {
        match characters.next()? {
            (_, '\\') => drop(characters.next()?),
            // A doubled quote inside quotes ends and begins them, which comes to the same.
            (_, '"') => quoted = !quoted,
            (index, ']' | ')') if !quoted => return Some(index + 1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_forms_of_the_server_are_read() {
        for (form, ranges) in [
            ("{}", vec![]),
            ("{[1,3),[7,9)}", vec!["[1,3)", "[7,9)"]),
            ("{(,\"a)\\\",\"\"\"],(z,)}", vec!["(,\"a)\\\",\"\"\"]", "(z,)"]),
        ] {
            assert_eq!(
                parse(form),
                Some(ranges.into_iter().map(str::to_owned).collect()),
                "{form}"
            );
        }
        for form in ["", "{", "{1}", "{[1,2),}", "{[1,2)[3,4)}", "{[\"1,2)}"] {
            assert_eq!(parse(form), None, "{form}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(form in any::<String>()) {
            let _ = parse(&form);
        }
    }
}
