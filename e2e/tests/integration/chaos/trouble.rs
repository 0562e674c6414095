//! What goes wrong, and which failed calls it explains.

use std::fmt;

use mcp_hub_e2e::load::{Failure, Kind};
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::time::Instant;

/// What troubles have in common: of each class there is one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Facade,
    OneShop,
    AllShops,
    Relay,
}

/// How a network fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// All connections break; new ones work.
    Cut,
    /// All connections stay, and nothing passes.
    Stalled,
    /// All connections break; new ones are refused.
    Pulled,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    FacadeKilled(usize),
    ShopKilled(usize),
    /// The process is there, and does nothing.
    ShopHalted(usize),
    ShopCutOff(usize, Network),
    AllShopsKilled,
    /// Between a replica and those that have messages for its streams.
    ReplicaCutOff(usize, Network),
}

/// A trouble and when it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disturbance {
    pub(crate) trouble: Trouble,
    pub(crate) from: Instant,
    pub(crate) until: Instant,
}

impl Trouble {
    /// Any one of a class.
    pub(crate) fn any(class: Class, facades: usize, shops: usize, random: &mut StdRng) -> Self {
        match class {
            Class::Facade => Self::FacadeKilled(random.random_range(0..facades)),
            Class::AllShops => Self::AllShopsKilled,
            Class::Relay => Self::ReplicaCutOff(random.random_range(0..facades), Network::any(random)),
            Class::OneShop => {
                let shop = random.random_range(0..shops);
                match random.random_range(0..5) {
                    0 | 1 => Self::ShopKilled(shop),
                    2 => Self::ShopHalted(shop),
                    _ => Self::ShopCutOff(shop, Network::any(random)),
                }
            }
        }
    }

    pub(crate) fn class(self) -> Class {
        match self {
            Self::FacadeKilled(_) => Class::Facade,
            Self::ShopKilled(_) | Self::ShopHalted(_) | Self::ShopCutOff(..) => Class::OneShop,
            Self::AllShopsKilled => Class::AllShops,
            Self::ReplicaCutOff(..) => Class::Relay,
        }
    }

    /// Whether a call may fail so while this lasts.
    pub(crate) fn excuses(self, failure: &Failure) -> bool {
        let kind = &failure.kind;
        let sse = failure.door == "sse";
        let unavailable = |unclear| {
            *kind
                == Kind::Tool {
                    reason: "UPSTREAM_UNAVAILABLE".to_owned(),
                    unclear,
                }
        };
        match self {
            // Its calls are lost, by the proxy's word; so are its streams, and messages for them reach nobody.
            Self::FacadeKilled(_) if sse => matches!(kind, Kind::StreamLost | Kind::Status(404 | 502)),
            Self::FacadeKilled(_) => *kind == Kind::Status(502),
            // Reads go to another shop. A write is not sent twice.
            Self::ShopKilled(_) | Self::ShopHalted(_) | Self::ShopCutOff(..) => {
                failure.label == "order" && (unavailable(true) || unavailable(false))
            }
            // A facade that starts now knows of no tool.
            Self::AllShopsKilled => {
                unavailable(false)
                    || *kind == Kind::Unlisted
                    || (failure.label == "order" && unavailable(true))
            }
            // A message is handed over, or surely not, or nobody knows; it is not tried twice.
            Self::ReplicaCutOff(..) => sse && matches!(kind, Kind::Status(404 | 502)),
        }
    }
}

impl Network {
    fn any(random: &mut StdRng) -> Self {
        match random.random_range(0..3) {
            0 => Self::Cut,
            1 => Self::Stalled,
            _ => Self::Pulled,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FacadeKilled(_) => formatter.write_str("facade killed"),
            Self::ShopKilled(_) => formatter.write_str("shop killed"),
            Self::ShopHalted(_) => formatter.write_str("shop halted"),
            Self::ShopCutOff(_, network) => write!(formatter, "shop {network}"),
            Self::AllShopsKilled => formatter.write_str("all shops killed"),
            Self::ReplicaCutOff(_, network) => write!(formatter, "relay {network}"),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Cut => "cut",
            Self::Stalled => "stalled",
            Self::Pulled => "pulled",
        })
    }
}
