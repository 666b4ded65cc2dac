//! The rules that concern several documents. Each is a function; [`judge`] is the list of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Desired, Entry, Wanted, roles::Regions};
use crate::{
    manifest::{Code, Extent, Place, Problem, Project},
    model::{Body, CompanyType, Key, Kind, Name, State},
};

/// Applies every rule to a declaration, then breaks the entries that broke one. Rules see what was written, not what other
/// rules made of it, so their order does not matter.
pub(super) fn judge(desired: &mut Desired, project: &Project, problems: &mut Vec<Problem>) {
    let rules: &[fn(&Desired, &Project) -> Vec<Finding>] =
        &[usernames, emails, titles, adoptions, regions, references, cycles, parents, moves];
    let findings: Vec<Finding> = rules.iter().flat_map(|rule| rule(desired, project)).collect();
    for Finding { spoils, problem } in findings {
        for row in spoils {
            desired.entries[row].spoil();
        }
        problems.extend(problem);
    }
}

/// What a rule found: rows of entries that it breaks, and a problem to show.
struct Finding {
    spoils: Vec<usize>,
    problem: Option<Problem>,
}

fn states(desired: &Desired) -> impl Iterator<Item = (usize, &Entry, &State)> {
    desired.entries.iter().enumerate().filter_map(|(row, entry)| Some((row, entry, entry.state()?)))
}

/// Two sound documents that claim one value: an error at the second, and neither is applied, since which of the two is
/// meant nobody can say.
fn claims<'a, V: std::hash::Hash + Eq>(
    claimants: impl Iterator<Item = (usize, &'a Entry, V)>,
    place: &Place,
    what: impl Fn(&V) -> String,
) -> Vec<Finding> {
    let claimants: Vec<_> = claimants.collect();
    let mut first: HashMap<&V, usize> = HashMap::with_capacity(claimants.len());
    let mut findings = Vec::new();
    for (index, (row, entry, value)) in claimants.iter().enumerate() {
        let holder = *first.entry(value).or_insert(index);
        if holder == index {
            continue;
        }
        let (other_row, other, _) = &claimants[holder];
        // The sentence belongs to the document that comes later in the files, whatever the keys.
        let (early, late) = if entry.origin < other.origin { (entry, other) } else { (other, entry) };
        let problem = Problem::error(Code::DuplicateClaim, late.origin, place.clone(), what(value))
            .related(early.origin, place.clone(), format!("also claimed by `{}` here", early.key))
            .of(&late.key);
        findings.push(Finding { spoils: vec![*row, *other_row], problem: Some(problem) });
    }
    findings
}

/// Objects of a cluster are written by people who may not know of each other: nobody breaks what another has declared. Who gets
/// a name or an e-mail that two want is decided with the accounts that hold it.
fn objects(desired: &Desired) -> bool {
    desired.extent == Extent::Objects
}

/// A problem of two is told at the one that it breaks, where it breaks one alone.
fn at_the_broken(desired: &Desired, mut finding: Finding) -> Finding {
    if let ([row], Some(problem)) = (&finding.spoils[..], &mut finding.problem) {
        problem.key = Some(desired.entries[*row].key.clone());
    }
    finding
}

/// Of two that contradict each other the younger is broken, where they are objects of a cluster; else both.
fn younger(desired: &Desired, rows: [usize; 2]) -> Vec<usize> {
    if objects(desired) {
        rows.into_iter().max_by_key(|row| desired.entries[*row].origin).into_iter().collect()
    } else {
        rows.into()
    }
}

fn usernames(desired: &Desired, _: &Project) -> Vec<Finding> {
    if objects(desired) {
        return Vec::new();
    }
    let claimants = states(desired).filter_map(|(row, entry, state)| Some((row, entry, state.body.user()?.username.as_str())));
    claims(claimants, &Place::path("spec.username"), |value| format!("the username `{value}` is claimed twice"))
}

fn emails(desired: &Desired, _: &Project) -> Vec<Finding> {
    if objects(desired) {
        return Vec::new();
    }
    let claimants = states(desired).filter_map(|(row, entry, state)| Some((row, entry, state.body.user()?.email.as_str())));
    claims(claimants, &Place::path("spec.email"), |value| format!("the e-mail `{value}` is claimed twice"))
}

fn titles(desired: &Desired, _: &Project) -> Vec<Finding> {
    if objects(desired) {
        return Vec::new();
    }
    let claimants = states(desired).filter_map(|(row, entry, state)| match &state.body {
        Body::Customer(customer) => {
            Some((row, entry, (&entry.key.namespace, state.place.as_ref(), customer.display_name.as_str())))
        }
        Body::Role(_) | Body::Company(_) | Body::User(_) => None,
    });
    claims(claimants, &Place::path("spec.displayName"), |value| format!("two customers of one company are called `{}`", value.2))
}

/// One account is taken over by one document.
fn adoptions(desired: &Desired, _: &Project) -> Vec<Finding> {
    let claimants = states(desired).filter_map(|(row, entry, _)| Some((row, entry, (entry.key.kind, entry.adopt.as_ref()?))));
    let place = Place::annotation(crate::manifest::ADOPT);
    let mut findings = claims(claimants, &place, |value| format!("the account `{}` is adopted twice", value.1.0));
    for finding in &mut findings {
        if let [a, b] = finding.spoils[..] {
            finding.spoils = younger(desired, [a, b]);
        }
    }
    findings.into_iter().map(|finding| at_the_broken(desired, finding)).collect()
}

fn regions(desired: &Desired, project: &Project) -> Vec<Finding> {
    let region = |state: &State| match &state.body {
        Body::Company(company) => company.region.clone(),
        Body::User(user) => user.region.clone(),
        Body::Role(_) | Body::Customer(_) => None,
    };
    let unknown = states(desired).filter_map(|(row, entry, state)| Some((row, entry, region(state)?)));
    let unknown = unknown.filter(|(_, _, region)| !project.regions.contains_key(region));
    unknown
        .map(|(row, entry, region)| {
            let message = format!("the project has no region `{region}`");
            let problem = Problem::error(Code::UnknownRegion, entry.origin, Place::path("spec.region"), message).of(&entry.key);
            Finding {
                spoils: vec![row],
                problem: Some(suggest(problem, region.as_str(), project.regions.keys().map(Name::as_str))),
            }
        })
        .collect()
}

/// In a whole declaration whatever is referred to is declared. In a part it may stand in the directory alone: planning
/// finds out.
fn references(desired: &Desired, _: &Project) -> Vec<Finding> {
    if !desired.whole() {
        return Vec::new();
    }
    let dangling = states(desired).filter_map(|(_, entry, state)| Some((entry, state.above()?)));
    let dangling = dangling.filter(|(_, above)| desired.get(above).is_none());
    dangling
        .map(|(entry, above)| Finding { spoils: Vec::new(), problem: Some(unknown_reference(desired, entry, &above)) })
        .collect()
}

/// The problem of a reference to something that is not declared.
pub(super) fn unknown_reference(desired: &Desired, entry: &Entry, above: &Key) -> Problem {
    let path = Place::path(&format!("spec.{}", reference_field(entry.key.kind, above.kind)));
    let kind = above.kind.word();
    let message = format!("there is no {kind} `{}` in namespace `{}`", above.name, above.namespace);
    let near = desired.of(above.kind).iter().filter(|it| it.key.namespace == above.namespace).map(|it| it.key.name.as_str());
    let problem =
        suggest(Problem::error(Code::UnknownReference, entry.origin, path, message).of(&entry.key), above.name.as_str(), near);
    if problem.hint.is_some() {
        return problem;
    }
    let elsewhere = desired.of(above.kind).iter().find(|it| it.key.name == above.name);
    match elsewhere {
        Some(other) => problem.hint(format!("a reference never leaves its namespace, and that {kind} is `{}`", other.key)),
        None => problem.hint(format!("declare it, or name a {kind} that is declared")),
    }
}

/// The field in which a thing of `kind` names what it stands under.
pub(super) fn reference_field(kind: Kind, above: Kind) -> &'static str {
    if kind == Kind::Company { "parent" } else { above.word() }
}

/// Every company of a cycle is broken; the problem stands at the first of them.
fn cycles(desired: &Desired, _: &Project) -> Vec<Finding> {
    let companies = desired.of(Kind::Company);
    let offset = companies.first().and_then(|first| desired.entries.iter().position(|entry| entry.key == first.key)).unwrap_or(0);
    let parent = |row: usize| {
        let above = companies[row].state()?.above()?;
        companies.binary_search_by(|entry| entry.key.cmp(&above)).ok()
    };
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new(); // row → the walk that first came by
    let mut findings = Vec::new();
    for start in 0..companies.len() {
        let (mut walk, mut row) = (Vec::new(), start);
        loop {
            match seen.get(&row) {
                Some(by) if *by == start => {
                    let from = walk.iter().position(|it| *it == row).unwrap_or(0);
                    let cycle = &walk[from..];
                    findings.push(cycle_finding(companies, cycle, offset));
                    break;
                }
                Some(_) => break,
                None => {}
            }
            seen.insert(row, start);
            walk.push(row);
            match parent(row) {
                Some(above) => row = above,
                None => break,
            }
        }
    }
    findings
}

fn cycle_finding(companies: &[Entry], cycle: &[usize], offset: usize) -> Finding {
    let mut names: Vec<&str> = cycle.iter().map(|row| companies[*row].key.name.as_str()).collect();
    names.push(names[0]);
    let first = &companies[cycle[0]];
    let place = || Place::path("spec.parent");
    let message = format!("companies stand above each other: {}", names.join(" → "));
    let mut problem = Problem::error(Code::Cycle, first.origin, place(), message).of(&first.key);
    for row in &cycle[1..] {
        problem = problem.related(companies[*row].origin, place(), "and this one");
    }
    Finding { spoils: cycle.iter().map(|row| row + offset).collect(), problem: Some(problem) }
}

/// A distributor may stand above both, an installer above installers (manual S1).
fn parents(desired: &Desired, _: &Project) -> Vec<Finding> {
    let company_type = |state: &State| match &state.body {
        Body::Company(company) => company.company_type,
        Body::Role(_) | Body::Customer(_) | Body::User(_) => None,
    };
    let wrong = states(desired).filter(|(_, _, state)| company_type(state) == Some(CompanyType::Distributor)).filter_map(|found| {
        let above = desired.get(&found.2.above()?)?;
        (company_type(above.state()?) == Some(CompanyType::Installer)).then_some((found.0, found.1, above))
    });
    wrong
        .map(|(row, entry, above)| {
            let message = format!("a distributor cannot stand under the installer `{}`", above.key.name);
            let problem = Problem::error(Code::WrongParent, entry.origin, Place::path("spec.parent"), message)
                .related(above.origin, Place::path("spec.type"), "an installer stands above installers only")
                .of(&entry.key);
            Finding { spoils: vec![row], problem: Some(problem) }
        })
        .collect()
}

/// `moved-from` names something else, that is not declared itself, and that no other document names.
fn moves(desired: &Desired, _: &Project) -> Vec<Finding> {
    let path = || {
        Place::Path(["metadata", "annotations", "tenantry.dev/moved-from"].map(|key| crate::manifest::Step::Key(key.into())).into())
    };
    let mut first: BTreeMap<&Key, usize> = BTreeMap::new();
    let mut findings = Vec::new();
    for (row, entry) in desired.entries.iter().enumerate() {
        let Some(from) = &entry.moved_from else { continue };
        let refuse = |message: String| Problem::error(Code::MovedFrom, entry.origin, path(), message).of(&entry.key);
        if from == &entry.key {
            let problem = refuse(format!("`{from}` cannot have moved from itself")).hint("remove the annotation");
            findings.push(Finding { spoils: vec![row], problem: Some(problem) });
        } else if let Some(old) = desired.get(from).filter(|old| old.wanted != Wanted::Gone) {
            if objects(desired) {
                continue; // who of the two has the account says the directory: an annotation may stay when it has done its work
            }
            let problem = refuse(format!("`{from}` is declared as well, so its account cannot become `{}`", entry.key))
                .related(old.origin, Place::path("metadata.name"), "still declared here")
                .hint("remove the old document, or the annotation");
            // A chain is no way to say who is who: then the older link waits too, and with it the account that it names.
            let link = desired.entries.binary_search_by(|entry| entry.key.cmp(from)).ok().filter(|_| old.moved_from.is_some());
            findings.push(Finding { spoils: std::iter::once(row).chain(link).collect(), problem: Some(problem) });
        } else if let Some(other) = first.insert(from, row) {
            let problem = refuse(format!("two documents say that they were `{from}`")).related(
                desired.entries[other].origin,
                path(),
                format!("the other is `{}`", desired.entries[other].key),
            );
            findings.push(at_the_broken(desired, Finding { spoils: younger(desired, [row, other]), problem: Some(problem) }));
        }
    }
    findings
}

/// Adds "did you mean" where one of the candidates is near.
pub(super) fn suggest<'a>(problem: Problem, written: &str, candidates: impl Iterator<Item = &'a str>) -> Problem {
    let candidates: BTreeSet<&str> = candidates.collect();
    if let Some(near) = closest(written, candidates.iter().copied()) {
        return problem.hint(format!("did you mean `{near}`?"));
    }
    if (1..=8).contains(&candidates.len()) && problem.code == Code::UnknownRegion {
        let all: Vec<String> = candidates.iter().map(|it| format!("`{it}`")).collect();
        return problem.hint(format!("there are {}", all.join(", ")));
    }
    problem
}

/// The candidate that was probably meant: at most a third of the letters differ, and never more than three.
pub fn closest<'a>(written: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (written.chars().count() / 3).clamp(1, 3);
    let near = candidates.map(|it| (strsim::osa_distance(written, it), it)).filter(|(far, _)| *far <= most);
    near.min_by_key(|(far, it)| (*far, *it)).map(|(_, it)| it)
}

/// The region a user is in: their own, else that of their company, else that of their customer's company.
pub(super) fn region_of(state: &State, find: &Regions<'_>) -> Option<Name> {
    let own = state.body.user().and_then(|user| user.region.clone());
    own.or_else(|| {
        let (region, place) = find(&state.above()?)?;
        region.or_else(|| find(&place?.key(&state.key.namespace))?.0)
    })
}
