# shellcheck shell=bash
# What up, down and redeploy have in common: which cluster is meant, how images get onto its nodes, where its door is, and a real MCP
# client to knock with. It is sourced, by bash 3.2 (macOS) as well, and expects `set -euo pipefail`.

program=k8s/kind/$(basename "$0")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Which cluster: by its KIND name, or by a context of kubectl.
name=mcp-hub
context=
namespace=default
# A command that gets images onto the nodes, in place of `kind load docker-image`.
load=
# Seconds that Pods have to get ready.
patience=300
# A Python that has the MCP SDK, and a file with the token that it shows.
python=
token_file=

fail() {
  printf '%s: %s\n' "$program" "$*" >&2
  exit 1
}

say() {
  printf '==> %s\n' "$*"
}

# The text of --help is the comment at the top of each script.
usage() {
  sed -n '2,/^$/ { s/^# \{0,1\}//; p; }' "$0"
}

# The value of an option, or a sentence that it is missing: `name=$(value "$@")`.
value() {
  if [ "$#" -lt 2 ] || [ -z "$2" ]; then fail "$1 wants a value; --help shows which"; fi
  printf '%s\n' "$2"
}

# Takes an option that all scripts have from the front of the arguments; false when it is none of them.
common_option() {
  case $1 in
    --name) name=$(value "$@") ;;
    --context) context=$(value "$@") ;;
    --namespace) namespace=$(value "$@") ;;
    --load) load=$(value "$@") ;;
    --python) python=$(value "$@") ;;
    --token-file)
      token_file=$(value "$@")
      [ -r "$token_file" ] || fail "the file $token_file can't be read"
      ;;
    --timeout)
      patience=$(value "$@")
      [[ $patience =~ ^[1-9][0-9]{0,4}$ ]] || fail "--timeout wants a number of seconds, not $patience"
      ;;
    *) return 1 ;;
  esac
}

# ---- What has to be installed ----

have() {
  command -v "$1" >/dev/null 2>&1
}

need() {
  have "$1" || fail "$1 is missing: $2"
}

need_kubectl() {
  need kubectl "https://kubernetes.io/docs/tasks/tools/ says how to install it"
}

need_docker() {
  need docker "https://docs.docker.com/engine/install/ says how to install it"
  docker info >/dev/null 2>&1 ||
    fail "the Docker engine does not answer: start it (sudo systemctl start docker), or let your user reach it (sudo usermod -aG docker \"\$USER\", then log in again)"
}

need_kind() {
  need kind "https://kind.sigs.k8s.io/docs/user/quick-start/#installation says how to install it"
}

# ---- The cluster ----

# Sets `context`, and `kind_cluster` to whether the cluster is KIND's and there.
find_cluster() {
  need_kubectl
  kind_cluster=false
  if [ -n "$context" ]; then
    name=$context
    return
  fi
  need_kind
  need_docker
  [[ $name =~ ^[a-z0-9.-]+$ ]] || fail "$name can't be the name of a cluster: small letters, digits, \".\" and \"-\""
  context=kind-$name
  local clusters
  clusters=$(kind get clusters 2>/dev/null) || fail "\`kind get clusters\` failed; it says why when you run it"
  if grep -qxF -- "$name" <<<"$clusters"; then kind_cluster=true; fi
}

# That there is a cluster, and that kubectl reaches it.
need_cluster() {
  local known
  known=$(kubectl config get-contexts --output name) || fail "kubectl can't read its configuration"
  if ! grep -qxF -- "$context" <<<"$known"; then
    if [ "$kind_cluster" = true ]; then
      fail "kubectl does not know the context $context: \`kind export kubeconfig --name $name\` tells it"
    fi
    fail "there is no cluster for kubectl's context $context; it knows: $(tr '\n' ' ' <<<"$known")"
  fi
  kc version --request-timeout=10s >/dev/null 2>&1 ||
    fail "the cluster of the context $context does not answer; \`kubectl --context $context version\` says why"
}

kc() {
  kubectl --context "$context" --namespace "$namespace" "$@"
}

# Whether `up` has made this cluster.
is_ours() {
  local nodes
  nodes=$(kc get nodes --selector mcp-hub/made-by=up --output name) || fail "the cluster does not say which nodes it has"
  [ -n "$nodes" ]
}

# Whether the object of this kind and name is there.
exists() {
  local found
  found=$(kc get "$1" "$2" --ignore-not-found --output name) || fail "the cluster does not say whether there is a $1 $2"
  [ -n "$found" ]
}

# Where what is generated for this cluster is kept: below the checkout, since kustomize takes other folders only by relative paths.
generated() {
  printf '%s/k8s/kind/.generated/%s\n' "$root" "${name//[^A-Za-z0-9._-]/-}"
}

# The folder of the token that the smoke test shows. Nobody else may read it.
state() {
  printf '%s/mcp-hub/%s\n' "${XDG_STATE_HOME:-$HOME/.local/state}" "${name//[^A-Za-z0-9._-]/-}"
}

# ---- Images ----

# registry.example.com/you/mcp-hub-postgres:0.1.0 -> mcp-hub-postgres
image_name() {
  local image=${1##*/}
  printf '%s\n' "${image%%[:@]*}"
}

# The target of docker-bake.hcl that makes an image: mcp-hub-postgres -> postgres, mcp-hub -> hub.
bake_target() {
  case $1 in
    mcp-hub) printf 'hub\n' ;;
    *) printf '%s\n' "${1#mcp-hub-}" ;;
  esac
}

# docker-bake.hcl, with the names that the rest counts on whatever the environment says.
bake() {
  (cd "$root" && REGISTRY='' TAG="$(version)" docker buildx bake "$@")
}

# The version of the workspace.
version() {
  sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1
}

# Builds images by their names; what each is then called is `built NAME`.
build() {
  need_docker
  docker buildx version >/dev/null 2>&1 ||
    fail "docker has no buildx: https://docs.docker.com/go/buildx/ says how to install it (Debian and Ubuntu: docker-buildx-plugin)"
  local image targets=()
  for image in "$@"; do
    targets+=("$(bake_target "$image")")
  done
  say "building $*"
  bake --load "${targets[@]}" || fail "the images could not be built; what went wrong is above"
}

# NAME:VERSION-CONTENT. A tag of its own for each content: an unchanged image rolls nothing, a changed one is never taken for the one that a node
# has already, and a roll-back finds the old one.
built() {
  local plain id tag
  plain=$1:$(version)
  id=$(docker image inspect --format '{{.Id}}' "$plain") || fail "the engine has no image $plain after it was built"
  id=${id#sha256:}
  tag=$plain-${id:0:12}
  docker tag "$plain" "$tag"
  printf '%s\n' "$tag"
}

# Brings images onto every node.
load_images() {
  say "loading $*"
  if [ -n "$load" ]; then
    # shellcheck disable=SC2016 # the inner shell expands it
    bash -c "$load"' "$@"' load "$@" || fail "\`$load\` could not bring the images to the nodes"
  elif [ "$kind_cluster" = true ]; then
    kind load docker-image --name "$name" "$@" || fail "the images could not be loaded into the cluster $name"
  else
    fail "$context is no cluster of KIND's: --load names the command that brings images to its nodes"
  fi
}

# ---- Readiness ----

# Waits until the workloads are rolled out, and Jobs at their end, all of them within $patience; says what is wrong with the first that is not.
wait_ready() {
  local workload left waiting end=$((SECONDS + patience))
  for workload in "$@"; do
    case $workload in
      job.*) waiting=(wait --for condition=complete "$workload") ;;
      *) waiting=(rollout status "$workload") ;;
    esac
    left=$((end - SECONDS))
    if ! kc "${waiting[@]}" --timeout "$((left > 0 ? left : 1))s"; then
      explain "$workload"
      return 1
    fi
  done
}

# What there is to see of a workload that does not get ready.
explain() {
  local app
  app=$(kc get "$1" --output 'jsonpath={.spec.template.metadata.labels.app}') || return 0
  {
    kc get pods --selector "app=$app" --output wide
    kc get events --field-selector type=Warning,involvedObject.kind=Pod --sort-by .lastTimestamp | grep -F -- " pod/$app-" | tail -n 5
    kc logs --selector "app=$app" --all-containers --prefix --tail 5
  } >&2 || true
}

# ---- A real client ----

# Sets `python` to one that has the MCP SDK in the version that the tests use, in a folder of its own unless --python named one.
find_client() {
  [ -z "$python" ] || return 0
  local version venv
  version=$(sed -n 's/^mcp==//p' "$root/e2e/clients/requirements.txt")
  venv=${XDG_CACHE_HOME:-$HOME/.cache}/mcp-hub/python-sdk-$version
  python=$venv/bin/python
  if [ -e "$venv/complete" ] && "$python" -c 'import mcp' 2>/dev/null; then return; fi
  need python3 "the smoke test wants Python 3.10 or later for a real MCP client"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "python3 is older than 3.10, which the MCP SDK of the smoke test needs: --python names a newer one that has the package mcp"
  say "getting the MCP SDK $version for Python, once, into $venv"
  rm -rf "$venv"
  python3 -m venv "$venv" ||
    fail "python3 can't make a virtual environment (Debian and Ubuntu: apt-get install python3-venv)"
  "$python" -m pip install --quiet --disable-pip-version-check "mcp==$version" || fail "the MCP SDK $version could not be installed from PyPI"
  touch "$venv/complete"
}

# Where the NodePort may be reached: where Docker publishes it, then at each node.
doors() {
  local port address
  port=$(kc get service mcp-hub-service --output 'jsonpath={.spec.ports[?(@.name=="http")].nodePort}') ||
    fail "there is no Service mcp-hub-service"
  if [ "$kind_cluster" = true ]; then
    # Nothing where the port is not published.
    { docker port "$name-control-plane" "$port/tcp" 2>/dev/null || true; } | sed -n 's|^0\.0\.0\.0:|127.0.0.1:|; /^\[/d; s|^|http://|p'
  fi
  for address in $(kc get nodes --output 'jsonpath={.items[*].status.addresses[?(@.type=="InternalIP")].address}'); do
    case $address in
      *:*) printf 'http://[%s]:%s\n' "$address" "$port" ;;
      *) printf 'http://%s:%s\n' "$address" "$port" ;;
    esac
  done
}

# Sets `token_file` to what the client shows. Asked before anything is changed, where the Secret is there.
find_token() {
  token_file=${token_file:-$(state)/token}
  [ -r "$token_file" ] ||
    fail "there is no token in $token_file, and the Secret mcp-hub-tokens has only digests: --token-file names a file with one"
}

# Asks through the NodePort with a real client; the arguments are those of smoke.py.
smoke() {
  local found url urls=()
  find_token
  find_client
  found=$(doors) || exit 1
  for url in $found; do
    urls+=(--url "$url")
  done
  say "asking with a real MCP client"
  "$python" "$root/k8s/kind/smoke.py" "${urls[@]}" --token-file "$token_file" "$@"
}
