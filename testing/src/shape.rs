//! Statements for tests that look for secrets: a shape with places for literals and comments, and what stands in them.

/// A statement of this shape: `LIT` is the next of the literals, `~` the next of the comments, which begin again when they are used up.
pub fn filled(shape: &str, literals: &[String], comments: &[String]) -> String {
    let (mut literals, mut comments) = (literals.iter().cycle(), comments.iter().cycle());
    let mut statement = String::new();
    let mut rest = shape;
    while let Some(character) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("LIT") {
            statement.extend(literals.next().map(String::as_str));
            rest = behind;
        } else if character == '~' {
            statement.extend(comments.next().map(String::as_str));
            rest = &rest[1..];
        } else {
            statement.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    statement
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_gets_the_next() {
        let texts = |texts: [&str; 2]| texts.map(str::to_owned);
        assert_eq!(
            filled(
                "a LIT,~LIT~~\u{e9} LIT",
                &texts(["1", "2"]),
                &texts(["/**/", "--\n"])
            ),
            "a 1,/**/2--\n/**/\u{e9} 1"
        );
    }
}
