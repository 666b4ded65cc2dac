//! What the environment says. Architecture Invariant: nothing else reads it.

use std::{env, ffi::OsString, io::IsTerminal};

/// Where we run, as far as it changes what is printed and whether anybody can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Colours on standard output.
    pub colour_out: bool,
    /// Colours on standard error.
    pub colour_err: bool,
    /// Somebody sits there and can answer a question.
    pub interactive: bool,
    /// Standard error is a terminal that can move its cursor: progress may be drawn.
    pub progress: bool,
}

/// The variables that decide, by value.
#[derive(Debug, Clone, Default)]
struct Variables {
    no_color: Option<OsString>,
    clicolor_force: Option<OsString>,
    term: Option<OsString>,
    ci: Option<OsString>,
}

/// Which of the three streams are terminals.
#[derive(Debug, Clone, Copy)]
struct Terminals {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl Config {
    /// The value of a variable that a document or the project file names.
    pub fn variable(name: &str) -> Option<OsString> {
        env::var_os(name)
    }

    /// Reads the environment.
    pub fn from_env() -> Self {
        let variables = Variables {
            no_color: env::var_os("NO_COLOR"),
            clicolor_force: env::var_os("CLICOLOR_FORCE"),
            term: env::var_os("TERM"),
            ci: env::var_os("CI"),
        };
        let terminals = Terminals {
            stdin: std::io::stdin().is_terminal(),
            stdout: std::io::stdout().is_terminal(),
            stderr: std::io::stderr().is_terminal(),
        };
        Self::decide(&variables, terminals)
    }

    /// What is to be logged, where `TENANTRY_LOG` says so: `info`, `tenantry=debug`, as in `RUST_LOG`.
    pub fn log() -> Option<String> {
        env::var("TENANTRY_LOG").ok().filter(|value| !value.is_empty())
    }

    /// The pod we run in, where the downward API says: `POD_NAME`.
    pub fn pod() -> Option<String> {
        env::var("POD_NAME").ok().filter(|value| !value.is_empty())
    }

    /// The namespace we run in, where the downward API says: `POD_NAMESPACE`.
    pub fn namespace() -> Option<String> {
        env::var("POD_NAMESPACE").ok().filter(|value| !value.is_empty())
    }

    /// `NO_COLOR` (<https://no-color.org>) wins over `CLICOLOR_FORCE` (<https://bixense.com/clicolors>): who asks for
    /// none cannot read them.
    fn decide(variables: &Variables, terminals: Terminals) -> Self {
        let Variables { no_color, clicolor_force, term, ci } = variables;
        let given = |value: &Option<OsString>| value.as_ref().is_some_and(|value| !value.is_empty());
        let forced = given(clicolor_force) && clicolor_force.as_ref().is_some_and(|value| value != "0");
        let dumb = term.as_ref().is_some_and(|term| term == "dumb");
        let colour = |terminal: bool| !given(no_color) && (forced || (terminal && !dumb));
        let ci = given(ci) && ci.as_ref().is_some_and(|value| value != "false" && value != "0");
        Self {
            colour_out: colour(terminals.stdout),
            colour_err: colour(terminals.stderr),
            interactive: terminals.stdin && terminals.stderr && !ci,
            progress: terminals.stderr && !dumb && !ci,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Terminals = Terminals { stdin: true, stdout: true, stderr: true };
    const NONE: Terminals = Terminals { stdin: false, stdout: false, stderr: false };

    fn colours(no_color: Option<&str>, force: Option<&str>, term: &str, terminals: Terminals) -> bool {
        let variables = Variables {
            no_color: no_color.map(OsString::from),
            clicolor_force: force.map(OsString::from),
            term: Some(term.into()),
            ci: None,
        };
        Config::decide(&variables, terminals).colour_out
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        assert!(colours(None, None, "xterm", ALL));
        assert!(!colours(None, None, "xterm", NONE));
        assert!(!colours(None, None, "dumb", ALL));
        assert!(!colours(Some("1"), None, "xterm", ALL));
        assert!(colours(Some(""), None, "xterm", ALL), "an empty NO_COLOR is none");
        assert!(colours(None, Some("1"), "xterm", NONE));
        assert!(!colours(None, Some("0"), "xterm", NONE));
        assert!(!colours(Some("1"), Some("1"), "xterm", ALL));
    }

    #[test]
    fn nobody_is_asked_in_a_pipeline() {
        let ci = Variables { ci: Some("true".into()), ..Variables::default() };
        assert!(!Config::decide(&ci, ALL).interactive);
        assert!(Config::decide(&Variables::default(), ALL).interactive);
        assert!(!Config::decide(&Variables::default(), Terminals { stdin: false, ..ALL }).interactive);
    }
}
