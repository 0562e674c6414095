//! The parser, on a stack that it can't overflow.

use std::panic::{AssertUnwindSafe, catch_unwind};

use squawk_syntax::ast::AstNode as _;
use squawk_syntax::syntax_error::SyntaxError;
use squawk_syntax::{SourceFile, SyntaxNode};

use super::Refusal;

/// Up to this weight the stack of the calling thread (2 MiB at least) is enough many times over.
const LIGHT: usize = 100;

/// Stack per level of the tree: measured at most 2 KiB with optimisation and 8 KiB without, for the worst construct.
const STACK_PER_LEVEL: usize = if cfg!(debug_assertions) {
    12 * 1024
} else {
    4 * 1024
};

/// Parses `sql`, whose tree is at most `weight` deep, and looks at it.
///
/// The parser recurses, and so does the end of its tree, so a heavy statement gets a thread with a stack of its own. Only the pages
/// that are used cost memory. A panic of the parser is a refusal: what we can't read we don't run.
pub(super) fn with<T: Send>(
    sql: &str,
    weight: usize,
    look: impl FnOnce(&SyntaxNode, &[SyntaxError]) -> Result<T, Refusal> + Send,
) -> Result<T, Refusal> {
    let parse = || {
        let parse = SourceFile::parse(sql);
        let errors = parse.errors();
        look(parse.tree().syntax(), &errors)
    };
    let outcome = if weight <= LIGHT {
        catch_unwind(AssertUnwindSafe(parse)).ok()
    } else {
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .name("parser".to_owned())
                .stack_size(1024 * 1024 + weight * STACK_PER_LEVEL)
                .spawn_scoped(scope, parse)
                .ok()
                .and_then(|thread| thread.join().ok())
        })
    };
    outcome.unwrap_or_else(|| Err(Refusal::too_complex()))
}
