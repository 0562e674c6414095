//! Where tokens begin and end, as the servers see it.

use super::*;

fn tokens(sql: &str) -> String {
    let tokens = scan(sql).expect("is read").into_iter().map(|token| {
        let text = &sql[token.start..token.end];
        match token.kind {
            Kind::Word(word) => format!("word:{word}"),
            Kind::Name(name) => format!("name:{name}"),
            Kind::Text => format!("text:{text}"),
            Kind::Number => format!("number:{text}"),
            Kind::Variable => format!("variable:{text}"),
            _ => text.to_owned(),
        }
    });
    tokens.collect::<Vec<_>>().join(" ")
}

#[test]
fn comments_are_the_server_s() {
    for (sql, expected) in [
        ("a -- b\nc", "word:a word:c"),
        ("a --\nb", "word:a word:b"),
        ("a --\u{1}b\nc", "word:a word:c"),
        ("a --", "word:a"),
        ("5--1", "number:5 - - number:1"),
        ("a # b\rc\nd", "word:a word:d"),
        ("a/* b /* c */d", "word:a word:d"),
        ("/*/ a */ b", "word:b"),
        ("a/**/b", "word:a word:b"),
        ("a/* ' */b", "word:a word:b"),
        ("a/*+ b */c", "word:a word:c"),
        ("a\u{b}b\u{c}c", "word:a word:b word:c"),
        // No space to the server.
        ("a\u{a0}b", "word:a\u{a0}b"),
        ("\u{feff}a", "word:\u{feff}a"),
    ] {
        assert_eq!(tokens(sql), expected, "{sql}");
    }
    for sql in [
        "/*! a */",
        "/*!50000 a*/",
        "/*M! a */",
        "/*M!100100 a */",
        "/* a",
        "/*+ SET_VAR(a=1) */",
    ] {
        assert!(scan(sql).is_err(), "{sql}");
    }
}

#[test]
fn strings_end_where_the_server_ends_them() {
    for (sql, expected) in [
        (r"'a\'b'c", r"text:'a\'b' word:c"),
        (r"'a\\'b", r"text:'a\\' word:b"),
        ("'a''b'c", "text:'a''b' word:c"),
        ("'a\"b'c", "text:'a\"b' word:c"),
        (r#""a\"b""c"d"#, r#"text:"a\"b""c" word:d"#),
        (r"'\ä'b", r"text:'\ä' word:b"),
        (r"`a\`b", r"name:a\ word:b"),
        ("`a``b`c", "name:a`b word:c"),
        ("N'a'b", "text:N'a' word:b"),
        ("n\"a\"", "word:n text:\"a\""),
        ("_utf8mb4'a'", "word:_utf8mb4 text:'a'"),
        (
            "x'4a'b B'01'c X''",
            "number:x'4a' word:b number:B'01' word:c number:X''",
        ),
    ] {
        assert_eq!(tokens(sql), expected, "{sql}");
    }
    for sql in ["'a", "\"a", "`a", r"'a\'", "x'4'", "x'4g'", "b'2'", "x'41"] {
        assert!(scan(sql).is_err(), "{sql}");
    }
}

#[test]
fn numbers_and_words_part_where_the_server_parts_them() {
    for (sql, expected) in [
        ("1.into", "number:1. word:into"),
        ("1e1into", "number:1e1 word:into"),
        ("1e+1into", "number:1e+1 word:into"),
        ("1.5e-3into", "number:1.5e-3 word:into"),
        (
            "1into 1einto 1e+into",
            "word:1into word:1einto word:1e + word:into",
        ),
        ("0x1 0x1into 0X1 0x", "number:0x1 word:0x1into word:0X1 word:0x"),
        ("0b1 0b2 0b", "number:0b1 word:0b2 word:0b"),
        (".5into", "number:.5 word:into"),
        ("t.into update.a", "name:t . name:into name:update . name:a"),
        ("t .into", "word:t . name:into"),
        ("t. into", "word:t . word:into"),
        ("`t`.into", "name:t . name:into"),
        ("t.5into", "name:t . name:5into"),
        ("`t`.5into", "name:t number:.5 word:into"),
        ("1.5.into", "number:1.5 . name:into"),
        ("a.b.c", "name:a . name:b . name:c"),
        ("@a.into into", "variable:@a.into word:into"),
        ("@ into", "variable:@ word:into"),
        ("@@into.a", "variable:@@ name:into . name:a"),
        ("@`a`into", "variable:@`a` word:into"),
        (r"@'\''into", r"variable:@'\'' word:into"),
        ("@a:=1", "variable:@a := number:1"),
        ("{d '1'}", "{ word:d text:'1' }"),
    ] {
        assert_eq!(tokens(sql), expected, "{sql}");
    }
    for sql in ["1.5e", "1.ex", "\\d", "a\0"] {
        assert!(scan(sql).is_err(), "{sql}");
    }
}
