//! The text forms one by one. That the server really writes them so is shown by the golden file of the integration tests.

use mcp_hub_proto::json;

use super::*;

fn shown(text: &str, kind: Kind) -> String {
    let mut out = String::new();
    json::write_value(&mut out, &decode(Some(text.as_bytes()), &Type::of("t", kind)));
    out
}

#[test]
fn scalars_keep_every_digit() {
    for (text, kind, json) in [
        ("t", Kind::Bool, "true"),
        ("9007199254740993", Kind::Integer, "\"9007199254740993\""),
        ("-5", Kind::Integer, "-5"),
        ("18446744073709551615", Kind::Unsigned, "\"18446744073709551615\""),
        ("0.1", Kind::Float, "0.1"),
        ("-Infinity", Kind::Float, "\"-Infinity\""),
        ("NaN", Kind::Float, "\"NaN\""),
        ("1.50", Kind::Numeric, "\"1.50\""),
        ("\\xdead", Kind::Bytes, r#"{"$bytes":"3q0=","len":2}"#),
        ("a\\\\\\000", Kind::Bytes, r#"{"$bytes":"YVwA","len":3}"#),
        (
            "[1,2.5]",
            Kind::Vector,
            r#"{"$vector":{"dim":2,"head":[1.0,2.5]}}"#,
        ),
    ] {
        assert_eq!(shown(text, kind), json, "{text}");
    }
}

#[test]
fn times_have_a_zone_only_where_the_database_has_one() {
    for (text, kind, json) in [
        ("0044-03-15 BC", Kind::Date, "0044-03-15 BC"),
        ("2024-01-02 03:04:05.6", Kind::Timestamp, "2024-01-02T03:04:05.6"),
        (
            "0044-03-15 01:02:03 BC",
            Kind::Timestamp,
            "0044-03-15T01:02:03 BC",
        ),
        ("-infinity", Kind::Timestamp, "-infinity"),
        (
            "2024-01-02 03:04:05+00",
            Kind::ZonedTimestamp,
            "2024-01-02T03:04:05Z",
        ),
        (
            "2024-01-02 03:04:05-03",
            Kind::ZonedTimestamp,
            "2024-01-02T03:04:05-03:00",
        ),
        (
            "2024-01-02 03:04:05+05:30",
            Kind::ZonedTimestamp,
            "2024-01-02T03:04:05+05:30",
        ),
        (
            "0044-03-15 01:02:03+00 BC",
            Kind::ZonedTimestamp,
            "0044-03-15T01:02:03Z BC",
        ),
        ("infinity", Kind::ZonedTimestamp, "infinity"),
        ("12:34:56.5+02", Kind::ZonedTime, "12:34:56.5+02:00"),
        ("12:34:56+00", Kind::ZonedTime, "12:34:56+00:00"),
    ] {
        assert_eq!(shown(text, kind), format!("\"{json}\""), "{text}");
    }
}

#[test]
fn what_has_not_the_expected_form_stays_text() {
    for kind in [
        Kind::Bool,
        Kind::Integer,
        Kind::Float,
        Kind::Bytes,
        Kind::Record,
        Kind::Hstore,
        Kind::Multirange,
        Kind::Vector,
        Kind::Composite(vec![]),
        Kind::Array {
            element: Type::of("t", Kind::Text),
            delimiter: ',',
        },
    ] {
        assert_eq!(shown("\\q", kind), r#""\\q""#);
    }
}

#[test]
fn a_composite_nests() {
    let inner = Type::of(
        "inner",
        Kind::Composite(vec![("x".to_owned(), Type::of("int4", Kind::Integer))]),
    );
    let list = Type::of(
        "inner[]",
        Kind::Array {
            element: inner,
            delimiter: ',',
        },
    );
    let outer = Kind::Composite(vec![
        ("list".to_owned(), list),
        ("at".to_owned(), Type::of("date", Kind::Date)),
    ]);
    assert_eq!(
        shown(r#"("{(1),(),NULL}",2024-01-02)"#, outer),
        r#"{"list":[{"x":1},{"x":null},null],"at":"2024-01-02"}"#
    );
}
