//! The server behind the adapter: one connection, and calls on it that are limited in number and time.
//!
//! A [`Session`] is one call of ours with its limit and its [`Role`]. It is the only way to the server's RPCs, so that what a role
//! may not call, and collections that the settings hide, can't be reached: a request goes to a [`Name`], and a session makes names
//! only of collections that may be asked. Above it stand the RPCs' modules.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::metrics::pool::{self, Pool};
use mcp_hub_chassis::slots::Slots;
use mcp_hub_chassis::{Fault, arguments, trace};
use qdrant_client::qdrant;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tonic::Code;
use tracing::Instrument as _;

use crate::config::{Config, Role, Target};
use crate::error::{Error, ServerError};

mod connection;
mod diagnosis;
mod rows;
mod rpc;
mod statement;
mod transport;

use connection::Connection;
use rpc::Method;
pub(crate) use rpc::{CollectionRpc, Nothing, Rpc, Version};
use transport::Transport;

/// The longest that a call waits until fewer are under way.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The longest name of a collection, in bytes: Qdrant's 255 characters.
const LONGEST_NAME: usize = 255 * 4;

/// The server: cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    config: Config,
    connection: Connection,
    slots: Slots,
    /// The metrics: what counts as a connection is a place for a call, because all of them go over the one that there is.
    pool: Pool,
    /// The version of the server, once it has told it.
    version: Mutex<Option<String>>,
}

impl Database {
    /// A server that has not been asked anything yet. `name` is the adapter's key: the server sees us as `mcp-hub/<name>`.
    pub fn new(config: Config, name: &str) -> Self {
        let pool = Pool::new(name, config.pool_size);
        Self(Arc::new(Inner {
            slots: Slots::new(config.pool_size),
            connection: Connection::new(config.clone(), name, pool.clone()),
            pool,
            version: Mutex::default(),
            config,
        }))
    }

    /// The settings.
    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    /// A call that reads, `timeout` long at most from now.
    pub(crate) fn read(&self, timeout: Duration) -> Session {
        self.session(Role::Reader, timeout)
    }

    /// A call that may write as well.
    pub(crate) fn write(&self, timeout: Duration) -> Session {
        self.session(Role::Writer, timeout)
    }

    /// A call that learns what the reading key may do.
    pub(crate) fn judge(&self, timeout: Duration) -> Session {
        self.session(Role::Judge, timeout)
    }

    /// Whether the server's port of REST answers: where that of gRPC does not, it is all that was published.
    pub(crate) async fn only_rest_answers(&self, target: &Target) -> bool {
        diagnosis::of_unreachable(target).await.is_some()
    }

    fn session(&self, role: Role, timeout: Duration) -> Session {
        Session {
            database: self.clone(),
            role,
            timeout,
            deadline: Instant::now() + timeout,
        }
    }

    /// Takes over a changed address or API key, so that nobody keeps a connection to what the settings no longer name.
    pub(crate) fn renew_if_changed(&self) {
        self.0.connection.renew_if_changed();
    }

    fn known_version(&self) -> MutexGuard<'_, Option<String>> {
        self.0.version.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of a collection that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One call of ours: whoever makes it may ask the server several times within its limit.
#[derive(Clone)]
pub(crate) struct Session {
    database: Database,
    role: Role,
    timeout: Duration,
    deadline: Instant,
}

impl Session {
    /// The settings.
    pub(crate) fn config(&self) -> &Config {
        self.database.config()
    }

    /// The limit of the whole call, for messages.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What is left of the limit.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The collection that a caller names.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` without a name, `OBJECT_NOT_FOUND` for one that the settings hide, the server's.
    pub(crate) async fn collection(&self, name: &str) -> Result<Name, Error> {
        let name = given(name)?;
        if !self.config().hides_collections() {
            // The server looks behind aliases itself.
            return Ok(Name(name.to_owned()));
        }
        let (name, _) = self.resolved(name, self.aliases().await?).await?;
        Ok(name)
    }

    /// What the server says about the collection that a caller names, with the collection's own name and its other ones.
    ///
    /// # Errors
    /// As [`collection`](Self::collection).
    pub(crate) async fn info(
        &self,
        name: &str,
    ) -> Result<(Name, Vec<String>, qdrant::CollectionInfo), Error> {
        let given = Name(given(name)?.to_owned());
        let (aliases, info) = tokio::join!(
            self.aliases(),
            self.ask(&given, qdrant::GetCollectionInfoRequest::default())
        );
        let aliases = match aliases {
            Err(Error::Server(_)) if !self.config().hides_collections() => vec![],
            aliases => aliases?,
        };
        // First, because what is hidden must fail as what is not there.
        let (name, aliases) = self.resolved(name, aliases).await?;
        let info = info?.result;
        let info = info.ok_or(Error::Unexpected("the server says nothing about a collection"))?;
        Ok((name, aliases, info))
    }

    /// All aliases that the API key may know of.
    pub(crate) async fn aliases(&self) -> Result<Vec<qdrant::AliasDescription>, Error> {
        Ok(self.ask_server(qdrant::ListAliasesRequest {}).await?.aliases)
    }

    /// A collection's own name, and its other ones.
    async fn resolved(
        &self,
        name: &str,
        aliases: Vec<qdrant::AliasDescription>,
    ) -> Result<(Name, Vec<String>), Error> {
        let of_alias = aliases.iter().find(|alias| alias.alias_name == name);
        let own = of_alias.map_or(name, |alias| alias.collection_name.as_str());
        if !self.config().may_ask(own) {
            return Err(self.no_collection(name).await);
        }
        let own = Name(own.to_owned());
        let others = aliases.into_iter().filter(|alias| alias.collection_name == own.0);
        let mut others: Vec<String> = others.map(|alias| alias.alias_name).collect();
        others.sort_unstable();
        Ok((own, others))
    }

    /// The name of a collection that is to be created.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` without a name, `ACCESS_DENIED` for one that the settings would hide.
    pub(crate) fn new_collection(&self, name: &str) -> Result<Name, Error> {
        let name = given(name)?;
        if !self.config().may_ask(name) {
            let message = format!("the configuration does not allow a collection named \"{name}\"");
            return Err(Fault::new(Reason::AccessDenied, message).into());
        }
        Ok(Name(name.to_owned()))
    }

    /// The names of all collections that may be asked, sorted.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn names(&self) -> Result<Vec<Name>, Error> {
        let list = self.ask_server(qdrant::ListCollectionsRequest {}).await?;
        let names = list.collections.into_iter().map(|one| one.name);
        let mut names: Vec<Name> = names
            .filter(|name| self.config().may_ask(name))
            .map(Name)
            .collect();
        names.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        Ok(names)
    }

    async fn no_collection(&self, wanted: &str) -> Error {
        // The names help; that there is none such is known without them.
        let names = Box::pin(self.names()).await.unwrap_or_default();
        let names: Vec<&str> = names.iter().map(Name::as_str).collect();
        let similar = arguments::similar(wanted, names.iter().copied());
        let message = match (names.is_empty(), similar.as_slice()) {
            (true, _) => format!("there is no collection \"{wanted}\", nor any other"),
            (false, []) => format!("there is no collection \"{wanted}\": list_collections tells the names"),
            (false, similar) => {
                format!(
                    "there is no collection \"{wanted}\"; similar names: {}",
                    similar.join(", ")
                )
            }
        };
        let fault = Fault::new(Reason::ObjectNotFound, message).with("did_you_mean", similar.join(","));
        Error::Fault(fault)
    }

    /// Asks about a collection.
    ///
    /// # Errors
    /// `OBJECT_NOT_FOUND` when it is gone, the server's, time-outs.
    pub(crate) async fn ask<R: CollectionRpc>(
        &self,
        collection: &Name,
        mut request: R,
    ) -> Result<R::Response, Error> {
        request.aim(collection.0.clone());
        match self.ask_server(request).await {
            Err(Error::Server(error)) if error.is_no_collection() => {
                Err(self.no_collection(collection.as_str()).await)
            }
            result => result,
        }
    }

    /// Asks the server about itself.
    ///
    /// # Errors
    /// The server's, time-outs.
    pub(crate) async fn ask_server<R: Rpc>(&self, request: R) -> Result<R::Response, Error> {
        let _place = self.place().await?;
        // A call holds its request several times over, and its callers hold many calls.
        Box::pin(self.send(request)).await
    }

    /// A place among the calls that may be under way.
    async fn place(&self) -> Result<(OwnedSemaphorePermit, pool::Connection), Error> {
        let Inner { slots, pool, .. } = &*self.database.0;
        let begun = Instant::now();
        let mut taking = pin!(slots.take(LONGEST_WAIT.min(self.remaining())));
        // Mostly there is one, and no wait that a trace should explain.
        let place = if let Some(place) = taking.as_mut().now_or_never() {
            place
        } else {
            let span = trace::internal("acquire connection");
            let _pending = pool.pending();
            let place = taking.instrument(span.clone()).await;
            if place.is_none() {
                trace::fail(&span, Error::Busy.reason_name());
            }
            place
        };
        let Some(place) = place else {
            pool.timed_out();
            return Err(Error::Busy);
        };
        pool.waited(begun.elapsed());
        Ok((place, pool.used()))
    }

    /// Asks without waiting for fewer calls to be under way.
    pub(crate) async fn send<R: Rpc>(&self, request: R) -> Result<R::Response, Error> {
        let connection = &self.database.0.connection;
        let (mut reconnected, mut renewed) = (false, false);
        loop {
            let transport = connection.transport(self.role)?;
            let error = match self.attempt(request.clone(), &transport).await {
                Ok(response) => {
                    transport.answered();
                    return Ok(response);
                }
                Err(error) => error,
            };
            match error {
                // The server restarted, and the connection was not known to be dead yet. Asking again does no harm.
                Error::Lost(_) if R::METHOD.reads && !reconnected && transport.has_answered() => {
                    tracing::debug!(
                        error = mcp_hub_chassis::fault::chain(&error),
                        "the connection had died"
                    );
                    reconnected = true;
                }
                Error::Lost(_) if !transport.has_answered() => {
                    return Err(connection.explain(error).await);
                }
                Error::Refused { .. } if !renewed && connection.key_changed(self.role, &transport) => {
                    renewed = true;
                }
                Error::Server(ServerError {
                    code: Code::Unimplemented,
                    ..
                }) => return Err(self.lacks(R::METHOD).await),
                error => return Err(error),
            }
        }
    }

    async fn attempt<R: Rpc>(&self, mut request: R, transport: &Transport) -> Result<R::Response, Error> {
        let statement = statement::begin(&request, transport);
        let remaining = self.remaining();
        // Whole seconds, and 0 would be no limit; gRPC's own limit below is exact.
        request.limit(remaining.as_secs() + 1);
        let mut call = tonic::Request::new(request);
        call.set_timeout(remaining);
        let response = tokio::time::timeout_at(self.deadline, R::send(call, transport.clone()));
        let response = match response.instrument(statement.span().clone()).await {
            Err(_) => Err(Error::TimedOut(self.timeout)),
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(transport.failure(status, self.timeout)),
        };
        statement::end(statement, &response);
        response
    }

    /// The server's version, "1.18.2".
    ///
    /// # Errors
    /// The server's, time-outs.
    pub(crate) async fn version(&self) -> Result<String, Error> {
        if let Some(version) = self.database.known_version().clone() {
            return Ok(version);
        }
        Ok(self.health().await?.version)
    }

    /// Asks the server what it is.
    pub(crate) async fn health(&self) -> Result<qdrant::HealthCheckReply, Error> {
        let reply = self.send(qdrant::HealthCheckRequest {}).await?;
        *self.database.known_version() = Some(reply.version.clone());
        Ok(reply)
    }

    /// Refuses what came with a later version than the server's. `what` is the beginning of a sentence: "counting per value".
    ///
    /// # Errors
    /// `NOT_SUPPORTED` with both versions, the server's.
    pub(crate) async fn needs(&self, since: Version, what: &str) -> Result<(), Error> {
        let version = self.version().await?;
        match Version::parse(&version) {
            Some(known) if known < since => Err(too_old(&version, since, what)),
            _ => Ok(()),
        }
    }

    /// What is said of a server that has no such RPC. What is not Qdrant has none at all.
    async fn lacks(&self, method: Method) -> Error {
        if method.path == qdrant::HealthCheckRequest::METHOD.path {
            let error = Error::Unavailable {
                verdict: Verdict::WrongProtocol,
                reason: "what answers is not Qdrant's gRPC".to_owned(),
                source: None,
            };
            return self.database.0.connection.explain(error).await;
        }
        match Box::pin(self.version()).await {
            Ok(version) => too_old(&version, method.since, method.what),
            Err(error) => error,
        }
    }
}

fn too_old(version: &str, since: Version, what: &str) -> Error {
    let message = format!("{what} needs Qdrant {since} or newer, and this server is {version}");
    Fault::new(Reason::NotSupported, message)
        .with("hint", format!("update the server to {since} or newer"))
        .into()
}

/// The name of a collection as a caller gives it.
fn given(name: &str) -> Result<&str, Fault> {
    if name.is_empty() {
        return Err(Fault::argument(
            "collection",
            "collection is missing: list_collections tells the names",
        ));
    }
    // The server would repeat it in its error.
    if name.len() > LONGEST_NAME {
        let message = format!("no collection has so long a name: {} bytes", name.len());
        return Err(Fault::argument("collection", message));
    }
    Ok(name)
}
