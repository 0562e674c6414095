use mcp_hub_proto::data::v1::{Cut, Entry, List, Temporal, Vector};
use proptest::prelude::*;

use super::*;

fn value(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

fn bound(kind: Kind) -> Owned {
    to_sqlite(&value(kind), 1).expect("fits")
}

#[test]
fn what_sqlite_stores_is_what_leaves() {
    let plain = |stored| from_sqlite(stored, Declared::Plain).kind.expect("a kind");
    assert_eq!(plain(ValueRef::Null), Kind::Null(0));
    assert_eq!(plain(ValueRef::Integer(i64::MIN)), Kind::Int(i64::MIN));
    assert_eq!(
        plain(ValueRef::Real(f64::NEG_INFINITY)),
        Kind::Double(f64::NEG_INFINITY)
    );
    assert_eq!(
        plain(ValueRef::Text("3.10".as_bytes())),
        Kind::Text("3.10".to_owned())
    );
    assert_eq!(plain(ValueRef::Text(&[b'a', 0xff])), bytes(&[b'a', 0xff]));
    assert_eq!(plain(ValueRef::Blob(&[])), bytes(&[]));
}

#[test]
fn a_declared_type_adds_only_what_the_value_bears_out() {
    let json = |stored| {
        from_sqlite(stored, Declared::of(Some("json")))
            .kind
            .expect("a kind")
    };
    let precise = r#"{"id": 9007199254740993}"#;
    assert_eq!(
        json(ValueRef::Text(precise.as_bytes())),
        Kind::Json(precise.to_owned())
    );
    assert_eq!(json(ValueRef::Text(b"{oops")), Kind::Text("{oops".to_owned()));
    assert_eq!(json(ValueRef::Integer(1)), Kind::Int(1));
    let boolean = |stored| {
        from_sqlite(stored, Declared::of(Some("BOOLEAN")))
            .kind
            .expect("a kind")
    };
    assert_eq!(boolean(ValueRef::Integer(0)), Kind::Bool(false));
    assert_eq!(boolean(ValueRef::Integer(2)), Kind::Int(2));
    assert_eq!(boolean(ValueRef::Text(b"true")), Kind::Text("true".to_owned()));
}

#[test]
fn exact_numbers_are_bound_as_the_same_number() {
    let number = |text: &str| bound(Kind::Number(text.to_owned()));
    assert_eq!(number("42"), Owned::Integer(42));
    assert_eq!(number("1.50"), Owned::Real(1.5));
    assert_eq!(
        number("9223372036854775808"),
        Owned::Text("9223372036854775808".to_owned())
    );
    assert_eq!(
        number("0.1000000000000000055"),
        Owned::Text("0.1000000000000000055".to_owned())
    );
    assert_eq!(number("NaN"), Owned::Text("NaN".to_owned()));
}

#[test]
fn lists_and_maps_are_bound_as_json() {
    let list = Kind::List(List {
        values: vec![
            value(Kind::Int(9_007_199_254_740_993)),
            Value::default(),
            value(Kind::Map(Map {
                entries: vec![Entry {
                    key: "ä\"".to_owned(),
                    value: Some(value(Kind::Double(0.5))),
                }],
            })),
        ],
        lower_bounds: vec![],
    });
    assert_eq!(
        bound(list),
        Owned::Text("[9007199254740993,null,{\"ä\\\"\":0.5}]".to_owned())
    );
    let vector = Kind::Vector(Vector {
        values: vec![0.1, 2.0],
        dimensions: 2,
    });
    assert_eq!(bound(vector), Owned::Text("[0.1,2.0]".to_owned()));
    let date = Temporal {
        kind: 1,
        text: "2026-02-29".to_owned(),
    };
    assert_eq!(bound(Kind::Temporal(date)), Owned::Text("2026-02-29".to_owned()));
}

#[test]
fn what_sqlite_can_not_hold_is_refused() {
    for kind in [
        Kind::Uint(u64::MAX),
        Kind::Double(f64::NAN),
        Kind::Cut(Cut {
            text: "a".to_owned(),
            length: 9,
        }),
        Kind::Bytes(Bytes {
            data: vec![1],
            length: 2,
        }),
        Kind::List(List {
            values: vec![value(Kind::Double(f64::INFINITY))],
            lower_bounds: vec![],
        }),
    ] {
        let fault = to_sqlite(&value(kind.clone()), 3).expect_err("does not fit");
        assert_eq!(fault.metadata["field"], "params", "{kind:?}");
        assert!(fault.message.starts_with("params: value 3 "), "{}", fault.message);
    }
}

fn scalar() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Null(0)),
        any::<i64>().prop_map(Kind::Int),
        any::<f64>()
            .prop_filter("SQLite has no NaN", |value| !value.is_nan())
            .prop_map(Kind::Double),
        any::<String>().prop_map(Kind::Text),
        any::<Vec<u8>>().prop_map(|data| bytes(&data)),
    ]
}

proptest! {
    #[test]
    fn a_scalar_comes_back_through_sqlite_as_it_went(kind in scalar()) {
        let connection = rusqlite::Connection::open_in_memory().expect("opens");
        let stored = bound(kind.clone());
        let back = connection
            .query_row("select ?1", [stored], |row| Ok(from_sqlite(row.get_ref(0)?, Declared::Plain)))
            .expect("runs");
        prop_assert_eq!(back.kind, Some(kind));
    }

    #[test]
    fn any_bytes_become_a_value_and_never_a_panic(data: Vec<u8>) {
        for declared in [Declared::Plain, Declared::Json, Declared::Boolean] {
            let left = from_sqlite(ValueRef::Text(&data), declared).kind;
            prop_assert_eq!(matches!(left, Some(Kind::Bytes(_))), std::str::from_utf8(&data).is_err());
        }
    }

    #[test]
    fn any_number_text_is_bound(text in "-?[0-9]{1,25}(\\.[0-9]{1,25})?") {
        match bound(Kind::Number(text.clone())) {
            Owned::Text(kept) => prop_assert_eq!(kept, text),
            Owned::Integer(integer) => prop_assert_eq!(integer, text.parse::<i64>().expect("an integer")),
            Owned::Real(real) => prop_assert_eq!(real.to_bits(), text.parse::<f64>().expect("a real").to_bits()),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
