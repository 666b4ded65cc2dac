//! What the script of the page shows: rows, and the tree of the organisation in one list.

use std::collections::HashMap;

use serde::Serialize;

use crate::{
    cli::render::{
        graph, report,
        rows::{Group, Row},
        style::counted,
    },
    model::{Key, Kind, Namespace, visible},
    organisation::{Division, Node, Organisation, Outlook, People},
    plan::Verb,
    report::ResultKind,
};

/// What the script shows.
#[derive(Serialize)]
pub(super) struct Data<'a> {
    groups: [GroupForm; 12],
    kinds: [&'static str; 4],
    rows: Vec<RowForm<'a>>,
    nodes: Vec<NodeForm>,
}

impl<'a> Data<'a> {
    /// Rows, each with the node that it is in.
    pub(super) fn new(rows: &'a [Row<'_>], outlook: Option<&Outlook>) -> Self {
        let (nodes, places) = outlook.map_or_else(Default::default, tree);
        Self {
            groups: Group::ALL.map(group_form),
            kinds: Kind::ALL.map(Kind::manifest),
            rows: rows.iter().map(|row| row_form(row, places.of(row.key, outlook))).collect(),
            nodes,
        }
    }
}

#[derive(Serialize)]
struct GroupForm {
    title: &'static str,
    loss: bool,
    held: bool,
    /// Shown where somebody asks for losses and holds alone.
    grave: bool,
}

#[derive(Serialize)]
struct RowForm<'a> {
    /// An index into the groups.
    group: usize,
    what: String,
    /// An index into the kinds.
    kind: usize,
    key: String,
    details: &'a [String],
    source: Option<&'a str>,
    /// The row of the node that it is in.
    at: Option<usize>,
    outcome: Option<&'static str>,
    error: Option<String>,
}

/// A namespace, a company or a customer; each stands before what is below it.
#[derive(Serialize)]
struct NodeForm {
    title: String,
    name: Option<String>,
    above: Option<usize>,
    depth: usize,
    marks: Vec<String>,
    /// Users directly in it, by role.
    roles: Vec<(String, u64)>,
    /// How many of those cannot sign in.
    disabled: u64,
    /// Users in it and in everything below.
    within: u64,
}

/// The word of a row. A loss that is none by its verb says both.
pub(super) fn what(group: Group, verb: Verb) -> String {
    if group == Group::Loss { format!("Loss: {}", verb.as_str()) } else { group.title().to_owned() }
}

fn group_form(group: Group) -> GroupForm {
    let (loss, held) = (group.destructive(), group == Group::Held);
    GroupForm { title: group.title(), loss, held, grave: loss || held }
}

fn row_form<'a>(row: &'a Row<'_>, at: Option<usize>) -> RowForm<'a> {
    let Row { group, key, verb, details, source, result } = row;
    let (outcome, error) = match result {
        None => (None, None),
        Some(ResultKind::Applied) => (Some("applied"), None),
        Some(ResultKind::Failed { message, retry_helps, refused: _, interrupted: _ }) => {
            (Some("failed"), Some(format!("{} {}", visible(message), report::next(*retry_helps))))
        }
        Some(ResultKind::Skipped(why)) => (Some("skipped"), Some(report::skipped(why))),
    };
    RowForm {
        group: Group::ALL.iter().position(|known| known == group).unwrap_or_default(),
        what: what(*group, *verb),
        kind: Kind::ALL.iter().position(|known| *known == key.kind).unwrap_or_default(),
        key: key.to_string(),
        details,
        source: source.as_deref(),
        at,
        outcome,
        error,
    }
}

/// Where the nodes of a tree stand in its list.
#[derive(Default)]
struct Places<'a> {
    nodes: HashMap<&'a Key, usize>,
    namespaces: HashMap<&'a Namespace, usize>,
}

impl Places<'_> {
    /// The node that something belongs to: its own, that of what it stands under, or its namespace.
    fn of(&self, key: &Key, outlook: Option<&Outlook>) -> Option<usize> {
        let above = || outlook?.places.get(key);
        let node = self.nodes.get(key).or_else(|| self.nodes.get(above()?));
        node.or_else(|| self.namespaces.get(&key.namespace)).copied()
    }
}

/// The tree in one list: every namespace, and behind it what is in it.
fn tree(outlook: &Outlook) -> (Vec<NodeForm>, Places<'_>) {
    let Outlook { organisation: Organisation { namespaces }, places: _ } = outlook;
    let (mut forms, mut places) = (Vec::new(), Places::default());
    for Division { namespace, roles: _, nodes, astray } in namespaces {
        let top = forms.len();
        places.namespaces.insert(namespace, top);
        let within = nodes.iter().map(|node| node.people.total()).sum::<u64>() + astray.total();
        let title = if namespace.is_global() { "Roles of every namespace".into() } else { visible(namespace.as_str()) };
        let marks = match astray.total() {
            0 => Vec::new(),
            number => vec![format!("{} in no company or customer that is known", counted(number, "user", "users"))],
        };
        forms.push(NodeForm {
            title,
            name: None,
            above: None,
            depth: 0,
            marks,
            roles: roles(astray),
            disabled: astray.disabled,
            within,
        });
        for node in nodes {
            places.nodes.insert(&node.key, forms.len());
            forms.push(node_form(node, top));
        }
    }
    (forms, places)
}

fn node_form(node: &Node, top: usize) -> NodeForm {
    let Node { key, title, standing, adrift, above, depth, people, within } = node;
    let marks = graph::standing(*standing).map(str::to_owned).into_iter().chain(adrift.as_ref().map(graph::adrift));
    NodeForm {
        title: visible(title),
        name: Some(key.name.to_string()),
        above: Some(above.map_or(top, |above| top + 1 + above)),
        depth: depth + 1,
        marks: marks.collect(),
        roles: roles(people),
        disabled: people.disabled,
        within: *within,
    }
}

fn roles(people: &People) -> Vec<(String, u64)> {
    people.roles.iter().map(|(role, number)| (role.to_string(), *number)).collect()
}
