//! `mcp-hub prompts`: the prompts of a running hub, or one of them.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use serde_json::{Map, Value, json};

use crate::client::{List, Target};
use crate::error::{Error, Result};
use crate::text;

/// The settings of `mcp-hub prompts`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Print what this prompt says; without it, list the prompts.
    prompt: Option<String>,
    /// The prompt's arguments, as name=value pairs.
    #[arg(requires = "prompt")]
    arguments: Vec<String>,
    /// Print it as JSON, as the hub sent it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Prints the list, or a prompt.
pub async fn run(options: Options) -> Result<()> {
    let client = options.target.client()?;
    let Some(name) = options.prompt else {
        let prompts = client.list(List::PROMPTS).await?;
        return crate::say(&if options.json {
            format!("{:#}\n", Value::from(prompts))
        } else {
            text::lines(prompts.iter().map(entry))
        });
    };
    let params = json!({ "name": name, "arguments": arguments(&options.arguments)? });
    let prompt = client.request("prompts/get", params).await?;
    if options.json {
        return crate::say(&format!("{prompt:#}\n"));
    }
    let messages = prompt["messages"].as_array().into_iter().flatten();
    let said: Vec<String> = messages.map(|message| text::block(&message["content"])).collect();
    let said = format!("{}\n", said.join("\n\n").trim_end());
    crate::say(&if std::io::stdout().is_terminal() {
        text::harmless(&said)
    } else {
        said
    })
}

/// The columns of a prompt. Its arguments stand behind its name, as they are given.
fn entry(prompt: &Value) -> [String; 3] {
    let [mut called, title, sentence] = text::entry(prompt, "name");
    for argument in prompt["arguments"].as_array().into_iter().flatten() {
        let name = text::cell(&argument["name"]);
        // Writing to a `String` can't fail.
        let _ = if argument["required"] == true {
            write!(called, " {name}=")
        } else {
            write!(called, " [{name}=]")
        };
    }
    [called, title, sentence]
}

/// The arguments of a prompt, which are texts.
fn arguments(given: &[String]) -> Result<Map<String, Value>> {
    given
        .iter()
        .map(|pair| {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| Error::PromptArgument(pair.clone()))?;
            Ok((name.to_owned(), value.into()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_listed_as_it_is_asked_for() {
        let prompt = json!({
            "name": "shop_explain", "title": "Explain", "description": "Explains. More.",
            "arguments": [{ "name": "sql", "required": true }, { "name": "database" }],
        });
        assert_eq!(
            entry(&prompt),
            ["shop_explain sql= [database=]", "Explain", "Explains."]
        );
        assert_eq!(
            Value::from(arguments(&["sql=select 1 = 1".to_owned()]).expect("a pair")),
            json!({ "sql": "select 1 = 1" })
        );
        assert!(arguments(&["sql".to_owned()]).is_err());
    }
}
