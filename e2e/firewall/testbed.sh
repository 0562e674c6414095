#!/usr/bin/env bash
# A server with Docker, in network namespaces: who reaches what, before and after the files of ../../firewall are applied.
#
#   unshare --net testbed.sh PYTHON        needs root, or `unshare --user --map-root-user --net`
#
# This namespace is the server, 203.0.113.10 and 2001:db8:1::10. Three more are a neighbour on its outer network that also routes, a node of
# KIND at 172.23.0.3, and a container with databases at 172.20.0.15. Nothing leaves this machine. Prints a line for each way that is tried.
set -euo pipefail
cd "$(dirname "$0")"
python=$1
firewall=../../firewall
started=()
# Nobody else is there, so an address can be used at once.
no_detection='echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
trap 'kill "${started[@]}" 2>/dev/null || true' EXIT

# namespace NAME: a new one, whose process is in $NAME.
namespace() {
  unshare --net sleep infinity &
  started+=("$!")
  declare -g "$1=$!"
  # It is there when it is another than ours.
  until [ "$(readlink "/proc/$!/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do :; done
  in_namespace "$1" sh -c "ip link set lo up; $no_detection"
}

in_namespace() {
  nsenter --target "${!1}" --net "${@:2}"
}

# cable OURS NAME THEIRS ADDRESS..: a cable to a namespace, whose end there gets the addresses.
cable() {
  local ours=$1 name=$2 theirs=$3 address
  ip link add "$ours" type veth peer name "$theirs" netns "${!name}"
  in_namespace "$name" ip link set "$theirs" up
  for address in "${@:4}"; do
    in_namespace "$name" ip address add "$address" dev "$theirs"
  done
  ip link set "$ours" up
}

# serve NAME ADDRESS:PORT..: answers in a namespace, or here when the name is `host`.
serve() {
  local line ready enter=()
  [ "$1" = host ] || enter=(nsenter --target "${!1}" --net)
  exec {ready}< <(exec "${enter[@]}" "$python" peer.py serve "${@:2}")
  started+=("$!")
  read -r line <&"$ready"
  [ "$line" = serving ]
}

# ways FROM: what is tried from there.
ways() {
  case $1 in
    neighbour) echo 203.0.113.10:443 203.0.113.10:5432 172.23.0.1:6333 172.20.0.15:5432 '[2001:db8:1::10]:5432' '[2001:db8:1::10]:5433' ;;
    kind) echo 203.0.113.10:5432 172.23.0.1:6333 172.20.0.15:5432 203.0.113.1:9 ;;
    host) echo 203.0.113.10:5432 172.23.0.1:6333 '[2001:db8:20::15]:5433' ;;
  esac
}

# who_reaches_what STATE: tries every way, all at once.
who_reaches_what() {
  local from names enter results=()
  for from in neighbour kind host; do
    read -ra names < <(ways "$from")
    enter=()
    [ "$from" = host ] || enter=(nsenter --target "${!from}" --net)
    exec {result}< <("${enter[@]}" "$python" peer.py probe "${names[@]}" | sed "s/^/$1: $from -> /")
    results+=("$result")
  done
  for result in "${results[@]}"; do
    cat <&"$result"
    exec {result}<&-
  done
}

ip link set lo up
sh -c "$no_detection"
namespace neighbour
namespace kind
namespace databases
cable eth0 neighbour eth0 203.0.113.1/24 2001:db8:1::1/64
ip address add 203.0.113.10/24 dev eth0
ip address add 2001:db8:1::10/64 dev eth0
ip route add default via 203.0.113.1
in_namespace neighbour ip route add 172.16.0.0/12 via 203.0.113.10
for bridge in br-kind br-db; do
  ip link add "$bridge" type bridge
  ip link set "$bridge" up
done
cable kind-port kind eth0 172.23.0.3/16
ip link set kind-port master br-kind
ip address add 172.23.0.1/16 dev br-kind
in_namespace kind ip route add default via 172.23.0.1
cable db-port databases eth0 172.20.0.15/16 2001:db8:20::15/64
ip link set db-port master br-db
ip address add 172.20.0.1/16 dev br-db
ip address add 2001:db8:20::1/64 dev br-db
in_namespace databases ip route add default via 172.20.0.1
in_namespace databases ip -6 route add default via 2001:db8:20::1
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding

iptables-restore --noflush <docker.rules
ip6tables-restore --noflush <docker6.rules
serve databases 172.20.0.15:8443 172.20.0.15:5432 172.20.0.15:6333 '[2001:db8:20::15]:5433'
# Docker's proxy, which listens on what is published. That it forwards makes no difference here.
serve host 0.0.0.0:443 0.0.0.0:5432 172.23.0.1:6333 '[::]:443' '[::]:5432'

who_reaches_what docker
iptables-restore --noflush <ufw.rules
ip6tables-restore --noflush <ufw6.rules
who_reaches_what ufw
"$firewall/docker-user.sh" apply >&2
who_reaches_what docker-user
"$firewall/docker-user.sh" apply --allow 443/tcp >&2
who_reaches_what docker-user-but-443
"$firewall/docker-user.sh" remove
who_reaches_what removed
nft -D external='{ "eth0" }' -f "$firewall/published-ports.nft"
who_reaches_what nftables
