//! What a collection is configured with: the client's wishes over Qdrant's defaults, and what the engine makes of it.

use std::num::NonZeroUsize;

use qdrant_client::qdrant::max_optimization_threads::{Setting, Variant};
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    CollectionConfig, CollectionParams, CreateCollection, Datatype as ApiDatatype, Distance as ApiDistance,
    HnswConfigDiff, MaxOptimizationThreads, Modifier as ApiModifier, OptimizersConfigDiff,
    SparseVectorParams, VectorParams, VectorsConfig, WalConfigDiff,
};
use qdrant_edge::{
    DEFAULT_VECTOR_NAME, Distance, EdgeConfig, EdgeSparseVectorParams, EdgeVectorParams, Modifier,
    MultiVectorComparator, MultiVectorConfig, VectorStorageDatatype, WalOptions,
};

use crate::error::{Error, Result};
use crate::validate;

/// Small, so that hundreds of collections of tests fit on a disk.
const WAL_SEGMENT: usize = 1 << 20;

/// Where the one vector is in the message that makes a collection.
const ONE: &str = "vectors_config.config";
/// Where its named vectors are.
const NAMED: &str = "vectors_config.config.map.[]";

/// The configuration that Qdrant would store and show, with the defaults of its own configuration file.
pub(super) fn config(request: CreateCollection) -> Result<CollectionConfig> {
    if request.quantization_config.is_some() {
        return Err(Error::Unimplemented("quantization"));
    }
    validate::not_zero("shard_number", request.shard_number)?;
    validate::not_zero("replication_factor", request.replication_factor)?;
    validate::not_zero("write_consistency_factor", request.write_consistency_factor)?;
    // No vectors at all is a collection of payloads, as Qdrant allows.
    let vectors_config = request.vectors_config.filter(|vectors| vectors.config.is_some());
    let params = CollectionParams {
        shard_number: request.shard_number.unwrap_or(1),
        on_disk_payload: request.on_disk_payload.unwrap_or(true),
        vectors_config: Some(vectors_config.unwrap_or(VectorsConfig {
            config: Some(Config::ParamsMap(<_>::default())),
        })),
        replication_factor: Some(request.replication_factor.unwrap_or(1)),
        write_consistency_factor: Some(request.write_consistency_factor.unwrap_or(1)),
        sharding_method: request.sharding_method,
        sparse_vectors_config: request.sparse_vectors_config,
        ..CollectionParams::default()
    };
    let hnsw = request.hnsw_config.unwrap_or_default();
    let hnsw_config = HnswConfigDiff {
        m: hnsw.m.or(Some(16)),
        ef_construct: hnsw.ef_construct.or(Some(100)),
        full_scan_threshold: hnsw.full_scan_threshold.or(Some(10_000)),
        max_indexing_threads: hnsw.max_indexing_threads.or(Some(0)),
        on_disk: hnsw.on_disk.or(Some(false)),
        ..hnsw
    };
    let optimizers = request.optimizers_config.unwrap_or_default();
    let threads = MaxOptimizationThreads {
        variant: Some(Variant::Setting(Setting::Auto.into())),
    };
    let optimizer_config = OptimizersConfigDiff {
        deleted_threshold: optimizers.deleted_threshold.or(Some(0.2)),
        vacuum_min_vector_number: optimizers.vacuum_min_vector_number.or(Some(1000)),
        default_segment_number: optimizers.default_segment_number.or(Some(0)),
        indexing_threshold: optimizers.indexing_threshold.or(Some(10_000)),
        flush_interval_sec: optimizers.flush_interval_sec.or(Some(5)),
        max_optimization_threads: optimizers.max_optimization_threads.or(Some(threads)),
        ..optimizers
    };
    let wal = request.wal_config.unwrap_or_default();
    let wal_config = WalConfigDiff {
        wal_capacity_mb: wal.wal_capacity_mb.or(Some(32)),
        wal_segments_ahead: wal.wal_segments_ahead.or(Some(0)),
        wal_retain_closed: wal.wal_retain_closed.or(Some(1)),
    };
    Ok(CollectionConfig {
        params: Some(params),
        hnsw_config: Some(hnsw_config),
        optimizer_config: Some(optimizer_config),
        wal_config: Some(wal_config),
        quantization_config: None,
        strict_mode_config: request.strict_mode_config,
        metadata: request.metadata,
    })
}

/// The vectors, as the engine takes them. Where data lies on disk and how an index is built changes no answer, so the
/// engine has its defaults there.
pub(super) fn engine(config: &CollectionConfig) -> Result<EdgeConfig> {
    let params = config.params.clone().unwrap_or_default();
    let mut engine = EdgeConfig {
        wal_options: Some(WalOptions {
            segment_capacity: WAL_SEGMENT,
            segment_queue_len: 0,
            retain_closed: NonZeroUsize::MIN,
        }),
        ..EdgeConfig::default()
    };
    match params.vectors_config.and_then(|vectors| vectors.config) {
        Some(Config::Params(params)) => {
            engine.vectors.insert(
                DEFAULT_VECTOR_NAME.to_owned(),
                dense(&params).map_err(|error| error.within(ONE))?,
            );
        }
        Some(Config::ParamsMap(named)) => {
            for (name, params) in named.map {
                let params = dense(&params).map_err(|error| error.within(NAMED))?;
                engine.vectors.insert(name, params);
            }
        }
        None => {}
    }
    for (name, params) in params.sparse_vectors_config.unwrap_or_default().map {
        engine.sparse_vectors.insert(name, sparse(&params)?);
    }
    Ok(engine)
}

fn dense(params: &VectorParams) -> Result<EdgeVectorParams> {
    if params.quantization_config.is_some() {
        return Err(Error::Unimplemented("quantization"));
    }
    if !(1..=65536).contains(&params.size) {
        return Err(Error::invalid(
            "size",
            format!("value {} invalid, must be from 1 to 65536", params.size),
        ));
    }
    let distance = match params.distance() {
        ApiDistance::Cosine => Distance::Cosine,
        ApiDistance::Euclid => Distance::Euclid,
        ApiDistance::Dot => Distance::Dot,
        ApiDistance::Manhattan => Distance::Manhattan,
        ApiDistance::UnknownDistance => {
            return Err(Error::malformed("Malformed distance parameter: UnknownDistance"));
        }
    };
    let size = usize::try_from(params.size).expect("65536 at most");
    let mut engine = EdgeVectorParams::builder(size, distance).build();
    engine.datatype = datatype(params.datatype)?;
    engine.multivector_config = params.multivector_config.map(|_| MultiVectorConfig {
        comparator: MultiVectorComparator::MaxSim,
    });
    Ok(engine)
}

fn sparse(params: &SparseVectorParams) -> Result<EdgeSparseVectorParams> {
    let index = params.index.unwrap_or_default();
    Ok(EdgeSparseVectorParams {
        modifier: match params.modifier() {
            ApiModifier::None => None,
            ApiModifier::Idf => Some(Modifier::Idf),
        },
        datatype: datatype(index.datatype)?,
        ..EdgeSparseVectorParams::default()
    })
}

fn datatype(datatype: Option<i32>) -> Result<Option<VectorStorageDatatype>> {
    let Some(datatype) = datatype else { return Ok(None) };
    match ApiDatatype::try_from(datatype) {
        Ok(ApiDatatype::Default) => Ok(None),
        Ok(ApiDatatype::Float32) => Ok(Some(VectorStorageDatatype::Float32)),
        Ok(ApiDatatype::Uint8) => Ok(Some(VectorStorageDatatype::Uint8)),
        Ok(ApiDatatype::Float16) => Ok(Some(VectorStorageDatatype::Float16)),
        _ => Err(Error::Unimplemented("this datatype of vectors")),
    }
}
