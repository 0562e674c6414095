//! The parameters of a full-text index. The engine keeps the types of stop words and stemmers to itself, but reads and
//! writes them as the JSON of Qdrant's REST API.

use qdrant_client::qdrant::stemming_algorithm::StemmingParams;
use qdrant_client::qdrant::{
    SnowballParams, StemmingAlgorithm as ApiStemmer, StopwordsSet as ApiStopwords,
    TextIndexParams as ApiText, TokenizerType as ApiTokenizer,
};
use qdrant_edge::{Language, SnowballLanguage, TextIndexParams, TokenizerType};
use serde_json::{Value, json};

use super::count;
use crate::error::{Error, Result};

/// From a client.
pub(super) fn from_api(params: ApiText) -> Result<TextIndexParams> {
    let tokenizer = match params.tokenizer() {
        ApiTokenizer::Prefix => TokenizerType::Prefix,
        ApiTokenizer::Whitespace => TokenizerType::Whitespace,
        ApiTokenizer::Word => TokenizerType::Word,
        ApiTokenizer::Multilingual => TokenizerType::Multilingual,
        ApiTokenizer::Unknown => return Err(Error::malformed("unknown tokenizer type")),
    };
    let stemmer = params.stemmer.and_then(|stemmer| stemmer.stemming_params);
    let words = json!({
        "type": "text",
        "stopwords": params.stopwords.map(stopwords).transpose()?,
        "stemmer": stemmer.map(stemming).transpose()?,
    });
    let words: TextIndexParams =
        serde_json::from_value(words).map_err(|error| Error::malformed(error.to_string()))?;
    Ok(TextIndexParams {
        tokenizer,
        lowercase: params.lowercase,
        ascii_folding: params.ascii_folding,
        min_token_len: params.min_token_len.map(count),
        max_token_len: params.max_token_len.map(count),
        phrase_matching: params.phrase_matching,
        on_disk: params.on_disk,
        enable_hnsw: params.enable_hnsw,
        ..words
    })
}

fn stopwords(words: ApiStopwords) -> Result<Value> {
    for language in &words.languages {
        language
            .parse::<Language>()
            .map_err(|error| Error::malformed(format!("unknown language: {error}")))?;
    }
    let some = |words: Vec<String>| Some(words).filter(|words| !words.is_empty());
    Ok(json!({ "languages": some(words.languages), "custom": some(words.custom) }))
}

fn stemming(params: StemmingParams) -> Result<Value> {
    let StemmingParams::Snowball(SnowballParams { language }) = params;
    match language.parse::<SnowballLanguage>() {
        Ok(_) => Ok(json!({ "type": "snowball", "language": language })),
        Err(_) => Err(Error::malformed(format!("Language {language:?} not found."))),
    }
}

/// For a client.
pub(super) fn to_api(params: &TextIndexParams) -> ApiText {
    let tokenizer = match params.tokenizer {
        TokenizerType::Prefix => ApiTokenizer::Prefix,
        TokenizerType::Whitespace => ApiTokenizer::Whitespace,
        TokenizerType::Word => ApiTokenizer::Word,
        TokenizerType::Multilingual => ApiTokenizer::Multilingual,
    };
    let as_json = serde_json::to_value(params).unwrap_or_default();
    ApiText {
        tokenizer: tokenizer.into(),
        lowercase: params.lowercase,
        ascii_folding: params.ascii_folding,
        min_token_len: params.min_token_len.map(|length| length as u64),
        max_token_len: params.max_token_len.map(|length| length as u64),
        phrase_matching: params.phrase_matching,
        on_disk: params.on_disk,
        stopwords: as_json.get("stopwords").map(stopwords_to_api),
        stemmer: as_json.get("stemmer").map(stemming_to_api),
        enable_hnsw: params.enable_hnsw,
    }
}

fn stopwords_to_api(words: &Value) -> ApiStopwords {
    let list = |value: Option<&Value>| {
        let items = value.and_then(Value::as_array).into_iter().flatten();
        items
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    match words.as_str() {
        Some(language) => ApiStopwords {
            languages: vec![language.to_owned()],
            custom: Vec::new(),
        },
        None => ApiStopwords {
            languages: list(words.get("languages")),
            custom: list(words.get("custom")),
        },
    }
}

fn stemming_to_api(stemmer: &Value) -> ApiStemmer {
    let language = stemmer
        .get("language")
        .and_then(Value::as_str)
        .unwrap_or_default();
    ApiStemmer {
        stemming_params: Some(StemmingParams::Snowball(SnowballParams {
            language: language.to_owned(),
        })),
    }
}
