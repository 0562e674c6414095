//! How deep and how long a statement may be.

use super::Refusal;
use super::clauses::Statement;
use super::lexer::Kind;

/// The deepest nesting of brackets, CASE and signs. Neo4j 5 gives up somewhere above 200, people at a dozen.
const MAX_DEPTH: usize = 50;

/// The deepest nesting of subqueries in expressions: each level beyond 14 doubles the time of planning.
const MAX_SUBQUERIES: usize = 10;

/// What such a subquery begins with.
const SUBQUERIES: [&str; 3] = ["EXISTS", "COUNT", "COLLECT"];

/// The most tokens that are no literals and no commas: each may be a step for the planner.
const MAX_WEIGHT: usize = 8_000;

impl Statement<'_> {
    /// Refuses what the server's parser and planner would choke on.
    pub(super) fn weigh(&self) -> Result<(), Refusal> {
        let tokens = self.tokens();
        let (mut open, mut cases, mut signs, mut weight) = (vec![], 0_usize, 0_usize, 0_usize);
        for (index, token) in tokens.iter().enumerate() {
            let is_bracket = matches!(token.kind, Kind::Symbol('(' | '[' | '{'));
            if is_bracket {
                open.push(token.is('{') && index > 0 && tokens[index - 1].is_one_of(&SUBQUERIES));
            } else if matches!(token.kind, Kind::Symbol(')' | ']' | '}')) {
                open.pop();
            } else if token.is_word("CASE") && !self.is_qualified(index) {
                cases += 1;
            } else if token.is_word("END") && index > 0 && self.ends_operand(index - 1) {
                cases = cases.saturating_sub(1);
            }
            if token.is_word("NOT") || matches!(token.kind, Kind::Symbol('-' | '+' | '!')) {
                signs += 1;
            } else if !is_bracket {
                signs = 0;
            }
            weight += usize::from(!matches!(
                token.kind,
                Kind::String | Kind::Number | Kind::Symbol(',')
            ));
            let subqueries = open.iter().filter(|is_subquery| **is_subquery).count();
            if open.len() + cases + signs > MAX_DEPTH || subqueries > MAX_SUBQUERIES || weight > MAX_WEIGHT {
                return Err(Refusal::too_complex(self.cypher(), token.start));
            }
        }
        Ok(())
    }
}
