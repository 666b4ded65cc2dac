//! Members of groups: one request for many of them, one group at a time each.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use serde_json::{Map, Value, json};
use smol_str::SmolStr;

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::http::Status,
};

use super::{
    Scim, all, map,
    places::{Member, Places},
    read,
    resource::Resource,
    service::{GROUP, Service},
    wire::{self, Op, Patched},
};

/// Members that one request adds or takes out: AWS takes no more.
const MEMBERS: usize = 100;

/// How often a group is written whole, where others change it at the same time; or made, where nobody says whether it was.
const ATTEMPTS: usize = 5;

/// A group that somebody joins or leaves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    /// By its identifier.
    Id(SmolStr),
    /// That of a role, made where there is none.
    Role(SmolStr),
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Leave,
    Join,
}

/// A member that joins or leaves, on behalf of the edit at a place in the list.
#[derive(Debug, Clone)]
pub(super) struct Move {
    pub(super) at: usize,
    pub(super) group: Group,
    pub(super) step: Step,
    pub(super) member: Member,
    pub(super) id: SmolStr,
}

impl Scim {
    /// Carries out moves that all go the same way; what failed, by the edit that it was for.
    pub(super) async fn settle(&self, service: &Service, places: &Places, moves: &[&Move]) -> Vec<(usize, DirectoryError)> {
        let mut groups: BTreeMap<&Group, Vec<&Move>> = BTreeMap::new();
        for it in moves {
            groups.entry(&it.group).or_default().push(it);
        }
        let due: Vec<_> = groups.into_iter().map(|(group, moves)| self.all_of(service, places, group, moves)).collect();
        all(due).await.into_iter().flatten().collect()
    }

    /// The moves of one group.
    async fn all_of(&self, service: &Service, places: &Places, group: &Group, moves: Vec<&Move>) -> Vec<(usize, DirectoryError)> {
        let ids = match group {
            Group::Id(id) => vec![id.clone()],
            Group::Role(role) => match self.role(service, places, role, moves[0].step).await {
                Ok(ids) => ids,
                Err(error) => return moves.iter().map(|it| (it.at, error.again())).collect(),
            },
        };
        let mut failed = Vec::new();
        for id in ids {
            for some in moves.chunks(MEMBERS) {
                failed.extend(self.together(service, &id, some).await);
            }
        }
        failed
    }

    /// The groups of a role to leave, or the one to join.
    async fn role(&self, service: &Service, places: &Places, role: &str, step: Step) -> Result<Vec<SmolStr>, DirectoryError> {
        let known = places.role(role).cloned();
        match step {
            Step::Leave => Ok(known.collect()),
            Step::Join => match known.take(1).next() {
                Some(id) => Ok(vec![id]),
                None => self.make(service, role).await.map(|id| vec![id]),
            },
        }
    }

    /// Makes the group of a role, unless it is there by now. The answer may be lost, and then it is looked for; whoever was just
    /// created waits for it, so that it is tried more than once.
    async fn make(&self, service: &Service, role: &str) -> Result<SmolStr, DirectoryError> {
        let (what, name) = (format!("create the group of role {role}"), map::role_name(role));
        let body = json!({"schemas": [GROUP], "displayName": name});
        let mut failed = None;
        for _ in 0..ATTEMPTS {
            let found = read::list(&self.http, service, &service.groups, None, &what).await?;
            if let Some(group) = found.iter().find(|group| group.text("displayName") == Some(&*name)) {
                return Ok(SmolStr::new(group.id()));
            }
            let error = match wire::post(&self.http, &service.groups, &body, &what).await {
                Ok(answer) if answer.status == Status::Ok => match wire::resource(&answer, &what) {
                    Ok(group) => return Ok(SmolStr::new(group.id())),
                    Err(error) => error,
                },
                Ok(answer) => wire::failure(&answer, &what),
                Err(error) => error,
            };
            if !matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Incomplete | ErrorKind::Conflict) {
                return Err(error);
            }
            failed = Some(error);
        }
        Err(failed.unwrap_or_else(|| DirectoryError::new(what, ErrorKind::Failed)))
    }

    /// One request for some members; one for each of them where that is refused.
    async fn together(&self, service: &Service, group: &str, moves: &[&Move]) -> Vec<(usize, DirectoryError)> {
        let error = match self.members(service, group, moves).await {
            Ok(()) => return Vec::new(),
            Err(error) => error,
        };
        if moves.len() == 1 || error.kind != ErrorKind::Rejected {
            return moves.iter().map(|it| (it.at, error.again())).collect();
        }
        let mut failed = Vec::new();
        for it in moves {
            failed.extend(self.members(service, group, &[it]).await.err().map(|error| (it.at, error)));
        }
        failed
    }

    async fn members(&self, service: &Service, group: &str, moves: &[&Move]) -> Result<(), DirectoryError> {
        let what = format!("change the members of group {group}");
        let at = (service.groups.as_str(), group);
        if !self.patchless() {
            let patched = wire::patch(&self.http, at, &self.ops(service, moves), None, None, &what).await;
            match patched {
                Ok(Patched::Done(answered)) => return took(answered.as_ref(), moves, &what),
                Ok(Patched::Unable { ever }) => drop(self.patchless.fetch_or(ever, Ordering::Relaxed)),
                // Nobody is a member of a group that is gone.
                Err(error) if error.kind == ErrorKind::Moved && leaving(moves) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let Some(mut whole) = wire::get(&self.http, at.0, at.1, &what).await? else {
                let gone = || DirectoryError::new(&*what, ErrorKind::Moved).because("the group is gone");
                return if leaving(moves) { Ok(()) } else { Err(gone()) };
            };
            let Some(members) = self.after(service, &whole, moves) else { return Ok(()) };
            let tag = whole.version().filter(|_| service.etag);
            whole.set("members", (!members.is_empty()).then_some(Value::Array(members)));
            let body = map::replacement(whole, &service.group);
            match wire::put(&self.http, at, &body, tag.as_ref(), None, &what).await {
                Ok(Some(answered)) => return took(Some(&answered), moves, &what),
                Ok(None) => {
                    let answered = wire::get(&self.http, at.0, at.1, &what).await?;
                    return took(answered.as_ref(), moves, &what);
                }
                // Somebody else was faster.
                Err(error) if error.kind == ErrorKind::Moved && tag.is_some() => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| DirectoryError::new(what, ErrorKind::Moved)))
    }

    /// The members of a group after some moves; nothing where they are that already.
    fn after(&self, service: &Service, whole: &Resource, moves: &[&Move]) -> Option<Vec<Value>> {
        let before: Vec<&Map<String, Value>> = whole.values("members").collect();
        let leaves = |entry: &Map<String, Value>| moves.iter().any(|it| it.step == Step::Leave && it.member.is(entry, &it.id));
        let joined = moves.iter().filter(|it| it.step == Step::Join && !before.iter().any(|entry| it.member.is(entry, &it.id)));
        let joined: Vec<Value> = joined.map(|it| self.member(service, it)).collect();
        let stay: Vec<Value> = before.iter().filter(|it| !leaves(it)).map(|it| Value::Object((*it).clone())).collect();
        let same = stay.len() == before.len() && joined.is_empty();
        (!same).then(|| [stay, joined].concat())
    }

    fn ops(&self, service: &Service, moves: &[&Move]) -> Vec<Op> {
        // A filter in the path: `value` beside a path without one would take all members out.
        let left = |it: &&&Move| it.step == Step::Leave;
        let mut ops: Vec<Op> =
            moves.iter().filter(left).map(|it| Op::Remove(format!("members[{}]", read::equals("value", &it.id)))).collect();
        let joined: Vec<Value> = moves.iter().filter(|it| !left(it)).map(|it| self.member(service, it)).collect();
        if !joined.is_empty() {
            ops.push(Op::Add("members".into(), Value::Array(joined)));
        }
        ops
    }

    /// A member, with what the service knows of such.
    fn member(&self, service: &Service, it: &Move) -> Value {
        let mut member = Map::from_iter([("value".to_owned(), Value::from(it.id.as_str()))]);
        if service.group.writable("members.type") {
            member.insert("type".into(), it.member.word().into());
        }
        if service.group.required("members.$ref") {
            let endpoint = match it.member {
                Member::User => &service.users,
                Member::Group => &service.groups,
            };
            member.insert("$ref".into(), format!("{}{endpoint}/{}", self.url, it.id).into());
        }
        Value::Object(member)
    }
}

fn leaving(moves: &[&Move]) -> bool {
    moves.iter().all(|it| it.step == Step::Leave)
}

/// Whether what was answered has the members that it should have, where it says who they are.
fn took(answered: Option<&Resource>, moves: &[&Move], what: &str) -> Result<(), DirectoryError> {
    let Some(group) = answered.filter(|it| it.get("members").is_some()) else { return Ok(()) };
    let within = |it: &&&Move| group.values("members").any(|entry| it.member.is(entry, &it.id));
    match moves.iter().find(|it| within(it) != (it.step == Step::Join)) {
        None => Ok(()),
        Some(it) => {
            let cause = format!("the service took the change of {} and did not make it", it.id);
            Err(DirectoryError::new(what, ErrorKind::Rejected).because(cause))
        }
    }
}
