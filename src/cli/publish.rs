//! Writes one result in every form that was asked for.

use super::{args::Format, console::Console, failure::Failure, values::Output};

/// The forms asked for, at most one of them on standard output.
#[derive(Debug)]
pub(crate) struct Publisher {
    outputs: Vec<Output<Format>>,
    console: Console,
}

impl Publisher {
    /// Text goes to standard output unless something else does: an artefact in a file does not make a terminal silent.
    pub(crate) fn new(outputs: &[Output<Format>], console: Console) -> Self {
        let mut outputs = outputs.to_vec();
        if outputs.iter().all(|output| output.file.is_some()) {
            outputs.push(Output { format: Format::Text, file: None });
        }
        Self { outputs, console }
    }

    /// Whether standard output holds nothing but one JSON value.
    pub(crate) fn outputs(&self) -> &[Output<Format>] {
        &self.outputs
    }

    /// Whether standard output holds nothing but one JSON value.
    pub(crate) fn json_on_stdout(&self) -> bool {
        self.outputs.iter().any(|output| output.file.is_none() && output.format == Format::Json)
    }

    /// Writes everything.
    pub(crate) fn publish(&self, render: impl Fn(Format) -> String) -> Result<(), Failure> {
        for Output { format, file } in &self.outputs {
            let text = render(*format);
            match file {
                Some(file) => Console::file(file, &text)?,
                None => self.console.data(&text)?,
            }
        }
        Ok(())
    }
}

/// Two values on standard output would be none.
pub(crate) fn check(outputs: &[Output<Format>]) -> Result<(), Failure> {
    if outputs.iter().filter(|output| output.file.is_none()).count() > 1 {
        return Err(
            Failure::invalid("`-o` asks for two forms on standard output").hint("give all but one a file: `-o json=plan.json`")
        );
    }
    Ok(())
}
