//! A static model in the adapter's own process.

#[cfg(feature = "local-embeddings")]
mod with_the_feature {
    use std::path::Path;

    use mcp_hub_chassis::Lifecycle;
    use mcp_hub_chassis::fault::Reason;
    use mcp_hub_testing::Qdrant;
    use qdrant_client::qdrant::Distance;
    use serde_json::json;
    use tokio::net::TcpListener;

    use crate::adapter::{Adapter, assert_fault, config, settings};
    use crate::search::{ids, search, text};
    use crate::search_collections::{Collection, dense, point, unnamed};

    /// What each word means: tents and shelters are alike, and so are boots and shoes.
    const WORDS: [(&str, [f32; 3]); 5] = [
        ("[UNK]", [0.0, 0.0, 0.0]),
        ("tent", [1.0, 0.0, 0.1]),
        ("shelter", [0.9, 0.1, 0.0]),
        ("boots", [0.0, 1.0, 0.1]),
        ("shoes", [0.1, 0.9, 0.0]),
    ];

    /// Writes a model as model2vec has it.
    fn write_model(directory: &Path, rows: usize) {
        std::fs::create_dir_all(directory).expect("a directory");
        let vocabulary: serde_json::Map<_, _> = WORDS
            .iter()
            .enumerate()
            .map(|(id, (word, _))| ((*word).to_owned(), json!(id)))
            .collect();
        let tokenizer = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": null, "decoder": null,
            "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
        });
        std::fs::write(directory.join("tokenizer.json"), tokenizer.to_string()).expect("writes");
        std::fs::write(directory.join("config.json"), r#"{"normalize": true}"#).expect("writes");
        let data: Vec<u8> = WORDS[..rows]
            .iter()
            .flat_map(|(_, row)| row)
            .flat_map(|x| x.to_le_bytes())
            .collect();
        let header =
            json!({"embeddings": {"dtype": "F32", "shape": [rows, 3], "data_offsets": [0, data.len()]}});
        let header = header.to_string();
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend(data);
        std::fs::write(directory.join("model.safetensors"), file).expect("writes");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn texts_are_embedded_in_the_process() {
        let Some(qdrant) = Qdrant::shared().await else {
            return;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let directory = folder.path().join("tiny");
        write_model(&directory, WORDS.len());
        let points = vec![
            point(1, unnamed(dense(vec![1.0, 0.0, 0.0])), &json!({"text": "a tent"})),
            point(2, unnamed(dense(vec![0.0, 1.0, 0.0])), &json!({"text": "boots"})),
        ];
        let collection = Collection::new("embedding_local").dense("", 3, Distance::Cosine);
        collection.create(qdrant, points).await;
        let collection = Collection::new("embedding_local_misfit").dense("", 4, Distance::Cosine);
        collection.create(qdrant, vec![]).await;
        let adapter = Adapter::start(&format!(
            "{}\nembeddings-dir = '{}'",
            settings(qdrant),
            directory.display()
        ))
        .await;
        let found = search(&adapter, text("embedding_local", "Shelter"))
            .await
            .expect("works");
        assert_eq!(ids(&found), [1, 2], "no word in common, and a meaning");
        let found = search(&adapter, text("embedding_local", "my shoes"))
            .await
            .expect("works");
        assert_eq!(ids(&found), [2, 1]);
        assert_fault(
            search(&adapter, text("embedding_local", "aardvark")).await,
            Reason::ArgumentInvalid,
            "the model tiny makes nothing of this text",
        );
        assert_fault(
            search(&adapter, text("embedding_local_misfit", "tent")).await,
            Reason::ArgumentInvalid,
            "has 4 dimensions, the model tiny makes 3",
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_model_that_fails_on_a_text_takes_nothing_down() {
        let Some(qdrant) = Qdrant::shared().await else {
            return;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let directory = folder.path().join("short");
        // The table ends before the words do.
        write_model(&directory, 2);
        let collection = Collection::new("embedding_local_short").dense("", 3, Distance::Cosine);
        let points = vec![point(1, unnamed(dense(vec![1.0, 0.0, 0.0])), &json!({}))];
        collection.create(qdrant, points).await;
        let adapter = Adapter::start(&format!(
            "{}\nembeddings-dir = '{}'",
            settings(qdrant),
            directory.display()
        ))
        .await;
        assert_fault(
            search(&adapter, text("embedding_local_short", "boots")).await,
            Reason::EmbeddingsUnavailable,
            "the model short failed on this text",
        );
        let found = search(&adapter, text("embedding_local_short", "tent")).await;
        assert_eq!(ids(&found.expect("goes on")), [1]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_directory_without_a_model_that_works_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let gone = folder.path().join("gone");
        for (directory, part) in [
            (folder.path(), "no valid model layout found"),
            (gone.as_path(), "there is no such directory"),
        ] {
            let text = format!(
                "url = 'http://127.0.0.1:1'\nembeddings-dir = '{}'",
                directory.display()
            );
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let serve = mcp_hub_qdrant::serve(config(&text), "test", listener, Lifecycle::new());
            let error = serve.await.expect_err("refused").to_string();
            assert!(
                error.contains("QDRANT_EMBEDDINGS_DIR") && error.contains(part),
                "{error}"
            );
        }
    }
}

#[cfg(not(feature = "local-embeddings"))]
#[tokio::test(flavor = "multi_thread")]
async fn without_the_feature_a_directory_says_how_to_build_with_it() {
    let text = "url = 'http://127.0.0.1:1'\nembeddings-dir = '/models/tiny'";
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let lifecycle = mcp_hub_chassis::Lifecycle::new();
    let serve = mcp_hub_qdrant::serve(crate::adapter::config(text), "test", listener, lifecycle);
    let error = serve.await.expect_err("refused").to_string();
    assert!(error.contains("--features local-embeddings"), "{error}");
}
