//! The comments of protos: what tools and their fields are told to be.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, FieldDescriptor};

use crate::words;

/// The comments of a pool's files, by file and path.
#[derive(Debug, Default)]
pub(crate) struct Comments(HashMap<String, HashMap<Vec<i32>, String>>);

impl Comments {
    /// The leading comments of all files.
    pub(crate) fn of(pool: &DescriptorPool) -> Self {
        let files = pool.files().map(|file| {
            let descriptor = file.file_descriptor_proto();
            let locations = descriptor.source_code_info.iter().flat_map(|info| &info.location);
            let comments = locations.filter_map(|location| {
                let comment = unwrap_lines(location.leading_comments());
                (!comment.is_empty()).then(|| (location.path.clone(), comment))
            });
            (file.name().to_owned(), comments.collect())
        });
        Self(files.collect())
    }

    /// The comment at a path; empty when there is none.
    pub(crate) fn at(&self, file: &str, path: &[i32]) -> &str {
        self.0
            .get(file)
            .and_then(|comments| comments.get(path))
            .map_or("", String::as_str)
    }

    pub(super) fn of_field(&self, field: &FieldDescriptor) -> &str {
        self.at(field.parent_file().name(), field.path())
    }
}

/// The lines of a paragraph as one line. An empty line parts paragraphs, and the item of a list keeps its own line.
fn unwrap_lines(comment: &str) -> String {
    let comment = words::visible(comment);
    let mut text = String::with_capacity(comment.len());
    let mut paragraph_ends = false;
    for line in comment.lines().map(str::trim) {
        if line.is_empty() {
            paragraph_ends = !text.is_empty();
            continue;
        }
        if paragraph_ends {
            text.push_str("\n\n");
        } else if line.starts_with("- ") || line.starts_with("* ") {
            text.push('\n');
        } else if !text.is_empty() {
            text.push(' ');
        }
        paragraph_ends = false;
        text.push_str(line);
    }
    text.trim_start().to_owned()
}
