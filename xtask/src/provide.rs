//! What the tests need and cargo does not bring: servers and clients' runtimes, each by the first way that works.
//!
//! An address in the environment, then programs that are there, then (only with `--install`) a package of the system,
//! then a container. Clients come from `PyPI` and npm into folders below the target directory, which takes no rights.
//! What can't be had is a sentence that says every way tried, and the line to run.

pub(crate) mod apt;
mod clients;
mod container;
mod jaeger;
mod kept;
mod neo4j;
pub(crate) mod qdrant;
mod servers;

use std::collections::BTreeSet;
use std::ffi::OsString;

use anyhow::bail;

pub(crate) use clients::{Node, Python};
use container::Container;
use servers::Server;

use crate::report::{Counts, Report};
use crate::workspace::Workspace;

/// What was provided. Dropping it ends what was started.
#[derive(Debug, Default)]
pub(crate) struct Provided {
    /// The variables by which test programs find it.
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// npm's packages and a Node to run them.
    pub(crate) node: Option<Node>,
    /// What must live as long as the tests.
    containers: Vec<Container>,
}

/// How to deal with what is not there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Install packages of the system, with root rights.
    pub(crate) install: bool,
    /// What can't be had is a failure, not a skip.
    pub(crate) require: bool,
}

impl Provided {
    /// Provides the named components, each at most once.
    pub(crate) fn new(
        workspace: &Workspace,
        needs: &BTreeSet<String>,
        policy: Policy,
        report: &mut Report,
    ) -> anyhow::Result<(Self, Counts)> {
        let mut provided = Self::default();
        let mut counts = Counts::default();
        for need in needs {
            let result = match need.as_str() {
                "postgres" => servers::postgres(policy.install).map(|server| provided.keep(server)),
                "pgbouncer" => servers::pgbouncer(policy.install).map(|server| provided.keep(server)),
                "nginx" => servers::nginx(policy.install).map(|server| provided.keep(server)),
                "caddy" => servers::caddy(policy.install).map(|server| provided.keep(server)),
                "clock" => servers::clock(policy.install),
                "firewall" => servers::firewall(policy.install),
                "prometheus" => servers::prometheus(policy.install).map(|server| provided.keep(server)),
                "mariadb" => servers::mariadb(policy.install).map(|server| provided.keep(server)),
                "neo4j" => {
                    servers::neo4j(&workspace.root, policy.install).map(|server| provided.keep(server))
                }
                "qdrant" => servers::qdrant().map(|server| provided.keep(server)),
                "jaeger" => servers::jaeger().map(|server| provided.keep(server)),
                "python" => provided.python(workspace, policy.install),
                "node" => provided.node(workspace, policy.install),
                unknown => bail!("nothing provides {unknown:?}, which a package's metadata says it needs"),
            };
            match result {
                Ok(how) => println!("{need}: {how}"),
                Err(error) if policy.require => {
                    report.failure(format!("{need}: {error:#}"));
                    counts.failed += 1;
                }
                Err(error) => report.skip(format!("all that needs {need}: {error:#}")),
            }
        }
        Ok((provided, counts))
    }

    fn keep(&mut self, server: Server) -> String {
        if let Some(container) = server.container {
            self.variables.extend(container.variables());
            self.containers.push(container);
        }
        server.how
    }

    fn python(&mut self, workspace: &Workspace, install: bool) -> anyhow::Result<String> {
        let python = Python::provide(workspace, install)?;
        self.variables
            .push(("MCP_HUB_TEST_PYTHON", python.program().into()));
        Ok(python.program().display().to_string())
    }

    fn node(&mut self, workspace: &Workspace, install: bool) -> anyhow::Result<String> {
        let node = Node::provide(workspace, install)?;
        self.variables.push(("MCP_HUB_TEST_NODE", node.program().into()));
        self.variables
            .push(("MCP_HUB_TEST_NODE_MODULES", node.modules().into()));
        let how = node.program().display().to_string();
        self.node = Some(node);
        Ok(how)
    }
}
