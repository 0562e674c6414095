//! `mcp-hub add`: one more adapter of a known kind, written into the checkout that a hub is deployed from.
//!
//! [`checkout`] knows where that has what, and what the manifests of a kind say; [`instance`] is the text of new files; [`edit`] adds a
//! line to a file that is there and leaves all else as it is; [`plan()`] puts both in force, all or nothing. Nothing that is there is
//! overwritten, so that a second run completes what the first one has begun, and says of the rest that it is there.
//!
//! As little as possible is written: an instance in Kubernetes is a name over `k8s/base/<kind>/adapter`, one in Compose an `extends` of
//! `docker/parts.yml`, so that what changes there changes here.

use std::path::PathBuf;

use mcp_hub_facade::upstream::file::is_key;

use crate::adapters::Kind;
use crate::error::{Error, Result};
use crate::say;
use checkout::Checkout;
use instance::Instance;
use plan::Plan;

mod checkout;
mod edit;
mod instance;
mod plan;

pub use checkout::Problem;

/// The settings of `mcp-hub add`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The kind of database: mariadb, mysql, neo4j, postgres, qdrant or sqlite.
    #[arg(value_parser = kind)]
    kind: Kind,
    /// What it is to be called: the beginning of its tools' names, like orders in `orders_query`.
    #[arg(value_parser = key)]
    key: String,
    /// The port of the database, when it is not the usual one: in Kubernetes no other is open to the adapter.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The checkout of mcp-hub to write into, or a folder inside it.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    root: PathBuf,
    /// Say what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// An upstreams file to name it in. Can be given several times. All of the checkout when absent: that of Compose and those of the
    /// overlays. An overlay whose file it is gets the adapter too, and Compose only with its own file.
    #[arg(long, visible_alias = "upstreams", value_name = "FILE")]
    upstreams_file: Vec<PathBuf>,
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::named(text).ok_or_else(|| format!("there is no such kind; known are: {}", Kind::names()))
}

/// A key that the facade takes and Kubernetes too, where "_" becomes "-" and a name can't end with that.
fn key(text: &str) -> Result<String, String> {
    if is_key(text) && !text.ends_with('_') {
        return Ok(text.to_owned());
    }
    Err("it takes a lower-case letter, then letters, digits and underscores, 24 at most, not one at the end, and neither \"health\" nor \
         \"list\""
        .to_owned())
}

/// Writes the instance, and says what was written and what to do next.
pub fn run(options: &Options) -> Result<()> {
    let checkout = Checkout::around(&options.root)?;
    let mut base = checkout.base(options.kind)?;
    if let Some(port) = options.port
        && !base.move_to(port)
    {
        return Err(Error::Usage("this kind has no port: leave out --port"));
    }
    let instance = Instance::new(options.kind, &options.key, base);
    checkout.check_free(&instance)?;
    let plan = plan(&checkout, &instance, &options.upstreams_file)?;
    if !options.dry_run {
        plan.carry_out()?;
    }
    say(&plan.report(&checkout, &instance, options.dry_run))
}

/// Everything that the instance takes.
fn plan(checkout: &Checkout, instance: &Instance, named: &[PathBuf]) -> Result<Plan> {
    let deployments = checkout.deployments(named)?;
    let mut plan = Plan::default();
    let folder = checkout.instance(&instance.name);
    if deployments.iter().any(|deployment| deployment.overlay.is_some()) {
        plan.create(folder.join("kustomization.yaml"), instance.kustomization(), false);
        if let Some(secret) = instance.secret() {
            plan.create(folder.join("secret.env"), secret, true);
        }
    }
    for deployment in &deployments {
        plan.edit(&deployment.upstreams, |text| edit::upstream(text, instance))?;
        if let Some(overlay) = &deployment.overlay {
            let resource = format!("../../instances/{}", instance.name);
            plan.edit(overlay, |text| edit::resource(text, &resource))?;
        }
        if deployment.is_compose {
            let name = instance.compose_file();
            plan.create(checkout.path(&name), instance.compose(), false);
            let settings = checkout.path(".env");
            if settings.exists() {
                plan.edit(&settings, |text| Ok(edit::compose_files(text, &name)))?;
            } else {
                plan.tell(&settings, format!("COMPOSE_FILE={}:{name}", edit::COMPOSE));
            }
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests;
