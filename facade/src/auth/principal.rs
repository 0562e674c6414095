//! A principal: who a caller is, and what it may do.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::token::Scope;
use crate::tool::Tool;

/// Who a caller is, and what it may do.
#[derive(Debug)]
pub(crate) struct Principal {
    /// Unique among the principals of the hub: `token:alice`. Empty for anybody.
    name: String,
    rights: Rights,
    ended: CancellationToken,
}

/// What a principal may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    /// The scope `db:read`: tools that change nothing.
    pub(crate) read: bool,
    /// The scope `db:write`: tools that change something.
    pub(crate) write: bool,
    /// The keys of the upstreams that exist for it; all when `None`.
    pub(crate) upstreams: Option<Vec<String>>,
}

impl Principal {
    /// The principal of those who need not say who they are. It may do everything.
    pub(crate) fn anybody() -> Self {
        let rights = Rights {
            read: true,
            write: true,
            upstreams: None,
        };
        Self::new(String::new(), rights)
    }

    /// The principal of a request that nobody asked: it may do nothing.
    pub(crate) fn nobody() -> Self {
        let rights = Rights {
            read: false,
            write: false,
            upstreams: Some(vec![]),
        };
        Self::new("nobody".to_owned(), rights)
    }

    /// A principal that lasts until [`end`](Self::end).
    pub(crate) fn new(name: String, rights: Rights) -> Self {
        Self {
            name,
            rights,
            ended: CancellationToken::new(),
        }
    }

    /// Its name, for the log.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What stands for it where its name must not be seen.
    pub(crate) fn fingerprint(&self) -> [u8; 16] {
        let digest: [u8; 32] = Sha256::digest(&self.name).into();
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&digest[..16]);
        fingerprint
    }

    /// Whether an upstream exists for it.
    pub(crate) fn knows(&self, upstream: &str) -> bool {
        let listed = |keys: &Vec<String>| keys.iter().any(|key| key == upstream);
        self.rights.upstreams.as_ref().is_none_or(listed)
    }

    /// Whether a tool exists for it. The facade's own exist for everybody and show each what it knows.
    pub(crate) fn knows_tool(&self, tool: &Tool) -> bool {
        tool.upstream.as_ref().is_none_or(|key| self.knows(key))
    }

    /// Whether all upstreams exist for it.
    pub(crate) fn knows_all(&self) -> bool {
        self.rights.upstreams.is_none()
    }

    /// The scope that it would need to call a tool that it knows. The facade's own need none.
    pub(crate) fn lacks(&self, tool: &Tool) -> Option<Scope> {
        let (scope, granted) = if tool.read_only {
            (Scope::Read, self.rights.read)
        } else {
            (Scope::Write, self.rights.write)
        };
        let free = tool.upstream.is_none();
        (!free && !granted).then_some(scope)
    }

    /// Whether it has the scope `db:read`.
    pub(crate) fn reads(&self) -> bool {
        self.rights.read
    }

    /// The same, of something that needs it: "this prompt".
    ///
    /// # Errors
    /// `ACCESS_DENIED` when it has not.
    pub(crate) fn may_read(&self, what: &str) -> Result<(), Fault> {
        if self.reads() {
            return Ok(());
        }
        Err(denied(Scope::Read, what))
    }

    /// Whether a tool stands in its list: who can't call it has no use for it.
    pub(crate) fn is_shown(&self, tool: &Tool) -> bool {
        self.knows_tool(tool) && self.lacks(tool).is_none()
    }

    /// Takes its rights away: its streams end, and what it has under way on them.
    pub(crate) fn end(&self) {
        self.ended.cancel();
    }

    /// Cancelled when the rights have been taken away or have run out.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}

/// What is told who lacks a scope that something needs: "this tool".
pub(crate) fn denied(scope: Scope, what: &str) -> Fault {
    let sentence = format!(
        "your token does not have the scope {scope}, which {what} needs: who runs the server can give you one that has it"
    );
    Fault::new(Reason::AccessDenied, sentence)
}
