//! People set their passwords.

use std::sync::Arc;

use jiff::Timestamp;
use tenantry::{
    directory::{Accounts, Directory, ErrorKind, History},
    drivers::Postgres,
    history::Chain,
    model::{PasswordHash, Place, PlainPassword, TokenHash, Username},
    observed::{CredentialMark, Live},
    plan::Change,
};

use super::server::{SERVER, fresh};
use crate::conformance::{Org, PASSWORD_HASH, company, create, issue, kind_of, link, name, password, user};

/// Somebody with a link, somebody with a temporary password, and the directory.
async fn people(until: Timestamp) -> (String, Arc<Postgres>, Org, [Live; 2]) {
    let (schema, directory) = fresh();
    let mut org = Org::new(directory.clone());
    org.create(company("north", None)).await;
    let mut live = Vec::new();
    for called in ["anna", "bea"] {
        let state = user(called, Place::Company(name("north")));
        let change = Change { credential: Some(issue(CredentialMark::Owed("".into()))), ..create(&state) };
        org.execute(&change).await.unwrap();
        org.wanted.insert(state.key.clone(), state.clone());
        live.push(org.live(&state.key).await);
    }
    // Hashes of tokens are unique within a schema.
    let issues = [link(&live[0], "token", Some(until)), password(&live[1], true, Some(until))];
    let stored = directory.issue(&issues, &org.run).await;
    assert!(stored.iter().all(Result::is_ok), "{stored:?}");
    (schema, directory, org, live.try_into().unwrap())
}

fn in_an_hour() -> Timestamp {
    Timestamp::now() + jiff::SignedDuration::from_hours(1)
}

fn plain() -> PlainPassword {
    PlainPassword::new("x")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_use_a_link_one_gets_through() {
    let (schema, directory, org, [anna, _]) = people(in_an_hour()).await;
    let (token, wrong) = (TokenHash::of(b"token"), TokenHash::of(b"tokeN"));
    let now = Timestamp::now();
    for _ in 0..20 {
        assert!(directory.redeemable(&token, now).await.unwrap(), "looking uses nothing up");
    }
    assert!(!directory.redeemable(&wrong, now).await.unwrap());
    assert!(!directory.redeem(&wrong, &PasswordHash::new("$w"), &plain(), now).await.unwrap());
    let username = Username::new("anna").unwrap();
    assert_eq!(directory.sign_in(&username).await.unwrap(), None, "no password exists until it is used");
    // Half of them on connections of their own, as other replicas would be.
    let other = SERVER.open(&schema);
    let tries = (0..20).map(|row| {
        let (directory, token) = (if row % 2 == 0 { directory.clone() } else { other.clone() }, token.clone());
        tokio::spawn(async move { directory.redeem(&token, &PasswordHash::new(format!("${row}")), &plain(), now).await.unwrap() })
    });
    let mut won = 0;
    for one in tries.collect::<Vec<_>>() {
        won += u32::from(one.await.unwrap());
    }
    assert_eq!(won, 1);
    let found = directory.sign_in(&username).await.unwrap().unwrap();
    assert!(found.enabled && !found.must_change && found.until.is_none());
    assert!(!directory.redeemable(&token, now).await.unwrap());
    assert_eq!(org.live(&anna.state.key).await.unused_until, None);
    assert!(matches!(directory.verify(None).await.unwrap(), Chain::Whole { .. }));
}

#[tokio::test]
async fn links_and_temporary_passwords_die_by_time_disabling_and_deletion() {
    let until = in_an_hour();
    let (schema, directory, mut org, [anna, bea]) = people(until).await;
    let (token, old, new) = (TokenHash::of(b"token"), PasswordHash::new(PASSWORD_HASH), PasswordHash::new("$new"));
    let bea_is = Username::new("bea").unwrap();
    assert!(!directory.redeemable(&token, until).await.unwrap());
    assert!(!directory.redeem(&token, &new, &plain(), until).await.unwrap());
    assert!(!directory.replace(&bea_is, &old, &new, until).await.unwrap(), "dead at its time");
    assert!(!directory.replace(&bea_is, &new, &old, Timestamp::now()).await.unwrap(), "another password");
    assert!(directory.sign_in(&bea_is).await.unwrap().unwrap().must_change);
    assert!(directory.replace(&bea_is, &old, &new, Timestamp::now()).await.unwrap());
    let found = directory.sign_in(&bea_is).await.unwrap().unwrap();
    assert!(found.password == new && !found.must_change && found.until.is_none(), "changed by its owner, it lives on");

    org.update(&anna.state.key, |it| it.enabled = false).await;
    org.update(&bea.state.key, |it| it.enabled = false).await;
    assert!(!directory.redeemable(&token, Timestamp::now()).await.unwrap());
    assert!(!directory.sign_in(&bea_is).await.unwrap().unwrap().enabled);
    assert!(!directory.replace(&bea_is, &new, &old, Timestamp::now()).await.unwrap());
    org.update(&anna.state.key, |it| it.enabled = true).await;
    assert!(!directory.redeem(&token, &new, &plain(), Timestamp::now()).await.unwrap(), "it does not come back to life");
    org.delete(&bea.state.key).await;
    assert_eq!(directory.sign_in(&bea_is).await.unwrap(), None);
    let left = SERVER.connect().await.query_one(&format!("SELECT count(*) FROM {schema}.secrets"), &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 0, "nothing is kept of those who are gone");
}

#[tokio::test]
async fn nobody_is_looked_for_where_nothing_was_applied() {
    let (_, directory) = fresh();
    let anna = Username::new("anna").unwrap();
    assert_eq!(kind_of(directory.sign_in(&anna).await), ErrorKind::Unavailable);
    let (token, now) = (TokenHash::of(b"token"), Timestamp::now());
    assert_eq!(kind_of(directory.redeem(&token, &PasswordHash::new("$"), &plain(), now).await), ErrorKind::Unavailable);
    let org = Org::new(directory);
    org.check().await;
}
