//! The contract test: every RPC that is a tool can be shown to a model, and every package keeps the house rules.
//!
//! It walks the descriptors that reflection serves, so it also proves that comments and options are in them.

use std::collections::BTreeSet;

use prost_reflect::{
    Cardinality, DescriptorPool, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, Value,
};

/// All packages; a new database adds its line, and the parity check below fails if it forgets.
const DESCRIPTORS: [(&str, &[u8]); 16] = [
    ("adapter", mcp_hub_proto::adapter::v1::DESCRIPTORS),
    ("completion", mcp_hub_proto::completion::v1::DESCRIPTORS),
    ("content", mcp_hub_proto::content::v1::DESCRIPTORS),
    ("data", mcp_hub_proto::data::v1::DESCRIPTORS),
    ("error", mcp_hub_proto::error::v1::DESCRIPTORS),
    ("mariadb", mcp_hub_proto::mariadb::v1::DESCRIPTORS),
    ("neo4j", mcp_hub_proto::neo4j::v1::DESCRIPTORS),
    ("postgres", mcp_hub_proto::postgres::v1::DESCRIPTORS),
    ("progress", mcp_hub_proto::progress::v1::DESCRIPTORS),
    ("prompt", mcp_hub_proto::prompt::v1::DESCRIPTORS),
    ("qdrant", mcp_hub_proto::qdrant::v1::DESCRIPTORS),
    ("relay", mcp_hub_proto::relay::v1::DESCRIPTORS),
    ("resource", mcp_hub_proto::resource::v1::DESCRIPTORS),
    ("sqlite", mcp_hub_proto::sqlite::v1::DESCRIPTORS),
    ("testkit", mcp_hub_proto::testkit::v1::DESCRIPTORS),
    ("tool", mcp_hub_proto::tool::v1::DESCRIPTORS),
];

fn pool() -> DescriptorPool {
    let mut pool = DescriptorPool::new();
    for (name, descriptors) in DESCRIPTORS {
        pool.decode_file_descriptor_set(descriptors)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    pool
}

fn tool_option(pool: &DescriptorPool) -> ExtensionDescriptor {
    pool.get_extension_by_name("mcphub.tool.v1.tool")
        .expect("the tool option")
}

/// The RPCs with the tool option, with its title and whether it says destructive.
fn tools(pool: &DescriptorPool) -> Vec<(MethodDescriptor, String, bool)> {
    let option = tool_option(pool);
    let mut tools = Vec::new();
    for method in pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
    {
        let options = method.options();
        if options.has_extension(&option) {
            let value = options.get_extension(&option);
            let message = value.as_message().expect("a message option");
            let field = |name: &str| message.get_field_by_name(name).expect("a field").into_owned();
            let title = field("title").as_str().expect("text").to_owned();
            tools.push((method, title, field("destructive").as_bool().expect("a switch")));
        }
    }
    tools
}

fn comment(file: &prost_reflect::FileDescriptor, path: &[i32]) -> Option<String> {
    let info = file.file_descriptor_proto().source_code_info.clone()?;
    let location = info.location.into_iter().find(|location| location.path == path)?;
    location
        .leading_comments
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// A message and all that it holds, `mcphub.data.v1` and the well-known types left out.
fn reachable(message: &MessageDescriptor, seen: &mut BTreeSet<String>, out: &mut Vec<MessageDescriptor>) {
    let foreign = ["mcphub.data.v1", "google.protobuf"].contains(&message.parent_file().package_name());
    // The entries of a map stand nowhere in the text.
    if foreign || message.is_map_entry() || !seen.insert(message.full_name().to_owned()) {
        return;
    }
    out.push(message.clone());
    for field in message.fields() {
        if let Kind::Message(inner) = field.kind() {
            reachable(&inner, seen, out);
        }
    }
}

fn messages(root: &MessageDescriptor) -> Vec<MessageDescriptor> {
    let mut out = Vec::new();
    reachable(root, &mut BTreeSet::new(), &mut out);
    out
}

fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(character.to_lowercase());
    }
    out
}

fn is_recursive(message: &MessageDescriptor, above: &mut Vec<String>) -> bool {
    if message.parent_file().package_name() == "mcphub.data.v1" || message.full_name().starts_with("google.")
    {
        return false;
    }
    if above.iter().any(|name| name == message.full_name()) {
        return true;
    }
    above.push(message.full_name().to_owned());
    let recursive = message.fields().any(|field| match field.kind() {
        Kind::Message(inner) => is_recursive(&inner, above),
        _ => false,
    });
    above.pop();
    recursive
}

#[test]
fn every_package_on_disk_is_checked() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/mcphub");
    let on_disk: BTreeSet<String> = std::fs::read_dir(root)
        .expect("the contract")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    let checked: BTreeSet<String> = DESCRIPTORS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(on_disk, checked);
}

#[test]
fn there_are_tools() {
    assert!(tools(&pool()).len() >= 39, "the option is lost");
}

#[test]
fn every_tool_can_be_shown() {
    for (method, title, destructive) in tools(&pool()) {
        let name = method.full_name().to_owned();
        assert!(!title.is_empty(), "{name}: no title");
        // The longest key has 24 characters, and `_` joins.
        assert!(snake_case(method.name()).len() <= 39, "{name}: too long");
        assert!(
            !method.is_client_streaming() && !method.is_server_streaming(),
            "{name}: tools are unary"
        );
        let description = comment(&method.parent_service().parent_file(), method.path());
        assert!(
            description.is_some_and(|text| text.ends_with('.')),
            "{name}: no sentence"
        );
        let options = method.options();
        let level = options
            .get_field_by_name("idempotency_level")
            .expect("a method option");
        let read_only = level.as_enum_number() == Some(1);
        assert!(!(read_only && destructive), "{name}: reads destroy nothing");
        let write_service = method.parent_service().name().ends_with("WriteService");
        assert_eq!(
            read_only, !write_service,
            "{name}: reads and writes are separate services"
        );
    }
}

#[test]
fn every_field_of_a_tool_is_described() {
    for (method, ..) in tools(&pool()) {
        for message in messages(&method.input())
            .into_iter()
            .chain(messages(&method.output()))
        {
            for field in message.fields() {
                let described = comment(&message.parent_file(), field.path());
                assert!(described.is_some(), "{}: no comment", field.full_name());
            }
        }
    }
}

#[test]
fn tools_keep_to_shapes_that_every_client_takes() {
    for (method, ..) in tools(&pool()) {
        for message in messages(&method.input())
            .into_iter()
            .chain(messages(&method.output()))
        {
            assert!(
                !is_recursive(&message, &mut Vec::new()),
                "{} is recursive",
                message.full_name()
            );
            let real_oneofs = message.oneofs().filter(|oneof| !oneof.is_synthetic()).count();
            assert_eq!(
                real_oneofs,
                0,
                "{}: no oneof outside mcphub.data.v1",
                message.full_name()
            );
        }
        for field in messages(&method.input())
            .iter()
            .flat_map(MessageDescriptor::fields)
        {
            let wide = [
                Kind::Int64,
                Kind::Uint64,
                Kind::Sint64,
                Kind::Fixed64,
                Kind::Sfixed64,
            ];
            assert!(
                !wide.contains(&field.kind()),
                "{}: 64-bit integers are strings in JSON",
                field.full_name()
            );
        }
    }
}

#[test]
fn field_options_are_json_and_make_sense() {
    let pool = pool();
    let option = pool
        .get_extension_by_name("mcphub.tool.v1.field")
        .expect("the field option");
    let mut checked = 0;
    for field in pool
        .all_messages()
        .flat_map(|message| message.fields().collect::<Vec<FieldDescriptor>>())
    {
        let options = field.options();
        if !options.has_extension(&option) {
            continue;
        }
        checked += 1;
        let name = field.full_name().to_owned();
        let value = options.get_extension(&option);
        let message = value.as_message().expect("a message option");
        let get = |name: &str| message.get_field_by_name(name).expect("a field").into_owned();
        let default = get("default").as_str().expect("text").to_owned();
        if !default.is_empty() {
            assert!(
                serde_json::from_str::<serde_json::Value>(&default).is_ok(),
                "{name}: {default}"
            );
            assert!(
                field.supports_presence() && field.cardinality() == Cardinality::Optional,
                "{name}"
            );
            assert!(
                field.containing_oneof().is_some(),
                "{name}: a field with a default is `optional`"
            );
        }
        for example in get("examples").as_list().expect("a list") {
            let example = example.as_str().expect("text");
            assert!(
                serde_json::from_str::<serde_json::Value>(example).is_ok(),
                "{name}: {example}"
            );
        }
        if let (Value::F64(minimum), Value::F64(maximum)) = (get("minimum"), get("maximum"))
            && message.has_field_by_name("maximum")
        {
            assert!(minimum <= maximum, "{name}: {minimum} > {maximum}");
            let default: f64 = default.parse().unwrap_or(minimum);
            assert!(
                (minimum..=maximum).contains(&default),
                "{name}: the default is out of bounds"
            );
        }
    }
    assert!(checked > 10, "the option is lost");
}

#[test]
fn every_query_can_be_streamed() {
    let pool = pool();
    for service in pool
        .services()
        .filter(|service| service.methods().any(|method| method.name() == "Query"))
    {
        let streams = service
            .methods()
            .any(|method| method.name() == "StreamQuery" && method.is_server_streaming());
        assert!(streams, "{}", service.full_name());
    }
}

#[test]
fn an_error_reason_is_written_as_its_comment_says() {
    let pool = pool();
    let reasons = pool
        .get_enum_by_name("mcphub.error.v1.ErrorReason")
        .expect("the reasons");
    for reason in reasons.values() {
        let text = comment(&reasons.parent_file(), reason.path()).unwrap_or_default();
        let has_code = [
            "_ARGUMENT",
            "PERMISSION_DENIED",
            "NOT_FOUND",
            "FAILED_PRECONDITION",
            "RESOURCE_EXHAUSTED",
            "UNAVAILABLE",
            "DEADLINE_EXCEEDED",
            "CANCELLED",
            "UNIMPLEMENTED",
            "INTERNAL",
            "internal error",
        ]
        .iter()
        .any(|code| text.contains(code));
        assert!(has_code, "{}: name its status code", reason.name());
    }
}
