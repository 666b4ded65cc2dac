//! Words, tables and machine-readable forms. Takes data, gives text; writes nowhere.

mod detail;
pub(crate) mod diagnostics;
pub(crate) mod drift;
pub(crate) mod error;
mod findings;
#[cfg(test)]
mod fixture;
mod github;
pub(crate) mod graph;
pub(crate) mod history;
mod html;
pub(crate) mod json;
pub(crate) mod jsonl;
mod junit;
mod markdown;
pub(crate) mod objects;
pub(crate) mod plan;
pub(crate) mod report;
mod rows;
mod sarif;
pub(crate) mod style;
pub(crate) mod why;

use super::args::Format;
use crate::{
    manifest::{Diagnostic, Sources},
    pipeline::Planned,
    report::Report,
};

/// A plan, and what became of it where it was carried out: what every form is made of.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// The plan.
    pub(crate) planned: &'a Planned,
    /// What became of it; none where nothing was to be carried out.
    pub(crate) report: Option<&'a Report>,
    /// Who acts; none means the operator.
    pub(crate) actor: Option<&'a str>,
    /// What is wrong with the documents.
    pub(crate) problems: &'a [Diagnostic],
    /// Where documents stand.
    pub(crate) sources: &'a Sources,
}

/// A line of its own for whoever watches.
pub(crate) fn note(text: &str) -> String {
    format!("{} {text}\n", style::paint(style::HINT, "note:"))
}

/// A plan in one form. Text for people says the plan alone: what became of it is told when it has.
pub(crate) fn form(format: Format, view: &View<'_>) -> String {
    match format {
        Format::Text => plan::text(view.planned, view.sources),
        Format::Json => json::plan_or_apply(view),
        Format::Jsonl => jsonl::plan_or_apply(view),
        Format::Markdown => markdown::plan_or_apply(view),
        Format::Html => html::plan_or_apply(view),
        Format::Sarif => sarif::text(&findings::plan(view)),
        Format::Github => github::text(&[findings::plan(view), findings::losses(view)].concat()),
        Format::Junit => junit::plan(view),
    }
}

/// What a check of `documents` documents found, in one form.
pub(crate) fn check(format: Format, documents: u64, problems: &[Diagnostic]) -> String {
    match format {
        Format::Text => diagnostics::verdict(documents, problems),
        Format::Json => json::print(&json::ValidateForm::new(problems)),
        Format::Jsonl => jsonl::check(documents, problems),
        Format::Markdown => markdown::check(documents, problems),
        Format::Html => html::check(documents, problems),
        Format::Sarif => sarif::text(&findings::problems(problems)),
        Format::Github => github::text(&findings::problems(problems)),
        Format::Junit => junit::check(documents, findings::problems(problems)),
    }
}
