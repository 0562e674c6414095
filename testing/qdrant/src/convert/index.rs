//! Indexes of payload keys.

use qdrant_client::qdrant::payload_index_params::IndexParams as Api;
use qdrant_client::qdrant::{
    BoolIndexParams as ApiBool, DatetimeIndexParams as ApiDatetime, FieldType, FloatIndexParams as ApiFloat,
    GeoIndexParams as ApiGeo, IntegerIndexParams as ApiInteger, KeywordIndexParams as ApiKeyword,
    PayloadIndexParams, PayloadSchemaInfo, PayloadSchemaType as ApiType, UuidIndexParams as ApiUuid,
};
use qdrant_edge::{
    BoolIndexParams, DatetimeIndexParams, FloatIndexParams, GeoIndexParams, IntegerIndexParams,
    KeywordIndexParams, PayloadFieldSchema, PayloadIndexInfo, PayloadSchemaParams, PayloadSchemaType,
    UuidIndexParams,
};

use super::text;
use crate::error::{Error, Result};

/// The index that a client wants: its type, and parameters that suit it.
pub(crate) fn from_api(
    field_type: Option<i32>,
    params: Option<PayloadIndexParams>,
) -> Result<PayloadFieldSchema> {
    let field_type = field_type.ok_or_else(|| Error::malformed("cannot convert field_type"))?;
    let field_type = FieldType::try_from(field_type).map_err(|_| {
        Error::BadRequest(
            "Can't auto-detect field type, please specify `field_schema` in the request".to_owned(),
        )
    })?;
    let data_type = match field_type {
        FieldType::Keyword => PayloadSchemaType::Keyword,
        FieldType::Integer => PayloadSchemaType::Integer,
        FieldType::Float => PayloadSchemaType::Float,
        FieldType::Geo => PayloadSchemaType::Geo,
        FieldType::Text => PayloadSchemaType::Text,
        FieldType::Bool => PayloadSchemaType::Bool,
        FieldType::Datetime => PayloadSchemaType::Datetime,
        FieldType::Uuid => PayloadSchemaType::Uuid,
    };
    let Some(params) = params.and_then(|params| params.index_params) else {
        return Ok(PayloadFieldSchema::FieldType(data_type));
    };
    if let Api::IntegerIndexParams(params) = &params
        && params.lookup == Some(false)
        && params.range == Some(false)
    {
        return Err(Error::invalid_at_all(
            "field_index_params.index_params.lookup",
            "the 'lookup' and 'range' capabilities can't be both disabled",
        ));
    }
    let params = parameters(params)?;
    if type_of(&params) != data_type {
        return Err(Error::malformed(format!(
            "field_type ({field_type:?}) and field_index_params do not match"
        )));
    }
    Ok(PayloadFieldSchema::FieldParams(params))
}

fn type_of(params: &PayloadSchemaParams) -> PayloadSchemaType {
    match params {
        PayloadSchemaParams::Keyword(_) => PayloadSchemaType::Keyword,
        PayloadSchemaParams::Integer(_) => PayloadSchemaType::Integer,
        PayloadSchemaParams::Float(_) => PayloadSchemaType::Float,
        PayloadSchemaParams::Geo(_) => PayloadSchemaType::Geo,
        PayloadSchemaParams::Text(_) => PayloadSchemaType::Text,
        PayloadSchemaParams::Bool(_) => PayloadSchemaType::Bool,
        PayloadSchemaParams::Datetime(_) => PayloadSchemaType::Datetime,
        PayloadSchemaParams::Uuid(_) => PayloadSchemaType::Uuid,
    }
}

fn parameters(params: Api) -> Result<PayloadSchemaParams> {
    Ok(match params {
        Api::KeywordIndexParams(params) => PayloadSchemaParams::Keyword(KeywordIndexParams {
            is_tenant: params.is_tenant,
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
            ..KeywordIndexParams::default()
        }),
        Api::IntegerIndexParams(params) => PayloadSchemaParams::Integer(IntegerIndexParams {
            lookup: params.lookup,
            range: params.range,
            is_principal: params.is_principal,
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
            ..IntegerIndexParams::default()
        }),
        Api::FloatIndexParams(params) => PayloadSchemaParams::Float(FloatIndexParams {
            is_principal: params.is_principal,
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
            ..FloatIndexParams::default()
        }),
        Api::GeoIndexParams(params) => PayloadSchemaParams::Geo(GeoIndexParams {
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
            ..GeoIndexParams::default()
        }),
        Api::TextIndexParams(params) => PayloadSchemaParams::Text(text::from_api(params)?),
        Api::BoolIndexParams(params) => PayloadSchemaParams::Bool(BoolIndexParams {
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
            ..BoolIndexParams::default()
        }),
        Api::DatetimeIndexParams(params) => PayloadSchemaParams::Datetime(DatetimeIndexParams {
            is_principal: params.is_principal,
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
            ..DatetimeIndexParams::default()
        }),
        Api::UuidIndexParams(params) => PayloadSchemaParams::Uuid(UuidIndexParams {
            is_tenant: params.is_tenant,
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
            ..UuidIndexParams::default()
        }),
    })
}

/// The index as a collection's information has it.
pub(crate) fn to_api(info: PayloadIndexInfo) -> PayloadSchemaInfo {
    let data_type = match info.data_type {
        PayloadSchemaType::Keyword => ApiType::Keyword,
        PayloadSchemaType::Integer => ApiType::Integer,
        PayloadSchemaType::Float => ApiType::Float,
        PayloadSchemaType::Geo => ApiType::Geo,
        PayloadSchemaType::Text => ApiType::Text,
        PayloadSchemaType::Bool => ApiType::Bool,
        PayloadSchemaType::Datetime => ApiType::Datetime,
        PayloadSchemaType::Uuid => ApiType::Uuid,
    };
    PayloadSchemaInfo {
        data_type: data_type.into(),
        params: info.params.map(|params| PayloadIndexParams {
            index_params: Some(parameters_to_api(params)),
        }),
        points: Some(info.points as u64),
    }
}

fn parameters_to_api(params: PayloadSchemaParams) -> Api {
    match params {
        PayloadSchemaParams::Keyword(params) => Api::KeywordIndexParams(ApiKeyword {
            is_tenant: params.is_tenant,
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
        }),
        PayloadSchemaParams::Integer(params) => Api::IntegerIndexParams(ApiInteger {
            lookup: params.lookup,
            range: params.range,
            is_principal: params.is_principal,
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
        }),
        PayloadSchemaParams::Float(params) => Api::FloatIndexParams(ApiFloat {
            is_principal: params.is_principal,
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
        }),
        PayloadSchemaParams::Geo(params) => Api::GeoIndexParams(ApiGeo {
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
        }),
        PayloadSchemaParams::Text(params) => Api::TextIndexParams(text::to_api(&params)),
        PayloadSchemaParams::Bool(params) => Api::BoolIndexParams(ApiBool {
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
        }),
        PayloadSchemaParams::Datetime(params) => Api::DatetimeIndexParams(ApiDatetime {
            is_principal: params.is_principal,
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
        }),
        PayloadSchemaParams::Uuid(params) => Api::UuidIndexParams(ApiUuid {
            is_tenant: params.is_tenant,
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
        }),
    }
}
