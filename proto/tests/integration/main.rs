//! The contract test: every RPC that is a tool or a prompt can be shown to a client, and every package keeps the house rules.
//!
//! It walks the descriptors that reflection serves, so it also proves that comments and options are in them. The rules are functions that
//! return what breaks them: [`tool`], [`stream`], [`prompt`], [`option`] and [`comment`]; `broken` proves of each that it can fail.

use std::collections::BTreeSet;

use prost_reflect::DescriptorPool;

mod broken;
mod comment;
mod contract;
mod option;
mod prompt;
mod stream;
mod tool;

use contract::Contract;

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

/// A rule: what breaks it.
type Rule = fn(&Contract) -> Vec<String>;

const RULES: [Rule; 5] = [
    tool::mistakes,
    stream::mistakes,
    prompt::mistakes,
    option::mistakes,
    comment::mistakes,
];

fn contract() -> Contract {
    let mut pool = DescriptorPool::new();
    for (name, descriptors) in DESCRIPTORS {
        pool.decode_file_descriptor_set(descriptors)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    Contract::new(pool)
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
fn the_options_are_in_the_descriptors() {
    let contract = contract();
    assert!(contract.tools().count() >= 39, "the tool option is lost");
    assert!(contract.prompts().count() >= 4, "the prompt option is lost");
    assert!(contract.fields().count() > 10, "the field option is lost");
}

#[test]
fn the_contract_keeps_its_rules() {
    let contract = contract();
    let mistakes: Vec<String> = RULES.iter().flat_map(|rule| rule(&contract)).collect();
    assert!(mistakes.is_empty(), "{mistakes:#?}");
}
