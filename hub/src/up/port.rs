//! Who has a port, where the system tells: on Linux, of the processes of the same user.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// The state of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// The name and number of the process that listens on `address`: "python3 (process 4711)".
pub(super) fn owner(address: SocketAddr) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|path| {
        let table = std::fs::read_to_string(path).ok()?;
        listening_inode(&table, address)
    })?;
    let socket = format!("socket:[{inode}]");
    let process = std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .find(|process| holds(*process, &socket))?;
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(format!("{} (process {process})", name.trim()))
}

/// The inode of the socket that listens on `address`, or on its port of every address.
fn listening_inode(table: &str, address: SocketAddr) -> Option<String> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (&local, &state, &inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (host, port) = local.split_once(':')?;
        let is_everywhere = host.bytes().all(|digit| digit == b'0');
        let is_ours = state == LISTEN
            && u16::from_str_radix(port, 16) == Ok(address.port())
            && (is_everywhere || address.ip().is_unspecified() || host == hexadecimal(address.ip()));
        is_ours.then(|| inode.to_owned())
    })
}

/// An address as the kernel prints it: words of four bytes in the machine's order.
fn hexadecimal(address: IpAddr) -> String {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mut digits = String::new();
    for word in octets.as_chunks::<4>().0 {
        // Writing to a `String` can't fail.
        let _ = write!(digits, "{:08X}", u32::from_ne_bytes(*word));
    }
    digits
}

fn holds(process: u32, socket: &str) -> bool {
    let files = std::fs::read_dir(format!("/proc/{process}/fd"));
    let mut files = files.into_iter().flatten().flatten();
    files.any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == socket))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_listener_of_ours_is_found() {
        for address in ["127.0.0.1:0", "0.0.0.0:0"] {
            let listener = std::net::TcpListener::bind(address).expect("a free port");
            let port = listener.local_addr().expect("an address").port();
            let owner = owner(SocketAddr::from(([127, 0, 0, 1], port))).expect("an owner");
            assert!(
                owner.ends_with(&format!("(process {})", std::process::id())),
                "{owner}"
            );
        }
    }

    #[test]
    fn a_free_port_has_no_owner() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        assert_eq!(owner(address), None);
    }
}
