//! The rows of a plan for forms that are read from the top: what is lost comes first, then what is held.

use smol_str::SmolStr;

use super::{View, detail, style::counted};
use crate::{
    model::{Key, visible},
    plan::{Change, Decision, Verb},
    report::ResultKind,
};

/// What rows are put together by, weightiest first. The order is the one in which they are shown, and the other way round the
/// one in which they are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Group {
    Delete,
    Disable,
    Release,
    /// A privileged role taken away, or another namespace.
    Loss,
    Held,
    Move,
    Rename,
    Create,
    Enable,
    Adopt,
    Credential,
    Edit,
}

impl Group {
    /// Every group, in order.
    pub(super) const ALL: [Self; 12] = [
        Self::Delete,
        Self::Disable,
        Self::Release,
        Self::Loss,
        Self::Held,
        Self::Move,
        Self::Rename,
        Self::Create,
        Self::Enable,
        Self::Adopt,
        Self::Credential,
        Self::Edit,
    ];

    fn of(change: &Change) -> Self {
        let group = match change.verb() {
            Verb::Delete => Self::Delete,
            Verb::Disable => Self::Disable,
            Verb::Release => Self::Release,
            Verb::Held => Self::Held,
            Verb::Move => Self::Move,
            Verb::Rename => Self::Rename,
            Verb::Create => Self::Create,
            Verb::Enable => Self::Enable,
            Verb::Adopt => Self::Adopt,
            Verb::Credential => Self::Credential,
            Verb::Edit => Self::Edit,
        };
        if change.loss > 0 && !group.destructive() { Self::Loss } else { group }
    }

    /// What stands above its rows.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Delete => "Delete",
            Self::Disable => "Disable",
            Self::Release => "Release",
            Self::Loss => "Other losses",
            Self::Held => "Held",
            Self::Move => "Move",
            Self::Rename => "Rename",
            Self::Create => "Create",
            Self::Enable => "Enable",
            Self::Adopt => "Adopt",
            Self::Credential => "Issue a credential",
            Self::Edit => "Edit",
        }
    }

    /// As in `3 more to delete`.
    pub(super) fn to_do(self) -> &'static str {
        match self {
            Self::Delete => "to delete",
            Self::Disable => "to disable",
            Self::Release => "to release",
            Self::Loss => "that lose something",
            Self::Held => "held",
            Self::Move => "to move",
            Self::Rename => "to rename",
            Self::Create => "to create",
            Self::Enable => "to enable",
            Self::Adopt => "to adopt",
            Self::Credential => "to issue a credential",
            Self::Edit => "to edit",
        }
    }

    /// Whether somebody or something loses by it.
    pub(super) fn destructive(self) -> bool {
        match self {
            Self::Delete | Self::Disable | Self::Release | Self::Loss => true,
            Self::Held | Self::Move | Self::Rename | Self::Create | Self::Enable | Self::Adopt | Self::Credential | Self::Edit => {
                false
            }
        }
    }
}

/// One change, or one hold.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) group: Group,
    pub(super) key: &'a Key,
    pub(super) verb: Verb,
    /// Why, what differs, and what it counts; control characters are made visible.
    pub(super) details: Vec<String>,
    /// `users/service.yaml:41`, unless the details say it.
    pub(super) source: Option<SmolStr>,
    /// What became of it, where it was carried out.
    pub(super) result: Option<&'a ResultKind>,
}

/// Every row, by group and key.
pub(super) fn rows<'a>(view: &View<'a>) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = view.planned.plan.decisions.iter().flat_map(|decision| of(decision, view)).collect();
    // They come sorted by key, and stay so.
    rows.sort_by_key(|row| row.group);
    rows
}

fn of<'a>(decision: &'a Decision, view: &View<'a>) -> impl Iterator<Item = Row<'a>> {
    let Decision { key, change, held, origin } = decision;
    let declared = origin.map(|origin| view.sources.display(origin));
    let results = view.report.map_or(&[][..], |report| &report.results);
    let result = results.binary_search_by(|outcome| outcome.key.cmp(key)).ok().map(|row| &results[row].result);
    let last = change.as_ref().and_then(|change| change.source.clone());
    let changed = change.as_ref().map(|change| {
        let (group, verb) = (Group::of(change), change.verb());
        let mut details = detail::change(change);
        if group == Group::Loss {
            details.push(format!("this counts as {}", counted(change.loss, "loss", "losses")));
        }
        let source = declared.clone().or(last).map(|source| SmolStr::from(visible(&source)));
        let source = source.filter(|source| !details.iter().any(|detail| detail.contains(source.as_str())));
        Row { group, key, verb, details, source, result }
    });
    let held = held.as_ref().map(|held| {
        let details = vec![visible(&held.message)];
        let source = declared.map(|source| SmolStr::from(visible(&source)));
        let source = source.filter(|source| !details[0].contains(source.as_str()));
        Row { group: Group::Held, key, verb: Verb::Held, details, source, result: None }
    });
    changed.into_iter().chain(held)
}
