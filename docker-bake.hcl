# All images by one command: `docker buildx bake`, or `docker buildx bake postgres` for one. Every variable can come from the environment:
#
#   REGISTRY=registry.example.com/you docker buildx bake --push
#   docker buildx bake --print                what would be built, which takes no engine

# Before each name, with or without the last slash.
variable "REGISTRY" {
  default = ""
}

# The version of the workspace.
variable "TAG" {
  default = "0.1.0"
}

variable "RUST_IMAGE" {
  default = "rust:1.95-bookworm"
}

variable "RUNTIME_IMAGE" {
  default = "gcr.io/distroless/cc-debian12:nonroot"
}

# How many crates are compiled at once; empty is as many as there are cores.
variable "CARGO_BUILD_JOBS" {
  default = ""
}

# The commit, for the label `revision`, and where its source is.
variable "REVISION" {
  default = ""
}

variable "SOURCE" {
  default = ""
}

# The time that the images have, and files in them: `git log -1 --format=%ct`. Without it images have the present time, and files that of 1970.
variable "SOURCE_DATE_EPOCH" {
  default = ""
}

# "true" adds a list of what is inside and a record of how it was built. It takes a builder of the driver docker-container and a registry to push to:
# what is loaded into a local engine can't keep them.
variable "ATTEST" {
  default = ""
}

group "default" {
  targets = ["facade", "mariadb", "neo4j", "postgres", "qdrant", "sqlite", "hub"]
}

function "names" {
  params = [image]
  result = ["${REGISTRY == "" ? "" : "${trimsuffix(REGISTRY, "/")}/"}${image}:${TAG}"]
}

target "_common" {
  context    = "."
  dockerfile = "Dockerfile"
  args = {
    RUST_IMAGE        = RUST_IMAGE
    RUNTIME_IMAGE     = RUNTIME_IMAGE
    CARGO_BUILD_JOBS  = CARGO_BUILD_JOBS == "" ? null : CARGO_BUILD_JOBS
    VERSION           = TAG
    REVISION          = REVISION
    SOURCE            = SOURCE
    SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH == "" ? null : SOURCE_DATE_EPOCH
  }
  attest = ATTEST == "true" ? ["type=sbom", "type=provenance,mode=max"] : ["type=provenance,disabled=true"]
}

target "facade" {
  inherits = ["_common"]
  target   = "facade"
  tags     = names("mcp-hub-facade")
}

target "mariadb" {
  inherits = ["_common"]
  target   = "mariadb"
  tags     = names("mcp-hub-mariadb")
}

target "neo4j" {
  inherits = ["_common"]
  target   = "neo4j"
  tags     = names("mcp-hub-neo4j")
}

target "postgres" {
  inherits = ["_common"]
  target   = "postgres"
  tags     = names("mcp-hub-postgres")
}

target "qdrant" {
  inherits = ["_common"]
  target   = "qdrant"
  tags     = names("mcp-hub-qdrant")
}

target "sqlite" {
  inherits = ["_common"]
  target   = "sqlite"
  tags     = names("mcp-hub-sqlite")
}

target "hub" {
  inherits = ["_common"]
  target   = "hub"
  tags     = names("mcp-hub")
}
