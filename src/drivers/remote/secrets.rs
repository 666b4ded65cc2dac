//! Secrets of accounts elsewhere: passwords go to the directory, links stand in the ledger until somebody uses them.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::{
    directory::{Accounts, Debt, DirectoryError, ErrorKind, Issue, NewSecret, Run, SignIn, Stop},
    drivers::{
        ledger::{Deed, Note},
        rows::Found,
        sql::audit::hex,
    },
    model::{Key, Kind, Name, PasswordHash, PlainPassword, RemoteId, TokenHash, Username},
    observed::{CredentialMark, Live},
};

use super::{
    Edit, Ledgered, NewPassword, Remote,
    execute::{same, unsecret},
    mark::Mark,
    sweep::{LINK, Roles, SECRET, SecretNote, Sweep},
};

/// A link that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LinkNote {
    id: RemoteId,
    /// When it dies.
    until: Timestamp,
    /// Whose, for the trail.
    owner: Name,
    key: Key,
    username: SmolStr,
    /// Somebody is using it, since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken: Option<Timestamp>,
}

/// How long somebody may take to use a link before another try counts: setting a password takes seconds.
const TAKING: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

fn failure(debt: &Debt, kind: ErrorKind) -> DirectoryError {
    DirectoryError::new(format!("give {} its credential", debt.key), kind)
}

fn moved(debt: &Debt) -> DirectoryError {
    failure(debt, ErrorKind::Moved).because("it does not owe this credential any more, or cannot sign in")
}

/// The same failure, of another account.
fn alike(error: &DirectoryError, debt: &Debt) -> DirectoryError {
    error.of(failure(debt, error.kind.clone()).operation)
}

/// The account that owes this, as it was just read.
fn owing<'a>(sweep: &'a Sweep, debt: &Debt) -> Option<&'a Live> {
    match &sweep.table.get(&debt.id)?.found {
        Found::Managed(live) if live.credential == debt.owed && debt.owed.is_owed() => Some(live),
        Found::Managed(_) | Found::Stranger(_) => None,
    }
}

impl<R: Remote> Ledgered<R> {
    /// What is known of the directory, with the accounts of some debts read again.
    async fn with_debtors<'a>(
        &self,
        known: Option<Sweep>,
        debts: impl Iterator<Item = &'a Debt>,
        run: &Run,
    ) -> Result<Sweep, DirectoryError> {
        let mut sweep = self.known(known, run).await?;
        let ids: Vec<_> = debts.filter_map(|debt| sweep.known(&debt.id)).collect();
        self.reread(&mut sweep, &ids).await?;
        Ok(sweep)
    }

    /// Stores secrets, each in place of whatever its account had.
    pub(super) async fn give(&self, issues: &[Issue], run: &Run) -> Vec<Result<(), DirectoryError>> {
        let mut known = self.sweep.lock().await;
        let mut sweep = match self.with_debtors(known.take(), issues.iter().map(|issue| &issue.debt), run).await {
            Ok(sweep) => sweep,
            Err(error) => return issues.iter().map(|issue| Err(alike(&error, &issue.debt))).collect(),
        };
        let may = |issue: &Issue| {
            let live = owing(&sweep, &issue.debt)?;
            let able = live.state.enabled && !live.state.retired && live.state.owner.as_ref() == Some(&run.owner);
            able.then_some(live)
        };
        let width = self.remote.capabilities().concurrency.max(1);
        let storing: Vec<_> = issues.iter().map(|issue| self.store(may(issue).is_some(), issue)).collect();
        let mut outcomes: Vec<Result<(), DirectoryError>> = stream::iter(storing).buffered(width).collect().await;
        let mut notes: Vec<Note> = Vec::new();
        for (issue, _) in issues.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()) {
            if let Some(live) = may(issue) {
                unsecret(&sweep, &issue.debt.id, &mut notes);
                note(issue, live, &mut notes);
            }
        }
        if let Err(error) = self.ledger.write(Vec::new(), notes.clone(), run).await {
            for (issue, outcome) in issues.iter().zip(&mut outcomes).filter(|(_, outcome)| outcome.is_ok()) {
                *outcome = Err(alike(&error, &issue.debt));
            }
        }
        sweep.noted_now(&notes);
        *known = Some(sweep);
        outcomes
    }

    async fn store(&self, may: bool, issue: &Issue) -> Result<(), DirectoryError> {
        let Issue { debt, secret, until: _ } = issue;
        if !may {
            return Err(moved(debt));
        }
        let done = match secret {
            NewSecret::Password { hash, plain, must_change } => {
                let password = NewPassword { hash: hash.clone(), plain: plain.clone(), must_change: *must_change };
                self.remote.password(&debt.id, &password).await
            }
            // There is no password until the link is used.
            NewSecret::Link(_) => self.remote.revoke(&debt.id).await,
            NewSecret::Invitation(lifetime) => self.remote.invite(&debt.id, *lifetime).await,
            // The directory has it already.
            NewSecret::OwnLink => Ok(()),
        };
        done.map_err(|error| alike(&error, debt))
    }

    /// Takes away passwords that died unused.
    pub(super) async fn take_away(&self, now: Timestamp, run: &Run) -> Result<(), DirectoryError> {
        let mut known = self.sweep.lock().await;
        let Some(mut sweep) = known.take() else { return Ok(()) };
        // Somebody may have used theirs in the meantime.
        let ids: Vec<_> = sweep.overdue(now).iter().filter_map(|id| sweep.known(id)).collect();
        self.reread(&mut sweep, &ids).await?;
        let (mut deeds, mut notes) = (Vec::new(), Vec::new());
        for id in sweep.overdue(now) {
            self.remote.revoke(&id).await?;
            let note = SecretNote { buried: true, ..sweep.secret(&id).unwrap_or_default() };
            notes.push((format!("{SECRET}{}", id.0), Some(serde_json::to_string(&note).expect("a note is JSON"))));
            if let Some(Found::Managed(live)) = sweep.table.get(&id).map(|entry| &entry.found) {
                let key = live.state.key.clone();
                deeds.push(Deed::Credential { key, id: id.clone(), reason: "Expired", changes: "{}".into() });
            }
        }
        self.ledger.write(deeds, notes.clone(), run).await?;
        sweep.noted_now(&notes);
        sweep.last = self.ledger.last().await?;
        *known = Some(sweep);
        Ok(())
    }

    /// Marks credentials as given.
    pub(super) async fn given(&self, debts: &[Debt], run: &Run) -> Vec<Result<(), DirectoryError>> {
        let mut known = self.sweep.lock().await;
        let mut sweep = match self.with_debtors(known.take(), debts.iter(), run).await {
            Ok(sweep) => sweep,
            Err(error) => return debts.iter().map(|debt| Err(alike(&error, debt))).collect(),
        };
        let (mut outcomes, mut deeds, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        let (mut edits, mut rows) = (Vec::new(), Vec::new());
        for (row, debt) in debts.iter().enumerate() {
            let given = CredentialMark::Given(debt.owed.reset().cloned().unwrap_or_default());
            let changed = owing(&sweep, debt).and_then(|_| remarked(&sweep, &debt.id, self.on_object(Kind::User), &given));
            outcomes.push(if changed.is_some() { Ok(()) } else { Err(moved(debt)) });
            let Some((name, text)) = changed else { continue };
            match (name, sweep.items.get(&debt.id)) {
                (None, Some(item)) => {
                    edits.push(Edit::Update(Box::new(item.clone()), same(item, Some(text))));
                    rows.push(row);
                }
                (Some(name), _) => notes.push((name, Some(text))),
                (None, None) => outcomes[row] = Err(moved(debt)),
            }
        }
        let written = if edits.is_empty() { Vec::new() } else { self.remote.write(&edits, &Stop::default()).await };
        for (row, result) in rows.into_iter().zip(written) {
            match result {
                Ok(Some(item)) => sweep.renew(self.remote.marks(), item),
                Ok(None) => outcomes[row] = Err(moved(&debts[row])),
                Err(error) => outcomes[row] = Err(alike(&error, &debts[row])),
            }
        }
        for (debt, _) in debts.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()) {
            let given = CredentialMark::Given(debt.owed.reset().cloned().unwrap_or_default());
            let changes = serde_json::json!({ "credential": [debt.owed.text(), given.text()] }).to_string();
            deeds.push(Deed::Credential { key: debt.key.clone(), id: debt.id.clone(), reason: "Delivered", changes });
        }
        sweep.noted_now(&notes);
        if let Err(error) = self.ledger.write(deeds, notes, run).await {
            for (debt, outcome) in debts.iter().zip(&mut outcomes).filter(|(_, outcome)| outcome.is_ok()) {
                *outcome = Err(alike(&error, debt));
            }
        }
        for debt in debts {
            if let Some(item) = sweep.items.get(&debt.id).cloned() {
                sweep.renew(self.remote.marks(), item);
            }
        }
        if let Ok(last) = self.ledger.last().await {
            sweep.last = last;
            *known = Some(sweep);
        }
        outcomes
    }
}

/// The mark of an account with another credential, and the note it stands in, if it stands in one.
fn remarked(sweep: &Sweep, id: &RemoteId, on_object: bool, credential: &CredentialMark) -> Option<(Option<String>, String)> {
    let item = sweep.items.get(id)?;
    let (name, text) = if on_object {
        (None, item.mark.as_deref())
    } else {
        let (name, text) = sweep.noted(item);
        (Some(name), text)
    };
    let mark = Mark::parse(item.kind, text?).ok()?;
    Some((name, Mark { credential: credential.clone(), ..mark }.text()))
}

/// Notes what an account was given.
fn note(issue: &Issue, live: &Live, notes: &mut Vec<Note>) {
    let Issue { debt, secret, until } = issue;
    let link = match secret {
        NewSecret::Link(token) => Some(hex(token.expose())),
        NewSecret::Password { hash: _, plain: _, must_change: _ } | NewSecret::Invitation(_) | NewSecret::OwnLink => None,
    };
    let note = SecretNote { until: *until, link: link.clone(), buried: false };
    notes.push((format!("{SECRET}{}", debt.id.0), Some(serde_json::to_string(&note).expect("a note is JSON"))));
    if let (Some(link), Some(owner)) = (link, &live.state.owner) {
        let username = live.state.body.user().map(|user| SmolStr::new(user.username.as_str())).unwrap_or_default();
        let note = LinkNote {
            id: debt.id.clone(),
            until: until.unwrap_or(Timestamp::MAX),
            owner: owner.clone(),
            key: debt.key.clone(),
            username,
            taken: None,
        };
        notes.push((format!("{LINK}{link}"), Some(note.text())));
    }
}

/// The directory checks passwords itself; what is ours are the links of our mails.
#[async_trait]
impl<R: Remote> Accounts for Ledgered<R> {
    async fn sign_in(&self, _: &Username) -> Result<Option<SignIn>, DirectoryError> {
        let operation = format!("check passwords of {}", self.remote.name());
        Err(DirectoryError::new(operation, ErrorKind::Rejected).because("this directory checks passwords itself"))
    }

    async fn redeemable(&self, token: &TokenHash, now: Timestamp) -> Result<bool, DirectoryError> {
        Ok(self.link(token, now).await?.is_some())
    }

    async fn redeem(
        &self,
        token: &TokenHash,
        password: &PasswordHash,
        plain: &PlainPassword,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let Some((name, text, note)) = self.link(token, now).await? else { return Ok(false) };
        // Of many who try at once one takes it. It is given back if the directory fails: then nobody has used it.
        let claimed = LinkNote { taken: Some(now), ..note.clone() }.text();
        if !self.ledger.swap(&name, Some(&text), Some(&claimed)).await? {
            return Ok(false);
        }
        let password = NewPassword { hash: password.clone(), plain: Some(plain.clone()), must_change: false };
        match self.set(&note, &password).await {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => {
                self.ledger.swap(&name, Some(&claimed), Some(&text)).await?;
                return Err(error);
            }
        }
        let LinkNote { id, until: _, owner, key, username, taken: _ } = note;
        let notes = vec![(name, None), (format!("{SECRET}{}", id.0), None)];
        let deed = Deed::Credential { key, id, reason: "LinkUsed", changes: "{}".into() };
        self.ledger.write(vec![deed], notes, &by(owner, username)).await?;
        Ok(true)
    }

    async fn replace(&self, _: &Username, _: &PasswordHash, _: &PasswordHash, _: Timestamp) -> Result<bool, DirectoryError> {
        let operation = format!("change a password of {}", self.remote.name());
        Err(DirectoryError::new(operation, ErrorKind::Rejected).because("people change theirs with the directory itself"))
    }
}

/// The run of somebody who sets their own password.
fn by(owner: Name, username: SmolStr) -> Run {
    Run {
        id: SmolStr::default(),
        owner,
        actor: Some(username),
        digest: SmolStr::default(),
        losses_allowed: false,
        commits: Arc::default(),
        stop: Stop::default(),
    }
}

impl LinkNote {
    fn text(&self) -> String {
        serde_json::to_string(self).expect("a note is JSON")
    }
}

impl<R: Remote> Ledgered<R> {
    /// Sets the password of an account that can sign in, and still is whose it was.
    async fn set(&self, note: &LinkNote, password: &NewPassword) -> Result<bool, DirectoryError> {
        let (roles, notes) = (Roles::of(&self.roles(&note.owner).await?), self.ledger.notes().await?);
        let items = self.remote.read(&[(Kind::User, note.id.clone())], &roles.native).await?;
        let sweep = Sweep::of(self.remote.marks(), items, notes, roles, 0);
        let able = match sweep.table.get(&note.id).map(|entry| &entry.found) {
            Some(Found::Managed(live)) => live.state.enabled && !live.state.retired,
            Some(Found::Stranger(_)) | None => false,
        };
        if able {
            self.remote.password(&note.id, password).await?;
        }
        Ok(able)
    }

    /// The note of a link that can be used at the time `now`.
    async fn link(&self, token: &TokenHash, now: Timestamp) -> Result<Option<(String, String, LinkNote)>, DirectoryError> {
        let name = format!("{LINK}{}", hex(token.expose()));
        let Some(text) = self.ledger.notes().await?.remove(&name) else { return Ok(None) };
        let note: LinkNote = serde_json::from_str(&text)
            .map_err(|error| DirectoryError::new("read the ledger", ErrorKind::Incomplete).because(error))?;
        let free = note.taken.is_none_or(|taken| taken + TAKING <= now);
        Ok((note.until > now && free).then_some((name, text, note)))
    }
}
