//! Both directions: by example where a sentence or a form is promised, by property where a value must survive.

use mcp_hub_chassis::fault::Reason;
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::{answer, arguments, snake_case};
use crate::fixture;

const PROTO: &str = r"
    message All {
      optional double double = 1;
      optional float float = 2;
      optional int32 int32 = 3;
      optional int64 int64 = 4;
      optional uint32 uint32 = 5;
      optional uint64 uint64 = 6;
      optional sint32 sint32 = 7;
      optional sint64 sint64 = 8;
      optional fixed32 fixed32 = 9;
      optional fixed64 fixed64 = 10;
      optional sfixed32 sfixed32 = 11;
      optional sfixed64 sfixed64 = 12;
      optional bool bool = 13;
      optional string string = 14;
      optional bytes bytes = 15;
      optional ColorKind color = 16;
      optional All inner = 17;
      optional mcphub.data.v1.Value value = 18;
      repeated sint64 numbers = 20;
      repeated double doubles = 21;
      repeated string texts = 22;
      repeated ColorKind colors = 23;
      repeated All inners = 24;
      repeated mcphub.data.v1.Value values = 25;
      map<string, uint32> counts = 26;
      map<int32, All> by_number = 27;
      map<bool, fixed64> by_truth = 28;
    }
    enum ColorKind {
      COLOR_KIND_UNSPECIFIED = 0;
      COLOR_KIND_RED = 1;
      COLOR_KIND_DARK_BLUE = 2;
    }
    message Plain {
      string table_name = 1;
      repeated string names = 2;
      bool more = 3;
      uint32 count = 4;
      double cost = 5;
      ColorKind color = 6;
      optional string cursor = 7;
      optional bool sure = 8;
      mcphub.data.v1.ResultSet result = 9;
      repeated mcphub.data.v1.ResultSet results = 10;
      mcphub.data.v1.Row row = 11;
      mcphub.data.v1.Map properties = 12;
    }
    message Required {
      string sql = 1;
      mcphub.data.v1.Value value = 2;
      optional uint32 limit = 3;
      repeated Statement statements = 4;
      optional ColorKind color = 5;
    }
    message Statement { string sql = 1; repeated mcphub.data.v1.Value params = 2; }
    message None {}
";

fn message(name: &str) -> MessageDescriptor {
    static POOL: std::sync::LazyLock<DescriptorPool> = std::sync::LazyLock::new(|| {
        let set = fixture::compile(&format!("{}{PROTO}", fixture::HEAD), &[]);
        DescriptorPool::decode(set.as_slice()).expect("descriptors")
    });
    let name = format!("shop.v1.{name}");
    POOL.get_message_by_name(&name).expect("the message")
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("not an object: {other}"),
    }
}

/// JSON in, JSON out, through the same message; lists of objects that nobody gave are left aside.
fn through(name: &str, value: Value) -> Result<Value, String> {
    let message = message(name);
    let given = object(value);
    let bytes = arguments::encode(&message, &given).map_err(|fault| fault.message)?;
    let text = answer::write(&message, &bytes).map_err(|error| error.to_string())?;
    let mut out: Map<String, Value> = serde_json::from_str(&text).expect("JSON");
    out.retain(|name, value| *value != json!([]) || given.contains_key(name));
    Ok(out.into())
}

fn refusal(name: &str, value: Value) -> (String, String) {
    let fault = arguments::encode(&message(name), &object(value)).expect_err("refused");
    assert_eq!(fault.reason, Reason::ArgumentInvalid);
    (fault.message, fault.metadata["field"].clone())
}

fn written(name: &str, change: impl FnOnce(&mut DynamicMessage)) -> String {
    let mut dynamic = DynamicMessage::new(message(name));
    change(&mut dynamic);
    answer::write(&message(name), &dynamic.encode_to_vec()).expect("writes")
}

#[test]
fn what_says_nothing_is_left_out_and_what_is_set_is_shown() {
    assert_eq!(written("Plain", |_| {}), r#"{"count":0,"cost":0}"#);
    let set = |dynamic: &mut DynamicMessage| {
        dynamic.set_field_by_name("cursor", prost_reflect::Value::String(String::new()));
        dynamic.set_field_by_name("sure", prost_reflect::Value::Bool(false));
        dynamic.set_field_by_name("color", prost_reflect::Value::EnumNumber(2));
    };
    assert_eq!(
        written("Plain", set),
        r#"{"count":0,"cost":0,"color":"dark_blue","cursor":"","sure":false}"#
    );
    // That there is none of what was asked for is an answer; inside of another object it is not.
    let inner = prost_reflect::Value::Message(DynamicMessage::new(message("All")));
    assert_eq!(
        written("All", |dynamic| dynamic.set_field_by_name("inner", inner)),
        r#"{"inner":{},"inners":[]}"#
    );
}

#[test]
fn shared_types_have_their_own_form() {
    use mcp_hub_proto::data::v1::value::Kind;
    use mcp_hub_proto::data::v1::{Column, Entry, Map, ResultSet, Row, Value};
    let row = Row {
        values: vec![
            Value {
                kind: Some(Kind::Int(1)),
            },
            Value { kind: None },
        ],
    };
    let result = ResultSet {
        columns: vec![Column {
            name: "id".to_owned(),
            r#type: "int".to_owned(),
        }],
        rows: vec![row.clone()],
        ..ResultSet::default()
    };
    let map = Map {
        entries: vec![Entry {
            key: "a".to_owned(),
            value: Some(Value {
                kind: Some(Kind::Uint(u64::MAX)),
            }),
        }],
    };
    let mut bytes = Vec::new();
    prost::encoding::message::encode(9, &result, &mut bytes);
    prost::encoding::message::encode(10, &result, &mut bytes);
    prost::encoding::message::encode(11, &row, &mut bytes);
    prost::encoding::message::encode(12, &map, &mut bytes);
    let table = r#""columns":[{"name":"id","type":"int"}],"rows":[[1,null]],"elapsed_ms":0"#;
    assert_eq!(
        answer::write(&message("Plain"), &bytes).expect("writes"),
        format!(
            r#"{{"count":0,"cost":0,{table},"results":[{{{table}}}],"row":[1,null],"properties":{{"a":"18446744073709551615"}}}}"#
        )
    );
}

#[test]
fn pieces_of_a_message_are_one_and_the_last_scalar_wins() {
    let inner = message("All");
    let mut bytes = Vec::new();
    for part in [
        json!({"string": "a"}),
        json!({"bool": true}),
        json!({"string": "b"}),
    ] {
        let part = arguments::encode(&inner, &object(part)).expect("encodes");
        prost::encoding::bytes::encode(17, &part, &mut bytes);
    }
    assert_eq!(
        answer::write(&inner, &bytes).expect("writes"),
        r#"{"inner":{"bool":true,"string":"b"},"inners":[]}"#
    );
}

#[test]
fn unknown_fields_are_left_aside_and_unknown_enum_values_are_text() {
    let mut bytes = vec![0x80, 0x01, 0x09];
    prost::encoding::string::encode(999, &"new".to_owned(), &mut bytes);
    assert_eq!(
        answer::write(&message("All"), &bytes).expect("writes"),
        r#"{"color":"9","inners":[]}"#
    );
}

#[test]
fn bytes_that_are_no_message_are_refused() {
    for bytes in [
        &[0xff][..],
        &[0x0a, 0x01, 0x00],
        &[0x72, 0x01, 0xff],
        &[0x8a, 0x01, 0x05],
    ] {
        assert!(answer::write(&message("All"), bytes).is_err(), "{bytes:?}");
    }
    let mut deep = Vec::new();
    for _ in 0..1000 {
        let mut outer = Vec::new();
        prost::encoding::bytes::encode(17, &deep, &mut outer);
        deep = outer;
    }
    assert!(answer::write(&message("All"), &deep).is_err());
}

#[test]
fn exact_spellings_of_a_value_are_taken() {
    let canonical = json!({"sql": "x", "value": null, "limit": 5, "color": "dark_blue"});
    for spelling in [
        json!({"sql": "x", "value": null, "limit": 5.0, "color": "DARK_BLUE"}),
        json!({"sql": "x", "value": null, "limit": " 5 ", "color": "COLOR_KIND_DARK_BLUE"}),
    ] {
        assert_eq!(through("Required", spelling), Ok(canonical.clone()));
    }
    assert_eq!(
        through(
            "All",
            json!({"byNumber": {"-1": {"bool": "true"}}, "bool": null, "numbers": "[1, \"2\"]"})
        ),
        Ok(json!({"numbers": [1, 2], "by_number": {"-1": {"bool": true}}}))
    );
}

#[test]
fn refusals_say_what_to_write() {
    for (arguments, sentence, field) in [
        (json!({}), "sql, value are missing", "sql"),
        (json!({"value": 1}), "sql is missing", "sql"),
        (json!({"sql": null, "value": 1}), "sql is missing", "sql"),
        (
            json!({"sql": 7, "value": 1}),
            "sql must be a string, not 7",
            "sql",
        ),
        (
            json!({"stmt": 7}),
            "unknown argument \"stmt\": the arguments are sql, value, limit, statements, color",
            "stmt",
        ),
        (
            json!({"sql": "", "value": 1, "limit": -1}),
            "limit must be a whole number from 0 to 4294967295, not -1",
            "limit",
        ),
        (
            json!({"sql": "", "value": 1, "limit": 1.5}),
            "limit must be a whole number from 0 to 4294967295, not 1.5",
            "limit",
        ),
        (
            json!({"sql": "", "value": 1, "color": "blue"}),
            "color must be one of red, dark_blue, not \"blue\"",
            "color",
        ),
        (
            json!({"sql": "", "value": 1, "color": "unspecified"}),
            "color must be one of red, dark_blue, not \"unspecified\"",
            "color",
        ),
        (
            json!({"sql": "", "value": 1, "statements": {"sql": ""}}),
            "statements must be an array, not {\"sql\":\"\"}",
            "statements",
        ),
        (
            json!({"sql": "", "value": 1, "statements": [{"sql": ""}, {"sqls": ""}]}),
            "unknown argument \"sqls\" in statements[1]: the arguments are sql, params",
            "sqls",
        ),
        (
            json!({"sql": "", "value": 1, "statements": [{"sql": ""}, {"params": []}]}),
            "statements[1].sql is missing",
            "statements[1].sql",
        ),
        (
            json!({"sql": "", "value": {"a": [{"$bytes": "!"}]}}),
            "value.a[0] must have base64 text as $bytes, not \"!\"",
            "value.a[0]",
        ),
        (
            json!({"sql": "", "value": {"$bytes": "AAAA", "len": 9}}),
            "value has only the beginning of a longer byte string: read all of it first",
            "value",
        ),
        (
            json!({"sql": "", "value": {"$json": "{"}}),
            "value must have a JSON document as the text of $json, not \"{\"",
            "value",
        ),
        (
            json!({"sql": "", "value": 1, "statements": "x".repeat(50)}),
            "statements must be an array, not \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..",
            "statements",
        ),
    ] {
        let (message, at) = refusal("Required", arguments.clone());
        assert_eq!((message.as_str(), at.as_str()), (sentence, field), "{arguments}");
    }
    let (message, _) = refusal("None", json!({"a": 1}));
    assert_eq!(message, "unknown argument \"a\": there are none");
    let (message, _) = refusal("All", json!({"by_number": {}, "byNumber": {}}));
    assert_eq!(message, "by_number is given twice");
    let (message, _) = refusal("All", json!({"float": 1e300}));
    assert_eq!(message, "float is too large, not 1e+300");
    let (message, _) = refusal("All", json!({"bytes": "?"}));
    assert_eq!(message, "bytes must be base64 text, not \"?\"");
}

#[test]
fn nesting_has_an_end() {
    let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    assert!(through("All", json!({"value": deep(32)})).is_ok());
    assert!(through("All", json!({"value": deep(33)})).is_err());
    let deep = |levels: usize| (0..levels).fold(json!({}), |inner, _| json!({"inner": inner}));
    assert!(through("All", deep(16)).is_ok());
    assert!(through("All", deep(17)).is_err());
}

#[test]
fn forms_of_answers_are_read_back() {
    use mcp_hub_proto::data::v1::value::Kind;
    let value = |json: Value| {
        let bytes = arguments::encode(&message("All"), &object(json!({"value": json}))).expect("encodes");
        let dynamic = DynamicMessage::decode(message("All"), bytes.as_slice()).expect("decodes");
        let value = dynamic.get_field_by_name("value").expect("the field");
        let bytes = value.as_message().expect("a message").encode_to_vec();
        mcp_hub_proto::data::v1::Value::decode(bytes.as_slice())
            .expect("decodes")
            .kind
            .expect("a kind")
    };
    assert_eq!(value(json!(i64::MIN)), Kind::Int(i64::MIN));
    assert_eq!(value(json!(u64::MAX)), Kind::Uint(u64::MAX));
    assert_eq!(value(json!(1.0)), Kind::Double(1.0));
    assert_eq!(
        value(json!({"$json": "{\"a\": 1.000}"})),
        Kind::Json("{\"a\": 1.000}".to_owned())
    );
    let bytes = mcp_hub_proto::data::v1::Bytes {
        data: vec![1, 2, 3],
        length: 3,
    };
    assert_eq!(
        value(json!({"$bytes": "AQID", "len": 3})),
        Kind::Bytes(bytes.clone())
    );
    assert_eq!(value(json!({"$bytes": "AQID"})), Kind::Bytes(bytes));
    assert!(matches!(value(json!({"$json": "1", "b": 2})), Kind::Map(_)));
}

#[test]
fn names_of_rpcs_become_names_of_tools() {
    for (name, expected) in [
        ("Query", "query"),
        ("ListTables", "list_tables"),
        ("GetURL", "get_url"),
        ("HTTPServer", "http_server"),
        ("Get2Things", "get2_things"),
        ("already_snake", "already_snake"),
    ] {
        assert_eq!(snake_case(name), expected);
    }
}

/// An integer as an answer shows it.
fn integer(value: i128) -> Value {
    if value.unsigned_abs() <= u128::from(mcp_hub_proto::json::MAX_SAFE_INTEGER) {
        serde_json::from_str(&value.to_string()).expect("a number")
    } else {
        value.to_string().into()
    }
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("finite", |value| value.is_finite())
}

/// Any JSON value that a `Value` takes and shows alike.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(|value| integer(value.into())),
        finite().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| {
            let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes);
            json!({"$bytes": text, "len": bytes.len()})
        }),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zé ]{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Some fields of `All`, each in the form that an answer has.
fn any_all() -> impl Strategy<Value = Value> {
    let int = |range: std::ops::RangeInclusive<i128>| range.prop_map(integer);
    let color = || prop_oneof![Just(json!("red")), Just(json!("dark_blue"))];
    let small = int(i32::MIN.into()..=i32::MAX.into());
    let field = prop_oneof![
        finite().prop_map(|value| ("double", value.into())),
        any::<f32>()
            .prop_filter("finite", |value| value.is_finite())
            .prop_map(|value| (
                "float",
                serde_json::from_str(&serde_json::to_string(&value).expect("JSON")).expect("JSON")
            )),
        (prop::sample::select(vec!["int32", "sint32", "sfixed32"]), small),
        (
            prop::sample::select(vec!["int64", "sint64", "sfixed64"]),
            int(i64::MIN.into()..=i64::MAX.into())
        ),
        (
            prop::sample::select(vec!["uint32", "fixed32"]),
            int(0..=u32::MAX.into())
        ),
        (
            prop::sample::select(vec!["uint64", "fixed64"]),
            int(0..=u64::MAX.into())
        ),
        any::<bool>().prop_map(|value| ("bool", value.into())),
        any::<String>().prop_map(|value| ("string", value.into())),
        color().prop_map(|value| ("color", value)),
        any_value()
            .prop_filter("null is absence", |value| !value.is_null())
            .prop_map(|value| ("value", value)),
        prop::collection::vec(int(i64::MIN.into()..=i64::MAX.into()), 1..4)
            .prop_map(|items| ("numbers", items.into())),
        prop::collection::vec(finite(), 1..4).prop_map(|items| ("doubles", items.into())),
        prop::collection::vec(any::<String>(), 1..4).prop_map(|items| ("texts", items.into())),
        prop::collection::vec(color(), 1..4).prop_map(|items| ("colors", items.into())),
        prop::collection::vec(any_value(), 1..4).prop_map(|items| ("values", items.into())),
        prop::collection::btree_map(any::<String>(), int(0..=u32::MAX.into()), 1..4)
            .prop_map(|map| ("counts", Value::Object(map.into_iter().collect()))),
        int(0..=u64::MAX.into()).prop_map(|value| ("by_truth", json!({"true": value}))),
    ];
    let all = prop::collection::vec(field, 0..6)
        .prop_map(|fields| {
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<Map<_, _>>()
        })
        .prop_map(Value::Object);
    all.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| json!({"inner": inner})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|inners| json!({"inners": inners})),
            (any::<i32>(), inner).prop_map(|(key, inner)| json!({"by_number": {key.to_string(): inner}})),
        ]
    })
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(value in any_all()) {
        prop_assert_eq!(through("All", value.clone()), Ok(value));
    }

    /// `prost-reflect` reads what we write, and we read what it writes, packed lists included.
    #[test]
    fn others_agree_on_the_bytes(value in any_all()) {
        let message = message("All");
        let ours = arguments::encode(&message, &object(value)).expect("encodes");
        let theirs = DynamicMessage::decode(message.clone(), ours.as_slice())
            .expect("decodes")
            .encode_to_vec();
        // As values, because maps of theirs have no order.
        let read = |bytes: &[u8]| {
            let text = answer::write(&message, bytes).expect("writes");
            serde_json::from_str::<Value>(&text).expect("JSON")
        };
        prop_assert_eq!(read(&ours), read(&theirs));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for name in ["All", "Plain", "Required"] {
            if let Ok(text) = answer::write(&message(name), &bytes) {
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{}", text);
            }
        }
    }

    #[test]
    fn no_arguments_make_it_panic(value in any_value(), name in "[a-z_0-9]{0,9}") {
        for message in ["All", "Plain", "Required"].map(message) {
            let names = message.fields().map(|field| field.name().to_owned()).chain([name.clone()]);
            for name in names {
                let _ = arguments::encode(&message, &Map::from_iter([(name, value.clone())]));
            }
        }
    }
}
