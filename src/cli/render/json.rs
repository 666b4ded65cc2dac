//! The machine-readable forms, `formatVersion` "1.0": minor adds, major breaks. These structs are the contract; their JSON
//! Schema is what `tenantry schema plan` prints.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    cli::{failure::Failure, render::View, summary::Summary},
    manifest::{Diagnostic, Severity, Sources},
    model::{Credential, Field, FieldChange, FieldValue},
    observed::Contents,
    pipeline::Planned,
    plan::{Change, CredentialAction, Decision, Held, Refusal},
    report::{Done, Outcome, Report, ResultKind, Skipped},
};

/// The version of all forms.
pub(crate) const FORMAT_VERSION: &str = "1.0";

/// What `tenantry plan -o json` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "Plan")]
pub(super) struct PlanForm {
    /// Minor adds, major breaks.
    pub(super) format_version: &'static str,
    /// `sha256:` and 64 hexadecimal digits over what would be done and what is held.
    pub(super) digest: String,
    /// The directory's name.
    pub(super) directory: String,
    /// Whose declaration.
    pub(super) owner: String,
    /// Who acts; null means the operator of the tool.
    pub(super) actor: Option<String>,
    /// How many objects meet which fate.
    pub(super) summary: Summary,
    /// Everything except the unchanged, sorted by key.
    pub(super) objects: Vec<ObjectForm>,
    /// What is wrong with the documents.
    pub(super) problems: Vec<ProblemForm>,
    /// What the project loosens of what was applied last, for people.
    pub(super) loosens: Vec<String>,
    /// The first gate that `apply` would refuse at.
    pub(super) refused: Option<RefusalForm>,
}

/// What `tenantry apply -o json` prints: the plan, and what became of it.
#[derive(Debug, Serialize, JsonSchema)]
struct ApplyForm {
    #[serde(flatten)]
    plan: PlanForm,
    /// One for each change, sorted by key.
    results: Vec<ResultForm>,
    /// How many changes came to what.
    done: DoneForm,
}

/// What `tenantry validate -o json` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ValidateForm {
    format_version: &'static str,
    problems: Vec<ProblemForm>,
}

/// What every command prints when it cannot do its work and JSON is asked for.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorForm {
    format_version: &'static str,
    error: ErrorBody,
    problems: Vec<ProblemForm>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorBody {
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    exit_code: u8,
}

/// One object that is not as it should be.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ObjectForm {
    /// KIND/NAMESPACE/NAME.
    pub(super) key: String,
    /// The directory's identifier of what changes; null where nothing does, and for what is created.
    #[serde(rename = "directoryId")]
    pub(super) directory_id: Option<String>,
    /// The weightiest of what happens.
    #[schemars(extend("enum" = ["delete", "disable", "release", "held", "move", "rename", "create", "enable", "adopt", "credential", "edit"]))]
    pub(super) verb: &'static str,
    /// Why it changes; null where nothing does.
    pub(super) reason: Option<&'static str>,
    /// Where it is declared, or was last.
    pub(super) source: Option<SourceForm>,
    /// What differs; for a create every field that is given.
    pub(super) changes: Vec<ChangeForm>,
    /// The credential that is asked for with it.
    pub(super) credential: Option<CredentialForm>,
    /// What is not done, and why.
    pub(super) hold: Option<HoldForm>,
    /// What of the directory's own goes with it where it is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) takes: Option<TakesForm>,
}

/// What of the directory's own goes with a thing that is deleted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct TakesForm {
    /// How many of each sort, which says what becomes of them: `devices unassigned`.
    counts: BTreeMap<String, u64>,
    /// The first ten.
    first: Vec<String>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct SourceForm {
    /// As it was read: below a PATH that was given, else relative to the working directory.
    file: String,
    /// From 1.
    line: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ChangeForm {
    /// The name in `spec` where there is one.
    field: &'static str,
    /// What the directory holds.
    #[schemars(schema_with = "field_value")]
    before: FieldValue,
    /// What is wanted.
    #[schemars(schema_with = "field_value")]
    after: FieldValue,
    /// Personal data: keep it out of public logs.
    sensitive: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CredentialForm {
    #[schemars(extend("enum" = ["Invite", "Temporary", "Secret", "Hash", "None"]))]
    method: &'static str,
    /// Where the secret is to be found, for `Secret` and `Hash`: `env NAME`, `file PATH`.
    from: Option<String>,
    /// The `credential.reset` of the document.
    reset: Option<String>,
    /// What the account's mark says from then on: `owed` is one that becomes due, `given` one that counts as delivered.
    #[schemars(extend("enum" = ["none", "owed", "given"]))]
    mark: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HoldForm {
    /// `Invalid`, `NotOurs`, `Taken`, …
    reason: &'static str,
    /// Why, and literally what to write.
    message: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RefusalForm {
    #[schemars(extend("enum" = ["budget", "creates", "mails", "empty-input", "root-changed", "last-holder", "role", "settings", "stale-plan"]))]
    gate: &'static str,
    message: String,
    /// The flag that allows exactly this, where there is one.
    flag: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ProblemForm {
    /// `T0007`
    code: String,
    #[schemars(extend("enum" = ["error", "warning"]))]
    severity: &'static str,
    message: String,
    file: String,
    /// From 1.
    line: u32,
    /// From 1, in characters.
    column: u32,
    hint: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ResultForm {
    key: String,
    verb: &'static str,
    #[schemars(extend("enum" = ["applied", "failed", "skipped"]))]
    outcome: &'static str,
    /// What the directory said, or why it was not tried.
    error: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DoneForm {
    applied: u64,
    failed: u64,
    skipped: u64,
}

fn field_value(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["null", "boolean", "string", "array"], "items": { "type": "string" } })
}

/// A plan, or an apply where it was one.
pub(crate) fn plan_or_apply(view: &View<'_>) -> String {
    let plan = PlanForm::new(view);
    match view.report {
        Some(report) => print(&ApplyForm::new(plan, report)),
        None => print(&plan),
    }
}

impl PlanForm {
    /// A plan with what was found on the way.
    pub(super) fn new(view: &View<'_>) -> Self {
        let View { planned, report: _, actor, problems, sources } = *view;
        let Planned { plan, acting: _, problems: _, refused, applied: _, outlook: _, read: _, planned: _ } = planned;
        Self {
            format_version: FORMAT_VERSION,
            digest: plan.digest(),
            directory: plan.directory.clone(),
            owner: plan.owner.to_string(),
            actor: actor.map(str::to_owned),
            summary: Summary::of(plan),
            objects: plan.decisions.iter().map(|decision| object(decision, sources)).collect(),
            problems: list(problems),
            loosens: plan.loosens.clone(),
            refused: refused.first().map(refusal),
        }
    }
}

impl ApplyForm {
    /// A plan with what became of it.
    fn new(plan: PlanForm, report: &Report) -> Self {
        Self { plan, results: results(report), done: done(report) }
    }
}

impl ValidateForm {
    pub(crate) fn new(problems: &[Diagnostic]) -> Self {
        Self { format_version: FORMAT_VERSION, problems: list(problems) }
    }
}

impl ErrorForm {
    pub(crate) fn new(failure: &Failure) -> Self {
        let (error, problems) = error(failure);
        Self { format_version: FORMAT_VERSION, error, problems }
    }
}

/// One JSON value, for people too.
pub(crate) fn print(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"));
    text.push('\n');
    text
}

/// The JSON Schema of [`PlanForm`].
pub(crate) fn plan_schema() -> schemars::Schema {
    schemars::schema_for!(PlanForm)
}

pub(super) fn refusal(refusal: &Refusal) -> RefusalForm {
    let Refusal { gate, message, flag } = refusal;
    RefusalForm { gate: gate.name(), message: message.clone(), flag: flag.clone() }
}

fn object(decision: &Decision, sources: &Sources) -> ObjectForm {
    let Decision { key, change, held, origin } = decision;
    let declared = origin.map(|origin| sources.display(origin));
    let last = change.as_ref().and_then(|change| change.source.clone());
    ObjectForm {
        key: key.to_string(),
        directory_id: change.as_ref().and_then(|change| change.remote.as_ref()).map(|id| id.0.to_string()),
        verb: decision.verb().as_str(),
        reason: change.as_ref().map(|change| change.reason.name()),
        source: declared.or(last).and_then(|place| source(&place)),
        changes: change.as_ref().map_or_else(Vec::new, changes),
        credential: change.as_ref().and_then(|change| change.credential.as_ref()).map(credential),
        hold: held.as_ref().map(hold),
        takes: change.as_ref().and_then(|change| change.takes.as_deref()).map(takes),
    }
}

fn takes(contents: &Contents) -> TakesForm {
    let Contents { counts, first } = contents;
    TakesForm {
        counts: counts.iter().map(|(what, count)| (what.to_string(), *count)).collect(),
        first: first.iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn source(place: &str) -> Option<SourceForm> {
    let (file, line) = place.rsplit_once(':')?;
    Some(SourceForm { file: file.to_owned(), line: line.parse().ok()? })
}

fn changes(change: &Change) -> Vec<ChangeForm> {
    change.differences().into_iter().map(form).collect()
}

fn credential(action: &CredentialAction) -> CredentialForm {
    let CredentialAction { credential: Credential { method, source, reset }, mark } = action;
    let from = source.as_ref().map(ToString::to_string);
    CredentialForm { method: method.as_str(), from, reset: reset.as_ref().map(ToString::to_string), mark: mark.word() }
}

pub(super) fn form(change: FieldChange) -> ChangeForm {
    let FieldChange { field, before, after } = change;
    ChangeForm { field: field.name(), before, after, sensitive: sensitive(field) }
}

/// A failure, and the places in the project file that are wrong.
pub(super) fn error(failure: &Failure) -> (ErrorBody, Vec<ProblemForm>) {
    let Failure { exit, message, causes, hint, problems } = failure;
    let error = ErrorBody { message: message.clone(), causes: causes.clone(), hint: hint.clone(), exit_code: exit.code() };
    (error, list(problems))
}

/// Everything that is wrong.
pub(super) fn list(problems: &[Diagnostic]) -> Vec<ProblemForm> {
    problems.iter().map(problem).collect()
}

pub(super) fn hold(held: &Held) -> HoldForm {
    let Held { hold, message } = held;
    HoldForm { reason: hold.name(), message: message.clone() }
}

pub(super) fn problem(diagnostic: &Diagnostic) -> ProblemForm {
    let Diagnostic { code, severity, message, file, line, column, hint, snippet: _, related: _ } = diagnostic;
    let severity = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    ProblemForm {
        code: code.to_string(),
        severity,
        message: message.clone(),
        file: file.clone(),
        line: *line,
        column: *column,
        hint: hint.clone(),
    }
}

/// What became of every change.
pub(super) fn results(report: &Report) -> Vec<ResultForm> {
    report.results.iter().map(result).collect()
}

/// How many changes came to what.
pub(super) fn done(report: &Report) -> DoneForm {
    let Done { applied, failed, skipped } = report.done();
    DoneForm { applied, failed, skipped }
}

fn result(outcome: &Outcome) -> ResultForm {
    let Outcome { key, verb, source: _, id: _, result } = outcome;
    let (outcome, error) = match result {
        ResultKind::Applied => ("applied", None),
        ResultKind::Failed { message, retry_helps: _, refused: _, interrupted: _ } => ("failed", Some(message.clone())),
        ResultKind::Skipped(Skipped::Dependency(key)) => ("skipped", Some(format!("{key} was not done, and this needs it"))),
        ResultKind::Skipped(Skipped::Interrupted) => ("skipped", Some("the run was asked to stop".into())),
    };
    ResultForm { key: key.to_string(), verb: verb.as_str(), outcome, error }
}

/// Personal data of people and of those who speak for a company.
pub(super) fn sensitive(field: Field) -> bool {
    match field {
        Field::Locked
        | Field::Email
        | Field::FirstName
        | Field::LastName
        | Field::Phone
        | Field::ContactName
        | Field::ContactEmail
        | Field::ContactPhone
        | Field::Justification => true,
        Field::Key
        | Field::Owner
        | Field::Retired
        | Field::Enabled
        | Field::Suspended
        | Field::Deletion
        | Field::Parent
        | Field::Company
        | Field::Customer
        | Field::Username
        | Field::DisplayName
        | Field::Region
        | Field::Role
        | Field::Description
        | Field::Expires
        | Field::Type
        | Field::Logo
        | Field::Country
        | Field::State
        | Field::City
        | Field::Zip
        | Field::Line1
        | Field::Line2
        | Field::LivesUnder
        | Field::MayAppoint
        | Field::Privileged
        | Field::ManageCompanies
        | Field::ManageCustomers
        | Field::Requires => false,
    }
}
