//! Objects written: first what they say of themselves, then where they stand and what they hold, group by group.

use std::sync::{PoisonError, atomic::Ordering};

use smol_str::SmolStr;

use crate::{
    directory::{DirectoryError, ErrorKind, Stop},
    drivers::{
        http::Status,
        remote::{Edit, Item, Target},
    },
    model::{Field, Kind},
};

use super::{
    Scim, all,
    groups::{Group, Move, Step},
    map,
    places::{Member, Places},
    read::{self, equals},
    resource::Resource,
    service::Service,
    wire::{self, Patched},
};

type Outcome = Result<Option<Item>, DirectoryError>;

/// See [`crate::drivers::remote::Remote::write`].
pub(super) async fn write(scim: &Scim, edits: &[Edit], stop: &Stop) -> Vec<Outcome> {
    let ready = async {
        let service = scim.service().await?;
        Ok::<_, DirectoryError>((service, scim.places(service).await?))
    };
    let (service, places) = match ready.await {
        Ok(ready) => ready,
        Err(error) => return edits.iter().map(|_| Err(error.again())).collect(),
    };
    let due: Vec<_> = edits.iter().map(|edit| object(scim, service, edit, stop)).collect();
    let mut outcomes = all(due).await;
    let mut moves = Vec::new();
    for (at, (edit, outcome)) in edits.iter().zip(&outcomes).enumerate() {
        if let Ok(item) = outcome {
            moves.extend(steps(edit, item.as_ref()).into_iter().map(|(group, step, member, id)| Move {
                at,
                group,
                step,
                member,
                id,
            }));
        }
    }
    for step in [Step::Leave, Step::Join] {
        let due: Vec<_> = moves.iter().filter(|it| it.step == step && outcomes[it.at].is_ok()).collect();
        for (at, error) in scim.settle(service, &places, &due).await {
            // Who was deleted is gone, whatever a group still says of them.
            if !matches!(edits[at], Edit::Delete(_)) && outcomes[at].is_ok() {
                outcomes[at] = Err(error);
            }
        }
    }
    for (edit, outcome) in edits.iter().zip(&mut outcomes) {
        if let (Edit::Create(target) | Edit::Update(_, target), Ok(Some(item))) = (edit, outcome) {
            item.parent.clone_from(&target.parent);
            item.roles = target.role.iter().cloned().collect();
            if let (Edit::Update(before, _), None) = (edit, &target.role) {
                item.roles.clone_from(&before.roles);
            }
            item.unfit = None;
        }
    }
    outcomes
}

/// What is being done, for errors.
fn describe(edit: &Edit) -> String {
    match edit {
        Edit::Create(target) => format!("create {} {}", target.kind.word(), label(target)),
        Edit::Update(item, _) => format!("change {} {}", item.kind.word(), map::local(&item.id)),
        Edit::Delete(item) => format!("delete {} {}", item.kind.word(), map::local(&item.id)),
    }
}

fn label(target: &Target) -> &str {
    let field = if target.kind == Kind::User { Field::Username } else { Field::DisplayName };
    map::of(&target.fields, field).unwrap_or(&target.name)
}

/// What it leaves and joins.
fn steps(edit: &Edit, item: Option<&Item>) -> Vec<(Group, Step, Member, SmolStr)> {
    let (before, target, item) = match (edit, item) {
        (Edit::Create(target), Some(item)) => (None, Some(target), item),
        (Edit::Update(before, target), Some(item)) => (Some(before), Some(target), item),
        (Edit::Delete(before), _) => (Some(before), None, &**before),
        (Edit::Create(_) | Edit::Update(..), None) => return Vec::new(),
    };
    let (old, new) = (before.and_then(|it| it.parent.as_ref()), target.and_then(|it| it.parent.as_ref()));
    let (held, role) = (before.map_or(&[][..], |it| &it.roles), target.and_then(|it| it.role.as_ref()));
    let mut steps = Vec::new();
    if old != new {
        steps.extend(old.map(|old| (Group::Id(map::local(old).into()), Step::Leave)));
        steps.extend(new.map(|new| (Group::Id(map::local(new).into()), Step::Join)));
    }
    // Without a role to be held, those that are stay; of who is gone, no group keeps anything.
    let loses = |it: &&SmolStr| target.is_none() || role.is_some_and(|role| role != *it);
    steps.extend(held.iter().filter(loses).map(|it| (Group::Role(it.clone()), Step::Leave)));
    steps.extend(role.filter(|it| !held.contains(it)).map(|it| (Group::Role(it.clone()), Step::Join)));
    let (member, id) = (Member::of(item.kind), SmolStr::new(map::local(&item.id)));
    steps.into_iter().map(|(group, step)| (group, step, member, id.clone())).collect()
}

/// What an object says of itself is written. Its place and roles are as they were.
async fn object(scim: &Scim, service: &Service, edit: &Edit, stop: &Stop) -> Outcome {
    let what = &*describe(edit);
    if stop.requested() {
        return Err(DirectoryError::new(what, ErrorKind::Interrupted));
    }
    match edit {
        Edit::Create(target) => {
            nests(service, None, target, what)?;
            let resource = create(scim, service, target, what).await?;
            let item = item(&resource, service, target.kind, what)?;
            scim.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(item.id.clone());
            Ok(Some(item))
        }
        Edit::Update(before, target) => {
            nests(service, Some(before), target, what)?;
            let Some(resource) = update(scim, service, before, target, what).await? else { return Ok(Some((**before).clone())) };
            item(&resource, service, target.kind, what).map(Some)
        }
        Edit::Delete(before) => {
            let at = (service.endpoint(before.kind), map::local(&before.id));
            wire::delete(&scim.http, at, before.tag.as_ref(), what).await.map(|()| None)
        }
    }
}

/// Refuses what no group of this service can say.
fn nests(service: &Service, before: Option<&Item>, target: &Target, what: &str) -> Result<(), DirectoryError> {
    let placed = target.parent.is_some() && before.is_none_or(|before| before.parent != target.parent);
    if target.kind == Kind::User || !placed || service.nested() {
        return Ok(());
    }
    let cause = "the service takes no groups within groups, so that nothing but users can stand under something";
    Err(DirectoryError::new(what, ErrorKind::Rejected).because(cause))
}

/// An object that stands nowhere yet.
fn item(resource: &Resource, service: &Service, kind: Kind, what: &str) -> Result<Item, DirectoryError> {
    let nowhere = Places::default();
    let item = match kind {
        Kind::User => Some(map::user(resource, service, &nowhere)),
        Kind::Role | Kind::Company | Kind::Customer => map::place(resource, service, &nowhere).filter(|it| it.kind == kind),
    };
    item.ok_or_else(|| {
        let cause = format!("the service calls it `{}`", resource.text("displayName").unwrap_or_default());
        DirectoryError::new(what, ErrorKind::Incomplete).because(cause)
    })
}

async fn create(scim: &Scim, service: &Service, target: &Target, what: &str) -> Result<Resource, DirectoryError> {
    let endpoint = service.endpoint(target.kind);
    let body = map::created(target, service);
    let error = match wire::post(&scim.http, endpoint, &body, what).await {
        Ok(answer) if answer.status == Status::Ok => match wire::resource(&answer, what) {
            Ok(resource) => return Ok(resource),
            // Where it is may be said instead of what it is.
            Err(error) => {
                let id = answer.location.as_deref().and_then(|at| at.trim_end_matches('/').rsplit('/').next());
                if let Some(id) = id
                    && let Ok(Some(resource)) = wire::get(&scim.http, endpoint, id, what).await
                {
                    return Ok(resource);
                }
                error
            }
        },
        Ok(answer) => wire::failure(&answer, what),
        Err(error) => error,
    };
    // What became of it is not known; or it is in its own way, from an attempt whose answer was lost.
    if !error.leaves_open() && error.kind != ErrorKind::Conflict {
        return Err(error);
    }
    // Whoever cannot be asked tells nothing new.
    find(scim, service, target).await.ok().flatten().ok_or(error)
}

/// What we created without being told so: it bears our reference; or, where the service keeps none, it was not there before
/// and is exactly what was to be created.
async fn find(scim: &Scim, service: &Service, target: &Target) -> Result<Option<Resource>, DirectoryError> {
    let what = format!("look for {} {}", target.kind.word(), label(target));
    let endpoint = service.endpoint(target.kind);
    let ours = |resource: &Resource| {
        let Ok(item) = item(resource, service, target.kind, &what) else { return false };
        let seen = || scim.seen.lock().unwrap_or_else(PoisonError::into_inner).contains(&item.id);
        match &item.mark {
            Some(mark) => target.mark.as_ref() == Some(mark),
            None => map::equal(&item, target) && !seen(),
        }
    };
    let filter = if target.kind == Kind::User {
        equals("userName", label(target))
    } else {
        equals("displayName", &map::place_name(target.kind, label(target)))
    };
    if service.filter
        && let Ok(found) = read::list(&scim.http, service, endpoint, Some(&filter), &what).await
        && let Some(found) = found.into_iter().find(&ours)
    {
        return Ok(Some(found));
    }
    // An empty answer to a filter says nothing: services leave out what they do not understand.
    Ok(read::list(&scim.http, service, endpoint, None, &what).await?.into_iter().find(ours))
}

/// Changes what differs; nothing where nothing does.
async fn update(
    scim: &Scim,
    service: &Service,
    before: &Item,
    target: &Target,
    what: &str,
) -> Result<Option<Resource>, DirectoryError> {
    let at = (service.endpoint(before.kind), map::local(&before.id));
    let mut whole = None;
    if map::needs_whole(before, target) {
        whole = Some(unmoved(scim, service, at, before, what).await?);
    }
    let sets = map::sets(before, target, service, whole.as_ref());
    if sets.is_empty() {
        return Ok(None);
    }
    if !scim.patchless() {
        match wire::patch(&scim.http, at, &map::ops(&sets), before.tag.as_ref(), None, what).await? {
            Patched::Done(Some(resource)) => return Ok(Some(resource)),
            Patched::Done(None) => return read_back(scim, at, what).await.map(Some),
            Patched::Unable { ever } => drop(scim.patchless.fetch_or(ever, Ordering::Relaxed)),
        }
    }
    let mut whole = match whole {
        Some(whole) => whole,
        None => unmoved(scim, service, at, before, what).await?,
    };
    map::apply(&mut whole, &sets);
    let schema = if before.kind == Kind::User { &service.user } else { &service.group };
    let body = map::replacement(whole, schema);
    match wire::put(&scim.http, at, &body, before.tag.as_ref(), None, what).await? {
        Some(resource) => Ok(Some(resource)),
        None => read_back(scim, at, what).await.map(Some),
    }
}

/// The resource as it is, which is as it was when the object was read.
async fn unmoved(
    scim: &Scim,
    service: &Service,
    (endpoint, id): (&str, &str),
    before: &Item,
    what: &str,
) -> Result<Resource, DirectoryError> {
    let moved = |why: &'static str| DirectoryError::new(what, ErrorKind::Moved).because(why);
    let resource = wire::get(&scim.http, endpoint, id, what).await?.ok_or_else(|| moved("it is gone"))?;
    let now = item(&resource, service, before.kind, what)?;
    if now.tag != before.tag || now.fields != before.fields || now.enabled != before.enabled {
        return Err(moved("somebody else has changed it"));
    }
    Ok(resource)
}

async fn read_back(scim: &Scim, (endpoint, id): (&str, &str), what: &str) -> Result<Resource, DirectoryError> {
    let found = wire::get(&scim.http, endpoint, id, what).await?;
    found.ok_or_else(|| DirectoryError::new(what, ErrorKind::Moved).because("it is gone"))
}
