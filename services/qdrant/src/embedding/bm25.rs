//! Qdrant's own model for words, `qdrant/bm25`: the server makes the sparse vector of a text that it is sent.
//!
//! What is kept and what is searched for must have been made alike, so the language belongs to a collection.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use qdrant_client::qdrant::{Document, Value, value};

use crate::database::Version;

/// The model's name.
pub(crate) const NAME: &str = "qdrant/bm25";

/// The first version of Qdrant that has it.
pub(crate) const SINCE: Version = Version(1, 15);

/// What Qdrant knows of languages: stop words, and stems for some. It takes other names silently and does nothing for them, so they are
/// refused here.
const LANGUAGES: &[&str] = &[
    "arabic",
    "armenian",
    "azerbaijani",
    "basque",
    "bengali",
    "catalan",
    "chinese",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "greek",
    "hebrew",
    "hinglish",
    "hungarian",
    "indonesian",
    "italian",
    "japanese",
    "kazakh",
    "nepali",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "slovene",
    "spanish",
    "swedish",
    "tajik",
    "tamil",
    "turkish",
    MULTILINGUAL,
    NONE,
];

/// No language: words are split where a script has no spaces, and kept as they are.
const MULTILINGUAL: &str = "multilingual";

/// No language: words are kept as they are.
const NONE: &str = "none";

/// The language of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Language(&'static str);

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = text.trim().to_lowercase();
        let known = LANGUAGES.iter().find(|language| **language == wanted);
        known.map(|language| Self(language)).ok_or_else(|| {
            format!(
                "{text:?} is no language of {NAME}; it has: {}",
                LANGUAGES.join(", ")
            )
        })
    }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// A text that the server makes a sparse vector of.
pub(crate) fn document(text: &str, language: Language) -> Document {
    let option = |name: &str, text: &str| {
        let kind = Some(value::Kind::StringValue(text.to_owned()));
        (name.to_owned(), Value { kind })
    };
    let mut options = HashMap::new();
    let spaceless = matches!(language.0, MULTILINGUAL | "chinese" | "japanese");
    if spaceless {
        options.extend([option("tokenizer", MULTILINGUAL)]);
    }
    let language = if language.0 == MULTILINGUAL {
        NONE
    } else {
        language.0
    };
    options.extend([option("language", language)]);
    Document {
        text: text.to_owned(),
        model: NAME.to_owned(),
        options,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(language: &str) -> Vec<String> {
        let document = document("a text", language.parse().expect("a language"));
        let mut options: Vec<String> = document
            .options
            .iter()
            .map(|(name, value)| format!("{name}={}", value.as_str().expect("a text")))
            .collect();
        options.sort();
        options
    }

    #[test]
    fn a_language_becomes_options_of_the_server() {
        assert_eq!(options("English "), ["language=english"]);
        assert_eq!(options("none"), ["language=none"]);
        assert_eq!(
            options("japanese"),
            ["language=japanese", "tokenizer=multilingual"]
        );
        assert_eq!(
            options("multilingual"),
            ["language=none", "tokenizer=multilingual"]
        );
    }

    #[test]
    fn an_unknown_language_is_refused() {
        let why = "klingon".parse::<Language>().expect_err("not a language");
        assert!(why.contains("\"klingon\"") && why.contains("german"), "{why}");
    }
}
