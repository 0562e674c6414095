//! The descriptors of the contract, as the rules look at them.

use std::collections::BTreeSet;

use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, FileDescriptor, Kind,
    MessageDescriptor, MethodDescriptor,
};

/// All packages of ours.
pub(crate) struct Contract {
    pool: DescriptorPool,
}

impl Contract {
    pub(crate) fn new(pool: DescriptorPool) -> Self {
        Self { pool }
    }

    /// The RPCs that are tools, with their option.
    pub(crate) fn tools(&self) -> impl Iterator<Item = (MethodDescriptor, DynamicMessage)> {
        self.methods_with("mcphub.tool.v1.tool")
    }

    /// The RPCs that are prompts, with their option.
    pub(crate) fn prompts(&self) -> impl Iterator<Item = (MethodDescriptor, DynamicMessage)> {
        self.methods_with("mcphub.prompt.v1.prompt")
    }

    /// The fields with an option, and it.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (FieldDescriptor, DynamicMessage)> {
        let extension = self.extension("mcphub.tool.v1.field");
        let messages: Vec<MessageDescriptor> = self.pool.all_messages().collect();
        messages
            .into_iter()
            .flat_map(|message| message.fields().collect::<Vec<_>>())
            .filter_map(move |field| Some((field.clone(), option(&field.options(), &extension)?)))
    }

    /// All RPCs of ours.
    pub(crate) fn methods(&self) -> impl Iterator<Item = MethodDescriptor> {
        let services: Vec<_> = self.pool.services().collect();
        services
            .into_iter()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
    }

    /// All files of ours.
    pub(crate) fn files(&self) -> impl Iterator<Item = FileDescriptor> {
        self.pool
            .files()
            .filter(|file| file.package_name().starts_with("mcphub."))
    }

    fn methods_with(&self, name: &str) -> impl Iterator<Item = (MethodDescriptor, DynamicMessage)> {
        let extension = self.extension(name);
        self.methods()
            .filter_map(move |method| Some((method.clone(), option(&method.options(), &extension)?)))
    }

    fn extension(&self, name: &str) -> ExtensionDescriptor {
        self.pool
            .get_extension_by_name(name)
            .unwrap_or_else(|| panic!("no {name}"))
    }
}

fn option(options: &DynamicMessage, extension: &ExtensionDescriptor) -> Option<DynamicMessage> {
    options.has_extension(extension).then(|| {
        let value = options.get_extension(extension);
        value.as_message().expect("a message option").clone()
    })
}

/// A text of an option.
pub(crate) fn text(option: &DynamicMessage, name: &str) -> String {
    let value = option.get_field_by_name(name).expect("a field");
    value.as_str().expect("text").to_owned()
}

/// Whether an RPC says that it changes nothing.
pub(crate) fn is_read_only(method: &MethodDescriptor) -> bool {
    let options = method.options();
    let level = options.get_field_by_name("idempotency_level");
    level.expect("a method option").as_enum_number() == Some(1)
}

/// The comment in front of a declaration.
pub(crate) fn comment(file: &FileDescriptor, path: &[i32]) -> Option<String> {
    let info = file.file_descriptor_proto().source_code_info.clone()?;
    let location = info.location.into_iter().find(|location| location.path == path)?;
    location
        .leading_comments
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// Whether the comment of an RPC, which describes it to a model, is there and is a sentence.
pub(crate) fn has_sentence(method: &MethodDescriptor) -> bool {
    let description = comment(&method.parent_service().parent_file(), method.path());
    description.is_some_and(|text| text.ends_with('.'))
}

/// The package of a message.
pub(crate) fn package(message: &MessageDescriptor) -> String {
    message.parent_file().package_name().to_owned()
}

/// The message of a field that holds one, and not a list of them.
pub(crate) fn single(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    let is_single = field.cardinality() != Cardinality::Repeated;
    field.kind().as_message().filter(|_| is_single).cloned()
}

/// A message and all that it holds, `mcphub.data.v1` and the well-known types left out.
pub(crate) fn reachable(root: &MessageDescriptor) -> Vec<MessageDescriptor> {
    fn visit(message: &MessageDescriptor, seen: &mut BTreeSet<String>, out: &mut Vec<MessageDescriptor>) {
        // The entries of a map stand nowhere in the text.
        if is_foreign(message) || message.is_map_entry() || !seen.insert(message.full_name().to_owned()) {
            return;
        }
        out.push(message.clone());
        for field in message.fields() {
            if let Kind::Message(inner) = field.kind() {
                visit(&inner, seen, out);
            }
        }
    }
    let mut out = Vec::new();
    visit(root, &mut BTreeSet::new(), &mut out);
    out
}

/// Whether a message is shown in a way of its own.
pub(crate) fn is_foreign(message: &MessageDescriptor) -> bool {
    ["mcphub.data.v1", "google.protobuf"].contains(&message.parent_file().package_name())
}

pub(crate) fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(character.to_lowercase());
    }
    out
}

/// The most characters of the name of a tool or prompt without its key: the longest key has 24, `_` joins, and clients take 64.
pub(crate) const LONGEST_NAME: usize = 39;

/// RPCs of one package whose names are one name to a client.
pub(crate) fn twins(methods: impl Iterator<Item = MethodDescriptor>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    methods
        .filter(|method| {
            let package = method.parent_service().parent_file().package_name().to_owned();
            !seen.insert((package, snake_case(method.name())))
        })
        .map(|method| format!("{}: another has this name", method.full_name()))
        .collect()
}
