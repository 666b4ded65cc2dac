//! Changes → edits of the directory, deeds in the ledger.

use std::collections::BTreeMap;

use jiff::Timestamp;
use smol_str::{SmolStr, format_smolstr};
use uuid::Uuid;

use crate::{
    directory::{DirectoryError, ErrorKind, Executed, Run},
    drivers::{
        ledger::{Deed, Note},
        rows::{self, Found, Secret, Step, Write},
        table::{self, Entry},
    },
    model::{Field, FieldChange, FieldValue, Kind, Namespace, RemoteId, State},
    plan::{Action, Change},
};

use super::{
    Edit, Item, Ledgered, Remote,
    decode::{NO_ROLE, marked, target},
    mark::Mark,
    sweep::{DIRECTORY, GONE, LINK, LOSS, LossNote, MARK, REFERENCE, Roles, SECRET, SecretNote, Sweep},
};

/// Changes between two looks at whether to stop, and in one transaction of the ledger.
const CHUNK: usize = 400;

type Outcome = Result<Executed, DirectoryError>;

/// A change that is about to be written.
struct Ready<'a> {
    /// Its place in the chunk.
    at: usize,
    change: &'a Change,
    edit: Edit,
    /// What the object should be afterwards; none where it goes.
    to: Option<State>,
    mark: Option<Mark>,
    /// The note that has the mark, where that stands in the ledger.
    note: Option<String>,
    secret: Secret,
    fields: Vec<FieldChange>,
    loses: Namespace,
    /// What it is in the table until it is written.
    id: RemoteId,
    /// What it was in the table.
    before: Option<Entry>,
}

/// The failure of a server that was not there for any of some changes.
fn away(outcomes: &[(usize, Outcome)]) -> Option<DirectoryError> {
    let gone = |outcome: &Outcome| outcome.as_ref().is_err_and(|error| error.kind == ErrorKind::Unavailable);
    let (_, last) = outcomes.last().filter(|_| outcomes.iter().all(|(_, outcome)| gone(outcome)))?;
    last.as_ref().err().map(DirectoryError::again)
}

impl<R: Remote> Ledgered<R> {
    /// Carries out changes in any order; Roles stand in the ledger.
    pub(super) async fn carry_out(&self, changes: &[Change], run: &Run) -> Vec<Outcome> {
        let mut known = self.sweep.lock().await;
        let (roles, others): (Vec<_>, Vec<_>) = changes.iter().enumerate().partition(|(_, change)| change.key.kind == Kind::Role);
        let mut outcomes: Vec<(usize, Outcome)> = Vec::with_capacity(changes.len());
        if !roles.is_empty() {
            let owned: Vec<Change> = roles.iter().map(|(_, change)| (*change).clone()).collect();
            let done = self.ledger.execute_all(&owned, run).await;
            outcomes.extend(roles.iter().map(|(at, _)| *at).zip(done));
        }
        if !others.is_empty() {
            match self.ready(known.take(), !roles.is_empty(), run).await {
                Ok(mut sweep) => {
                    let mut sure = true;
                    for (done, chunk) in (1..).zip(others.chunks(CHUNK)) {
                        let before = outcomes.len();
                        sure &= self.chunk(&mut sweep, chunk, run, &mut outcomes).await;
                        // One that nobody reaches is not asked again for each of what is left.
                        if let Some(away) = away(&outcomes[before..]) {
                            let left = others.iter().skip(done * CHUNK);
                            let left: Vec<_> = left.map(|(at, change)| (*at, Err(alike(&away, change)))).collect();
                            outcomes.extend(left);
                            break;
                        }
                    }
                    *known = Some(sweep).filter(|_| sure);
                }
                Err(error) => outcomes.extend(others.iter().map(|(at, change)| (*at, Err(alike(&error, change))))),
            }
        } else if !roles.is_empty() {
            *known = None;
        }
        outcomes.sort_by_key(|(at, _)| *at);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// What is known of the directory; read where nothing is. `anew`: Roles have changed in the ledger.
    async fn ready(&self, known: Option<Sweep>, anew: bool, run: &Run) -> Result<Sweep, DirectoryError> {
        let mut sweep = self.known(known, run).await?;
        if anew {
            sweep.roles = Roles::of(&self.roles(&run.owner).await?);
            sweep.last = self.ledger.last().await?;
        }
        Ok(sweep)
    }

    /// Carries out one chunk; says whether it is known afterwards what there is.
    async fn chunk(&self, sweep: &mut Sweep, chunk: &[(usize, &Change)], run: &Run, outcomes: &mut Vec<(usize, Outcome)>) -> bool {
        if run.stop.requested() {
            outcomes.extend(chunk.iter().map(|(at, change)| (*at, Err(rows::failure(change, ErrorKind::Interrupted)))));
            return true;
        }
        let existing = chunk.iter().filter(|(_, change)| !matches!(change.action, Action::Create(_)));
        let id = |change: &Change| change.remote.clone().or_else(|| sweep.table.id(&change.key).cloned());
        let ids: Vec<_> = existing.filter_map(|(_, change)| sweep.known(&id(change)?)).collect();
        if let Err(error) = self.reread(sweep, &ids).await {
            outcomes.extend(chunk.iter().map(|(at, change)| (*at, Err(alike(&error, change)))));
            return false;
        }
        let now = Timestamp::now();
        let mut ready = Vec::new();
        for (at, change) in chunk {
            match self.prepare(sweep, *at, change, now) {
                Ok(Ok(it)) => ready.push(it),
                Ok(Err(executed)) => outcomes.push((*at, Ok(executed))),
                Err(error) => outcomes.push((*at, Err(error))),
            }
        }
        if ready.is_empty() {
            return true;
        }
        let lost = format!("{LOSS}{}", Uuid::now_v7().simple());
        if let Err(error) = self.begin(sweep, &ready, &lost, run, now).await {
            for it in &ready {
                undo(sweep, it);
                outcomes.push((it.at, Err(alike(&error, it.change))));
            }
            return true;
        }
        let edits: Vec<Edit> = ready.iter().map(|it| it.edit.clone()).collect();
        let results = self.remote.write(&edits, &run.stop).await;
        self.settle(sweep, &ready, results, &lost, run, outcomes).await
    }

    /// Notes what must not be forgotten if this program ends before the answers come: losses, and marks that stand here.
    async fn begin(
        &self,
        sweep: &mut Sweep,
        ready: &[Ready<'_>],
        lost: &str,
        run: &Run,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let mut notes: Vec<Note> = Vec::new();
        if !sweep.notes.contains_key(DIRECTORY) {
            notes.push((DIRECTORY.into(), Some(self.remote.name().to_owned())));
        }
        let mut losses: BTreeMap<Namespace, u64> = BTreeMap::new();
        for it in ready.iter().filter(|it| it.change.loss > 0 && !run.losses_allowed) {
            *losses.entry(it.loses.clone()).or_default() += it.change.loss;
        }
        if !losses.is_empty() {
            let note = serde_json::to_string(&LossNote { at: now, losses }).expect("a note is JSON");
            notes.push((lost.to_owned(), Some(note)));
        }
        // An answer that is lost must not look as if somebody had emptied the directory.
        let doomed = ready.iter().filter(|it| it.to.is_none());
        notes.extend(doomed.map(|it| (format!("{GONE}{}", it.id.0), Some(it.change.key.to_string()))));
        let created = ready.iter().filter(|it| it.before.is_none());
        notes.extend(created.filter_map(|it| Some((it.note.clone()?, Some(it.mark.as_ref()?.text())))));
        if !notes.is_empty() {
            self.ledger.write(Vec::new(), notes.clone(), run).await?;
            sweep.noted_now(&notes);
        }
        Ok(())
    }

    /// Decides what a change comes to, and puts the object into the table as it will be. `Err` inside is one that holds already.
    fn prepare<'a>(
        &self,
        sweep: &mut Sweep,
        at: usize,
        change: &'a Change,
        now: Timestamp,
    ) -> Result<Result<Ready<'a>, Executed>, DirectoryError> {
        let id = change.remote.clone().or_else(|| sweep.table.id(&change.key).cloned());
        let old = id.as_ref().and_then(|id| sweep.table.get(id)).cloned();
        let found = old.as_ref().map(|entry| sweep.table.placed(entry));
        let loses = rows::loses(change, found.as_ref());
        let native = self.remote.native(change.key.kind);
        match (rows::step(change, found.as_ref(), now)?, old) {
            (Step::Settled(executed), _) => Ok(Err(executed)),
            (Step::Insert(write), _) => {
                let parent = sweep.table.parent(change, &write, None)?;
                let role = role(sweep, write.to);
                let mark = marked(&write, native, role.clone(), now);
                let reference = (!self.on_object(change.key.kind)).then(|| format!("{REFERENCE}{}", Uuid::now_v7().simple()));
                let text = reference.clone().or_else(|| mark.as_ref().map(Mark::text));
                let edit = Edit::Create(target(write.to, parent.clone(), role, text, native));
                let id = RemoteId(format_smolstr!("new-{}", Uuid::now_v7().simple()));
                let (to, secret, fields) = (Some(write.to.clone()), write.secret, write.fields.clone());
                let entry = table::entry(id.clone(), now, write, parent);
                sweep.table.put(entry).map_err(|claim| rows::taken(change, claim))?;
                let note = reference.map(|reference| format!("{MARK}{reference}"));
                Ok(Ok(Ready { at, change, edit, to, mark, note, secret, fields, loses, id, before: None }))
            }
            (Step::Replace(write), Some(old)) => {
                let id = old.found.id().clone();
                let item = sweep.items.get(&id).cloned().ok_or_else(|| rows::failure(change, ErrorKind::Moved))?;
                let parent = if write.stays { old.parent.clone() } else { sweep.table.parent(change, &write, Some(&id))? };
                let (edit, mark, note) = self.replacing(sweep, &item, &write, &old, parent.clone());
                let (to, secret, fields) = (Some(write.to.clone()), write.secret, write.fields.clone());
                let entry = table::entry(id.clone(), old.found.created_at(), write, parent);
                sweep.table.take(&id);
                if let Err(claim) = sweep.table.put(entry) {
                    let _ = sweep.table.put_as_it_is(old);
                    return Err(rows::taken(change, claim));
                }
                Ok(Ok(Ready { at, change, edit, to, mark, note, secret, fields, loses, id, before: Some(old) }))
            }
            (Step::Remove(fields), Some(old)) => {
                let id = old.found.id().clone();
                let item = sweep.items.get(&id).cloned().ok_or_else(|| rows::failure(change, ErrorKind::Moved))?;
                let count = sweep.table.children(&id);
                if count > 0 {
                    return Err(rows::inhabited(change, count));
                }
                let note = (!self.on_object(item.kind)).then(|| sweep.noted(&item).0);
                sweep.table.take(&id);
                let (edit, secret) = (Edit::Delete(Box::new(item)), Secret::Stays);
                Ok(Ok(Ready { at, change, edit, to: None, mark: None, note, secret, fields, loses, id, before: Some(old) }))
            }
            (Step::Replace(_) | Step::Remove(_), None) => Err(rows::failure(change, ErrorKind::Moved)),
        }
    }

    fn replacing(
        &self,
        sweep: &Sweep,
        item: &Item,
        write: &Write<'_>,
        old: &Entry,
        parent: Option<RemoteId>,
    ) -> (Edit, Option<Mark>, Option<String>) {
        let native = self.remote.native(item.kind);
        let role = role(sweep, write.to);
        let mark = marked(write, native, role.clone(), old.found.created_at());
        let (text, note) = if self.on_object(item.kind) {
            (mark.as_ref().map(Mark::text), None)
        } else {
            // The reference, or whatever somebody else has put there, is not ours to change.
            (item.mark.clone(), Some(sweep.noted(item).0))
        };
        let target = target(write.to, parent, role, text, native);
        (Edit::Update(Box::new(item.clone()), target), mark, note)
    }

    /// Takes down what became of a chunk; says whether it is known what there is.
    async fn settle(
        &self,
        sweep: &mut Sweep,
        ready: &[Ready<'_>],
        results: Vec<Result<Option<Item>, DirectoryError>>,
        lost: &str,
        run: &Run,
        outcomes: &mut Vec<(usize, Outcome)>,
    ) -> bool {
        let mut sure = true;
        let (mut deeds, mut notes): (Vec<Deed>, Vec<Note>) = (Vec::new(), Vec::new());
        if sweep.notes.contains_key(lost) {
            notes.push((lost.to_owned(), None));
        }
        let mut done: Vec<(usize, Outcome)> = Vec::new();
        let unanswered = || Err(DirectoryError::new("write", ErrorKind::Failed));
        for (it, result) in ready.iter().zip(results.into_iter().chain(std::iter::repeat_with(unanswered))) {
            let outcome = match result {
                Ok(item) => self.written(sweep, it, item, &mut deeds, &mut notes).await,
                Err(error) => {
                    // What failed may all the same have taken effect: nobody knows before the next sweep.
                    sure &= matches!(error.kind, ErrorKind::Interrupted);
                    undo(sweep, it);
                    Err(alike(&error, it.change))
                }
            };
            done.push((it.at, outcome));
        }
        sweep.noted_now(&notes);
        let recorded = match self.ledger.write(deeds, notes, run).await {
            Ok(()) => self.ledger.last().await,
            Err(error) => Err(error),
        };
        match recorded {
            Ok(end) => sweep.last = end,
            Err(error) => {
                // It was done, and nobody will know who did it: that must not look like success.
                sure = false;
                for (row, (_, outcome)) in done.iter_mut().enumerate().filter(|(_, (_, outcome))| outcome.is_ok()) {
                    *outcome = Err(alike(&error, ready[row].change));
                }
            }
        }
        outcomes.extend(done);
        sure
    }

    /// What became of one change that was written.
    async fn written(
        &self,
        sweep: &mut Sweep,
        it: &Ready<'_>,
        item: Option<Item>,
        deeds: &mut Vec<Deed>,
        notes: &mut Vec<Note>,
    ) -> Outcome {
        let first = notes.len();
        let id = item.as_ref().map_or_else(|| it.id.clone(), |item| item.id.clone());
        let deed = Deed::Changed {
            change: Box::new(it.change.clone()),
            loses: it.loses.clone(),
            id: id.clone(),
            fields: it.fields.clone(),
        };
        deeds.push(deed);
        sweep.table.take(&it.id);
        let Some(mut item) = item else {
            notes.extend(it.note.iter().map(|name| (name.clone(), None)));
            notes.push((format!("{GONE}{}", it.id.0), None));
            unsecret(sweep, &id, notes);
            sweep.forget(&id);
            return Ok(Executed { id, version: None });
        };
        if let Some(name) = &it.note {
            keep_mark(it, name, &item, notes);
        }
        let killed = self.kill(sweep, it.secret, &id, notes).await;
        sweep.noted_now(&notes[first..]);
        sweep.renew(self.remote.marks(), item.clone());
        let lacking = match (spelling(sweep, it, &id), &it.mark) {
            (Ok(spelled), Some(mark)) if !spelled.is_empty() => {
                let mark = Mark { spelled, ..mark.clone() };
                match &it.note {
                    Some(_) => {
                        let name = sweep.noted(&item).0;
                        notes.push((name, Some(mark.text())));
                        sweep.noted_now(&notes[first..]);
                        Ok(())
                    }
                    None => self.remark(&mut item, &mark).await,
                }
            }
            (Ok(_), _) => Ok(()),
            (Err(why), _) => Err(rows::failure(it.change, ErrorKind::Rejected).because(why)),
        };
        sweep.renew(self.remote.marks(), item);
        killed.map_err(|error| alike(&error, it.change))?;
        lacking?;
        let version = sweep.table.get(&id).and_then(|entry| entry.found.version().cloned());
        Ok(Executed { id, version })
    }

    /// Writes the mark of an object that was just written, and nothing else.
    pub(super) async fn remark(&self, item: &mut Item, mark: &Mark) -> Result<(), DirectoryError> {
        let to = same(item, Some(mark.text()));
        let edit = Edit::Update(Box::new(item.clone()), to);
        let never = crate::directory::Stop::default();
        match self.remote.write(&[edit], &never).await.pop() {
            Some(Ok(Some(after))) => {
                *item = after;
                Ok(())
            }
            Some(Err(error)) => Err(error),
            Some(Ok(None)) | None => Err(DirectoryError::new("mark the object", ErrorKind::Moved)),
        }
    }

    /// Does to the secret of an account what a write of the account does to it.
    async fn kill(&self, sweep: &Sweep, secret: Secret, id: &RemoteId, notes: &mut Vec<Note>) -> Result<(), DirectoryError> {
        let note = sweep.secret(id);
        match secret {
            Secret::Stays => Ok(()),
            Secret::Dies => {
                unsecret(sweep, id, notes);
                // Where nobody takes a password away, the next one is set with the next link, by its owner.
                if self.remote.capabilities().activation { Ok(()) } else { self.remote.revoke(id).await }
            }
            Secret::DiesUnused => {
                let Some(SecretNote { until, link, buried: _ }) = note else { return Ok(()) };
                let now = Timestamp::now();
                let dead = SecretNote { until: until.map(|until| until.min(now)), link: None, buried: true };
                notes.push((format!("{SECRET}{}", id.0), Some(serde_json::to_string(&dead).expect("a note is JSON"))));
                match link {
                    Some(link) => {
                        notes.push((format!("{LINK}{link}"), None));
                        Ok(())
                    }
                    None => self.remote.uninvite(id).await,
                }
            }
        }
    }
}

/// What the directory spells in its own way of what was written: that is no difference from then on. What it did not keep
/// at all, or made something else, is said.
fn spelling(sweep: &Sweep, it: &Ready<'_>, id: &RemoteId) -> Result<Vec<(Field, SmolStr, SmolStr)>, String> {
    let (Some(to), Some(entry), Some(item)) = (&it.to, sweep.table.get(id), sweep.items.get(id)) else { return Ok(Vec::new()) };
    let Found::Managed(live) = sweep.table.placed(entry) else { return Ok(Vec::new()) };
    // What it stands under may be called something else by now; it is the same all the same.
    let placed = match &it.edit {
        Edit::Create(target) | Edit::Update(_, target) => target.parent == item.parent,
        Edit::Delete(_) => true,
    };
    let mut spelled = Vec::new();
    for FieldChange { field, before, after } in live.state.changes(to) {
        if field.is_place() && placed {
            continue;
        }
        let theirs = item.fields.iter().find(|(known, _)| *known == field).map(|(_, text)| text.clone());
        match (theirs, after) {
            (Some(theirs), FieldValue::Text(ours)) => spelled.push((field, ours, theirs)),
            (_, after) => {
                let (name, shown) = (field.name(), |value: &FieldValue| match value {
                    FieldValue::None => "nothing".to_owned(),
                    FieldValue::Flag(flag) => flag.to_string(),
                    FieldValue::Text(text) => format!("`{text}`"),
                    FieldValue::List(list) => format!("`{}`", list.join(", ")),
                });
                return Err(format!(
                    "the directory did not keep `{name}`: {} was written, it has {}",
                    shown(&after),
                    shown(&before)
                ));
            }
        }
    }
    Ok(spelled)
}

/// An object as it is, with another mark.
pub(super) fn same(item: &Item, mark: Option<String>) -> super::Target {
    super::Target {
        kind: item.kind,
        name: SmolStr::default(),
        parent: item.parent.clone(),
        fields: item.fields.clone(),
        role: None,
        enabled: item.enabled.unwrap_or(true),
        mark,
    }
}

/// The native name of the role of a user that has one.
fn role(sweep: &Sweep, to: &State) -> Option<SmolStr> {
    let user = to.body.user().filter(|user| user.role.as_str() != NO_ROLE)?;
    Some(sweep.roles.native(&to.key.namespace, &user.role))
}

/// Notes the mark of an object under its reference, or, where the directory did not keep that, under its identifier.
fn keep_mark(it: &Ready<'_>, name: &str, item: &Item, notes: &mut Vec<Note>) {
    let text = it.mark.as_ref().map(Mark::text);
    let kept = item.mark.as_ref().is_some_and(|reference| *name == format!("{MARK}{reference}"));
    let by_id = format!("{MARK}id:{}", item.id.0);
    if kept || *name == by_id {
        notes.push((name.to_owned(), text));
    } else {
        notes.push((name.to_owned(), None));
        notes.push((by_id, text));
    }
}

/// Forgets the secret of an account.
pub(super) fn unsecret(sweep: &Sweep, id: &RemoteId, notes: &mut Vec<Note>) {
    let Some(SecretNote { until: _, link, buried: _ }) = sweep.secret(id) else { return };
    notes.push((format!("{SECRET}{}", id.0), None));
    notes.extend(link.map(|link| (format!("{LINK}{link}"), None)));
}

/// The same failure, of a change.
fn alike(error: &DirectoryError, change: &Change) -> DirectoryError {
    error.of(rows::failure(change, error.kind.clone()).operation)
}

/// Puts back into the table what was there before a change that came to nothing.
fn undo(sweep: &mut Sweep, it: &Ready<'_>) {
    sweep.table.take(&it.id);
    if let Some(before) = &it.before {
        let _ = sweep.table.put_as_it_is(before.clone());
    }
}
