use mcp_hub_proto::json;
use proptest::prelude::*;

use super::*;

fn shown(value: &Value) -> String {
    let mut out = String::new();
    json::write_value(&mut out, value);
    out
}

fn payload(text: &str) -> Result<HashMap<String, qdrant::Value>, String> {
    value_to_payload(&of(Form::Json(text.to_owned())))
}

#[test]
fn a_payload_keeps_integers_floats_and_times() {
    let text = r#"{"a":null,"b":true,"c":7,"d":7.0,"e":"9007199254740993","f":"2024-01-31T12:00:00.123+01:00","g":{"lat":52.5,"lon":13.4},"h":[1,[2.5,"x"],{}]}"#;
    let read = payload(text).expect("a payload");
    assert_eq!(read["c"].kind, Some(Kind::IntegerValue(7)));
    assert_eq!(read["d"].kind, Some(Kind::DoubleValue(7.0)));
    assert_eq!(shown(&payload_to_value(read)), text);
    let big = payload(r#"{"a":9007199254740993}"#).expect("a payload");
    assert_eq!(shown(&payload_to_value(big)), r#"{"a":"9007199254740993"}"#);
}

#[test]
fn what_no_payload_can_keep_is_said_with_its_place() {
    for (text, part) in [
        ("[1]", "a JSON object is needed"),
        ("{", "a JSON object is needed"),
        (
            r#"{"a": {"b": [1, 18446744073709551615]}}"#,
            "a.b[1]: 18446744073709551615",
        ),
        (r#"{"a": 1e999}"#, "a JSON object is needed"),
        (r#"{"a": 0.10000000000000000000001}"#, "a: 0.1"),
    ] {
        let error = payload(text).err();
        // A document read as doubles has no more digits than they have.
        if let Some(error) = error {
            assert!(error.contains(part), "{text}: {error}");
        } else {
            assert!(text.contains("0.1"), "{text}");
        }
    }
    let deep = format!("{}1{}", r#"{"a":"#.repeat(70), "}".repeat(70));
    assert!(payload(&deep).expect_err("too deep").contains("32 levels"));
    let cut = payload_to_value(payload(r#"{"a": {"$cut": "x", "len": 5}}"#).expect("JSON has no marks"));
    let error = value_to_payload(&cut).expect_err("cut");
    assert!(error.contains("a: a value that was cut"), "{error}");
    let twice = Map {
        entries: vec![
            Entry {
                key: "a".to_owned(),
                value: None
            };
            2
        ],
    };
    assert!(
        value_to_payload(&of(Form::Map(twice)))
            .expect_err("twice")
            .contains("twice")
    );
}

#[test]
fn ids_have_many_spellings() {
    let uuid = "f47ac10b-58cc-4372-a567-0e02b2c3d479";
    for (given, expected) in [
        (Form::Uint(u64::MAX), "18446744073709551615"),
        (Form::Int(0), "0"),
        (
            Form::Text("18446744073709551615".to_owned()),
            "18446744073709551615",
        ),
        (Form::Text(uuid.to_owned()), uuid),
        (Form::Text(uuid.to_uppercase()), uuid),
        (Form::Text(uuid.replace('-', "")), uuid),
        (Form::Text(format!("urn:uuid:{uuid}")), uuid),
        (Form::Text(format!("{{{uuid}}}")), uuid),
    ] {
        let id = id_from_value(&of(given.clone())).unwrap_or_else(|error| panic!("{given:?}: {error}"));
        assert_eq!(id_text(&id), expected);
    }
    for wrong in [
        Form::Int(-1),
        Form::Text("x".to_owned()),
        Form::Text(String::new()),
        Form::Text("f47ac10b-58cc-4372-a567-0e02b2c3d47g".to_owned()),
        Form::Text("ä".repeat(18)),
        Form::Double(1.5),
        Form::Bool(true),
        Form::Null(0),
    ] {
        assert!(id_from_value(&of(wrong.clone())).is_err(), "{wrong:?}");
    }
    assert_eq!(
        shown(&id_to_value(&PointId::from(u64::MAX))),
        r#""18446744073709551615""#
    );
    assert_eq!(shown(&id_to_value(&PointId::from(5))), "5");
}

#[test]
#[expect(deprecated, reason = "what older servers send")]
fn vectors_of_older_servers_are_read_too() {
    let output = |data: &[f32], indices: Option<Vec<u32>>, vectors_count: Option<u32>| VectorOutput {
        data: data.to_vec(),
        indices: indices.map(|data| qdrant::SparseIndices { data }),
        vectors_count,
        vector: None,
    };
    for (output, expected) in [
        (output(&[0.1, 2.0], None, None), "[0.1,2.0]"),
        (
            output(&[0.1], Some(vec![7]), None),
            r#"{"indices":[7],"values":[0.1]}"#,
        ),
        (
            output(&[1.0, 2.0, 3.0, 4.0], None, Some(2)),
            "[[1.0,2.0],[3.0,4.0]]",
        ),
        // What makes no sense must not end the process.
        (output(&[], None, Some(3)), "[]"),
        (output(&[1.0], None, Some(0)), "[1.0]"),
    ] {
        assert_eq!(shown(&vector_to_value(output)), expected);
    }
}

proptest! {
    #[test]
    fn a_single_is_the_shortest_decimal(number in any::<f32>()) {
        let double = shortest(number);
        #[expect(clippy::cast_possible_truncation, reason = "that is the question")]
        let back = double as f32;
        prop_assert!(back.to_bits() == number.to_bits() || (back.is_nan() && number.is_nan()));
        if number.is_finite() && number.abs() > 1e-5 && number.abs() < 1e15 {
            prop_assert_eq!(double.to_string(), number.to_string());
        }
    }

    #[test]
    fn no_text_makes_an_id_panic(text in ".*") {
        let _ = id_from_text(&text);
    }
}
