//! The forms of values, one by one, and the property that every form is JSON.

use proptest::prelude::*;

use super::*;
use crate::data::v1::{Bytes, Cut, Entry, List, Temporal, Vector};

fn json(kind: Kind) -> String {
    let mut out = String::new();
    write_value(&mut out, &Value { kind: Some(kind) });
    out
}

fn int(value: i64) -> Value {
    Value {
        kind: Some(Kind::Int(value)),
    }
}

#[test]
fn integers_outside_the_safe_range_are_strings() {
    assert_eq!(json(Kind::Int(9_007_199_254_740_991)), "9007199254740991");
    assert_eq!(json(Kind::Int(9_007_199_254_740_992)), r#""9007199254740992""#);
    assert_eq!(json(Kind::Int(-9_007_199_254_740_992)), r#""-9007199254740992""#);
    assert_eq!(json(Kind::Int(i64::MIN)), r#""-9223372036854775808""#);
    assert_eq!(json(Kind::Uint(u64::MAX)), r#""18446744073709551615""#);
}

#[test]
fn doubles_are_shortest_and_special_ones_have_names() {
    assert_eq!(json(Kind::Double(0.1)), "0.1");
    assert_eq!(json(Kind::Double(-0.0)), "-0.0");
    assert_eq!(json(Kind::Double(f64::NAN)), r#""NaN""#);
    assert_eq!(json(Kind::Double(f64::NEG_INFINITY)), r#""-Infinity""#);
}

#[test]
fn a_document_deeper_than_readers_take_is_text() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(json(Kind::Json(nested(64))), nested(64));
    for depth in [66, 100_000] {
        let text = json(Kind::Json(nested(depth)));
        let parsed: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
        assert_eq!(parsed["$json"], nested(depth));
    }
}

#[test]
fn documents_that_a_reader_would_change_are_text() {
    for kept in [
        r#"{"a": 1.50, "b": [9007199254740991, 1e3, 0.1, 100.0]}"#,
        "null",
        " [1 ] ",
        r#""1e400""#,
        "0.0",
        "-0",
    ] {
        assert_eq!(json(Kind::Json(kept.to_owned())), kept);
    }
    for changed in [
        "9007199254740993",
        "1e400",
        "0.1234567890123456789",
        r#"{"a":1,"a":2}"#,
        r#"[{"x":12345678901234567890}]"#,
        "{broken",
        "NaN",
    ] {
        let text = json(Kind::Json(changed.to_owned()));
        let parsed: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
        assert_eq!(parsed["$json"], changed);
    }
}

#[test]
fn containers_keep_everything() {
    let list = List {
        values: vec![int(1), Value { kind: None }],
        lower_bounds: vec![0],
    };
    assert_eq!(json(Kind::List(list)), r#"{"$array":[1,null],"lower":[0]}"#);
    let entry = |key: &str| Entry {
        key: key.to_owned(),
        value: Some(int(1)),
    };
    let map = Map {
        entries: vec![entry("b"), entry("a")],
    };
    assert_eq!(json(Kind::Map(map)), r#"{"b":1,"a":1}"#);
    let bytes = Bytes {
        data: vec![0xde, 0xad],
        length: 2,
    };
    assert_eq!(json(Kind::Bytes(bytes)), r#"{"$bytes":"3q0=","len":2}"#);
    let vector = Vector {
        values: vec![0.1, 1.0],
        dimensions: 1536,
    };
    assert_eq!(
        json(Kind::Vector(vector)),
        r#"{"$vector":{"dim":1536,"head":[0.1,1.0]}}"#
    );
    let cut = Cut {
        text: "ab\"".to_owned(),
        length: 9000,
    };
    assert_eq!(json(Kind::Cut(cut)), r#"{"$cut":"ab\"","len":9000}"#);
}

#[test]
fn an_argument_keeps_its_digits() {
    let big = |number| Value {
        kind: Some(Kind::Int(number)),
    };
    let list = Value {
        kind: Some(Kind::List(List {
            values: vec![big(9_007_199_254_740_993), Value { kind: None }],
            lower_bounds: vec![],
        })),
    };
    let map = Map {
        entries: vec![
            Entry {
                key: "a\"".to_owned(),
                value: Some(list),
            },
            Entry {
                key: "b".to_owned(),
                value: None,
            },
        ],
    };
    let mut out = String::new();
    write_argument(
        &mut out,
        &Value {
            kind: Some(Kind::Map(map)),
        },
    );
    assert_eq!(out, r#"{"a\"":[9007199254740993,null],"b":null}"#);
}

#[test]
fn a_path_is_drawn_and_given_in_full() {
    let node = |id: &str, labels: &[&str]| Node {
        id: id.to_owned(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        properties: None,
    };
    let relationship = |kind: &str, start: &str, end: &str| Relationship {
        id: "5:a:9".to_owned(),
        r#type: kind.to_owned(),
        start_id: start.to_owned(),
        end_id: end.to_owned(),
        properties: None,
    };
    let path = Path {
        nodes: vec![
            node("1", &["Person", "A`B"]),
            node("2", &[]),
            node("3", &["Movie"]),
        ],
        relationships: vec![
            relationship("KNOWS", "1", "2"),
            relationship("HAS PART", "3", "2"),
        ],
    };
    assert_eq!(
        json(Kind::Path(path)),
        r#"{"$path":"(:Person:`A``B`)-[:KNOWS]->()<-[:`HAS PART`]-(:Movie)","nodes":[{"$node":"1","labels":["Person","A`B"],"props":{}},{"$node":"2","labels":[],"props":{}},{"$node":"3","labels":["Movie"],"props":{}}],"rels":[{"$rel":"5:a:9","type":"KNOWS","start":"1","end":"2","props":{}},{"$rel":"5:a:9","type":"HAS PART","start":"3","end":"2","props":{}}]}"#
    );
}

#[test]
fn a_result_set_stands_flat() {
    let column = |name: &str| Column {
        name: name.to_owned(),
        r#type: "int4".to_owned(),
    };
    let result = ResultSet {
        columns: vec![column("a"), column("a")],
        rows: vec![Row {
            values: vec![int(1), int(2)],
        }],
        truncated: Some(Truncation {
            reason: TruncationReason::Rows.into(),
            next_cursor: Some("c".to_owned()),
            consistent: Some(false),
        }),
        notices: vec![],
        elapsed_ms: 3,
    };
    let mut out = String::new();
    write_result_set_fields(&mut out, &result);
    assert_eq!(
        out,
        concat!(
            r#""columns":[{"name":"a","type":"int4"},{"name":"a","type":"int4"}],"rows":[[1,2]],"#,
            r#""truncated":{"reason":"rows","next_cursor":"c","consistent":false},"elapsed_ms":3"#
        )
    );
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Kind::Null(0)),
        any::<bool>().prop_map(Kind::Bool),
        any::<i64>().prop_map(Kind::Int),
        any::<u64>().prop_map(Kind::Uint),
        any::<f64>().prop_map(Kind::Double),
        any::<String>().prop_map(Kind::Text),
        any::<String>().prop_map(|text| Kind::Temporal(Temporal { kind: 1, text })),
        any::<String>().prop_map(Kind::Json),
        any::<Vec<u8>>().prop_map(|data| Kind::Bytes(Bytes {
            length: data.len() as u64,
            data
        })),
        any::<Vec<f32>>().prop_map(|values| Kind::Vector(Vector {
            dimensions: 0,
            values
        })),
    ];
    let value = leaf.prop_map(|kind| Value { kind: Some(kind) });
    value.prop_recursive(4, 32, 5, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..5).prop_map(|values| {
            Kind::List(List {
                values,
                lower_bounds: vec![],
            })
        });
        let map = prop::collection::vec((any::<String>(), inner), 0..5).prop_map(|entries| {
            let entries = entries.into_iter().map(|(key, value)| Entry {
                key,
                value: Some(value),
            });
            Kind::Map(Map {
                entries: entries.collect(),
            })
        });
        prop_oneof![list, map].prop_map(|kind| Value { kind: Some(kind) })
    })
}

proptest! {
    #[test]
    fn every_value_is_json(value in values()) {
        let mut out = String::new();
        write_value(&mut out, &value);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{out}");
    }

    #[test]
    fn a_number_that_passes_means_the_same_as_a_double(digits in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?(e-?[0-9]{1,3})?") {
        if is_safe_number(&digits) {
            let double: f64 = digits.parse().expect("a number");
            prop_assert_eq!(decimal(&digits), decimal(&format!("{double:e}")));
        }
    }
}
