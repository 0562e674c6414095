//! A static embedding model in this process: a table of words' vectors, read from a directory (model2vec).
//!
//! It needs the cargo feature `local-embeddings`; without it, a directory in the settings is refused with how to build with it.

#[cfg(feature = "local-embeddings")]
pub(super) use model::Local;
#[cfg(not(feature = "local-embeddings"))]
pub(super) use none::Local;

#[cfg(feature = "local-embeddings")]
mod model {
    use std::path::Path;
    use std::sync::Arc;

    use mcp_hub_chassis::Fault;
    use mcp_hub_chassis::fault::Reason;
    use model2vec_rs::model::StaticModel;
    use tokio::sync::Semaphore;
    use tokio::task::spawn_blocking;

    use crate::error::Error;

    /// The most tokens of a text that count.
    const TOKENS: usize = 512;

    /// Texts of one batch, between which nothing is waited for.
    const BATCH: usize = 256;

    /// A model in memory.
    pub(in crate::embedding) struct Local {
        name: Arc<str>,
        model: StaticModel,
        dimensions: usize,
        /// The work is the processor's: more than one at a time gain nothing.
        work: Semaphore,
    }

    impl Local {
        /// Reads the model of a directory.
        ///
        /// # Errors
        /// [`Error::Settings`] when the directory has none, or one that does not work.
        pub(in crate::embedding) async fn open(directory: &Path) -> Result<Self, Error> {
            let wrong = |why: &str| Error::Settings(format!("QDRANT_EMBEDDINGS_DIR: {why}"));
            // A relative directory such as `.` has a name too.
            let directory = std::path::absolute(directory).map_err(|_| wrong("it is no directory"))?;
            let name = directory.file_name().and_then(|name| name.to_str());
            let name = name.ok_or_else(|| wrong("the directory has no name"))?.into();
            if !directory.is_dir() {
                return Err(wrong("there is no such directory"));
            }
            let read = move || {
                let model = StaticModel::from_pretrained(&directory, None, None, None)
                    .map_err(|error| format!("{error:#}"))?;
                // A model that can't do this does nothing.
                let vector = model.encode_single("word");
                if vector.iter().all(|number| number.is_finite()) {
                    Ok((vector.len(), model))
                } else {
                    Err("the model makes vectors that are not finite".to_owned())
                }
            };
            let read = spawn_blocking(read).await;
            let (dimensions, model) = read
                .map_err(|_| wrong("the model does not work"))?
                .map_err(|why| wrong(&why))?;
            Ok(Self {
                name,
                model,
                dimensions,
                work: Semaphore::new(1),
            })
        }

        /// The model's name: that of its directory.
        pub(in crate::embedding) fn name(&self) -> Arc<str> {
            self.name.clone()
        }

        /// How many dimensions its vectors have.
        pub(in crate::embedding) fn dimensions(&self) -> usize {
            self.dimensions
        }

        /// Makes vectors of texts.
        pub(in crate::embedding) async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Fault> {
            let mut vectors = Vec::with_capacity(texts.len());
            // The semaphore is never closed.
            let _permit = self.work.acquire().await.ok();
            for batch in texts.chunks(BATCH) {
                let (model, batch) = (self.model.clone(), batch.to_vec());
                let made = spawn_blocking(move || model.encode_with_args(&batch, Some(TOKENS), BATCH));
                let made = made.await.map_err(|error| {
                    tracing::error!(%error, "the local model failed");
                    let message = format!("the model {} failed on this text", self.name);
                    Fault::new(Reason::EmbeddingsUnavailable, message)
                })?;
                vectors.extend(made);
            }
            Ok(vectors)
        }
    }
}

#[cfg(not(feature = "local-embeddings"))]
mod none {
    use std::convert::Infallible;
    use std::path::Path;
    use std::sync::Arc;

    use mcp_hub_chassis::Fault;

    use crate::error::Error;

    /// There is none: this has no values.
    pub(in crate::embedding) struct Local(Infallible);

    impl Local {
        #[expect(clippy::unused_async, reason = "with the feature it reads files")]
        pub(in crate::embedding) async fn open(_: &Path) -> Result<Self, Error> {
            Err(Error::Settings(
                "QDRANT_EMBEDDINGS_DIR needs a build with the cargo feature local-embeddings: \
                 cargo build --release --features local-embeddings"
                    .to_owned(),
            ))
        }

        pub(in crate::embedding) fn name(&self) -> Arc<str> {
            match self.0 {}
        }

        pub(in crate::embedding) fn dimensions(&self) -> usize {
            match self.0 {}
        }

        #[expect(clippy::unused_async, reason = "with the feature it waits for the model")]
        pub(in crate::embedding) async fn embed(&self, _: &[String]) -> Result<Vec<Vec<f32>>, Fault> {
            match self.0 {}
        }
    }
}
