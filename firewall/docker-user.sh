#!/usr/bin/env bash
# Closes the ports that Docker publishes to whoever comes from outside, but for those that are named. docs/firewall.md says why UFW does not.
#
#   docker-user.sh apply [--interface NAME].. [--allow PORT/PROTOCOL]..    may be run again at any time, with other ports as well
#   docker-user.sh remove
#   docker-user.sh status                                                  the rules that are there; exit code 1 when there are none
#
# --interface is where the outside is; without it, where the default routes lead. --allow 443/tcp lets the outside reach what a container
# publishes on port 443: only for a reverse proxy that runs in a container. What runs on the host itself is UFW's business.
#
# systemd/mcp-hub-firewall.service runs it at each start, before Docker.
set -euo pipefail

# Ours is one chain. For IPv4 DOCKER-USER jumps to it: Docker asks that before its own rules, and leaves alone what is in it. For IPv6 it is
# FORWARD of the table mangle, where Docker has no rules: Docker 20.10 has an IPv6 DOCKER-USER in which nobody looks.
chain=MCP-HUB-PUBLISHED
tools=(iptables ip6tables)
declare -A table=([iptables]=filter [ip6tables]=mangle) parent=([iptables]=DOCKER-USER [ip6tables]=FORWARD)

usage() {
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
}

fail() {
  echo "docker-user.sh: $*" >&2
  exit 1
}

# The interfaces of the default routes of both families.
outside() {
  { ip -4 route show default; ip -6 route show default; } | sed -n 's/.* dev \([^ ]*\).*/\1/p' | sort -u
}

# Whether the kernel does this family at all.
has() {
  "$1" --wait --list-rules >/dev/null 2>&1
}

# Whether anybody outside can reach what listens here over IPv6: Docker's proxy does for each port that it publishes on all addresses, as
# long as Docker itself leaves IPv6 alone. That is no forwarding, and DOCKER-USER never sees it.
receives_ipv6() {
  local interface
  ip6tables --wait --list-rules INPUT | grep -qx -e '-P INPUT ACCEPT' || return 1
  for interface in "${interfaces[@]}"; do
    if [ -n "$(ip -6 address show dev "$interface" scope global 2>/dev/null)" ]; then return 0; fi
  done
  return 1
}

# rules TOOL ARGUMENTS..: the tool on the table that we are in.
rules() {
  "$1" --wait --table "${table[$1]}" "${@:2}"
}

# unhook TOOL: takes out every jump to our chain.
unhook() {
  local rule
  { rules "$1" --list-rules "${parent[$1]}" 2>/dev/null || true; } | { grep -e "-j $chain\$" || true; } | while read -r rule; do
    # shellcheck disable=SC2086 # a rule as it is listed is arguments
    rules "$1" -D ${rule#-A }
  done
}

# hook TOOL: our chain, filled as a whole, and then a jump to it for each interface, before anything else that is there.
hook() {
  local allowed port protocol interface
  {
    echo "*${table[$1]}"
    echo ":$chain - [0:0]"
    # Answers to what containers asked, and what was let in before.
    echo "-A $chain -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
    for allowed in ${allow+"${allow[@]}"}; do
      port=${allowed%/*} protocol=${allowed#*/}
      # The port that the client asked for: the packet has the container's by now.
      echo "-A $chain -p $protocol -m conntrack --ctorigdstport $port --ctdir ORIGINAL -j RETURN"
    done
    echo "-A $chain -j DROP"
    echo COMMIT
  } | "$1-restore" --wait --noflush
  # Docker makes its own when it starts for the first time, and takes this one then.
  rules "$1" -N "${parent[$1]}" 2>/dev/null || true
  unhook "$1"
  for interface in "${interfaces[@]}"; do
    rules "$1" -I "${parent[$1]}" -i "$interface" -j "$chain"
  done
}

for tool in "${tools[@]}" ip; do
  command -v "$tool" >/dev/null || fail "there is no program $tool; with Debian and Ubuntu: apt-get install iptables iproute2"
done
command=${1:---help}
shift || true
interfaces=() allow=()
while [ $# -gt 0 ]; do
  case $1 in
    --interface)
      [[ ${2:-} =~ ^[A-Za-z0-9._@-]{1,15}$ ]] || fail "--interface takes the name of one, like eth0"
      interfaces+=("$2")
      ;;
    --allow)
      [[ ${2:-} =~ ^[0-9]{1,5}/(tcp|udp)$ ]] || fail "--allow takes a port and a protocol, like 443/tcp"
      allow+=("$2")
      ;;
    *) fail "$1 is not known; --help says what is" ;;
  esac
  shift 2
done

case $command in
  apply)
    if [ ${#interfaces[@]} = 0 ]; then
      mapfile -t interfaces < <(outside)
    fi
    [ ${#interfaces[@]} -gt 0 ] || fail "no default route says where the outside is; name it with --interface"
    has iptables || fail "iptables is refused; it takes root rights"
    hook iptables
    # Where the kernel has no IPv6, nobody comes that way.
    if has ip6tables; then
      hook ip6tables
      if receives_ipv6; then
        echo "docker-user.sh: over IPv6 Docker's proxy receives what it publishes, and INPUT takes it from everybody: close that with" \
          "UFW (IPV6=yes in /etc/default/ufw) or publish on one address" >&2
      fi
    fi
    echo "closed for ${interfaces[*]}: all that Docker publishes${allow+, but ${allow[*]}}"
    ;;
  remove)
    for tool in "${tools[@]}"; do
      has "$tool" || continue
      unhook "$tool"
      rules "$tool" -F "$chain" 2>/dev/null || true
      rules "$tool" -X "$chain" 2>/dev/null || true
    done
    ;;
  status)
    rules iptables --list-rules DOCKER-USER 2>/dev/null | grep -qe "-j $chain\$" || fail "nothing is closed: there is no jump to $chain in DOCKER-USER"
    for tool in "${tools[@]}"; do
      has "$tool" || continue
      echo "# $tool, table ${table[$tool]}"
      rules "$tool" --list-rules "${parent[$tool]}"
      rules "$tool" --list-rules "$chain"
    done
    ;;
  --help | -h | help) usage ;;
  *) fail "$command is not known; --help says what is" ;;
esac
