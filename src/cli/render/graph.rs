//! An organisation as a picture: what stands in each box, and the languages in which it is written.

mod svg;

use std::fmt::Write;

use super::style::{count, counted};
use crate::{
    model::{Kind, visible},
    organisation::{Adrift, Division, Node, Organisation, People, Standing},
};

/// Boxes in clusters, one for each namespace in which there are any.
#[derive(Debug)]
pub(crate) struct Picture {
    clusters: Vec<Cluster>,
}

#[derive(Debug)]
struct Cluster {
    title: String,
    /// Each before what is below it.
    boxes: Vec<Tile>,
}

/// One box.
#[derive(Debug)]
struct Tile {
    /// Control characters are made visible; nothing else is escaped yet.
    lines: Vec<String>,
    look: Look,
    /// Whether it is a customer.
    round: bool,
    above: Option<usize>,
    depth: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Plain,
    /// Nobody in it can sign in.
    Off,
    /// Something is wrong with it.
    Wrong,
}

impl Picture {
    /// As many levels as are asked for.
    pub(crate) fn of(organisation: &Organisation, depth: Option<usize>) -> Self {
        let clusters = organisation.namespaces.iter().map(|division| cluster(division, depth.unwrap_or(usize::MAX)));
        Self { clusters: clusters.filter(|cluster| !cluster.boxes.is_empty()).collect() }
    }

    /// How many boxes there are.
    pub(crate) fn boxes(&self) -> usize {
        self.clusters.iter().map(|cluster| cluster.boxes.len()).sum()
    }

    /// For Mermaid (<https://mermaid.js.org/syntax/flowchart.html>).
    pub(crate) fn mermaid(&self) -> String {
        let mut out = "flowchart LR\n".to_owned();
        let mut looks = [(Look::Off, Vec::new()), (Look::Wrong, Vec::new())];
        let mut id = 0;
        for (row, Cluster { title, boxes }) in self.clusters.iter().enumerate() {
            let _ = writeln!(out, "  subgraph s{row}[\"{}\"]", mermaid(title));
            for (place, Tile { lines, look, round, above, depth: _ }) in boxes.iter().enumerate() {
                let lines: Vec<String> = lines.iter().map(|line| mermaid(line)).collect();
                let (open, close) = if *round { ("(", ")") } else { ("[", "]") };
                let _ = writeln!(out, "    n{}{open}\"{}\"{close}", id + place, lines.join("<br/>"));
                if let Some(above) = above {
                    let _ = writeln!(out, "    n{} --> n{}", id + above, id + place);
                }
                for (other, ids) in &mut looks {
                    if other == look {
                        ids.push(format!("n{}", id + place));
                    }
                }
            }
            out.push_str("  end\n");
            id += boxes.len();
        }
        for ((look, ids), (name, style)) in looks.iter().zip([
            ("off", "fill:#eeeeee,stroke:#777777,color:#555555,stroke-dasharray:4 3"),
            ("wrong", "fill:#fff1f0,stroke:#b42318,color:#7a1a12"),
        ]) {
            debug_assert_ne!(*look, Look::Plain);
            if !ids.is_empty() {
                let _ = writeln!(out, "  classDef {name} {style}\n  class {} {name}", ids.join(","));
            }
        }
        out
    }

    /// For Graphviz (<https://graphviz.org/doc/info/lang.html>).
    pub(crate) fn dot(&self) -> String {
        let mut out =
            "digraph tenantry {\n  rankdir=LR;\n  node [shape=box, style=filled, fillcolor=white, fontname=\"sans-serif\", \
                       fontsize=11];\n  fontname=\"sans-serif\";\n"
                .to_owned();
        let mut id = 0;
        for (row, Cluster { title, boxes }) in self.clusters.iter().enumerate() {
            let _ = writeln!(out, "  subgraph cluster_{row} {{\n    label=\"{}\";", dot(title));
            for (place, Tile { lines, look, round, above, depth: _ }) in boxes.iter().enumerate() {
                let label: Vec<String> = lines.iter().map(|line| dot(line)).collect();
                let form = if *round { "filled,rounded" } else { "filled" };
                let style = match look {
                    Look::Plain => format!("style=\"{form}\""),
                    Look::Off => {
                        format!("style=\"{form},dashed\", fillcolor=\"#eeeeee\", color=\"#777777\", fontcolor=\"#555555\"")
                    }
                    Look::Wrong => format!("style=\"{form}\", fillcolor=\"#fff1f0\", color=\"#b42318\", fontcolor=\"#7a1a12\""),
                };
                let _ = writeln!(out, "    n{} [label=\"{}\", {style}];", id + place, label.join("\\n"));
                if let Some(above) = above {
                    let _ = writeln!(out, "    n{} -> n{};", id + above, id + place);
                }
            }
            out.push_str("  }\n");
            id += boxes.len();
        }
        out + "}\n"
    }

    /// A picture by itself (<https://www.w3.org/TR/SVG11/>).
    pub(crate) fn svg(&self) -> String {
        svg::draw(&self.clusters)
    }
}

fn cluster(division: &Division, depth: usize) -> Cluster {
    let Division { namespace, roles: _, nodes, astray } = division;
    let mut boxes: Vec<Tile> = Vec::new();
    // For each node its box, or that of the nearest above it that has one.
    let mut drawn: Vec<usize> = Vec::with_capacity(nodes.len());
    let mut folded: Vec<(u64, u64)> = Vec::new();
    for node in nodes {
        match node.above.map(|above| drawn[above]) {
            Some(above) if node.depth >= depth => {
                folded[above].0 += 1;
                folded[above].1 += node.people.total();
                drawn.push(above);
            }
            above => {
                drawn.push(boxes.len());
                folded.push((0, 0));
                boxes.push(tile(node, above));
            }
        }
    }
    for (tile, (below, users)) in boxes.iter_mut().zip(folded) {
        if below > 0 {
            let with = if users > 0 { format!(", with {}", counted(users, "user", "users")) } else { String::new() };
            tile.lines.push(format!("and {} below{with}", count(below)));
        }
    }
    let mut lines = people(astray);
    if !lines.is_empty() {
        lines.insert(0, "In no company or customer that is known".into());
        boxes.push(Tile { lines, look: Look::Wrong, round: true, above: None, depth: 0 });
    }
    Cluster { title: visible(namespace.as_str()), boxes }
}

fn tile(node: &Node, above: Option<usize>) -> Tile {
    let Node { key, title, standing, adrift, above: _, depth, people: users, within: _ } = node;
    let mut lines = vec![visible(title)];
    if title.as_str() != key.name.as_str() {
        lines.push(key.name.to_string());
    }
    lines.extend(people(users));
    let mut look = match standing {
        Standing::Enabled => Look::Plain,
        Standing::Disabled | Standing::Retired | Standing::Gone => Look::Off,
        Standing::Broken => Look::Wrong,
    };
    lines.extend(self::standing(*standing).map(str::to_owned));
    if let Some(adrift) = adrift {
        lines.push(self::adrift(adrift));
        look = Look::Wrong;
    }
    Tile { lines, look, round: key.kind == Kind::Customer, above, depth: *depth }
}

/// How it stands with something, where that has to be said.
pub(super) fn standing(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::Enabled => None,
        Standing::Disabled => Some("disabled"),
        Standing::Retired => Some("retired"),
        Standing::Broken => Some("its document is broken"),
        Standing::Gone => Some("goes with this plan"),
    }
}

/// Why something stands at the top.
pub(super) fn adrift(adrift: &Adrift) -> String {
    match adrift {
        Adrift::Unknown(key) => format!("stands under {key}, which is not known"),
        Adrift::Cycle(key) => format!("stands under {key}, and that under it"),
    }
}

/// `12 users: 3 owner, 9 operations-engineer`, and what else is to be said of them.
fn people(people: &People) -> Vec<String> {
    let People { roles, disabled, retired, broken } = people;
    let mut lines = Vec::new();
    let total = roles.values().sum();
    if total > 0 {
        let by_role: Vec<String> = roles.iter().map(|(role, number)| format!("{} {role}", count(*number))).collect();
        lines.push(format!("{}: {}", counted(total, "user", "users"), by_role.join(", ")));
    }
    let others = [(*disabled, "disabled"), (*retired, "retired"), (*broken, "in broken documents")];
    let others: Vec<String> =
        others.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{} {word}", count(*number))).collect();
    if !others.is_empty() {
        lines.push(others.join(", "));
    }
    lines
}

/// Text in a quoted label of Mermaid. Whatever could be markup there, in Markdown around it or in the HTML that comes of it, is
/// the number of its character; `-` and `.` are markup (a list) only where no letter is before them.
fn mermaid(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | ',' | ':' | '/') || (matches!(c, '-' | '.') && before.is_alphabetic()) {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
        before = c;
    }
    out
}

/// Text in a quoted string of Graphviz, in which `\N` and `&amp;` mean something.
fn dot(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "\"]; <img src=x onerror=alert(1)> & `x` \\N #35; - 1. end";

    #[test]
    fn text_stays_text_in_each_language() {
        let text = mermaid(HOSTILE);
        let markup = ['"', '<', '>', '`', '[', ']', '(', '&', '\\', '='];
        assert!(!text.contains(markup), "{text}");
        // Every `#` begins a number that ends with `;`.
        let numbers = text.split('#').skip(1).all(|part| {
            part.split_once(';').is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()))
        });
        assert!(numbers, "{text}");
        assert!(text.contains("#35;35#59;"), "what looks like a number is none: {text}");
        assert_eq!(mermaid("north-service"), "north-service");
        assert_eq!(mermaid("- a 1. b"), "#45; a 1#46; b");

        assert_eq!(dot("a\"b\\N<c>&amp;"), "a\\\"b\\\\N&lt;c&gt;&amp;amp;");
    }
}
