//! Values as JSON gives them, and the texts that they become.

use mcp_hub_proto::data::v1::{Entry, List};

use super::*;

fn value(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match json {
        Json::Null => Form::Null(0),
        Json::Bool(value) => Form::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Form::Int(number),
            None => Form::Double(number.as_f64().expect("a double")),
        },
        Json::String(text) => Form::Text(text.clone()),
        Json::Array(items) => Form::List(List {
            values: items.iter().map(value).collect(),
            lower_bounds: vec![],
        }),
        Json::Object(entries) => Form::Map(Map {
            entries: entries
                .iter()
                .map(|(key, item)| Entry {
                    key: key.clone(),
                    value: Some(value(item)),
                })
                .collect(),
        }),
    };
    Value { kind: Some(kind) }
}

fn encoded(json: &str, kind: Kind) -> Result<Option<String>, String> {
    let json = serde_json::from_str(json).expect("JSON");
    text(&value(&json), &Type::of("t", kind))
}

fn array_of(kind: Kind) -> Kind {
    Kind::Array {
        element: Type::of("e", kind),
        delimiter: ',',
    }
}

#[test]
fn values_become_the_texts_of_their_types() {
    let point = || {
        Kind::Composite(vec![
            ("x".to_owned(), Type::of("int4", Kind::Integer)),
            ("label".to_owned(), Type::of("text", Kind::Text)),
        ])
    };
    for (json, kind, expected) in [
        ("5", Kind::Integer, "5"),
        ("3.0", Kind::Integer, "3"),
        ("1e3", Kind::Integer, "1000"),
        ("\"5\"", Kind::Integer, "5"),
        ("0.1", Kind::Numeric, "0.1"),
        ("5", Kind::Text, "5"),
        ("true", Kind::Text, "true"),
        ("true", Kind::Bool, "true"),
        ("\"2024-01-01\"", Kind::Date, "2024-01-01"),
        ("\"PT1H\"", Kind::Interval, "PT1H"),
        ("[1,null,3]", array_of(Kind::Integer), "{\"1\",NULL,\"3\"}"),
        (
            "[[\"a\"],[\"b,\\\"\"]]",
            array_of(Kind::Text),
            "{{\"a\"},{\"b,\\\"\"}}",
        ),
        ("[]", array_of(Kind::Text), "{}"),
        ("\"{1,2}\"", array_of(Kind::Integer), "{1,2}"),
        (
            "[[1],{\"a\":2}]",
            array_of(Kind::Json),
            "{\"[1]\",\"{\\\"a\\\":2}\"}",
        ),
        (
            "{\"b\":[1,9007199254740993,\"x\"],\"a\":null}",
            Kind::Json,
            "{\"b\":[1,9007199254740993,\"x\"],\"a\":null}",
        ),
        ("\"{\\\"a\\\":1}\"", Kind::Json, "{\"a\":1}"),
        ("\"{a\"", Kind::Json, "\"{a\""),
        ("\"x\"", Kind::Json, "\"x\""),
        ("{\"label\":\"q\\\"\",\"x\":1}", point(), "(\"1\",\"q\"\"\")"),
        ("[1,null]", point(), "(\"1\",)"),
        ("{\"a\":1,\"b\":null}", Kind::Hstore, "\"a\"=>\"1\", \"b\"=>NULL"),
        ("[1,2.5]", Kind::Vector, "[1,2.5]"),
        ("{\"$bytes\":\"3q0=\",\"len\":2}", Kind::Bytes, "\\xdead"),
        ("[\"[1,3)\"]", Kind::Multirange, "{[1,3)}"),
    ] {
        assert_eq!(encoded(json, kind), Ok(Some(expected.to_owned())), "{json}");
    }
    assert_eq!(encoded("null", Kind::Integer), Ok(None));
}

#[test]
fn what_does_not_fit_is_said() {
    for (json, kind) in [
        ("1.5", Kind::Integer),
        ("true", Kind::Numeric),
        ("1", Kind::Bool),
        ("20240101", Kind::Date),
        ("[1]", Kind::Integer),
        ("{\"a\":1}", Kind::Text),
        ("5", array_of(Kind::Integer)),
        ("[1.5]", array_of(Kind::Integer)),
        (
            "{\"z\":1}",
            Kind::Composite(vec![("a".to_owned(), Type::of("t", Kind::Text))]),
        ),
        ("{\"a\":1}", Kind::Bytes),
    ] {
        assert!(encoded(json, kind).is_err(), "{json}");
    }
}

#[test]
fn a_mistake_names_the_parameter_and_the_type() {
    let kinds = [
        Some(Type::of("text", Kind::Text)),
        Some(Type::of("int4", Kind::Integer)),
    ];
    let params = [value(&"a".into()), value(&1.5.into())];
    let fault = encode(&params, kinds.into_iter()).expect_err("refused");
    assert_eq!(
        fault.message,
        "params[1] ($2) must be int4: 1.5 is no whole number"
    );
    assert_eq!(fault.metadata["field"], "params[1]");
}
