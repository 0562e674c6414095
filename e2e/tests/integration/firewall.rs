//! Who reaches what Docker publishes, before and after the files of `firewall/`: in network namespaces, by the rules that a real Docker wrote.

use std::path::PathBuf;
use std::process::Command;

use mcp_hub_e2e::repository;
use mcp_hub_programs::find;
use mcp_hub_testing::required;

/// A command in a network namespace of its own, with the rights of root in it.
fn unshared(program: PathBuf) -> Option<Command> {
    let forms: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];
    let allowed = |form: &&[&str]| {
        let tried = Command::new("unshare")
            .args(*form)
            .args(["iptables", "--list-rules"])
            .output();
        tried.is_ok_and(|output| output.status.success())
    };
    let form = forms.into_iter().find(allowed)?;
    let mut command = Command::new("unshare");
    command.args(form).arg(program);
    Some(command)
}

#[test]
fn only_the_rules_close_what_docker_publishes() {
    for program in ["iptables", "ip6tables", "nft", "ip", "python3"] {
        if find(program).is_none() {
            required(&format!("no program {program}"));
            return;
        }
    }
    let Some(mut testbed) = unshared(repository().join("e2e/firewall/testbed.sh")) else {
        required("this machine lets nobody make a network namespace with rules of its own");
        return;
    };
    let output = testbed.arg("python3").output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout));
}
