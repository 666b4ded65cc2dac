//! JSON lines: the same fields as in the JSON form, one value on each line, for programs that read while they are written to.

use serde::Serialize;

use super::{
    View,
    json::{
        self, ChangeForm, CredentialForm, DoneForm, FORMAT_VERSION, HoldForm, ObjectForm, PlanForm, ProblemForm, RefusalForm,
        SourceForm, TakesForm,
    },
};
use crate::{
    cli::{failure::Failure, summary::Summary},
    manifest::{Diagnostic, Severity},
    plan::Change,
};

/// One line: what it is, and its fields.
#[derive(Serialize)]
struct Line<'a, T> {
    r#type: &'static str,
    #[serde(flatten)]
    fields: &'a T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    format_version: &'static str,
}

/// What is done with one object. The verb is that of the change alone: what is held beside it has a line of its own.
#[derive(Serialize)]
struct ChangeLine {
    key: String,
    #[serde(rename = "directoryId")]
    directory_id: Option<String>,
    verb: &'static str,
    reason: Option<&'static str>,
    source: Option<SourceForm>,
    changes: Vec<ChangeForm>,
    credential: Option<CredentialForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    takes: Option<TakesForm>,
}

/// What is not done with one object, and why.
#[derive(Serialize)]
struct HoldLine {
    key: String,
    source: Option<SourceForm>,
    #[serde(flatten)]
    hold: HoldForm,
}

/// The last line: whoever reads it knows that nothing is missing.
#[derive(Serialize)]
struct SummaryLine {
    digest: String,
    directory: String,
    owner: String,
    actor: Option<String>,
    summary: Summary,
    loosens: Vec<String>,
    refused: Option<RefusalForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<DoneForm>,
}

#[derive(Serialize)]
struct CheckLine {
    documents: u64,
    errors: u64,
    warnings: u64,
}

/// A plan, or an apply where it was one.
pub(super) fn plan_or_apply(view: &View<'_>) -> String {
    let PlanForm { format_version: _, digest, directory, owner, actor, summary, objects, problems, loosens, refused } =
        PlanForm::new(view);
    let mut out = begin();
    for (object, decision) in objects.into_iter().zip(&view.planned.plan.decisions) {
        let ObjectForm { key, directory_id, verb: _, reason, source, changes, credential, hold, takes } = object;
        if let Some(verb) = decision.change.as_ref().map(Change::verb) {
            let change = ChangeLine {
                key: key.clone(),
                directory_id,
                verb: verb.as_str(),
                reason,
                source: source.clone(),
                changes,
                credential,
                takes,
            };
            line(&mut out, "change", &change);
        }
        if let Some(hold) = hold {
            line(&mut out, "hold", &HoldLine { key, source, hold });
        }
    }
    self::problems(&mut out, &problems);
    for result in view.report.map(json::results).iter().flatten() {
        line(&mut out, "result", result);
    }
    let done = view.report.map(json::done);
    line(&mut out, "summary", &SummaryLine { digest, directory, owner, actor, summary, loosens, refused, done });
    out
}

/// What a check found.
pub(super) fn check(documents: u64, found: &[Diagnostic]) -> String {
    let count = |severity| found.iter().filter(|problem| problem.severity == severity).count() as u64;
    let mut out = begin();
    problems(&mut out, &json::list(found));
    line(&mut out, "summary", &CheckLine { documents, errors: count(Severity::Error), warnings: count(Severity::Warning) });
    out
}

/// Why a command could not do its work.
pub(crate) fn error(failure: &Failure) -> String {
    let (error, found) = json::error(failure);
    let mut out = begin();
    problems(&mut out, &found);
    line(&mut out, "error", &error);
    out
}

fn begin() -> String {
    let mut out = String::new();
    line(&mut out, "version", &Version { format_version: FORMAT_VERSION });
    out
}

fn problems(out: &mut String, problems: &[ProblemForm]) {
    for problem in problems {
        line(out, "problem", problem);
    }
}

fn line(out: &mut String, r#type: &'static str, fields: &impl Serialize) {
    // Nothing of ours can fail to be JSON: keys are texts, and there are no numbers but counts.
    out.push_str(&serde_json::to_string(&Line { r#type, fields }).unwrap_or_default());
    out.push('\n');
}
