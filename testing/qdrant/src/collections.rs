//! The service `qdrant.Collections`.

use std::sync::Arc;
use std::time::Instant;

use qdrant_client::qdrant::collections_server::Collections;
use qdrant_client::qdrant::{
    AliasDescription, ChangeAliases, CollectionClusterInfoRequest, CollectionClusterInfoResponse,
    CollectionDescription, CollectionExists, CollectionExistsRequest, CollectionExistsResponse,
    CollectionInfo, CollectionOperationResponse, CollectionStatus, CreateCollection, CreateShardKeyRequest,
    CreateShardKeyResponse, DeleteCollection, DeleteShardKeyRequest, DeleteShardKeyResponse,
    GetCollectionInfoRequest, GetCollectionInfoResponse, ListAliasesRequest, ListAliasesResponse,
    ListCollectionAliasesRequest, ListCollectionsRequest, ListCollectionsResponse, ListShardKeysRequest,
    ListShardKeysResponse, OptimizerStatus, UpdateCollection, UpdateCollectionClusterSetupRequest,
    UpdateCollectionClusterSetupResponse, UpdateQueueInfo,
};
use tonic::{Request, Response, Status};

use crate::convert::index;
use crate::error::{Error, Result, blocking};
use crate::storage::{Collection, Storage};
use crate::validate;

/// Makes, changes and describes collections.
pub(crate) struct Service {
    storage: Arc<Storage>,
}

impl Service {
    pub(crate) fn new(storage: Arc<Storage>) -> Self {
        Self { storage }
    }

    async fn change(
        &self,
        work: impl FnOnce(&Storage) -> Result<bool> + Send + 'static,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        let start = Instant::now();
        let storage = self.storage.clone();
        blocking(move || {
            Ok(CollectionOperationResponse {
                result: work(&storage)?,
                time: start.elapsed().as_secs_f64(),
            })
        })
        .await
    }

    async fn list_of(&self, collection: Option<String>) -> Result<Response<ListAliasesResponse>, Status> {
        let start = Instant::now();
        let storage = self.storage.clone();
        blocking(move || {
            let aliases = storage.aliases(collection.as_deref()).into_iter();
            Ok(ListAliasesResponse {
                aliases: aliases
                    .map(|(alias_name, collection_name)| AliasDescription {
                        alias_name,
                        collection_name,
                    })
                    .collect(),
                time: start.elapsed().as_secs_f64(),
            })
        })
        .await
    }
}

#[tonic::async_trait]
impl Collections for Service {
    async fn get(
        &self,
        request: Request<GetCollectionInfoRequest>,
    ) -> Result<Response<GetCollectionInfoResponse>, Status> {
        let start = Instant::now();
        let name = request.into_inner().collection_name;
        validate::name(&name)?;
        let storage = self.storage.clone();
        blocking(move || {
            Ok(GetCollectionInfoResponse {
                result: Some(information(&*storage.get(&name)?)),
                time: start.elapsed().as_secs_f64(),
            })
        })
        .await
    }

    async fn list(
        &self,
        _request: Request<ListCollectionsRequest>,
    ) -> Result<Response<ListCollectionsResponse>, Status> {
        let start = Instant::now();
        let names = self.storage.names().into_iter();
        Ok(Response::new(ListCollectionsResponse {
            collections: names.map(|name| CollectionDescription { name }).collect(),
            time: start.elapsed().as_secs_f64(),
        }))
    }

    async fn create(
        &self,
        request: Request<CreateCollection>,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        let request = request.into_inner();
        validate::new_name(&request.collection_name)?;
        self.change(|storage| storage.create(request).map(|()| true))
            .await
    }

    async fn update(
        &self,
        request: Request<UpdateCollection>,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        let request = request.into_inner();
        validate::name(&request.collection_name)?;
        let UpdateCollection {
            collection_name,
            metadata,
            ..
        } = request.clone();
        let rest = UpdateCollection {
            metadata: <_>::default(),
            timeout: None,
            ..request
        };
        let only_metadata = rest
            == UpdateCollection {
                collection_name: collection_name.clone(),
                ..UpdateCollection::default()
            };
        if !only_metadata {
            return Err(Error::Unimplemented("changing more of a collection than its metadata").into());
        }
        self.change(move |storage| {
            storage
                .get(&collection_name)?
                .update_metadata(metadata)
                .map(|()| true)
        })
        .await
    }

    async fn delete(
        &self,
        request: Request<DeleteCollection>,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        let request = request.into_inner();
        validate::name(&request.collection_name)?;
        validate::not_zero("timeout", request.timeout)?;
        self.change(move |storage| storage.delete(&request.collection_name))
            .await
    }

    async fn update_aliases(
        &self,
        request: Request<ChangeAliases>,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        let actions = request.into_inner().actions.into_iter();
        let actions = actions.filter_map(|action| action.action).collect();
        self.change(|storage| storage.change_aliases(actions).map(|()| true))
            .await
    }

    async fn list_collection_aliases(
        &self,
        request: Request<ListCollectionAliasesRequest>,
    ) -> Result<Response<ListAliasesResponse>, Status> {
        let name = request.into_inner().collection_name;
        validate::name(&name)?;
        self.list_of(Some(name)).await
    }

    async fn list_aliases(
        &self,
        _request: Request<ListAliasesRequest>,
    ) -> Result<Response<ListAliasesResponse>, Status> {
        self.list_of(None).await
    }

    async fn collection_exists(
        &self,
        request: Request<CollectionExistsRequest>,
    ) -> Result<Response<CollectionExistsResponse>, Status> {
        let start = Instant::now();
        let name = request.into_inner().collection_name;
        validate::name(&name)?;
        Ok(Response::new(CollectionExistsResponse {
            result: Some(CollectionExists {
                exists: self.storage.get(&name).is_ok(),
            }),
            time: start.elapsed().as_secs_f64(),
        }))
    }

    async fn collection_cluster_info(
        &self,
        _request: Request<CollectionClusterInfoRequest>,
    ) -> Result<Response<CollectionClusterInfoResponse>, Status> {
        Err(cluster())
    }

    async fn update_collection_cluster_setup(
        &self,
        _request: Request<UpdateCollectionClusterSetupRequest>,
    ) -> Result<Response<UpdateCollectionClusterSetupResponse>, Status> {
        Err(cluster())
    }

    async fn create_shard_key(
        &self,
        _request: Request<CreateShardKeyRequest>,
    ) -> Result<Response<CreateShardKeyResponse>, Status> {
        Err(cluster())
    }

    async fn delete_shard_key(
        &self,
        _request: Request<DeleteShardKeyRequest>,
    ) -> Result<Response<DeleteShardKeyResponse>, Status> {
        Err(cluster())
    }

    async fn list_shard_keys(
        &self,
        _request: Request<ListShardKeysRequest>,
    ) -> Result<Response<ListShardKeysResponse>, Status> {
        Err(cluster())
    }
}

fn cluster() -> Status {
    Error::Unimplemented("clusters and shards").into()
}

fn information(collection: &Collection) -> CollectionInfo {
    let info = collection.shard().info();
    let schema = info.payload_schema.into_iter();
    CollectionInfo {
        status: CollectionStatus::Green.into(),
        optimizer_status: Some(OptimizerStatus {
            ok: true,
            error: String::new(),
        }),
        segments_count: info.segments_count as u64,
        config: Some(collection.config()),
        payload_schema: schema
            .map(|(key, index)| (key.to_string(), index::to_api(index)))
            .collect(),
        points_count: Some(info.points_count as u64),
        indexed_vectors_count: Some(info.indexed_vectors_count as u64),
        warnings: Vec::new(),
        update_queue: Some(UpdateQueueInfo::default()),
    }
}
