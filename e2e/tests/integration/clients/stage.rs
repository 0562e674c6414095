//! What these clients meet: two replicas behind a proxy, and three adapters.

use mcp_hub_e2e::{Cluster, ClusterOptions, Replica};
use tempfile::TempDir;

/// Two facades in front of the fixtures of the conformance suite (`test`), a SQLite file that can be written to (`sqlite`), and a shop
/// (`shop`).
pub(super) struct Stage {
    pub(super) cluster: Cluster,
    shop: Replica,
    _fixtures: Replica,
    _sqlite: Replica,
    _folder: TempDir,
}

impl Stage {
    pub(super) async fn new() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tea.db");
        rusqlite::Connection::open(&file)
            .expect("a file")
            .execute_batch(
                "create table tea (name text not null, grams real); insert into tea values ('oolong', 50)",
            )
            .expect("SQL");
        let file = file.display().to_string();
        let sqlite = Replica::adapter("mcp-hub-sqlite", &["--path", &file, "--allow-writes=true"], &[]).await;
        let fixtures = Replica::adapter("mcp-hub-testkit", &[], &[]).await;
        let ledger = folder.path().join("ledger").display().to_string();
        let environment = [("SHOP_LEDGER", &*ledger), ("SHOP_GENERATION", "1")];
        let shop = Replica::adapter("mcp-hub-shop", &[], &environment).await;
        let upstreams = [("sqlite", &sqlite), ("test", &fixtures), ("shop", &shop)];
        let upstreams = upstreams.map(|(key, adapter)| format!("{key} = \"{}\"\n", adapter.url()));
        let options = ClusterOptions {
            replicas: 2,
            upstreams: upstreams.concat(),
            ..ClusterOptions::default()
        };
        let cluster = Cluster::start(&options).await?;
        for tool in ["sqlite_query", "test_simple_text", "shop_haggle"] {
            cluster.lists(tool, &[]).await;
        }
        Some(Self {
            cluster,
            shop,
            _fixtures: fixtures,
            _sqlite: sqlite,
            _folder: folder,
        })
    }

    /// Replaces the shop by one of the next version: `shop_haggle` goes, `shop_review` comes.
    pub(super) async fn roll_shop(&mut self) {
        self.shop.set("SHOP_GENERATION", "2");
        let exit = self.shop.terminate().await;
        assert!(exit.status.success(), "{exit:?}");
        self.shop.restart().await;
    }
}
