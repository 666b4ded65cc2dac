//! Writes one result in every form that was asked for.

use super::{
    args::Format,
    console::{Artefact, Console},
    failure::Failure,
    values::Output,
};

/// The forms asked for, at most one of them on standard output.
#[derive(Debug)]
pub(crate) struct Publisher {
    outputs: Vec<(Format, Option<Artefact>)>,
    console: Console,
}

impl Publisher {
    /// Opens every file, so that nothing is done whose report could not be kept. That is after the documents were read: a
    /// report can lie among them. Text goes to standard output unless something else does: an artefact in a file does not
    /// make a terminal silent.
    pub(crate) fn open(outputs: &[Output<Format>], console: Console) -> Result<Self, Failure> {
        let open = |Output { format, file }: &Output<Format>| Ok((*format, file.as_deref().map(Artefact::open).transpose()?));
        let opened = outputs.iter().map(open).collect::<Result<Vec<_>, Failure>>();
        let mut outputs = opened.map_err(|failure| failure.hint("what `-o` names is opened first: nothing was done"))?;
        if outputs.iter().all(|(_, file)| file.is_some()) {
            outputs.push((Format::Text, None));
        }
        Ok(Self { outputs, console })
    }

    /// What goes where; no file means standard output.
    pub(crate) fn outputs(&self) -> &[(Format, Option<Artefact>)] {
        &self.outputs
    }

    /// Whether standard output holds nothing but one form for programs, so that text for people goes elsewhere.
    pub(crate) fn form_on_stdout(&self) -> bool {
        self.outputs.iter().any(|(format, file)| file.is_none() && *format != Format::Text)
    }

    /// Writes everything.
    pub(crate) fn publish(&self, render: impl Fn(Format) -> String) -> Result<(), Failure> {
        for (format, file) in &self.outputs {
            let text = render(*format);
            match file {
                Some(file) => file.write(&text)?,
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
