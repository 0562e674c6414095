//! The text form of hstore: `"a"=>"1", "b"=>NULL`.

/// Keys and values in order; `None` when the text is no hstore. The server always quotes, except NULL.
pub(crate) fn parse(text: &str) -> Option<Vec<(String, Option<String>)>> {
    let mut entries = Vec::new();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Some(entries);
    }
    loop {
        let (key, after) = quoted(rest)?;
        rest = after.strip_prefix("=>")?;
        let value = if let Some(after) = rest.strip_prefix("NULL") {
            rest = after;
            None
        } else {
            let (value, after) = quoted(rest)?;
            rest = after;
            Some(value)
        };
        entries.push((key, value));
        if rest.is_empty() {
            return Some(entries);
        }
        rest = rest.strip_prefix(", ")?;
    }
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = inner.char_indices();
    loop {
        match characters.next()? {
            (_, '\\') => value.push(characters.next()?.1),
            (index, '"') => return Some((value, &inner[index + 1..])),
            (_, character) => value.push(character),
        }
    }
}

/// An hstore of keys and values.
pub(crate) fn print<'a>(entries: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let entries: Vec<String> = entries
        .into_iter()
        .map(|(key, value)| {
            let value = value.map_or_else(|| "NULL".to_owned(), |value| super::array::quote(&value));
            format!("{}=>{value}", super::array::quote(key))
        })
        .collect();
    entries.join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_forms_of_the_server_are_read() {
        let entry = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
        assert_eq!(parse(""), Some(vec![]));
        assert_eq!(
            parse(r#""a"=>"1", "b\"\\"=>NULL"#),
            Some(vec![entry("a", Some("1")), entry("b\"\\", None)])
        );
        for form in ["a", "\"a\"", "\"a\"=>", "\"a\"=>\"1\",", "\"a\"=>\"1\"x"] {
            assert_eq!(parse(form), None, "{form}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(entries in prop::collection::vec(any::<(String, Option<String>)>(), 0..5)) {
            let form = print(entries.iter().map(|(key, value)| (key.as_str(), value.clone())));
            prop_assert_eq!(parse(&form), Some(entries));
        }

        #[test]
        fn no_text_makes_it_panic(form in any::<String>()) {
            let _ = parse(&form);
        }
    }
}
