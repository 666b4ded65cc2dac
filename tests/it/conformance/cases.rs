//! The transitions.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tenantry::{
    directory::{DirectoryError, ErrorKind, Right, Run, Stop},
    manifest::Project,
    model::{Body, Deletion, Field, FieldChange, FieldValue, Kind, Method, Place, RemoteId, State, Username, Version},
    observed::{CredentialMark, Live, Observed, Scope, Settings},
    plan::{Action, Change, Reason},
};

use super::fixture::*;

pub(crate) async fn observes_nothing_in_an_empty_directory(org: Org) {
    assert_eq!(org.check().await, Observed::default());
    assert_eq!(org.check().await, Observed::default());
}

pub(crate) async fn keeps_every_field_of_every_kind(mut org: Org) {
    let states = [
        role("role/boss"),
        role("role/n/helper"),
        company("north", None),
        customer("shop", Some("north")),
        customer("alone", None),
        user("mara", Place::Company(name("north"))),
    ];
    org.can_be_asked().await;
    let lone = org.can().lone_customers;
    let able = |state: &State| lone || state.key.kind != Kind::Customer || state.place.is_some();
    let mut states = states.into_iter().filter(able).collect::<Vec<_>>();
    if org.one_company() {
        org.adopt_company().await;
        states.retain(|state| state.key.kind != Kind::Company);
    }
    for state in &states {
        org.create(state.clone()).await;
    }
    for state in states.iter().rev().filter(|state| state.key.kind != Kind::Role) {
        org.delete(&state.key).await;
    }
    for state in &states {
        if org.wanted.contains_key(&state.key) {
            let rich = org.full(state);
            org.update(&state.key, |it| *it = rich).await;
        } else {
            org.create(org.full(state)).await;
        }
    }
    let live = org.live(&key("user/n/mara")).await;
    assert_eq!(live.source.as_deref(), Some("users/a.yaml:1"));
    assert_eq!((live.left_enabled, live.credential, live.retired_at), (true, CredentialMark::None, None));
}

pub(crate) async fn keeps_a_tree_of_companies(mut org: Org) {
    org.create(company("a", None)).await;
    if !org.places(Kind::Company, Kind::Company) {
        // A plan holds it, and nobody asks the driver.
        org.create(company("b", None)).await;
        return;
    }
    for (called, parent) in [("b", "a"), ("c", "b"), ("d", "a")] {
        org.create(company(called, Some(parent))).await;
    }
    org.update(&key("company/n/c"), |it| it.place = Some(Place::Company(name("d")))).await;
    // The edge between `a` and `d` is turned round.
    org.update(&key("company/n/d"), |it| it.place = None).await;
    org.update(&key("company/n/a"), |it| it.place = Some(Place::Company(name("d")))).await;
}

pub(crate) async fn edits_every_field(mut org: Org) {
    org.populate().await;
    org.create(role("role/boss")).await;
    let all = ["role/boss", "company/n/north", "customer/n/shop", "user/n/mara"];
    let one = org.one_company();
    for text in all.into_iter().filter(|text| !(one && text.starts_with("company"))) {
        let (poor, rich) = (org.wanted[&key(text)].clone(), org.full(&org.wanted[&key(text)]));
        org.update(&key(text), |it| *it = rich.clone()).await;
        org.update(&key(text), |it| *it = poor).await;
        org.update(&key(text), |it| *it = rich).await;
    }
    for deletion in [Deletion::Delete, Deletion::Retain, Deletion::Disable] {
        org.update(&key("user/n/mara"), |it| it.deletion = deletion).await;
    }
    org.update(&key("user/n/mara"), |it| it.suspended = true).await;
}

pub(crate) async fn renames_and_swaps_through_parking(mut org: Org) {
    org.populate().await;
    let (mara, jonas) = (key("user/n/mara"), key("user/n/jonas"));
    org.update(&mara, |it| call(it, "mara.lindqvist", "m@acme.example")).await;
    let id = org.live(&mara).await.id;
    org.update(&mara, |it| call(it, &format!("parked-{}", id.0), &format!("{}@parked.invalid", id.0))).await;
    org.update(&jonas, |it| call(it, "mara.lindqvist", "m@acme.example")).await;
    org.update(&mara, |it| call(it, "jonas", "jonas@acme.example")).await;
    assert_eq!(org.live(&mara).await.id, id);
}

pub(crate) async fn moves_between_companies_and_customers(mut org: Org) {
    org.populate().await;
    let (mara, shop, can) = (key("user/n/mara"), key("customer/n/shop"), org.can());
    for place in [Place::Customer(name("shop")), Place::Company(name("south"))] {
        if can.move_users {
            org.update(&mara, |it| it.place = Some(place)).await;
        } else {
            org.cannot(&mara, |it| it.place = Some(place)).await;
        }
    }
    // Where there is one company only it is there already.
    let places = [None, Some(Place::Company(name("north")))];
    for place in places.into_iter().filter(|place| !org.one_company() || place.is_none()).collect::<Vec<_>>() {
        if can.move_customers {
            org.update(&shop, |it| it.place = place).await;
        } else {
            org.cannot(&shop, |it| it.place = place).await;
        }
    }
}

pub(crate) async fn rekeys_and_children_follow(mut org: Org) {
    org.populate().await;
    let mut ids: Vec<_> = org.observe().await.ours.into_iter().map(|live| live.id).collect();
    // The children of `south` say its new name without being touched.
    for child in ["customer/n/shop", "user/n/jonas"] {
        org.wanted.get_mut(&key(child)).unwrap().place = Some(Place::Company(name("zenith")));
    }
    let versions = org.live(&key("user/n/jonas")).await.version;
    org.update(&key("company/n/south"), |it| it.key = key("company/n/zenith")).await;
    assert_eq!(org.live(&key("user/n/jonas")).await.version, versions);
    // To another namespace: whoever stays behind stands under something that has no name there.
    let north = org.live(&key("company/n/north")).await.id;
    let outside = Place::Company(name(&format!("outside-{}", north.0)));
    for child in under_north(&org, "company/n/zenith") {
        org.wanted.get_mut(&key(child)).unwrap().place = Some(outside.clone());
    }
    org.update(&key("company/n/north"), |it| it.key = key("company/m/north")).await;
    // An edit leaves them where they are, and they can follow.
    org.update(&key("user/n/mara"), |it| it.suspended = true).await;
    org.update(&key("user/n/mara"), |it| (it.key, it.place) = (key("user/m/mara"), Some(Place::Company(name("north"))))).await;
    let mut after: Vec<_> = org.observe().await.ours.into_iter().map(|live| live.id).collect();
    ids.sort();
    after.sort();
    assert_eq!(ids, after);
}

/// What [`Org::populate`] puts right under `north`; `other` is what `south` is called by now.
fn under_north<'a>(org: &Org, other: &'a str) -> Vec<&'a str> {
    let nested = org.places(Kind::Company, Kind::Company);
    if org.one_company() {
        return vec!["customer/n/shop", "user/n/jonas", "user/n/mara"];
    }
    [other, "user/n/mara"].into_iter().filter(|it| nested || *it != other).collect()
}

pub(crate) async fn disables_retires_and_declares_again(mut org: Org) {
    org.populate().await;
    let mara = key("user/n/mara");
    let created = org.live(&mara).await;
    let off = org.update(&mara, |it| it.enabled = false).await;
    assert_eq!((off.left_enabled, off.retired_at), (false, None));
    let retired = org.update(&mara, |it| it.retired = true).await;
    let since = retired.retired_at.expect("a retired object says since when");
    let edited = org.update(&mara, |it| it.deletion = Deletion::Delete).await;
    assert_eq!(edited.retired_at, Some(since), "it stays retired since then");
    let again = org.update(&mara, |it| (it.enabled, it.retired) = (true, false)).await;
    assert_eq!((again.left_enabled, again.retired_at), (true, None));
    assert_eq!(again.id, created.id);
}

fn adoption(stranger: RemoteId, version: Option<Version>, to: &State) -> Change {
    let owner = FieldValue::Text("acme".into());
    let fields = vec![FieldChange { field: Field::Owner, before: FieldValue::None, after: owner }];
    let action = Action::Update { fields, to: Box::new(to.clone()) };
    Change { action, remote: Some(stranger), expect: version, reason: Reason::Adopted, ..delete(&to.key) }
}

pub(crate) async fn releases_and_adopts(mut org: Org) {
    org.populate().await;
    org.create(role("role/boss")).await;
    let mara = key("user/n/mara");
    let state = org.wanted[&mara].clone();
    let given = Change { credential: Some(issue(CredentialMark::Given("x".into()))), ..org.change(&mara, |_| ()).await };
    org.execute(&given).await.unwrap();
    let before = org.update(&mara, |it| it.owner = None).await;
    let strangers = org.observe().await.strangers;
    let stranger = strangers.iter().find(|it| it.id == before.id).unwrap();
    assert_eq!((&stranger.id, stranger.kind, stranger.enabled), (&before.id, mara.kind, true));
    assert_eq!((stranger.label.as_str(), stranger.email.as_deref()), ("mara", Some("mara@acme.example")));
    assert_eq!(stranger.fit.as_ref().unwrap(), &state.body);
    assert_eq!(stranger.parent, Some(org.live(&key("company/n/north")).await.id));
    assert_eq!(stranger.created_at, before.created_at);
    assert_ne!(stranger.version, before.version);
    // What it claims stays claimed.
    let rival = org.execute(&create(&state)).await;
    assert_eq!(kind_of(rival), ErrorKind::Conflict);
    org.check().await;

    let adopted = org.execute(&adoption(stranger.id.clone(), stranger.version.clone(), &state)).await.unwrap();
    assert_eq!(adopted.id, before.id);
    org.strangers -= 1;
    org.wanted.insert(mara.clone(), state);
    let live = org.check().await.get(&mara).unwrap().clone();
    assert_eq!((live.credential, live.created_at), (CredentialMark::None, before.created_at));

    org.update(&key("role/boss"), |it| it.owner = None).await;
    org.delete(&key("user/n/pia")).await;
    org.update(&key("customer/n/shop"), |it| it.owner = None).await;
}

pub(crate) async fn keeps_whoever_stands_under_a_released_company(mut org: Org) {
    org.populate().await;
    let north = org.live(&key("company/n/north")).await.id;
    let outside = Place::Company(name(&format!("outside-{}", north.0)));
    for child in under_north(&org, "company/n/south") {
        org.wanted.get_mut(&key(child)).unwrap().place = Some(outside.clone());
    }
    org.update(&key("company/n/north"), |it| it.owner = None).await;
    org.update(&key("user/n/mara"), |it| (it.enabled, it.retired) = (false, true)).await;
    if org.one_company() {
        return;
    }
    // Another one of the old name is another one.
    org.create(company("north", None)).await;
    if org.can().move_users {
        org.update(&key("user/n/mara"), |it| it.place = Some(Place::Company(name("north")))).await;
    } else {
        org.cannot(&key("user/n/mara"), |it| it.place = Some(Place::Company(name("north")))).await;
    }
}

pub(crate) async fn deletes_leaves_first(mut org: Org) {
    org.populate().await;
    for text in ["company/n/north", "company/n/south", "customer/n/shop"] {
        let refused = org.execute(&delete(&key(text))).await;
        assert!(cause(refused).contains("under it"));
        assert_eq!(kind_of(org.execute(&delete(&key(text))).await), ErrorKind::Rejected);
        org.check().await;
    }
    for text in ["user/n/pia", "user/n/jonas", "user/n/mara", "customer/n/shop", "company/n/south", "company/n/north"] {
        org.delete(&key(text)).await;
    }
}

pub(crate) async fn refuses_what_moved(mut org: Org) {
    org.populate().await;
    let mara = key("user/n/mara");
    let stale = org.change(&mara, |it| it.suspended = true).await;
    org.update(&mara, |it| call(it, "other", "other@acme.example")).await;
    assert_eq!(kind_of(org.execute(&stale).await), ErrorKind::Moved);
    let doomed = Change { remote: stale.remote.clone(), expect: stale.expect.clone(), ..delete(&mara) };
    assert_eq!(kind_of(org.execute(&doomed).await), ErrorKind::Moved);
    org.check().await;
    org.delete(&mara).await;
    assert_eq!(kind_of(org.execute(&stale).await), ErrorKind::Moved);
    org.check().await;
}

pub(crate) async fn refuses_what_is_taken(mut org: Org) {
    org.populate().await;
    org.create(customer("store", Some("south"))).await;
    let (mara, north) = (key("user/n/mara"), Place::Company(name("north")));
    let mut username = user("new", north.clone());
    call(&mut username, "Jonas", "new@acme.example");
    let mut email = user("new", north.clone());
    call(&mut email, "new", "JONAS@acme.example");
    for (state, word) in [(&username, "username"), (&email, "e-mail")] {
        let refused = org.execute(&create(state)).await;
        assert!(cause(refused).contains(word));
        assert_eq!(kind_of(org.execute(&create(state)).await), ErrorKind::Conflict);
        let change = org.change(&mara, |it| it.body = state.body.clone()).await;
        assert!(cause(org.execute(&change).await).contains(word));
        org.check().await;
    }
    let mut title = customer("second", Some("south"));
    let Body::Customer(body) = &mut title.body else { unreachable!() };
    body.display_name = line("shop");
    assert!(cause(org.execute(&create(&title)).await).contains("display name"));
    title.place = Some(north.clone());
    org.create(title).await;
    let same_key = State { body: username_of("third"), ..user("mara", north.clone()) };
    assert_eq!(kind_of(org.execute(&create(&same_key)).await), ErrorKind::Conflict);
    let rekeyed = org.change(&mara, |it| it.key = key("user/n/pia")).await;
    assert_eq!(kind_of(org.execute(&rekeyed).await), ErrorKind::Conflict);
    org.check().await;
}

fn username_of(called: &str) -> Body {
    user(called, Place::Company(name("x"))).body
}

pub(crate) async fn refuses_what_cannot_stand(mut org: Org) {
    org.populate().await;
    let orphan = org.execute(&create(&user("new", Place::Company(name("nowhere"))))).await;
    assert_eq!(cause(orphan), "company/n/nowhere does not exist");
    if org.places(Kind::Company, Kind::Company) {
        let cycle = org.change(&key("company/n/north"), |it| it.place = Some(Place::Company(name("south")))).await;
        assert!(cause(org.execute(&cycle).await).contains("under itself"));
        assert_eq!(kind_of(org.execute(&cycle).await), ErrorKind::Rejected);
    }
    let itself = org.change(&key("company/n/north"), |it| it.place = Some(Place::Company(name("north")))).await;
    assert_eq!(kind_of(org.execute(&itself).await), ErrorKind::Rejected);
    let other_kind = Change { remote: Some(org.live(&key("company/n/south")).await.id), ..delete(&key("user/n/mara")) };
    assert_eq!(kind_of(org.execute(&other_kind).await), ErrorKind::Rejected);
    org.check().await;
}

pub(crate) async fn a_failed_change_stops_no_other(mut org: Org) {
    org.populate().await;
    let north = Place::Company(name("north"));
    let mut rival = user("rival", north.clone());
    call(&mut rival, "mara", "rival@acme.example");
    let (first, last) = (user("first", north.clone()), user("last", north));
    let outcomes = org
        .directory
        .execute_all(
            &[create(&first), create(&rival), delete(&key("company/n/north")), delete(&key("user/n/pia")), create(&last)],
            &org.run,
        )
        .await;
    let kinds: Vec<_> = outcomes.into_iter().map(|outcome| outcome.map(|_| ()).map_err(|error| error.kind)).collect();
    assert_eq!(kinds, [Ok(()), Err(ErrorKind::Conflict), Err(ErrorKind::Rejected), Ok(()), Ok(())]);
    org.wanted.remove(&key("user/n/pia"));
    org.wanted.extend([(first.key.clone(), first), (last.key.clone(), last)]);
    org.check().await;
    if org.one_company() {
        return;
    }
    // Names mean what they mean by the time they are looked up.
    let rekey = org.change(&key("company/n/south"), |it| it.key = key("company/n/zenith")).await;
    let under = |called, place| create(&user(called, Place::Company(name(place))));
    // What is not moved stays, even where its place had another name when its change was planned.
    let stays = org.change(&key("user/n/jonas"), |it| it.enabled = false).await;
    let changes = [under("a", "south"), rekey, under("b", "south"), under("c", "zenith"), stays];
    let outcomes = org.directory.execute_all(&changes, &org.run).await;
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, true, true]);
    for called in ["a", "c", "jonas"] {
        assert_eq!(org.live(&key(&format!("user/n/{called}"))).await.state.place, Some(Place::Company(name("zenith"))));
    }
}

pub(crate) async fn repeats_change_nothing(mut org: Org) {
    org.populate().await;
    let created = create(&org.wanted[&key("user/n/mara")]);
    let before = org.observe().await;
    let executed = org.execute(&created).await.unwrap();
    assert_eq!(Some(&executed.id), before.get(&key("user/n/mara")).map(|live| &live.id));
    assert_eq!(org.observe().await, before);

    let change = org.change(&key("user/n/mara"), |it| it.enabled = false).await;
    let once = org.execute(&change).await.unwrap();
    let before = org.observe().await;
    assert_eq!(org.execute(&change).await.unwrap(), once);
    assert_eq!(org.observe().await, before);

    let release = org.change(&key("user/n/mara"), |it| it.owner = None).await;
    org.execute(&release).await.unwrap();
    let before = org.observe().await;
    org.execute(&release).await.unwrap();
    assert_eq!(org.observe().await, before);

    let change = Change { remote: Some(org.live(&key("user/n/pia")).await.id), ..delete(&key("user/n/pia")) };
    org.execute(&change).await.unwrap();
    org.execute(&change).await.unwrap();
    org.execute(&delete(&key("user/n/nobody"))).await.unwrap();
}

pub(crate) async fn marks_credentials(mut org: Org) {
    org.populate().await;
    let state = user("new", Place::Company(name("north")));
    let owed = CredentialMark::Owed("".into());
    org.execute(&Change { credential: Some(issue(owed.clone())), ..create(&state) }).await.unwrap();
    org.wanted.insert(state.key.clone(), state.clone());
    assert_eq!(org.check().await.get(&state.key).unwrap().credential, owed);
    org.update(&state.key, |it| it.suspended = true).await;
    assert_eq!(org.live(&state.key).await.credential, owed, "an edit leaves the mark");
    for mark in [CredentialMark::Given("".into()), CredentialMark::Owed("a:b".into()), CredentialMark::Given("2026-01 ü".into())] {
        let change = Change { credential: Some(issue(mark.clone())), ..org.change(&state.key, |_| ()).await };
        org.execute(&change).await.unwrap();
        assert_eq!(org.check().await.get(&state.key).unwrap().credential, mark);
        let before = org.observe().await;
        org.execute(&change).await.unwrap();
        assert_eq!(org.observe().await, before);
    }
}

/// Somebody under `company/n/north` who owes a credential.
async fn owing(org: &mut Org, called: &str) -> Live {
    let state = user(called, Place::Company(name("north")));
    org.execute(&Change { credential: Some(issue(CredentialMark::Owed("7".into()))), ..create(&state) }).await.unwrap();
    org.wanted.insert(state.key.clone(), state.clone());
    org.live(&state.key).await
}

fn soon() -> Timestamp {
    // Directories need not keep more than microseconds.
    Timestamp::from_second(Timestamp::now().as_second() + 3600).unwrap()
}

fn kinds(outcomes: Vec<Result<(), DirectoryError>>) -> Vec<Option<ErrorKind>> {
    outcomes.into_iter().map(|outcome| outcome.err().map(|error| error.kind)).collect()
}

pub(crate) async fn gives_out_what_is_owed(mut org: Org) {
    org.populate().await;
    let (anna, bea) = (owing(&mut org, "anna").await, owing(&mut org, "bea").await);
    let until = Some(soon());
    let temporary = org.can().methods.contains(&Method::Temporary);
    let issues = [org.invitation(&anna, "a", until), password(&bea, temporary, None)];
    assert_eq!(kinds(org.directory.issue(&issues, &org.run).await), [None, None]);
    let stored = org.check().await;
    let found = |observed: &Observed, live: &Live| observed.get(&live.state.key).unwrap().clone();
    assert_eq!((found(&stored, &anna).unused_until, found(&stored, &bea).unused_until), (until, None));
    assert_eq!(found(&stored, &anna).credential, CredentialMark::Owed("7".into()), "the mark comes last");
    assert_eq!(found(&stored, &anna).version, anna.version, "a secret is no precondition of a change");
    // Again before the mark: another secret in its place.
    assert_eq!(kinds(org.directory.issue(&[org.invitation(&anna, "b", until)], &org.run).await), [None]);
    let debts = [debt(&anna), debt(&bea)];
    assert_eq!(kinds(org.directory.delivered(&debts, &org.run).await), [None, None]);
    let given = org.check().await;
    assert_eq!(found(&given, &anna).credential, CredentialMark::Given("7".into()));
    assert_eq!((found(&given, &anna).unused_until, found(&given, &anna).version), (until, anna.version));
    // A new request kills what was there.
    let reset = issue(CredentialMark::Owed("8".into()));
    let change = Change { credential: Some(reset), ..org.change(&anna.state.key, |_| ()).await };
    org.execute(&change).await.unwrap();
    assert_eq!(org.live(&anna.state.key).await.unused_until, None);
}

pub(crate) async fn gives_nothing_that_is_not_owed(mut org: Org) {
    org.populate().await;
    let anna = owing(&mut org, "anna").await;
    let other = Live { credential: CredentialMark::Owed("6".into()), ..anna.clone() };
    let moved = || vec![Some(ErrorKind::Moved)];
    let before = org.observe().await;
    assert_eq!(
        kinds(org.directory.issue(&[org.invitation(&other, "a", Some(soon()))], &org.run).await),
        moved(),
        "another request"
    );
    assert_eq!(kinds(org.directory.delivered(&[debt(&other)], &org.run).await), moved());
    let nobody = Live { id: RemoteId("nobody".into()), ..anna.clone() };
    assert_eq!(kinds(org.directory.issue(&[org.invitation(&nobody, "a", Some(soon()))], &org.run).await), moved(), "nobody");
    let foreign = Run { owner: name("other"), ..org.run.clone() };
    assert_eq!(kinds(org.directory.issue(&[org.invitation(&anna, "a", Some(soon()))], &foreign).await), moved(), "another owner");
    assert_eq!(org.observe().await, before);
    let off = org.update(&anna.state.key, |it| it.enabled = false).await;
    assert_eq!(kinds(org.directory.issue(&[org.invitation(&off, "a", Some(soon()))], &org.run).await), moved(), "shut off");
    // One that cannot be given stops no other.
    org.update(&anna.state.key, |it| it.enabled = true).await;
    let issues = [org.invitation(&other, "a", Some(soon())), org.invitation(&anna, "b", Some(soon()))];
    assert_eq!(kinds(org.directory.issue(&issues, &org.run).await), [Some(ErrorKind::Moved), None]);
    org.directory.delivered(&[debt(&anna)], &org.run).await;
    assert_eq!(kinds(org.directory.delivered(&[debt(&anna)], &org.run).await), moved(), "given already");
}

pub(crate) async fn an_unused_secret_dies_with_account_and_address(mut org: Org) {
    org.populate().await;
    let dead = |live: Live| live.unused_until.is_some_and(|until| until <= Timestamp::now());
    for (called, edit) in
        [("off", (|it| it.enabled = false) as fn(&mut State)), ("address", |it| call(it, "address", "x@new.example"))]
    {
        let live = owing(&mut org, called).await;
        let key = live.state.key.clone();
        org.directory.issue(&[org.invitation(&live, called, Some(soon()))], &org.run).await;
        org.directory.delivered(&[debt(&live)], &org.run).await;
        org.update(&key, |it| with_user(it, |user| user.display_name = Some(tenantry::model::Line::new("T").unwrap()))).await;
        org.update(&key, |it| it.suspended = true).await;
        assert!(!dead(org.live(&key).await), "another edit leaves it");
        assert!(dead(org.update(&key, edit).await), "{called}");
        assert_eq!(org.live(&key).await.credential, CredentialMark::Given("7".into()));
    }
    // One without an end is a password that somebody has: it stays.
    let live = owing(&mut org, "kept").await;
    org.directory.issue(&[password(&live, false, None)], &org.run).await;
    assert_eq!(org.update(&live.state.key, |it| it.enabled = false).await.unused_until, None);
}

pub(crate) async fn stops_between_objects(mut org: Org) {
    org.populate().await;
    let run = Run { stop: Stop::default(), ..org.run.clone() };
    run.stop.request();
    let users: Vec<_> = (0..3).map(|i| create(&user(&format!("u{i}"), Place::Company(name("north"))))).collect();
    let outcomes = org.directory.execute_all(&users, &run).await;
    assert!(outcomes.into_iter().all(|outcome| kind_of(outcome) == ErrorKind::Interrupted));
    org.check().await;
    // While a long list is being carried out: what is reported is what is there.
    let run = Run { stop: Stop::default(), ..org.run.clone() };
    let users: Vec<_> = (0..5_000).map(|i| user(&format!("u{i:05}"), Place::Company(name("north")))).collect();
    let changes: Vec<_> = users.iter().map(create).collect();
    let (directory, stop) = (Arc::clone(&org.directory), run.stop.clone());
    let working = tokio::spawn(async move { directory.execute_all(&changes, &run).await });
    tokio::time::sleep(Duration::from_millis(5)).await;
    stop.request();
    for (outcome, state) in working.await.unwrap().into_iter().zip(users) {
        match outcome {
            Ok(_) => drop(org.wanted.insert(state.key.clone(), state)),
            Err(error) => assert_eq!(error.kind, ErrorKind::Interrupted),
        }
    }
    org.check().await;
}

pub(crate) async fn counts_losses_in_the_window(mut org: Org) {
    org.populate().await;
    let spent = |observed: Observed| observed.spent.0.into_iter().map(|(at, count)| (at.to_string(), count)).collect::<Vec<_>>();
    assert_eq!(spent(org.observe().await), []);
    let off = Change { loss: 1, ..org.change(&key("user/n/mara"), |it| it.enabled = false).await };
    org.execute(&off).await.unwrap();
    org.execute(&off).await.unwrap();
    assert_eq!(spent(org.observe().await), [("n".into(), 1)], "a repetition is no second loss");
    // To another namespace: a loss where it was.
    let away = Change {
        loss: 1,
        ..org.change(&key("user/n/mara"), |it| (it.key, it.place) = (key("user/m/mara"), it.place.clone())).await
    };
    let homeless = org.execute(&away).await;
    assert_eq!(kind_of(homeless), ErrorKind::Rejected);
    let place = if org.can().move_users {
        let other = State { key: key("company/m/other"), ..company("other", None) };
        org.execute(&create(&other)).await.unwrap();
        "other"
    } else {
        // What they stand under goes there first.
        let follows = org.change(&key("company/n/north"), |it| it.key = key("company/m/north")).await;
        org.execute(&follows).await.unwrap();
        "north"
    };
    let away = Change {
        loss: 1,
        ..org.change(&key("user/n/mara"), |it| (it.key, it.place) = (key("user/m/mara"), Some(Place::Company(name(place))))).await
    };
    org.execute(&away).await.unwrap();
    assert_eq!(spent(org.observe().await), [("n".into(), 2)]);
    let allowed = Run { losses_allowed: true, ..org.run.clone() };
    let gone = Change { loss: 1, ..delete(&key("user/n/pia")) };
    org.directory.execute(&gone, &allowed).await.unwrap();
    assert_eq!(spent(org.observe().await), [("n".into(), 2)], "what a flag allowed does not count");
    let other = Run { owner: name("other"), ..org.run.clone() };
    org.directory.execute(&Change { loss: 1, ..delete(&key("user/m/mara")) }, &other).await.unwrap();
    assert_eq!(spent(org.observe().await), [("m".into(), 1), ("n".into(), 2)], "every owner's losses count");
    let long_ago = org.directory.observe(&org.run.owner, &Scope::All, Duration::ZERO).await.unwrap();
    assert_eq!(spent(long_ago), []);
}

pub(crate) async fn remembers_what_each_owner_applied(org: Org) {
    let settings = Settings::of(&Project::default());
    for (owner, root) in [("acme", "tenants"), ("acme", "tenants"), ("other", "elsewhere"), ("acme", "folder/ü")] {
        org.directory.remember(&name(owner), Some(root), &settings).await.unwrap();
    }
    assert_eq!(org.check().await.applied.root.as_deref(), Some("folder/ü"));
    let other = org.directory.observe(&name("other"), &Scope::All, WINDOW).await.unwrap();
    assert_eq!(other.applied.root.as_deref(), Some("elsewhere"));
    let actor = Settings { actor: Some(Username::new("sofia").unwrap()), project: name("shop"), ..settings.clone() };
    org.directory.remember(&name("other"), None, &actor).await.unwrap();
    let other = org.directory.observe(&name("other"), &Scope::All, WINDOW).await.unwrap();
    assert_eq!(other.applied.root.as_deref(), Some("elsewhere"), "a part says nothing of the root");
    assert_eq!((other.applied.settings, other.applied.others), (Some(actor), [(name("acme"), settings.clone())].into()));
    let third = org.directory.observe(&name("third"), &Scope::All, WINDOW).await.unwrap();
    assert_eq!((third.applied.root, third.applied.settings), (None, None));
    assert_eq!(third.applied.others.len(), 2);
}

pub(crate) async fn each_right_is_one_run_s_alone(org: Org) {
    for (right, other) in [(Right::Run, Right::Write), (Right::Write, Right::Run)] {
        let lease = org.directory.lease(right, Duration::ZERO).await.unwrap();
        for wait in [Duration::ZERO, Duration::from_millis(150)] {
            let refused = org.directory.lease(right, wait).await;
            assert!(matches!(kind_of(refused), ErrorKind::Locked(_)));
        }
        // The other one is free, and reading needs none.
        drop(org.directory.lease(other, Duration::ZERO).await.unwrap());
        org.check().await;
        let directory = Arc::clone(&org.directory);
        let waiting = tokio::spawn(async move { directory.lease(right, Duration::from_secs(30)).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(lease);
        drop(waiting.await.unwrap().unwrap());
        org.directory.lease(right, Duration::ZERO).await.unwrap();
    }
}

pub(crate) async fn tells_owners_apart(mut org: Org) {
    org.populate().await;
    let mut theirs = user("theirs", Place::Company(name("north")));
    theirs.owner = Some(name("other"));
    org.create(theirs.clone()).await;
    let ours = org.directory.observe(&name("other"), &Scope::All, WINDOW).await.unwrap();
    assert_eq!(ours.ours, org.observe().await.ours, "everybody sees everything");
    theirs.owner = Some(name("acme"));
    assert_eq!(kind_of(org.execute(&create(&theirs)).await), ErrorKind::Conflict);
}
