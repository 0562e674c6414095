//! The text form of arrays: `{1,NULL,"a b"}`, `[0:1]={..}`, nested braces for dimensions.

/// An array as its text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// The elements of the outermost dimension.
    pub(crate) items: Vec<Item>,
    /// The lower bound of each dimension; empty when all are 1.
    pub(crate) lower_bounds: Vec<i32>,
}

/// One element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// NULL.
    Null,
    /// The text of an element.
    Text(String),
    /// The next dimension.
    Array(Vec<Item>),
}

impl Item {
    /// The text of an element that is neither NULL nor a dimension.
    pub(crate) fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Array(_) => None,
        }
    }
}

/// Parses the text form; `None` when it is not one. `delimiter` is a comma for all built-in types but `box`.
pub(crate) fn parse(text: &str, delimiter: char) -> Option<Parsed> {
    let (lower_bounds, text) = if text.starts_with('[') {
        let (bounds, rest) = text.split_once('=')?;
        (lower_bounds(bounds)?, rest)
    } else {
        (vec![], text)
    };
    let mut reader = Reader {
        rest: text,
        delimiter,
    };
    let items = reader.array()?;
    reader.rest.is_empty().then_some(Parsed { items, lower_bounds })
}

fn lower_bounds(text: &str) -> Option<Vec<i32>> {
    let bounds = text
        .strip_prefix('[')?
        .strip_suffix(']')?
        .split("][")
        .map(|bounds| bounds.split_once(':')?.0.parse().ok())
        .collect::<Option<Vec<i32>>>()?;
    Some(if bounds.iter().all(|bound| *bound == 1) {
        vec![]
    } else {
        bounds
    })
}

struct Reader<'a> {
    rest: &'a str,
    delimiter: char,
}

impl Reader<'_> {
    fn eat(&mut self, character: char) -> bool {
        match self.rest.strip_prefix(character) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// From the opening to the closing brace. PostgreSQL allows six dimensions, so the recursion is bounded by what it sends; the
    /// bound here keeps a damaged text from exhausting the stack.
    fn array(&mut self) -> Option<Vec<Item>> {
        self.array_at(0)
    }

    fn array_at(&mut self, depth: usize) -> Option<Vec<Item>> {
        if depth > 32 || !self.eat('{') {
            return None;
        }
        let mut items = Vec::new();
        if self.eat('}') {
            return Some(items);
        }
        loop {
            items.push(if self.rest.starts_with('{') {
                Item::Array(self.array_at(depth + 1)?)
            } else {
                self.element()?
            });
            if self.eat('}') {
                return Some(items);
            }
            if !self.eat(self.delimiter) {
                return None;
            }
        }
    }

    fn element(&mut self) -> Option<Item> {
        if self.eat('"') {
            return self.quoted().map(Item::Text);
        }
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        loop {
            let (index, character) = characters.next()?;
            if character == '}' || character == self.delimiter {
                self.rest = &self.rest[index..];
                break;
            }
            match character {
                '\\' => text.push(characters.next()?.1),
                '{' | '"' => return None,
                character => text.push(character),
            }
        }
        match text.as_str() {
            "" => None,
            // A string that says NULL is quoted.
            "NULL" => Some(Item::Null),
            _ => Some(Item::Text(text)),
        }
    }

    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        loop {
            let (index, character) = characters.next()?;
            match character {
                '\\' => text.push(characters.next()?.1),
                '"' => {
                    self.rest = &self.rest[index + 1..];
                    return Some(text);
                }
                character => text.push(character),
            }
        }
    }
}

/// An element, always quoted: right for every text.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Item {
        Item::Text(text.to_owned())
    }

    #[test]
    fn the_forms_of_the_server_are_read() {
        for (form, items, lower_bounds) in [
            ("{}", vec![], vec![]),
            (
                "{1,NULL,\"NULL\"}",
                vec![text("1"), Item::Null, text("NULL")],
                vec![],
            ),
            (
                "{\"a,b\",\"q\\\"\\\\\"}",
                vec![text("a,b"), text("q\"\\")],
                vec![],
            ),
            ("[0:1]={7,8}", vec![text("7"), text("8")], vec![0]),
            ("[1:2]={7,8}", vec![text("7"), text("8")], vec![]),
            (
                "[1:2][-2:-2]={{7},{NULL}}",
                vec![Item::Array(vec![text("7")]), Item::Array(vec![Item::Null])],
                vec![1, -2],
            ),
        ] {
            assert_eq!(parse(form, ','), Some(Parsed { items, lower_bounds }), "{form}");
        }
        assert_eq!(
            parse("{(1,1),(0,0);(2,2),(0,0)}", ';').map(|parsed| parsed.items.len()),
            Some(2)
        );
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for form in [
            "",
            "{",
            "}",
            "{1",
            "{1,}",
            "{,1}",
            "{1}x",
            "[0:1]",
            "[x:1]={1}",
            "{\"a}",
            "{1{2}}",
        ] {
            assert_eq!(parse(form, ','), None, "{form}");
        }
        assert_eq!(parse(&"{".repeat(100_000), ','), None);
    }

    fn item() -> impl Strategy<Value = Item> {
        let leaf = prop_oneof![Just(Item::Null), any::<String>().prop_map(Item::Text)];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop::collection::vec(inner, 0..4).prop_map(Item::Array)
        })
    }

    fn print(item: &Item) -> String {
        match item {
            Item::Null => "NULL".to_owned(),
            Item::Text(text) => quote(text),
            Item::Array(items) => {
                let items: Vec<String> = items.iter().map(print).collect();
                format!("{{{}}}", items.join(","))
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(items in prop::collection::vec(item(), 0..5)) {
            let form = print(&Item::Array(items.clone()));
            prop_assert_eq!(parse(&form, ',').map(|parsed| parsed.items), Some(items));
        }

        #[test]
        fn no_text_makes_it_panic(form in any::<String>()) {
            let _ = parse(&form, ',');
        }
    }
}
