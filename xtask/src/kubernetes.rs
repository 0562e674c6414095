//! What k8s/ must be: every overlay, with and without what can be added and left out, is built and looked at as data.
//!
//! [`kustomize`] says what is built, in a copy of the repository; [`schemas`] has Kubernetes' own schemas look at each object. The rest are rules of
//! ours on a whole rendering, each a function from [`object::Objects`] to sentences on what is wrong: [`pods`] (rights, limits, probes), [`secrets`],
//! [`references`] (what is named is there), [`selectors`], [`reach`] (policies of the network, as who reaches whom), [`ports`] (asked from the programs),
//! [`upstreams`], [`availability`], [`telemetry`]. [`door`] and [`migration`] compare a rendering with what is beside it: the files of what stands
//! in front, the deployment that people come from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use self::kustomize::{Checkout, Rendering};
use self::object::Objects;
use self::ports::Programs;
use crate::compose;
use crate::images::{self, Facts};
use crate::report::{Counts, Report};
use crate::workspace::Workspace;

mod availability;
mod door;
mod environment;
#[cfg(test)]
mod fixture;
mod kustomize;
mod migration;
mod object;
mod pods;
mod ports;
mod reach;
mod references;
mod schemas;
mod secrets;
mod selector;
mod selectors;
mod telemetry;
mod upstreams;

/// The page that tells which Secrets there must be.
const PAGE: &str = "k8s/README.md";
/// Whose images the others are.
const COMPOSE: &str = "docker-compose.yml";

/// A rule on everything that an overlay comes to: sentences on what is wrong.
type Rule<'a> = &'a dyn Fn(&Objects) -> Vec<String>;

/// Builds and checks everything; one count for each rule and rendering.
pub(crate) fn check(workspace: &Workspace, install: bool, report: &mut Report) -> anyhow::Result<Counts> {
    let root = &*workspace.root;
    let mut counts = Counts::default();
    let Some(kustomize) = kustomize::program(root, install) else {
        skip("neither kustomize nor kubectl nor Go", &mut counts, report);
        return Ok(counts);
    };
    println!("{}", kustomize.line());
    let folder = workspace.build()?.programs;
    let programs = Programs::new(folder.clone(), Facts::read(workspace)?, images::dockerfile(root)?);
    let scratch = workspace.target.join("test-env/kubernetes");
    let checkout = Checkout::copy(root, scratch.join("checkout"))?;
    let renderings = checkout.build(&kustomize, &folder.join("mcp-hub"))?;
    if let Some(program) = schemas::program(workspace, install)? {
        note(
            "schemas",
            schemas::faults(&renderings, &program, &scratch)?,
            &mut counts,
            report,
        );
    } else {
        skip("no kubernetes-validate", &mut counts, report);
    }
    for (rule, faults) in rules(root, &renderings, &programs)? {
        note(&rule, faults, &mut counts, report);
    }
    note("ports of images", programs.image_faults()?, &mut counts, report);
    let page = fs::read_to_string(root.join(ports::PAGE)).context(ports::PAGE)?;
    note(
        "ports for people",
        programs.page_faults(&page)?,
        &mut counts,
        report,
    );
    if let Some(config) = compose::config(root, install)? {
        note(
            "ports of Compose",
            programs.compose_faults(&config),
            &mut counts,
            report,
        );
    } else {
        skip("no docker compose", &mut counts, report);
    }
    let moved_to = renderings
        .iter()
        .find(|rendering| rendering.name == migration::OVERLAY);
    let moved_to = moved_to.with_context(|| format!("no {}", migration::OVERLAY))?;
    note(
        "the door",
        door::faults(root, &moved_to.objects)?,
        &mut counts,
        report,
    );
    let parts = renderings.iter().filter(|rendering| !rendering.is_whole);
    let parts: Vec<Value> = parts.flat_map(|part| part.objects.iter().cloned()).collect();
    let parts = Objects::from(parts);
    let page = fs::read_to_string(root.join(migration::PAGE)).context(migration::PAGE)?;
    note(
        "moving over",
        migration::faults(&moved_to.objects, &parts, &page)?,
        &mut counts,
        report,
    );
    Ok(counts)
}

/// Each rule with what it has found. A sentence that holds of several renderings is told once, with all of them.
fn rules(
    root: &Path,
    renderings: &[Rendering],
    programs: &Programs,
) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let text = |name: &str| fs::read_to_string(root.join(name)).with_context(|| name.to_owned());
    let page = text(PAGE)?;
    let compose: Value = serde_saphyr::from_str(&text(COMPOSE)?).context(COMPOSE)?;
    let services = compose["services"].as_object().into_iter().flatten();
    let images = services.filter_map(|(_, service)| service["image"].as_str());
    let images: BTreeSet<String> = images.map(str::to_owned).collect();
    let of_pods = |objects: &_| pods::faults(objects);
    let of_secrets = |objects: &_| secrets::faults(objects);
    let of_selectors = |objects: &_| selectors::faults(objects);
    let of_reach = |objects: &_| reach::faults(objects);
    let of_references = |objects: &_| references::faults(objects, &page);
    let of_ports = |objects: &_| ports::faults(objects, programs);
    let of_upstreams = |objects: &_| upstreams::faults(objects);
    let of_availability = |objects: &_| availability::faults(objects);
    let of_telemetry = |objects: &_| telemetry::faults(objects, &images);
    // What holds of a part alone, and what only of a whole hub.
    let rules: [(&str, bool, Rule<'_>); 9] = [
        ("pods", false, &of_pods),
        ("secrets", false, &of_secrets),
        ("references", false, &of_references),
        ("ports", false, &of_ports),
        ("selectors", true, &of_selectors),
        ("who reaches whom", true, &of_reach),
        ("upstreams", true, &of_upstreams),
        ("availability", true, &of_availability),
        ("telemetry", true, &of_telemetry),
    ];
    let found = rules.iter().map(|(name, is_of_whole, rule)| {
        let mut places: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for rendering in renderings
            .iter()
            .filter(|rendering| rendering.is_whole || !is_of_whole)
        {
            for fault in rule(&rendering.objects) {
                let places = places.entry(fault).or_default();
                if !places.contains(&&*rendering.name) {
                    places.push(&rendering.name);
                }
            }
        }
        let faults = places
            .into_iter()
            .map(|(fault, places)| format!("{fault} ({})", places.join("; ")));
        ((*name).to_owned(), faults.collect())
    });
    let names: Vec<&str> = renderings.iter().map(|rendering| &*rendering.name).collect();
    println!("{} renderings: {}", names.len(), names.join("; "));
    Ok(found.collect())
}

fn note(what: &str, faults: Vec<String>, counts: &mut Counts, report: &mut Report) {
    *counts += Counts::one(faults.is_empty());
    for fault in faults {
        report.failure(format!("kubernetes: {what}: {fault}"));
    }
}

fn skip(reason: &str, counts: &mut Counts, report: &mut Report) {
    report.skip(format!("kubernetes: {reason}; repeat with --install"));
    counts.skipped += 1;
}
