//! A Dockerfile as its stages and their instructions: as much of the syntax as ours uses.

/// A Dockerfile.
#[derive(Debug)]
pub(crate) struct Dockerfile {
    /// The `ARG`s in front of the first stage, with their defaults.
    pub(crate) arguments: Vec<(String, String)>,
    /// The stages in their order.
    pub(crate) stages: Vec<Stage>,
    /// Whether a first line asks for another syntax, which would be fetched.
    pub(crate) has_syntax_line: bool,
}

/// What one `FROM` begins.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Its name, after `AS`.
    pub(crate) name: String,
    /// What it stands on: an image, `${ARGUMENT}`, or an earlier stage.
    pub(crate) base: String,
    /// The word and what follows it, on one line each.
    pub(crate) instructions: Vec<(String, String)>,
}

impl Dockerfile {
    pub(crate) fn parse(text: &str) -> Self {
        let mut file = Self {
            arguments: Vec::new(),
            stages: Vec::new(),
            has_syntax_line: text
                .lines()
                .take_while(|line| line.starts_with('#'))
                .any(|line| line.trim_start_matches(['#', ' ']).starts_with("syntax=")),
        };
        for instruction in instructions(text) {
            let (word, rest) = instruction.split_once(' ').unwrap_or((&instruction, ""));
            let rest = rest.trim();
            match (word, file.stages.last_mut()) {
                ("FROM", _) => {
                    let (base, name) = rest.split_once(" AS ").unwrap_or((rest, ""));
                    file.stages.push(Stage {
                        name: name.to_owned(),
                        base: base.to_owned(),
                        instructions: Vec::new(),
                    });
                }
                (word, Some(stage)) => stage.instructions.push((word.to_owned(), rest.to_owned())),
                ("ARG", None) => {
                    let (name, default) = rest.split_once('=').unwrap_or((rest, ""));
                    file.arguments.push((name.to_owned(), default.to_owned()));
                }
                (_, None) => {}
            }
        }
        file
    }

    /// A stage by its name.
    pub(crate) fn stage(&self, name: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    /// The default of an argument in front of the first stage.
    pub(crate) fn default(&self, name: &str) -> Option<&str> {
        let argument = self.arguments.iter().find(|(argument, _)| argument == name);
        argument.map(|(_, default)| &**default)
    }

    /// The port that the program of a stage listens on there.
    pub(crate) fn port(&self, stage: &str) -> Option<u16> {
        let stage = self.stage(stage)?;
        stage
            .all("ENV")
            .flat_map(str::split_whitespace)
            .find_map(|setting| setting.strip_prefix("MCP_HUB_LISTEN=0.0.0.0:")?.parse().ok())
    }
}

impl Stage {
    /// What follows the instructions that begin with `word`.
    pub(crate) fn all<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        let instructions = self.instructions.iter().filter(move |(found, _)| found == word);
        instructions.map(|(_, rest)| &**rest)
    }
}

/// The instructions, without comments, each on one line.
fn instructions(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = String::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let (part, goes_on) = match line.trim_end().strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        if !open.is_empty() {
            open.push(' ');
        }
        open.push_str(part.trim());
        if !goes_on && !open.is_empty() {
            found.push(std::mem::take(&mut open));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_have_what_is_between_two_froms() {
        let file = Dockerfile::parse(
            "# a comment\nARG BASE=debian:12\n\nFROM ${BASE} AS build\nRUN one \\\n # of both\n && two\n\nFROM build AS run\n\
             ENV A=1 MCP_HUB_LISTEN=0.0.0.0:50051\nCMD [\"x\"]\n",
        );
        assert!(!file.has_syntax_line);
        assert_eq!(file.default("BASE"), Some("debian:12"));
        let [build, run] = &*file.stages else {
            panic!("two stages: {file:?}")
        };
        assert_eq!((&*build.name, &*build.base), ("build", "${BASE}"));
        assert_eq!(build.all("RUN").collect::<Vec<_>>(), ["one && two"]);
        assert_eq!((&*run.name, &*run.base), ("run", "build"));
        assert_eq!(file.port("run"), Some(50_051));
        assert!(Dockerfile::parse("# syntax=docker/dockerfile:1\nFROM a").has_syntax_line);
    }
}
