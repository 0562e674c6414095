//! The text form of composites and records: `(1,"a ""b""",,"")`.

/// The fields; `None` is NULL. `None` as a whole when the text is no composite. `()` is one NULL, and also how a type without fields
/// prints.
pub(crate) fn parse(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.strip_prefix('(')?;
    let mut fields = Vec::new();
    let mut field: Option<String> = None;
    let mut quoted = false;
    let mut characters = inner.chars().peekable();
    loop {
        let character = characters.next()?;
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.get_or_insert_default().push('"');
            }
            '"' => {
                quoted = !quoted;
                field.get_or_insert_default();
            }
            '\\' => field.get_or_insert_default().push(characters.next()?),
            ',' if !quoted => fields.push(field.take()),
            ')' if !quoted => {
                fields.push(field);
                return characters.next().is_none().then_some(fields);
            }
            character => field.get_or_insert_default().push(character),
        }
    }
}

/// A composite of fields, each quoted unless it is NULL.
pub(crate) fn print<'a>(fields: impl IntoIterator<Item = Option<&'a str>>) -> String {
    let fields: Vec<String> = fields
        .into_iter()
        .map(|field| field.map(quote).unwrap_or_default())
        .collect();
    format!("({})", fields.join(","))
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_forms_of_the_server_are_read() {
        for (form, fields) in [
            ("(1,abc)", vec![Some("1"), Some("abc")]),
            ("(,\"\")", vec![None, Some("")]),
            ("()", vec![None]),
            ("(\"a,b\",\"q\"\"\\\\\")", vec![Some("a,b"), Some("q\"\\")]),
            ("(\"(1,\"\"x y\"\")\",2)", vec![Some("(1,\"x y\")"), Some("2")]),
        ] {
            let fields: Vec<Option<String>> =
                fields.into_iter().map(|field| field.map(str::to_owned)).collect();
            assert_eq!(parse(form), Some(fields), "{form}");
        }
    }

    #[test]
    fn what_is_no_composite_is_refused() {
        for form in ["", "(", "1", "(1", "(\"1)", "(1)x", "(\\"] {
            assert_eq!(parse(form), None, "{form}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(fields in prop::collection::vec(any::<Option<String>>(), 1..6)) {
            let form = print(fields.iter().map(Option::as_deref));
            prop_assert_eq!(parse(&form), Some(fields));
        }

        #[test]
        fn no_text_makes_it_panic(form in any::<String>()) {
            let _ = parse(&form);
        }
    }
}
