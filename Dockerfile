# Every image of mcp-hub: one target per process, and `hub` for the command that has them all.
#
#   docker buildx bake                       all of them, with the names and tags of docker-bake.hcl
#   docker buildx bake postgres              one
#   docker build --target postgres -t mcp-hub-postgres:0.1.0 .
#
# It takes BuildKit of Docker 23 or later; a `# syntax=` line would fetch another from a registry, so there is none. All programs come from one run
# of cargo, so what they share is compiled once, and a second target costs nothing. docs/deploying.md has sizes, times and settings.

# The toolchain of rust-toolchain.toml, on the release of Debian whose C library RUNTIME_IMAGE has.
ARG RUST_IMAGE=rust:1.95-bookworm
# C library, libgcc, trusted certificates and a user without rights; no shell. Another one needs the same four.
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

# ---- What builds ----

FROM ${RUST_IMAGE} AS toolchain
ARG CARGO_CHEF_VERSION=0.1.78
ARG CARGO_AUDITABLE_VERSION=0.7.7
# How many crates are compiled at once; as many as there are cores when it is not set.
ARG CARGO_BUILD_JOBS
RUN cargo install --locked --root /usr/local "cargo-chef@${CARGO_CHEF_VERSION}" "cargo-auditable@${CARGO_AUDITABLE_VERSION}"
WORKDIR /src

# What the crates depend on, without what they are: it changes with Cargo.lock and the manifests alone.
FROM toolchain AS plan
COPY . .
RUN --network=none cargo chef prepare --recipe-path /recipe.json

FROM toolchain AS dependencies
# In-process embeddings want some 60 crates that a build by hand does not ask for.
ENV BUILD="--locked --offline --profile image --bins \
 --package mcp-hub \
 --package mcp-hub-facade \
 --package mcp-hub-mariadb \
 --package mcp-hub-neo4j \
 --package mcp-hub-postgres \
 --package mcp-hub-qdrant \
 --package mcp-hub-sqlite \
 --features mcp-hub/local-embeddings,mcp-hub-qdrant/local-embeddings"
COPY --from=plan /recipe.json /recipe.json
# The last step that has a network.
RUN cargo chef cook --recipe-path /recipe.json --no-build \
 && cargo fetch --locked --target "$(rustc -vV | sed -n 's/^host: //p')"
# shellcheck disable=SC2086
RUN --network=none cargo chef cook --recipe-path /recipe.json ${BUILD}

# The crates that are in the programs take the place of chef's empty ones; those for tests stay empty, so that no test makes images anew.
FROM dependencies AS build
COPY Cargo.toml Cargo.lock ./
COPY proto proto
COPY chassis chassis
COPY services services
COPY facade facade
COPY hub hub
RUN --network=none cargo auditable build ${BUILD} \
 && mkdir /programs /empty \
 && find target/image -maxdepth 1 -type f -executable -name 'mcp-hub*' -exec install --target-directory=/programs {} +
# Times in a layer make its digest.
ARG SOURCE_DATE_EPOCH=0
RUN --network=none find /programs /empty -exec touch --date="@${SOURCE_DATE_EPOCH}" {} +

# ---- What runs ----

FROM ${RUNTIME_IMAGE} AS runtime
ARG RUNTIME_IMAGE
ARG VERSION=0.1.0
ARG REVISION=
ARG SOURCE=
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}"
# The one folder that the user may write to, where it is a volume: tokens, a SQLite database, the sample.
COPY --from=build --chown=65532:65532 /empty /var/lib/mcp-hub
USER 65532:65532

# In each: the program is started once while the image is made, so a base that lacks what it links is noticed here. It asks itself how it is, since
# there is neither a shell nor curl. It listens on every address, because a container's loopback is reached by nobody else.

FROM runtime AS facade
LABEL org.opencontainers.image.title="mcp-hub-facade" \
      org.opencontainers.image.description="One MCP URL over several databases: the door for clients"
COPY --from=build /programs/mcp-hub-facade /usr/local/bin/
RUN --network=none ["mcp-hub-facade", "--version"]
ENV MCP_HUB_LISTEN=0.0.0.0:8000
EXPOSE 8000 8001 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["mcp-hub-facade", "healthcheck"]
ENTRYPOINT ["mcp-hub-facade"]

FROM runtime AS postgres
LABEL org.opencontainers.image.title="mcp-hub-postgres" \
      org.opencontainers.image.description="PostgreSQL as an adapter of mcp-hub"
COPY --from=build /programs/mcp-hub-postgres /usr/local/bin/
RUN --network=none ["mcp-hub-postgres", "--version"]
ENV MCP_HUB_LISTEN=0.0.0.0:50051
EXPOSE 50051 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["mcp-hub-postgres", "healthcheck"]
ENTRYPOINT ["mcp-hub-postgres"]

FROM runtime AS mariadb
LABEL org.opencontainers.image.title="mcp-hub-mariadb" \
      org.opencontainers.image.description="MariaDB and MySQL as an adapter of mcp-hub"
COPY --from=build /programs/mcp-hub-mariadb /usr/local/bin/
RUN --network=none ["mcp-hub-mariadb", "--version"]
ENV MCP_HUB_LISTEN=0.0.0.0:50052
EXPOSE 50052 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["mcp-hub-mariadb", "healthcheck"]
ENTRYPOINT ["mcp-hub-mariadb"]

FROM runtime AS neo4j
LABEL org.opencontainers.image.title="mcp-hub-neo4j" \
      org.opencontainers.image.description="Neo4j as an adapter of mcp-hub"
COPY --from=build /programs/mcp-hub-neo4j /usr/local/bin/
RUN --network=none ["mcp-hub-neo4j", "--version"]
ENV MCP_HUB_LISTEN=0.0.0.0:50053
EXPOSE 50053 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["mcp-hub-neo4j", "healthcheck"]
ENTRYPOINT ["mcp-hub-neo4j"]

FROM runtime AS qdrant
LABEL org.opencontainers.image.title="mcp-hub-qdrant" \
      org.opencontainers.image.description="Qdrant as an adapter of mcp-hub"
COPY --from=build /programs/mcp-hub-qdrant /usr/local/bin/
RUN --network=none ["mcp-hub-qdrant", "--version"]
ENV MCP_HUB_LISTEN=0.0.0.0:50054
EXPOSE 50054 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["mcp-hub-qdrant", "healthcheck"]
ENTRYPOINT ["mcp-hub-qdrant"]

FROM runtime AS sqlite
LABEL org.opencontainers.image.title="mcp-hub-sqlite" \
      org.opencontainers.image.description="SQLite as an adapter of mcp-hub"
COPY --from=build /programs/mcp-hub-sqlite /usr/local/bin/
RUN --network=none ["mcp-hub-sqlite", "--version"]
ENV MCP_HUB_LISTEN=0.0.0.0:50055
EXPOSE 50055 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["mcp-hub-sqlite", "healthcheck"]
ENTRYPOINT ["mcp-hub-sqlite"]

# The command: `token new`, `doctor`, `call`, and with `up` the whole hub in one process.
FROM runtime AS hub
LABEL org.opencontainers.image.title="mcp-hub" \
      org.opencontainers.image.description="One MCP URL over several databases: the mcp-hub command"
COPY --from=build /programs/mcp-hub /usr/local/bin/
RUN --network=none ["mcp-hub", "--version"]
ENV MCP_HUB_LISTEN=0.0.0.0:8000 MCP_HUB_DATA_DIR=/var/lib/mcp-hub
EXPOSE 8000 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["mcp-hub", "healthcheck"]
ENTRYPOINT ["mcp-hub"]
