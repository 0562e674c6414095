//! Two machines that are joined by a cable, as network namespaces: for faults of a network that loopback can't have.
//!
//! What a firewall swallows, what has no route, and which names there are is set for these two alone, and gone with them. It takes
//! root and iproute2; where they are missing, the test is skipped with that reason.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use mcp_hub_programs::find;

use crate::guard::Guard;
use crate::skip::required;
use crate::user::run;

/// The addresses of both ends. They are of the range for measurements, which nobody routes.
const HERE: &str = "198.18.0.1";
const THERE: &str = "198.18.0.2";

const REMOVE: &str = r#"
    cat >/dev/null
    for name in "$@"; do
        ip netns pids "$name" | xargs -r kill -KILL
        ip netns del "$name"
        rm -rf -- "/etc/netns/$name"
    done
"#;

/// Two machines that are joined by a cable: one where clients run, and another one.
///
/// Both are gone when this is dropped, and when the test process ends in whatever way.
#[derive(Debug)]
pub struct Machines {
    here: String,
    there: String,
    _guard: Guard,
}

impl Machines {
    /// Two machines, whose cable has the name `interface` on the clients' side: Docker's are called `br-..`.
    ///
    /// `None` when there can be none: [`required`] has been called, return from the test.
    ///
    /// # Panics
    ///
    /// When root and the programs are there, and it fails.
    pub fn joined_by(interface: &str) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let is_root = run(Command::new("id").arg("-u")).is_ok_and(|id| id == "0");
        if !is_root || find("ip").is_none() || find("iptables").is_none() {
            required("no network namespaces: they take root, iproute2 and iptables");
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = |side| format!("mcp-hub-{}-{number}-{side}", std::process::id());
        let (here, there) = (name("here"), name("there"));
        let guard = Guard::supervise(REMOVE, [&here, &there]).expect("a shell");
        let machines = Self {
            here,
            there,
            _guard: guard,
        };
        machines.join(interface);
        Some(machines)
    }

    fn join(&self, interface: &str) {
        let Self { here, there, .. } = self;
        for line in [
            format!("netns add {here}"),
            format!("netns add {there}"),
            format!("-n {here} link add {interface} type veth peer name eth0 netns {there}"),
            format!("-n {here} addr add {HERE}/24 dev {interface}"),
            format!("-n {there} addr add {THERE}/24 dev eth0"),
            format!("-n {here} link set {interface} up"),
            format!("-n {there} link set eth0 up"),
            format!("-n {here} link set lo up"),
            format!("-n {there} link set lo up"),
        ] {
            ip(&line);
        }
    }

    /// The other machine's address, as clients reach it.
    pub fn address(&self) -> &'static str {
        THERE
    }

    /// A program on the clients' machine.
    pub fn here(&self, program: impl AsRef<Path>) -> Command {
        inside(&self.here, program.as_ref())
    }

    /// A program on the other machine.
    pub fn there(&self, program: impl AsRef<Path>) -> Command {
        inside(&self.there, program.as_ref())
    }

    /// The other machine's firewall swallows what comes for a port.
    ///
    /// # Panics
    ///
    /// When it does not take the rule.
    pub fn swallow(&self, port: u16) {
        let port = port.to_string();
        let rule = ["-A", "INPUT", "-p", "tcp", "--dport", &port, "-j", "DROP"];
        run(self.there("iptables").args(rule)).unwrap_or_else(|error| panic!("{error:#}"));
    }

    /// Clients have no way to these addresses, as `198.51.100.0/24`, and are told so at once.
    ///
    /// # Panics
    ///
    /// When there can be no such route.
    pub fn cut_off(&self, network: &str) {
        ip(&format!("-n {} route add unreachable {network}", self.here));
    }

    /// Clients know these names only: lines of `/etc/hosts`.
    ///
    /// # Panics
    ///
    /// When the files can't be written.
    pub fn know(&self, hosts: &str) {
        // What is here stands in the place of the machine's own files for each program that is run inside.
        let folder = Path::new("/etc/netns").join(&self.here);
        std::fs::create_dir_all(&folder).expect("makes the folder");
        std::fs::write(folder.join("hosts"), hosts).expect("writes the names");
        std::fs::write(folder.join("nsswitch.conf"), "hosts: files\n").expect("writes where names are from");
    }
}

fn inside(name: &str, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", name]).arg(program);
    command
}

fn ip(line: &str) {
    let mut command = Command::new("ip");
    run(command.args(line.split_whitespace())).unwrap_or_else(|error| panic!("{error:#}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_reach_each_other_and_are_gone_afterwards() {
        let Some(machines) = Machines::joined_by("br-test") else {
            return;
        };
        let routes = run(machines.here("ip").args(["route", "get", machines.address()])).expect("a route");
        assert!(routes.contains("dev br-test"), "{routes}");
        machines.know("198.18.0.2 database\n");
        let known = run(machines.here("getent").args(["hosts", "database"])).expect("a name");
        assert!(known.starts_with("198.18.0.2"), "{known}");
        let here = machines.here.clone();
        drop(machines);
        let left = run(Command::new("ip").args(["netns", "list"])).expect("lists");
        assert!(!left.contains(&here), "{left}");
        assert!(!Path::new("/etc/netns").join(here).exists());
    }
}
