//! Each rule can fail: a small contract that keeps all of them, and what each break of it is called.

use prost_reflect::DescriptorPool;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver};

use crate::RULES;
use crate::contract::Contract;

/// A contract with one of everything. Not a `.proto` file by name: buf looks at those.
const SOUND: &str = include_str!("sound.proto.txt");

/// What is broken, by what, and what is said of it.
const BROKEN: &[(&str, &str, &str)] = &[
    // Tools.
    (r#"title: "Count""#, r#"title: """#, "ShopService.Count: no title"),
    (
        "rpc Count(",
        "rpc CountAllThatThereIsInTheWholeShopAtOnce(",
        "the name is too long",
    ),
    ("rpc Clear(C", "rpc Clear(stream C", "a tool takes one request"),
    ("// Clears.", "// Clears", "Clear: no sentence describes it"),
    (
        r#"title: "Count""#,
        r#"title: "Count" destructive: true"#,
        "what reads destroys nothing",
    ),
    (
        "service ShopWriteService",
        "service ShopOtherService",
        "reads and writes are separate services",
    ),
    ("  // SQL.\n", "", "QueryRequest.sql: no comment"),
    ("  // Its name.\n", "", "Row.name: no comment"),
    ("string name = 1;", "Row inner = 1;", "Row: recursive"),
    (
        "string sql = 1;",
        "oneof kind { string sql = 1; }",
        "QueryRequest: a oneof",
    ),
    (
        "string name = 1;",
        "oneof kind { string name = 1; }",
        "Row: a oneof",
    ),
    (
        "string sql = 1;",
        "mcphub.content.v1.Content sql = 1;",
        "content.v1.Content: a oneof",
    ),
    (
        "string sql = 1;",
        "uint64 sql = 1;",
        "QueryRequest.sql: a string in JSON",
    ),
    (
        "string name = 1;",
        "mcphub.content.v1.Content name = 1;",
        "Row.name: no place for content",
    ),
    (
        "repeated mcphub.content.v1.Content content",
        "mcphub.content.v1.Media content",
        "content: no place",
    ),
    (
        "rpc Clear(",
        "rpc count(",
        "ShopWriteService.count: another has this name",
    ),
    // Streams.
    (
        "mcphub.progress.v1.Progress progress = 2;",
        "uint32 progress = 2;",
        "Count: its messages are not",
    ),
    (
        "Counted counted = 1;",
        "repeated Counted counted = 1;",
        "Count: its messages are not",
    ),
    (
        "Counted counted = 1;",
        "Counted counted = 1; Counted more = 3;",
        "Count: its messages are not",
    ),
    (
        "Counted counted = 1;",
        "mcphub.progress.v1.Progress counted = 1;",
        "Count: its messages are not",
    ),
    (
        r#"title: "Count""#,
        r#"title: "Count" progress: "FollowQuery""#,
        "a stream tells its own progress",
    ),
    (
        r#"progress: "FollowQuery""#,
        r#"progress: "Follow""#,
        "there is no Follow in its service",
    ),
    (
        r#"progress: "FollowQuery""#,
        "",
        "FollowQuery: it tells progress to nobody",
    ),
    (
        r#"progress: "FollowQuery""#,
        "",
        "ShopService.Query: nobody can follow it",
    ),
    (
        r#"progress: "FollowQuery""#,
        r#"progress: "Count""#,
        "ShopService.Count: what follows a tool is none",
    ),
    (
        "(stream FollowQueryResponse)",
        "(FollowQueryResponse)",
        "FollowQuery: not so: it is a stream",
    ),
    (
        "QueryRequest query = 1;",
        "Row query = 1;",
        "FollowQuery: not so: its request has one field",
    ),
    (
        "QueryRequest query = 1;",
        "repeated QueryRequest query = 1;",
        "FollowQuery: not so: its request",
    ),
    (
        "QueryRequest query = 1;",
        "QueryRequest query = 1; Row row = 2;",
        "FollowQuery: not so: its request",
    ),
    (
        "QueryResponse response = 2;",
        "Row response = 2;",
        "FollowQuery: not so: its messages are",
    ),
    (
        "(stream FollowQueryResponse) {\n    option idempotency_level = NO_SIDE_EFFECTS;",
        "(stream FollowQueryResponse) {",
        "FollowQuery: not so: it changes as much",
    ),
    (
        "// Asks and tells.",
        "// Asks",
        "FollowQuery: not so: a sentence describes it",
    ),
    (
        "rpc StreamQuery",
        "rpc StreamAll",
        "Query: no StreamQuery beside it",
    ),
    // Prompts.
    (r#"title: "Explore""#, "", "Explore: no title"),
    (
        "rpc Explore(",
        "rpc ExploreAllThatThereIsInTheWholeShopAtOnce(",
        "the name is too long",
    ),
    (
        "// Looks around.",
        "// Looks",
        "Explore: no sentence describes it",
    ),
    (
        "(ExploreResponse) {\n    option idempotency_level = NO_SIDE_EFFECTS;",
        "(ExploreResponse) {",
        "a prompt has no side effects",
    ),
    (
        "returns (ExploreResponse)",
        "returns (stream ExploreResponse)",
        "a prompt is unary",
    ),
    (
        "option (mcphub.prompt.v1.prompt)",
        r#"option (mcphub.tool.v1.tool) = {title: "x"}; option (mcphub.prompt.v1.prompt)"#,
        "a prompt is no tool",
    ),
    (
        "string purpose = 1;",
        "string purpose = 1; string a = 11; string b = 12; string c = 13; string d = 14; string e = 15; \
         string f = 16; string g = 17;",
        "too many arguments",
    ),
    (
        "string purpose = 1;",
        "uint32 purpose = 1;",
        "an argument is a string",
    ),
    (
        "string purpose = 1;",
        "repeated string purpose = 1;",
        "an argument is a string",
    ),
    (
        "string purpose = 1;",
        "oneof kind { string purpose = 1; }",
        "an argument is a string",
    ),
    (
        "string purpose",
        "string purpose_of_looking_around_in_here",
        "the name of an argument is too long",
    ),
    (
        "repeated mcphub.prompt.v1.PromptMessage",
        "mcphub.prompt.v1.PromptMessage",
        "its response is its messages",
    ),
    (
        "repeated mcphub.prompt.v1.PromptMessage",
        "repeated Row",
        "its response is its messages",
    ),
    ("  // What is said.\n", "", "ExploreResponse.messages: no comment"),
    (
        "service ShopPromptService",
        "service ShopTalkService",
        "are in a PromptService",
    ),
    (
        "service ShopWriteService",
        "service WritePromptService",
        "are in a PromptService",
    ),
    // Options of fields.
    (r#"default: "5""#, r#"default: "five""#, "the default is no JSON"),
    (
        "optional uint32 limit",
        "uint32 limit",
        "a field with a default is optional",
    ),
    (
        r#"examples: "7""#,
        r#"examples: "seven""#,
        "an example is no JSON",
    ),
    ("minimum: 1 ", "minimum: 11 ", "11 > 10"),
    (
        r#"default: "5""#,
        r#"default: "0""#,
        "the default is out of bounds",
    ),
    (
        r#"default: "5" minimum: 1 maximum: 10"#,
        r#"default: "0" minimum: 1"#,
        "the default is out of bounds",
    ),
    // Comments.
    ("// ShopService reads.\n", "", "ShopService: no comment"),
    ("  // Asks for all.\n", "", "StreamQuery: no comment"),
    ("// A row.\n", "", "Row: no comment"),
    ("// Why not.\n", "", "ErrorReason: no comment"),
    (
        "  // INTERNAL: it is not known.\n",
        "",
        "ERROR_REASON_UNSPECIFIED: no comment",
    ),
    (
        "// INTERNAL: it is not known.",
        "// It is not known.",
        "its status code is not named",
    ),
    (
        "package mcphub.shop.v1",
        "package mcphub.completion.v1",
        "every adapter would have it",
    ),
];

/// One file in memory.
struct Source(String);

impl FileResolver for Source {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == "shop.proto" {
            File::from_source(name, &self.0)
        } else {
            Err(protox::Error::file_not_found(name))
        }
    }
}

/// What the rules say of a text.
fn mistakes(source: String) -> Vec<String> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Source(source));
    resolver.add(IncludeFileResolver::new(env!("CARGO_MANIFEST_DIR").into()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_source_info(true).include_imports(true);
    compiler
        .open_file("shop.proto")
        .unwrap_or_else(|error| panic!("{error}"));
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).expect("a pool");
    let contract = Contract::new(pool);
    RULES.iter().flat_map(|rule| rule(&contract)).collect()
}

#[test]
fn a_sound_contract_has_no_mistakes() {
    assert_eq!(mistakes(SOUND.to_owned()), Vec::<String>::new());
}

#[test]
fn every_rule_can_fail() {
    for (from, to, expected) in BROKEN {
        assert!(SOUND.contains(from), "{from}");
        let mistakes = mistakes(SOUND.replacen(from, to, 1));
        assert!(
            mistakes.iter().any(|mistake| mistake.contains(expected)),
            "{from} -> {to}: {expected}: {mistakes:#?}"
        );
    }
}
