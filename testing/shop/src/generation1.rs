//! The RPCs of version 1.

use mcp_hub_chassis::grpc::AdapterServer;
use tonic::{Request, Response, Status};

use crate::{Shop, goods};

/// The generated code.
#[expect(
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    reason = "generated"
)]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/1/shop.v1.rs"));

    /// The encoded descriptors with comments and options.
    pub(super) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/1/shop.v1.bin"));
}

use proto::shop_service_server::{ShopService, ShopServiceServer};
use proto::shop_write_service_server::{ShopWriteService, ShopWriteServiceServer};
use proto::{
    CountStockRequest, CountStockResponse, HaggleRequest, HaggleResponse, OrderRequest, OrderResponse,
    PriceRequest, PriceResponse,
};

/// Adds the services that the shop has.
pub(crate) fn add(server: AdapterServer, shop: Shop) -> AdapterServer {
    let server = server.add(ShopServiceServer::new(shop.clone()), proto::DESCRIPTORS);
    if shop.ledger.is_none() {
        return server;
    }
    server.add(ShopWriteServiceServer::new(shop), proto::DESCRIPTORS)
}

#[tonic::async_trait]
impl ShopService for Shop {
    async fn price(&self, request: Request<PriceRequest>) -> Result<Response<PriceResponse>, Status> {
        let article = request.into_inner().article;
        Ok(Response::new(PriceResponse {
            cents: goods::cents(&article, self.generation),
            article,
            generation: self.generation,
            port: self.port,
        }))
    }

    async fn count_stock(
        &self,
        request: Request<CountStockRequest>,
    ) -> Result<Response<CountStockResponse>, Status> {
        let CountStockRequest { article, ms } = request.into_inner();
        self.take(ms).await;
        Ok(Response::new(CountStockResponse {
            pieces: goods::pieces(&article, self.generation),
            article,
            generation: self.generation,
            port: self.port,
        }))
    }

    async fn haggle(&self, request: Request<HaggleRequest>) -> Result<Response<HaggleResponse>, Status> {
        let article = request.into_inner().article;
        Ok(Response::new(HaggleResponse {
            cents: goods::lowest(&article),
            article,
            generation: self.generation,
            port: self.port,
        }))
    }
}

#[tonic::async_trait]
impl ShopWriteService for Shop {
    async fn order(&self, request: Request<OrderRequest>) -> Result<Response<OrderResponse>, Status> {
        let OrderRequest { id, article, ms } = request.into_inner();
        self.record(&id, ms.unwrap_or_default()).await?;
        Ok(Response::new(OrderResponse {
            id,
            cents: goods::cents(&article, self.generation),
            article,
            generation: self.generation,
            port: self.port,
        }))
    }
}
