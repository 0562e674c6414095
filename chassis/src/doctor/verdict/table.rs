//! The table itself.

use super::Severity;

verdicts! {
    /// As it should be.
    Ok = "ok", Fine, "as it should be", "";

    // What was not looked at.

    /// Nothing says where it is.
    NotConfigured = "not-configured", Skipped,
        "no setting says where it is, so nothing was looked at",
        "set {setting} where doctor runs";
    /// It needs an earlier hop, and that failed.
    Skipped = "skipped", Skipped,
        "not looked at, because what comes before it failed",
        "mend that first";
    /// It could not be looked at.
    NotExamined = "not-examined", Skipped,
        "this could not be looked at from here",
        "run doctor where it can be seen: on the Docker host, in the cluster, or as a user who may look";
    /// The check did not come to an end.
    Unfinished = "unfinished", Failure,
        "the check did not end in the time that all checks together have",
        "look at the hop by itself, or give more time with --deadline";
    /// Somebody else found something that this version does not know.
    Unknown = "unknown", Failure,
        "an adapter of another version found something that this version has no words for",
        "use mcp-hub of the adapter's version, or the adapter's own doctor: `kubectl exec deploy/mcp-hub-postgres -- mcp-hub-postgres doctor`";

    // The way to any server.

    /// The name does not resolve.
    NameNotFound = "name-not-found", Failure,
        "the name is not known here: Docker knows those of running containers, each inside its networks only",
        "start what has that name, or use the host's address and the published port, or a Service of the cluster (k8s/components/host-databases)";
    /// The resolver does not work.
    LookUpFailed = "look-up-failed", Failure,
        "the resolver could not find out whether the name exists: it is not there, or nobody upstream of it answers",
        "see /etc/resolv.conf, and in a cluster the pods of kube-dns and NetworkPolicies that keep port 53 closed; with Docker, its resolver asks others for names of other networks";
    /// Nothing answered in time.
    TimedOut = "timed-out", Failure,
        "nothing answered in time: a firewall drops the packets, or the address is of nobody",
        "let the hub's network in: `sudo ufw allow from {network} to any port {port} proto tcp`, NetworkPolicies too; check the address";
    /// The port is closed.
    Refused = "refused", Failure,
        "the host answers and the port is closed: nothing listens there, or only on 127.0.0.1",
        "start it, or publish port {port} on an address that the hub reaches (`docker ps`, `ss -ltn`), not on 127.0.0.1 alone";
    /// Nobody knows a way to the address.
    Unreachable = "unreachable", Failure,
        "there is no route to the address from here",
        "check the address; a Docker network is reached from inside itself and from its host only";
    /// Nobody may ask for a connection here.
    NotPermitted = "not-permitted", Failure,
        "this machine does not let this program connect there",
        "see the firewall's OUTPUT rules and the security policy of the process";
    /// The connection was closed before anything was said.
    Closed = "closed", Failure,
        "the server took the connection and closed it before anything was said",
        "see the server's own log; a proxy, or Docker's for a port whose container does not listen, does the same";
    /// It takes the connection and says nothing.
    Silent = "silent", Failure,
        "the connection stands, and nothing is said in time: the server hangs or is overloaded, or something takes connections for it",
        "see the server's load and its own log, and what publishes its port";

    // In front: the public URL, the proxy, the facade.

    /// The public URL is not encrypted.
    PlainHttp = "plain-http", Warning,
        "the public URL begins with http://: tokens travel in clear text",
        "put a reverse proxy with TLS in front (docs/reverse-proxy.md), and let {setting} begin with https://";
    /// The facade does not answer to this name.
    HostRefused = "host-refused", Failure,
        "the facade does not answer to the name that it is reached by",
        "set MCP_HUB_PUBLIC_URL of the facade to the URL that clients use, or let the proxy pass the Host header on";
    /// The facade does not take pages of its own origin.
    OriginRefused = "origin-refused", Failure,
        "the facade refuses pages of its own public URL",
        "set MCP_HUB_PUBLIC_URL of the facade to the URL that clients use, scheme and port included";
    /// The proxy has nothing behind it.
    ProxyError = "proxy-error", Failure,
        "a reverse proxy answers, and it does not reach the facade",
        "see the address that it forwards to: the NodePort of a node (30800), or the port of the hub (docs/reverse-proxy.md)";
    /// The proxy holds events back.
    ProxyBuffers = "proxy-buffers", Failure,
        "events are held back on the way: something buffers the answer",
        "switch buffering off for /sse and /mcp: `proxy_buffering off` (nginx), no `response_buffers` (Caddy), no rule that scans or changes answers (a CDN); docs/reverse-proxy.md";
    /// Something sends us elsewhere.
    Redirected = "redirected", Warning,
        "the URL answers with a redirect, and most MCP clients do not follow one with their token",
        "give clients the URL that it redirects to, and set {setting} to it";
    /// Something else answers.
    NotOurs = "not-ours", Failure,
        "something answers here that is no facade of mcp-hub",
        "see what the name, the port or the proxy leads to";
    /// A token is due.
    TokenNeeded = "token-needed", Skipped,
        "the facade asks for a token, so what is behind it was not looked at from here",
        "give one with --token-file; `mcp-hub token new` makes it";
    /// The token is refused.
    TokenRefused = "token-refused", Failure,
        "the facade refuses the token",
        "make one with `mcp-hub token new`, and see that the facade has the same file or Secret mcp-hub-tokens";
    /// Everybody may call.
    NoAuthentication = "no-authentication", Warning,
        "the facade asks nobody for a token, and other machines reach it",
        "make tokens (`mcp-hub token new`), and name their file in MCP_HUB_TOKENS_FILE";
    /// The facade is not ready.
    NotReady = "not-ready", Failure,
        "the facade runs and is not ready: it has no tokens yet, it stops, or it asks its adapters for the first time",
        "see its log, which says what it waits for, or `mcp-hub-facade doctor` beside it; Secret mcp-hub-tokens comes from \
         `mcp-hub token new`";
    /// There are no tokens.
    TokensMissing = "tokens-missing", Failure,
        "callers have to show tokens, and the file of them is not there",
        "`mcp-hub token new NAME --tokens-file FILE` makes it; in a cluster it is Secret mcp-hub-tokens";
    /// A file can't be used.
    FileWrong = "file-wrong", Failure,
        "a file that the settings name is not there, or can't be used",
        "correct the file of {setting}";
    /// There is nobody to ask.
    NoUpstreams = "no-upstreams", Warning,
        "the facade has no adapters: its upstreams file names none",
        "name them in the file of {setting}; in a cluster it is ConfigMap mcp-hub-upstreams";
    /// Nobody else answers for the peers.
    NoPeers = "no-peers", Failure,
        "the name of the other replicas resolves to nobody: what arrives for a session of another replica is lost",
        "set {setting} to the headless Service of the facade's pods (mcp-hub-peers:8001), which has publishNotReadyAddresses";

    /// A message does not find its stream.
    SessionLost = "session-lost", Failure,
        "a message for an open stream arrived at another replica, and that could not pass it on",
        "give all replicas the same session keys, and name them in MCP_HUB_PEERS (in a cluster: mcp-hub-peers:8001)";

    // Adapters.

    /// An optional adapter is not there.
    Absent = "absent", Skipped,
        "an optional adapter that is not there",
        "start it, if it should be there";
    /// The adapter is about to end.
    Stopping = "stopping", Failure,
        "the adapter is shutting down",
        "wait for its successor; see its log when there is none";
    /// The adapter takes no more calls.
    Busy = "busy", Failure,
        "the adapter refuses calls: it has too many at once",
        "see who calls it, and give it more replicas";

    /// The adapter runs and its database can't be used.
    NotServing = "not-serving", Failure,
        "the adapter runs, and its database can't be used",
        "see the adapter's own findings: they follow below, or its doctor tells them";
    /// What answers is no adapter.
    NotAnAdapter = "not-an-adapter", Failure,
        "gRPC answers here, and it is no adapter of mcp-hub",
        "see the upstream's address";
    /// The versions differ.
    OtherVersion = "other-version", Warning,
        "it has another version than this program",
        "roll out one version everywhere";

    // The settings of a database.

    /// A setting that is needed has no value.
    SettingMissing = "setting-missing", Failure,
        "a setting that is needed has no value",
        "set it (docs/configuration.md has them all); in Kubernetes, see whether the Secret or ConfigMap has the key";
    /// Settings that can't work together, or a value that is none.
    SettingWrong = "setting-wrong", Failure,
        "a setting has a value that can't be used, or two of them contradict each other",
        "correct it (docs/configuration.md has them all)";
    /// The file of a secret can't be read.
    SecretUnreadable = "secret-unreadable", Failure,
        "the file of a secret is missing or can't be read",
        "mount it where the setting says, readable for the user of the process (65532 in the images, defaultMode 0440 with fsGroup)";
    /// The file of a secret has nothing in it.
    SecretEmpty = "secret-empty", Failure,
        "the file of a secret is empty",
        "write the secret into it; in Kubernetes, see whether the Secret's key has a value";

    // Its address.

    /// The address is a container's.
    ContainerAddress = "container-address", Warning,
        "the address is of a container: it changes when the container is made anew, and other Docker networks and KIND don't reach it",
        "publish the port, and use the host's own address with the published port, or a Service of the cluster";
    /// The address is of the gateway of a Docker network or of KIND.
    GatewayAddress = "gateway-address", Warning,
        "the address is of the gateway of a Docker network: ports that are published on other addresses can't be reached by it",
        "use the host's own address with the published port, or a Service of the cluster";
    /// The address is a container's, and nothing is reached there.
    ContainerUnreachable = "container-unreachable", Failure,
        "the address is of a container in a network that can't be reached from here: Docker keeps its networks apart",
        "publish port {port}, and use the host's own address with the published port, or a Service of the cluster";
    /// The address is of a gateway, and nothing is reached there.
    GatewayUnreachable = "gateway-unreachable", Failure,
        "the address is of the gateway of a Docker network or of KIND, and published ports can't be reached by it from here",
        "use the host's own address with the published port {port}, or a Service of the cluster";
    /// No address to connect to.
    AddressUnusable = "address-unusable", Failure,
        "the address is one to listen on, or of one link only: nothing is reached by it",
        "give the host's own address or name in {setting}";
    /// Loopback, from inside a container.
    LoopbackInContainer = "loopback-in-container", Failure,
        "the address is loopback, and inside a container that is the container itself: nothing of the host is there",
        "use the host's own address with the published port, or the database's name in its Docker network or cluster";

    // Its port.

    /// Something else answers there.
    WrongProtocol = "wrong-protocol", Failure,
        "what answers there speaks another protocol",
        "check the port: PostgreSQL 5432, MariaDB and MySQL 3306, Neo4j's Bolt 7687 (7474 is HTTP), Qdrant's gRPC 6334 (6333 is REST)";
    /// Qdrant's REST where gRPC is due.
    RestForGrpc = "rest-for-grpc", Failure,
        "REST (HTTP/1.1) answers where gRPC is due",
        "give the port of gRPC; of Qdrant publish it too (`-p 6334:6334`), let it through the firewall, and set QDRANT_GRPC_PORT unless \
         it is 6334";
    /// The setting names Qdrant's port of REST, and the adapter takes that of gRPC.
    RestPortMapped = "rest-port-mapped", Fine,
        "the setting names port 6333, which is Qdrant's REST: the adapter takes 6334, its gRPC, on the same host",
        "nothing to do; QDRANT_PORT=6334 says what is meant";
    /// A pooler stands in front of the server.
    Pooler = "pooler", Fine,
        "a pooler in transaction mode stands in front of the server; the adapter works with it",
        "nothing to do; POSTGRES_POOLER=transaction spares the look for it";
    /// A pooler stands there, and the settings deny it.
    PoolerDenied = "pooler-denied", Failure,
        "a pooler in transaction mode stands in front of the server, and the settings say that there is none",
        "set POSTGRES_POOLER to auto or transaction, or connect to the server itself";

    // TLS to it.

    /// The server has no TLS.
    TlsMissing = "tls-missing", Failure,
        "the settings ask for TLS, and the server has none here",
        "switch TLS on at the server, or, in a network that you trust, take it out of the settings (sslmode, https://, +s)";
    /// The server wants TLS.
    TlsRequired = "tls-required", Failure,
        "the server takes connections with TLS only",
        "ask for TLS in the settings: sslmode=require or better, https:// for Qdrant, neo4j+s:// for Neo4j";
    /// The certificate has expired.
    TlsExpired = "tls-expired", Failure,
        "the server's certificate has expired",
        "renew the certificate, and see whether both clocks are right";
    /// The certificate expires soon.
    TlsExpiresSoon = "tls-expires-soon", Warning,
        "the server's certificate expires soon, and nobody has renewed it",
        "renew it; Caddy does so by itself as long as ports 80 and 443 are reachable, and its log says why not";
    /// The certificate is not valid yet.
    TlsNotYetValid = "tls-not-yet-valid", Failure,
        "the server's certificate is not valid yet: one of the two clocks is wrong",
        "set the clocks (`timedatectl`)";
    /// The certificate is for another name.
    TlsWrongName = "tls-wrong-name", Failure,
        "the server's certificate is for another host name",
        "connect by a name that stands in the certificate, or make one for this name";
    /// Nobody trusted has signed the certificate.
    TlsUnknownAuthority = "tls-unknown-authority", Failure,
        "nobody trusted has signed the server's certificate",
        "name the authority's certificate: sslrootcert for a database, --ca-file for a hub; the server has to send its whole chain";
    /// The certificate is wrong in another way.
    TlsInvalid = "tls-invalid", Failure,
        "the server's certificate is not valid",
        "make a new one; `openssl s_client -connect {host}:{port}` shows it";
    /// The server wants a certificate of ours.
    TlsRefused = "tls-refused", Failure,
        "the server ended the TLS handshake; it may want a client certificate",
        "give it one (sslcert, sslkey), or see the server's own log";
    /// The files of the settings can't be used.
    TlsFiles = "tls-files", Failure,
        "the certificates of the settings can't be read, or do not fit each other",
        "check the files that the settings (sslrootcert, sslcert, sslkey; --ca-file) name: PEM, and readable for the user of the process";
    /// The handshake fails.
    TlsFailed = "tls-failed", Failure,
        "the TLS handshake fails: what answers there may not speak TLS",
        "check the port, and whether the server has TLS switched on";

    /// The way is open to readers.
    Unencrypted = "unencrypted", Warning,
        "passwords and data go to a public address without TLS",
        "switch TLS on at both ends, or use an address that only the machine or the cluster reaches";

    // The login.

    /// The server refuses the user, the password or the key.
    LoginRefused = "login-refused", Failure,
        "the server refuses the login: the user, the password or the API key is wrong (servers do not say which)",
        "try it by hand with the database's own client, and see the server's log, which does say which";
    /// The server wants a password or key, and there is none.
    CredentialMissing = "credential-missing", Failure,
        "the server wants a password or an API key, and none is set",
        "set it, or better its file (*_PASSWORD_FILE, QDRANT_API_KEY_FILE)";
    /// The server refuses the user from this host.
    HostDenied = "host-denied", Failure,
        "the server lets this user in, but not from this address",
        "allow the hub's network: a line in pg_hba.conf, or a MariaDB account for the host ('user'@'%')";
    /// The login's method is none that the adapter knows.
    LoginUnsupported = "login-unsupported", Failure,
        "the server wants a kind of login that the adapter does not know",
        "give the user a password of another kind: scram-sha-256, mysql_native_password or caching_sha2_password";
    /// The login's method needs TLS.
    LoginNeedsTls = "login-needs-tls", Failure,
        "the user's kind of password is sent over TLS only",
        "set sslmode to require, or give the user a password of another kind";
    /// The account is locked.
    AccountLocked = "account-locked", Failure,
        "the user is locked",
        "unlock it: ALTER USER .. ACCOUNT UNLOCK (MariaDB, MySQL), ALTER USER .. SET STATUS ACTIVE (Neo4j)";
    /// Too many wrong logins.
    LoginBlocked = "login-blocked", Failure,
        "the server takes no login from here for a while, after too many that failed",
        "correct the password first; then wait some seconds (Neo4j), or run FLUSH HOSTS (MariaDB, MySQL)";
    /// The password must be changed.
    PasswordExpired = "password-expired", Failure,
        "the user's password has expired, or must be changed at the first login",
        "change it: ALTER CURRENT USER SET PASSWORD (Neo4j; the first one is neo4j), ALTER USER .. IDENTIFIED BY (MariaDB, MySQL)";
    /// There is no such database.
    DatabaseMissing = "database-missing", Failure,
        "the server has no database of this name",
        "check the name, which has upper and lower case on most servers, or create the database";
    /// The user may not use the database.
    DatabaseDenied = "database-denied", Failure,
        "the user may not use this database",
        "grant it: GRANT CONNECT ON DATABASE .. (PostgreSQL), GRANT SELECT ON db.* TO .. (MariaDB)";
    /// The server has no connection left.
    ConnectionLimit = "connection-limit", Failure,
        "the server, or the user, has no connection left",
        "make the pools smaller (*_POOL_SIZE times replicas), close idle clients, or raise the server's limit";
    /// The server starts or stops.
    Starting = "starting", Failure,
        "the server is starting up or shutting down",
        "wait for it, and see its own log when it stays so";
    /// The server's version is too old.
    VersionUnsupported = "version-unsupported", Failure,
        "the server's version is older than any that the adapter works with",
        "update the server (README.md has the versions)";
    /// A server of the cluster can't be reached by the address that it advertises.
    AdvertisedUnreachable = "advertised-unreachable", Failure,
        "Neo4j answers, but names an address for its cluster that can't be reached from here",
        "set server.bolt.advertised_address (or server.default_advertised_address) to one that can, or use bolt:// in NEO4J_URI";
    /// The database does not do what it is asked.
    NotWorking = "not-working", Failure,
        "the login succeeds, and the database does not answer as it should",
        "see the adapter's log, and the server's own";

    // What the login may do, and how the server is.

    /// The login may do more than it needs.
    ExcessRights = "excess-rights", Warning,
        "the login may do more than the adapter needs",
        "make a role that only reads (docs/security.md has the statements); where there are none, as in Neo4j's Community edition, or nobody is asked for a key, let nobody else reach it";
    /// The clocks differ.
    ClockSkew = "clock-skew", Warning,
        "the clock at the other end and the one here differ",
        "run a time service (chrony, systemd-timesyncd) on both: tokens, certificates and traces go by the clock";

    // A file.

    /// There is no file.
    FileMissing = "file-missing", Failure,
        "the database's file does not exist",
        "check SQLITE_PATH; in a container, see whether the volume is mounted where the setting says";
    /// The file may not be read.
    FileUnreadable = "file-unreadable", Failure,
        "the database's file can't be read",
        "give the user of the process (65532 in the images) the right to read it, and to enter its folders";
    /// The file is no database.
    NotADatabase = "not-a-database", Failure,
        "the file is no SQLite database, it is encrypted, or it is damaged",
        "check SQLITE_PATH; `sqlite3 FILE 'pragma integrity_check'` tells more";
    /// The database is in WAL mode in a folder where nothing can be written.
    WalReadOnly = "wal-read-only", Failure,
        "the database is in WAL mode, which needs to write beside the file even to read it, and the folder is read-only",
        "mount the folder so that it can be written, or take the database out of WAL mode: `sqlite3 FILE 'pragma journal_mode=delete'`";
    /// Another process holds the file.
    FileLocked = "file-locked", Failure,
        "another process has locked the database's file",
        "end the long transaction of the other process; network file systems may keep locks of clients that are gone";

    // This machine.

    /// A database's port is open to everybody.
    PublishedEverywhere = "published-everywhere", Warning,
        "Docker publishes this port of a database on all addresses: its rules come before UFW's, so that UFW does not close it",
        "publish it on one address (`-p ADDRESS:{port}:{port}`), or close it in the chain DOCKER-USER (docs/firewall.md)";
    /// A database's port is published on loopback only.
    PublishedOnLoopback = "published-on-loopback", Warning,
        "this port of a database is published on 127.0.0.1 only: containers of other networks, KIND's among them, don't reach it",
        "publish it on an address that they reach, or attach the hub to the database's network";
    /// A database's port listens on all addresses, without Docker.
    ListensEverywhere = "listens-everywhere", Warning,
        "a database's port listens on all addresses of this machine",
        "let it listen on one address, or see that the firewall closes it (`sudo ufw status`; docs/firewall.md)";
}
