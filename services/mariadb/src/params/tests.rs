use mcp_hub_proto::data::v1::{Bytes, Entry, List, Vector};

use super::*;

fn value(kind: Form) -> Value {
    Value { kind: Some(kind) }
}

fn map(entries: &[(&str, Form)]) -> Form {
    Form::Map(Map {
        entries: entries
            .iter()
            .map(|(key, form)| Entry {
                key: (*key).to_owned(),
                value: Some(value(form.clone())),
            })
            .collect(),
    })
}

#[test]
fn every_form_that_has_a_meaning_is_taken() {
    let params = [
        Form::Null(0),
        Form::Bool(true),
        Form::Int(-1),
        Form::Uint(u64::MAX),
        Form::Double(0.5),
        Form::Text("ä".to_owned()),
        Form::Number("1.50".to_owned()),
        Form::Bytes(Bytes {
            data: vec![0, 255],
            length: 2,
        }),
        Form::Vector(Vector {
            values: vec![1.0],
            dimensions: 1,
        }),
        map(&[("$bytes", Form::Text("AP8=".to_owned())), ("len", Form::Int(2))]),
        map(&[("$json", Form::Text("[1e400]".to_owned()))]),
    ]
    .map(value);
    let arguments = encode(&params).expect("arguments");
    assert_eq!(arguments.len(), params.len());
}

#[test]
fn what_can_t_be_sent_names_its_place() {
    for form in [
        Form::Double(f64::NAN),
        Form::Bytes(Bytes {
            data: vec![1],
            length: 2,
        }),
        Form::Vector(Vector {
            values: vec![1.0],
            dimensions: 2,
        }),
        map(&[("$cut", Form::Text("x".to_owned())), ("len", Form::Int(9))]),
        map(&[("$bytes", Form::Text("AP8=".to_owned())), ("len", Form::Int(3))]),
        map(&[("$bytes", Form::Text("no base64!".to_owned()))]),
    ] {
        let fault = encode(&[value(Form::Null(0)), value(form.clone())]).expect_err("refused");
        assert_eq!(fault.metadata["field"], "params[1]", "{form:?}");
    }
}

#[test]
fn times_are_written_as_the_server_reads_them() {
    let text = |kind, text: &str| {
        time(&Temporal {
            kind: TemporalKind::into(kind),
            text: text.to_owned(),
        })
    };
    for (kind, given, sent) in [
        (TemporalKind::Date, "2024-02-00", "2024-02-00"),
        (
            TemporalKind::DateTime,
            "2024-01-31T12:00:00.5",
            "2024-01-31 12:00:00.5",
        ),
        (
            TemporalKind::ZonedDateTime,
            "2024-01-31T12:00:00+01:00",
            "2024-01-31 11:00:00",
        ),
        (TemporalKind::Time, "-838:59:59", "-838:59:59"),
    ] {
        assert_eq!(text(kind, given).as_deref(), Ok(sent));
    }
    for (kind, given) in [
        (TemporalKind::ZonedDateTime, "0000-00-00T00:00:00Z"),
        (TemporalKind::ZonedTime, "12:00+01"),
        (TemporalKind::Duration, "P1D"),
        (TemporalKind::Duration, "-PT1H"),
    ] {
        assert!(text(kind, given).is_err(), "{given}");
    }
}

#[test]
fn lists_and_maps_are_documents() {
    let list = Form::List(List {
        values: [
            Form::Int(i64::MAX),
            Form::Number("1.50".to_owned()),
            Form::Text("\"".to_owned()),
        ]
        .map(value)
        .to_vec(),
        lower_bounds: vec![],
    });
    let form = map(&[("a", list), ("b", Form::Null(0))]);
    assert_eq!(
        document(&value(form)),
        r#"{"a":[9223372036854775807,1.50,"\""],"b":null}"#
    );
}
