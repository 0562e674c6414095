//! What clients ask, and what a right answer is.

use std::fmt;

use serde_json::Value;

use super::{Failed, Kind};

/// Makes the calls of a load.
pub trait Workload: fmt::Debug + Send + Sync + 'static {
    /// The call with this number. The numbers of all clients together are 1, 2, 3 and so on.
    fn next(&self, number: u64) -> Question;
}

/// Looks at what the answer holds, and says what is wrong with it.
pub type Check = Box<dyn Fn(&Value) -> Result<(), String> + Send + Sync>;

/// One call and its right answers.
pub struct Question {
    /// What sort of call it is, for the report.
    pub label: &'static str,
    /// The tool; `None` asks for the list of tools.
    pub tool: Option<String>,
    /// Its arguments.
    pub arguments: Value,
    /// What tells this write from all others; `None` for a read.
    pub write: Option<String>,
    /// Looks at the structured content of the answer, or at the names of the listed tools.
    pub check: Check,
}

impl fmt::Debug for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Question")
            .field("label", &self.label)
            .field("tool", &self.tool)
            .field("arguments", &self.arguments)
            .finish_non_exhaustive()
    }
}

/// The facade's own tools.
const OWN: [&str; 2] = ["health_check", "list_services"];

/// Whether a result answers a question; the names of the tools when it is their list.
pub(super) fn judge(question: &Question, result: &Value) -> Result<Option<Vec<String>>, Failed> {
    let wrong = |what: &str| Failed::Wrong(format!("{what}: {question:?} -> {result}"));
    if question.tool.is_none() {
        let tools = result["tools"]
            .as_array()
            .ok_or_else(|| wrong("no list of tools"))?;
        let names: Option<Vec<String>> = tools
            .iter()
            .map(|tool| Some(tool["name"].as_str()?.to_owned()))
            .collect();
        let names = names.ok_or_else(|| wrong("a tool without a name"))?;
        if names == OWN {
            return Err(Failed::Failure(Kind::Unlisted, names.join(", ")));
        }
        (question.check)(&Value::from(names.clone())).map_err(|error| wrong(&error))?;
        return Ok(Some(names));
    }
    let text = result["content"][0]["text"]
        .as_str()
        .ok_or_else(|| wrong("no text"))?;
    if result["isError"] == true {
        return Err(Failed::Failure(Kind::of_tool(text), text.replace('\n', "; ")));
    }
    let parsed: Value = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
    if parsed != result["structuredContent"] {
        return Err(wrong("text and structured content differ"));
    }
    (question.check)(&parsed).map_err(|error| wrong(&error))?;
    Ok(None)
}
