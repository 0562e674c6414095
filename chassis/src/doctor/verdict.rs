//! Everything that a check can come to, with the words for it: one table.
//!
//! A mend may have blanks, `{port}`, that a finding fills with what it looked at. What `docs/network.md` shows, and what nobody filled,
//! is the blank's name in capitals.

/// How bad a verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// As it should be.
    Fine,
    /// Not looked at.
    Skipped,
    /// It works, and is not as it should be.
    Warning,
    /// It does not work.
    Failure,
}

impl Severity {
    /// As JSON and metrics call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// A text with its blanks as words in capitals.
pub(super) fn in_words(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        words.push_str(before);
        let Some((blank, behind)) = behind.split_once('}') else {
            words.push('{');
            rest = behind;
            continue;
        };
        words.push_str(&blank.to_uppercase());
        rest = behind;
    }
    words + rest
}

/// Declares the verdicts: name, code, severity, meaning, mend.
macro_rules! verdicts {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $severity:ident, $meaning:literal, $mend:literal;)+) => {
        /// What a check comes to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Verdict {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Verdict {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// As JSON and metrics call it.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),+ }
            }

            /// What it means, for the person who reads the table.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning),+ }
            }

            /// What to do about it, with blanks like `{port}`; empty when there is nothing to do.
            pub const fn mend(self) -> &'static str {
                match self { $(Self::$name => $mend),+ }
            }
        }
    };
}

impl Verdict {
    /// The one with this code.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|verdict| verdict.code() == code)
    }

    /// What to do about it, for the documentation: its blanks are words in capitals.
    pub fn mend_in_words(self) -> String {
        in_words(self.mend())
    }
}

mod table;

pub use table::Verdict;
