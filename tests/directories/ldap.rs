//! A directory in an LDAP server keeps the contract, with the overlays that write to entries by themselves and without; and what
//! such a server brings with it.

mod server;

use std::{
    collections::BTreeSet,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use secrecy::SecretString;
use smol_str::SmolStr;
use tempfile::TempDir;
use tenantry::{
    directory::{Directory, ErrorKind, Right, Stop},
    drivers::{
        Sqlite,
        ldap::Ldap,
        remote::{Edit, Item, Ledgered, NewPassword, Remote, Target},
    },
    model::{Field, Kind, PasswordHash, PlainPassword, RemoteId},
};

use server::{Server, Tree, open_at};

use crate::{conformance::Trouble, proxy::Proxy};

fn fresh(tree: Tree) -> ((TempDir, Tree), Arc<dyn Directory>) {
    let folder = TempDir::new().unwrap();
    let ledger = Arc::new(Sqlite::ledger(folder.path(), Path::new("ledger.db")).unwrap());
    let remote = tree.open();
    ((folder, tree), Arc::new(Ledgered::new(remote, ledger, false)))
}

mod alone {
    crate::conformance::suite!(|| super::fresh(super::Server::alone().tree()));
}

/// One with trouble on the way.
fn troubled() -> ((TempDir, Tree, Proxy), Arc<dyn Directory>, Trouble) {
    static SEED: AtomicU64 = AtomicU64::new(1);
    let (folder, tree) = (TempDir::new().unwrap(), Server::alone().tree());
    let server = tree.url().strip_prefix("ldap://").unwrap().parse().unwrap();
    let proxy = Proxy::tcp(server, SEED.fetch_add(1, Ordering::Relaxed));
    let url = format!("ldap://{}", proxy.address());
    let remote = open_at(&url, tree.base(), "cn=tenantry,dc=test", "service").unwrap();
    let ledger = Arc::new(Sqlite::ledger(folder.path(), Path::new("ledger.db")).unwrap());
    let trouble = proxy.switch();
    ((folder, tree, proxy), Arc::new(Ledgered::new(remote, ledger, false)), trouble)
}

mod in_trouble {
    crate::conformance::troubled!(super::troubled);
}

mod with_overlays {
    crate::conformance::suite!(|| super::fresh(super::Server::with_overlays().tree()));
}

fn roles() -> BTreeSet<SmolStr> {
    ["owner", "nord.helper"].map(SmolStr::new_static).into()
}

fn place(kind: Kind, name: &str, parent: Option<&Item>) -> Target {
    Target {
        kind,
        name: SmolStr::new(name),
        parent: parent.map(|item| item.id.clone()),
        fields: Vec::new(),
        role: None,
        enabled: true,
        mark: Some(format!(r#"{{"key":"{name}"}}"#)),
    }
}

fn user(username: &str, parent: Option<&Item>) -> Target {
    let fields = vec![(Field::Username, SmolStr::new(username)), (Field::Email, SmolStr::new("somebody@acme.example"))];
    Target { fields, role: Some("owner".into()), ..place(Kind::User, username, parent) }
}

async fn one(ldap: &Ldap, edit: Edit) -> Result<Option<Item>, ErrorKind> {
    ldap.write(&[edit], &Stop::default()).await.pop().unwrap().map_err(|error| error.kind)
}

async fn create(ldap: &Ldap, target: Target) -> Item {
    one(ldap, Edit::Create(target)).await.unwrap().unwrap()
}

async fn swept(ldap: &Ldap) -> Vec<Item> {
    let mut items = ldap.sweep(&roles()).await.unwrap();
    items.sort_by(|a, b| a.id.cmp(&b.id));
    items
}

/// The object as a sweep and a look at it alone have it: both must say the same.
async fn found(ldap: &Ldap, id: &RemoteId) -> Item {
    let item = swept(ldap).await.into_iter().find(|item| item.id == *id).unwrap();
    assert_eq!(ldap.read(&[(item.kind, id.clone())], &roles()).await.unwrap(), std::slice::from_ref(&item));
    item
}

fn text(item: &Item, field: Field) -> Option<&str> {
    item.fields.iter().find(|(known, _)| *known == field).map(|(_, text)| text.as_str())
}

/// An argon2id hash, and what it is of.
fn password(must_change: bool) -> NewPassword {
    NewPassword {
        hash: PasswordHash::new(crate::conformance::PASSWORD_HASH),
        plain: Some(PlainPassword::new(crate::conformance::PASSWORD)),
        must_change,
    }
}

#[tokio::test]
async fn what_is_written_is_what_is_read() {
    let tree = Server::with_overlays().tree();
    let ldap = tree.open();
    let north = create(&ldap, place(Kind::Company, "north", None)).await;
    let shop = create(&ldap, place(Kind::Customer, "shop", Some(&north))).await;
    let mara = create(&ldap, user("mara", Some(&shop))).await;
    for item in [&north, &shop, &mara] {
        assert_eq!(found(&ldap, &item.id).await, *item);
    }
    assert_eq!((mara.roles.clone(), mara.enabled, mara.must_change), (vec!["owner".into()], Some(true), Some(false)));
    assert_eq!(swept(&ldap).await.len(), 3, "our own folder is no company");
    assert_eq!(one(&ldap, Edit::Create(user("mara", Some(&shop)))).await, Err(ErrorKind::Conflict));
    assert_eq!(one(&ldap, Edit::Delete(Box::new(shop))).await, Err(ErrorKind::Rejected), "somebody stands under it");
    assert_eq!(one(&ldap, Edit::Delete(Box::new(mara.clone()))).await, Ok(None));
    assert_eq!(one(&ldap, Edit::Delete(Box::new(mara))).await, Ok(None));
}

#[tokio::test]
async fn awkward_names_come_back_as_they_are() {
    let tree = Server::alone().tree();
    let ldap = tree.open();
    let mut under = None;
    for name in ["a, b + c", "#hash", "\"quoted\" \\ ; <x> = y", "Größe 東京 🌞", "x*(y)\\2a"] {
        let company = create(&ldap, place(Kind::Company, name, under.as_ref())).await;
        let person = create(&ldap, user(name, Some(&company))).await;
        let person = found(&ldap, &person.id).await;
        assert_eq!((text(&person, Field::Username), &person.parent), (Some(name), &Some(company.id.clone())), "{name}");
        assert_eq!(person.roles, [SmolStr::new("owner")]);
        let unmarked = Target { mark: None, ..place(Kind::Company, name, under.as_ref()) };
        let company = one(&ldap, Edit::Update(Box::new(company), unmarked)).await.unwrap().unwrap();
        assert_eq!(text(&company, Field::DisplayName), Some(name));
        under = Some(company);
    }
}

#[tokio::test]
async fn what_a_place_is_called_does_not_matter() {
    let tree = Server::alone().tree();
    let ldap = tree.open();
    let mut made = Vec::new();
    for name in ["north", "north", "tenantry", "North"] {
        made.push(create(&ldap, place(Kind::Company, name, None)).await);
    }
    let inner = create(&ldap, place(Kind::Customer, "north", Some(&made[0]))).await;
    let inner = one(&ldap, Edit::Update(Box::new(inner), place(Kind::Customer, "north", None))).await.unwrap().unwrap();
    assert_eq!(inner.parent, None);
    made.push(inner);
    made.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(swept(&ldap).await, made);
    let lock = ldap.lease(Right::Write, Duration::ZERO).await.unwrap();
    assert_eq!(swept(&ldap).await, made);
    drop(lock);
}

#[tokio::test]
async fn a_moved_company_takes_its_people_and_their_roles_along() {
    for server in [Server::alone(), Server::with_overlays()] {
        let tree = server.tree();
        let ldap = tree.open();
        let north = create(&ldap, place(Kind::Company, "north", None)).await;
        let south = create(&ldap, place(Kind::Company, "south", None)).await;
        let shop = create(&ldap, place(Kind::Customer, "shop", Some(&north))).await;
        let mara = create(&ldap, user("mara", Some(&shop))).await;
        let jonas = create(&ldap, user("jonas", Some(&north))).await;
        let moved = one(&ldap, Edit::Update(Box::new(north), place(Kind::Company, "north", Some(&south)))).await;
        let north = moved.unwrap().unwrap();
        assert_eq!(north.parent, Some(south.id.clone()));
        for person in [&mara, &jonas] {
            let now = found(&ldap, &person.id).await;
            assert_eq!((&now.parent, &now.roles), (&person.parent, &person.roles));
        }
        // Where its people are is known, without another look.
        let renamed = one(&ldap, Edit::Update(Box::new(found(&tree.open(), &mara.id).await), user("mara.l", Some(&shop)))).await;
        let renamed = renamed.unwrap().unwrap();
        assert_eq!((&renamed.id, &renamed.roles), (&mara.id, &mara.roles));
        assert_eq!(found(&ldap, &mara.id).await, renamed);
        let members = tree.values(&format!("cn=owner,ou=roles,ou=tenantry,{}", tree.base()), "member");
        assert_eq!(members.len(), 3, "the two, and the one who is always there: {members:?}");
    }
}

#[tokio::test]
async fn what_changed_meanwhile_is_not_written() {
    let tree = Server::alone().tree();
    let ldap = tree.open();
    let mara = create(&ldap, user("mara", None)).await;
    tree.change(&format!("dn: uid=mara,{}\nchangetype: modify\nreplace: title\ntitle: x\n", tree.base()));
    let edits = [Edit::Update(Box::new(mara.clone()), user("mara.l", None)), Edit::Delete(Box::new(mara.clone()))];
    for edit in edits {
        assert_eq!(one(&ldap, edit).await, Err(ErrorKind::Moved));
    }
    // Somebody else has the name by now.
    tree.change(&format!("dn: uid=mara,{}\nchangetype: modrdn\nnewrdn: uid=other\ndeleteoldrdn: 1\n", tree.base()));
    tree.change(&format!("dn: uid=mara,{}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: mara\ncn: m\nsn: m\n", tree.base()));
    let other = found(&tree.open(), &mara.id).await;
    assert_eq!(ldap.read(&[(Kind::User, mara.id.clone())], &roles()).await.unwrap()[0].tag, other.tag);
    assert_eq!(text(&other, Field::Username), Some("other"));
    assert_eq!(one(&ldap, Edit::Delete(Box::new(other))).await, Ok(None));
    assert_eq!(swept(&ldap).await.len(), 1);
}

#[tokio::test]
async fn what_is_somebody_else_s_survives_every_edit() {
    let tree = Server::alone().tree();
    let (ldap, base) = (tree.open(), tree.base());
    tree.change(&format!(
        "dn: ou=people,{base}\nchangetype: add\nobjectClass: organizationalUnit\nou: people\nou: Staff\nl: Kiel\nseeAlso: dc=test\n"
    ));
    tree.change(&format!(
        "dn: uid=mara,ou=people,{base}\nchangetype: add\nobjectClass: inetOrgPerson\nobjectClass: posixAccount\nuid: mara\nuid: ml\n\
         cn: Mara B. Lindqvist\nsn: Lindqvist\ngivenName: Mara\nmail: m@acme.example\nmail: mara@acme.example\nmobile: +49 151 1\n\
         uidNumber: 1\ngidNumber: 1\nhomeDirectory: /home/m\nlabeledURI: https://acme.example/mara Home\ntitle: Dr\n\
         description;lang-de: Leiterin\n"
    ));
    let dn = format!("uid=mara,ou=people,{base}");
    let [people, mara] = &*swept(&ldap).await else { panic!("two") };
    let (people, mara) = if people.kind == Kind::Company { (people, mara) } else { (mara, people) };
    assert_eq!((text(people, Field::DisplayName), &people.mark), (Some("people"), &None));
    assert_eq!(mara.parent, Some(people.id.clone()));
    assert_eq!(text(mara, Field::LastName), Some("Lindqvist"));

    // Adopted as they are: nothing but the mark is written.
    let target = Target { fields: mara.fields.clone(), role: None, ..user("mara", Some(people)) };
    let before = tree.entry(&dn);
    let adopted = one(&ldap, Edit::Update(Box::new(mara.clone()), target.clone())).await.unwrap().unwrap();
    let line = format!("labeledURI: urn:tenantry:mark {}", target.mark.clone().unwrap());
    assert_eq!(
        tree.entry(&dn),
        [before.clone(), vec![line]].concat().into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    );

    // Every field of ours changes, and goes; what is not ours stays.
    let all = [
        (Field::Username, "mara.l"),
        (Field::Email, "new@acme.example"),
        (Field::DisplayName, "M. L."),
        (Field::FirstName, "M."),
        (Field::LastName, "L."),
        (Field::Phone, "+491512"),
        (Field::Description, "two\nlines"),
    ];
    let fields: Vec<_> = all.map(|(field, text)| (field, SmolStr::new_static(text))).into();
    let changed = Target { fields: fields.clone(), ..target.clone() };
    let changed = one(&ldap, Edit::Update(Box::new(adopted), changed)).await.unwrap().unwrap();
    assert_eq!(changed.fields, fields);
    let least = Target { fields: fields[..2].to_vec(), mark: None, ..target };
    let least = one(&ldap, Edit::Update(Box::new(changed), least)).await.unwrap().unwrap();
    assert_eq!(least.fields, fields[..2]);
    assert_eq!(found(&ldap, &least.id).await, least);
    let after = tree.entry(&format!("uid=mara.l,ou=people,{base}"));
    for kept in before.iter().filter(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        !matches!(name, "sn" | "givenName" | "mobile") && !matches!(value, "mara" | "m@acme.example")
    }) {
        assert!(after.contains(kept), "{kept} is gone: {after:?}");
    }
    let marked = one(&ldap, Edit::Update(Box::new(people.clone()), place(Kind::Company, "people", None))).await.unwrap().unwrap();
    assert_eq!(marked.mark.as_deref(), Some(r#"{"key":"people"}"#));
    for kept in ["ou: people", "ou: Staff", "l: Kiel", "seeAlso: dc=test", "objectClass: organizationalUnit"] {
        assert!(tree.entry(&format!("ou=people,{base}")).contains(&kept.to_owned()), "{kept}");
    }
}

#[tokio::test]
async fn the_last_member_of_a_role_can_go() {
    let tree = Server::alone().tree();
    let (ldap, base) = (tree.open(), tree.base());
    let mara = create(&ldap, user("mara", None)).await;
    let helper = Target { role: Some("nord.helper".into()), ..user("mara", None) };
    let mara = one(&ldap, Edit::Update(Box::new(mara), helper.clone())).await.unwrap().unwrap();
    assert_eq!(found(&ldap, &mara.id).await.roles, [SmolStr::new("nord.helper")]);
    // A group that somebody else made has no member of ours.
    tree.change(&format!(
        "dn: cn=owner,ou=roles,ou=tenantry,{base}\nchangetype: delete\n\n\
         dn: cn=owner,ou=roles,ou=tenantry,{base}\nchangetype: add\nobjectClass: groupOfNames\ncn: owner\nmember: UID=Mara, {base}\n"
    ));
    let mara = found(&ldap, &mara.id).await;
    assert_eq!(mara.roles, ["nord.helper", "owner"].map(SmolStr::new_static));
    let mara = one(&ldap, Edit::Update(Box::new(mara), helper)).await.unwrap().unwrap();
    assert_eq!(found(&ldap, &mara.id).await.roles, [SmolStr::new("nord.helper")]);
    assert_eq!(one(&ldap, Edit::Delete(Box::new(mara))).await, Ok(None));
    // A member that was left behind gives nobody a role who is called like it.
    tree.change(&format!("dn: cn=owner,ou=roles,ou=tenantry,{base}\nchangetype: modify\nadd: member\nmember: uid=jonas,{base}\n"));
    assert_eq!(swept(&ldap).await, []);
    let jonas = create(&ldap, Target { role: None, ..user("jonas", None) }).await;
    assert_eq!(found(&ldap, &jonas.id).await.roles, Vec::<SmolStr>::new());
}

#[tokio::test]
async fn five_hundred_get_a_role_at_once() {
    let tree = Server::with_overlays().tree();
    let ldap = tree.open();
    let edits: Vec<_> = (0..500).map(|n| Edit::Create(user(&format!("u{n}"), None))).collect();
    let before = ldap.traffic().requests;
    let made = ldap.write(&edits, &Stop::default()).await;
    // An entry, and its tag once more because of `memberof`; the groups cost next to nothing.
    let requests = ldap.traffic().requests - before;
    assert!(requests < 1020, "{requests}");
    let mut made: Vec<_> = made.into_iter().map(|item| item.unwrap().unwrap()).collect();
    made.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(swept(&ldap).await, made);
    let before = ldap.traffic().requests;
    swept(&ldap).await;
    assert_eq!(ldap.traffic().requests - before, 4, "the policies, two pages, the groups");
    let stop = Stop::default();
    stop.request();
    let stopped = ldap.write(&edits[..1], &stop).await.pop().unwrap().unwrap_err();
    assert_eq!(stopped.kind, ErrorKind::Interrupted);
}

#[tokio::test]
async fn passwords_are_checked_by_the_server_and_taken_away() {
    let tree = Server::with_overlays().tree();
    let (ldap, dn) = (tree.open(), format!("uid=mara,{}", tree.base()));
    let mara = create(&ldap, user("mara", None)).await;
    assert!(!tree.binds(&dn));
    ldap.password(&mara.id, &password(false)).await.unwrap();
    assert!(tree.binds(&dn));
    assert!(tree.values(&dn, "userPassword:")[0].starts_with("{ARGON2}$argon2id$"), "kept as our hash");
    assert_eq!(found(&ldap, &mara.id).await.must_change, Some(false), "whatever the policy's pwdMustChange says");

    ldap.password(&mara.id, &password(true)).await.unwrap();
    assert_eq!(found(&ldap, &mara.id).await.must_change, Some(true));
    assert!(tree.must_change(&dn));

    let disabled = Target { enabled: false, ..user("mara", None) };
    let mara = one(&ldap, Edit::Update(Box::new(found(&ldap, &mara.id).await), disabled)).await.unwrap().unwrap();
    assert_eq!(mara.enabled, Some(false));
    assert!(!tree.binds(&dn));
    // The server would let them in again with any change of the password.
    ldap.password(&mara.id, &password(false)).await.unwrap();
    assert!(!tree.binds(&dn));
    ldap.revoke(&mara.id).await.unwrap();
    ldap.revoke(&mara.id).await.unwrap();
    let mara = found(&ldap, &mara.id).await;
    assert_eq!((mara.enabled, mara.must_change), (Some(false), Some(false)));
    let mara = one(&ldap, Edit::Update(Box::new(mara), user("mara", None))).await.unwrap().unwrap();
    assert_eq!(mara.enabled, Some(true));
    assert!(!tree.binds(&dn), "there is no password");
    ldap.password(&mara.id, &password(false)).await.unwrap();
    assert!(tree.binds(&dn));
}

#[tokio::test]
async fn who_locked_themselves_out_is_not_shut_off() {
    let tree = Server::alone().tree();
    let (ldap, dn) = (tree.open(), format!("uid=mara,{}", tree.base()));
    let mara = create(&ldap, user("mara", None)).await;
    ldap.password(&mara.id, &password(false)).await.unwrap();
    for _ in 0..3 {
        assert!(!tree.binds_with(&dn, "wrong"));
    }
    assert!(!tree.binds(&dn));
    let locked = found(&ldap, &mara.id).await;
    assert_eq!((locked.enabled, tree.values(&dn, "pwdAccountLockedTime").len()), (Some(true), 1));
    // What is written now leaves the lock alone.
    let described =
        Target { fields: [user("mara", None).fields, vec![(Field::Description, "x".into())]].concat(), ..user("mara", None) };
    let locked = one(&ldap, Edit::Update(Box::new(locked), described)).await.unwrap().unwrap();
    assert_eq!((locked.enabled, tree.values(&dn, "pwdAccountLockedTime").len()), (Some(true), 1));
    assert!(ldap.capabilities().disable);
}

#[tokio::test]
async fn a_server_that_does_not_know_our_hashes_makes_its_own() {
    let server = Server::start(&["--plain"]);
    let tree = server.tree();
    let (ldap, dn) = (tree.open(), format!("uid=mara,{}", tree.base()));
    let mara = create(&ldap, user("mara", None)).await;
    for must_change in [true, false] {
        ldap.password(&mara.id, &password(must_change)).await.unwrap();
        assert!(tree.binds(&dn));
        assert_eq!(found(&ldap, &mara.id).await.must_change, Some(must_change));
    }
    let hash_only = NewPassword { plain: None, ..password(false) };
    assert_eq!(ldap.password(&mara.id, &hash_only).await.unwrap_err().kind, ErrorKind::Rejected);
}

#[tokio::test]
async fn a_policy_that_wants_to_read_passwords_gets_them() {
    let server = Server::start(&["--policy", "pwdCheckQuality: 2"]);
    let tree = server.tree();
    let ldap = tree.open();
    let mara = create(&ldap, user("mara", None)).await;
    ldap.password(&mara.id, &password(true)).await.unwrap();
    assert!(tree.must_change(&format!("uid=mara,{}", tree.base())));
    let hash_only = NewPassword { plain: None, ..password(false) };
    assert_eq!(ldap.password(&mara.id, &hash_only).await.unwrap_err().kind, ErrorKind::Rejected);
}

#[tokio::test]
async fn a_server_without_lockout_cannot_disable() {
    let server = Server::start(&[]);
    let tree = server.tree();
    server.tree().change("dn: cn=default,ou=policies,dc=test\nchangetype: modify\nreplace: pwdLockout\npwdLockout: FALSE\n");
    let ldap = tree.open();
    swept(&ldap).await;
    assert!(!ldap.capabilities().disable);
}

#[tokio::test]
async fn a_part_is_never_taken_for_the_whole() {
    let server = Server::start(&["--capped"]);
    let tree = server.tree();
    let ldap = tree.open();
    let edits: Vec<_> = (0..600).map(|n| Edit::Create(Target { role: None, ..user(&format!("u{n}"), None) })).collect();
    assert!(ldap.write(&edits, &Stop::default()).await.iter().all(Result::is_ok));
    let error = ldap.sweep(&roles()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Incomplete);
    assert!(error.chain().contains("size.prtotal"), "{}", error.chain());

    let tree = Server::alone().tree();
    let ldap = tree.open();
    create(&ldap, place(Kind::Company, "north", None)).await;
    tree.change(&format!(
        "dn: ou=abroad,{}\nchangetype: add\nobjectClass: referral\nobjectClass: extensibleObject\nou: abroad\nref: ldap://elsewhere.example/dc=x\n",
        tree.base()
    ));
    let error = ldap.sweep(&roles()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Incomplete);
    assert!(error.chain().contains("elsewhere.example"), "{}", error.chain());

    let nowhere = open_at(&tree.url(), "ou=nowhere,dc=test", "cn=tenantry,dc=test", "service").unwrap();
    assert_eq!(nowhere.sweep(&roles()).await.unwrap_err().kind, ErrorKind::Incomplete);
}

#[tokio::test]
async fn whoever_has_not_the_right_is_told() {
    let tree = Server::alone().tree();
    let open = |dn: &str, password: &str| open_at(&tree.url(), tree.base(), dn, password);
    let wrong = open("cn=tenantry,dc=test", "wrong").unwrap().sweep(&roles()).await.unwrap_err();
    assert_eq!(wrong.kind, ErrorKind::Refused);
    assert!(!wrong.chain().contains("wrong\""), "{}", wrong.chain());
    assert_eq!(open("cn=tenantry,dc=test", "").err().unwrap().kind, ErrorKind::Refused, "nobody signs in without a password");
    for url in ["http://x", "ldap://", "ldaps://[::1]:636", "x"] {
        assert_eq!(open_at(url, tree.base(), "cn=x", "x").err().unwrap().kind, ErrorKind::Rejected, "{url}");
    }

    // The rules of the documentation are enough for everything above, and for nothing else.
    let as_us = |ldif: &str| tree.changes_as("cn=tenantry,dc=test", "service", ldif);
    let base = tree.base();
    for forbidden in [
        format!("dn: {base}\nchangetype: modify\nreplace: description\ndescription: x\n"),
        format!("dn: {base}\nchangetype: delete\n"),
        "dn: ou=x,dc=test\nchangetype: add\nobjectClass: organizationalUnit\nou: x\n".into(),
        "dn: cn=default,ou=policies,dc=test\nchangetype: modify\nreplace: pwdLockout\npwdLockout: FALSE\n".into(),
        "dn: cn=tenantry,dc=test\nchangetype: modify\nreplace: userPassword\nuserPassword: x\n".into(),
    ] {
        assert!(!as_us(&forbidden), "{forbidden}");
    }
    let elsewhere = open_at(&tree.url(), "dc=test", "cn=tenantry,dc=test", "service").unwrap();
    let refused = one(&elsewhere, Edit::Create(place(Kind::Company, "north", None))).await;
    assert_eq!(refused, Err(ErrorKind::Refused));
}

#[tokio::test]
async fn a_name_that_the_server_keeps_unique_is_a_conflict() {
    let server = Server::start(&["--overlays", "unique"]);
    let tree = server.tree();
    let ldap = tree.open();
    create(&ldap, user("mara", None)).await;
    assert_eq!(one(&ldap, Edit::Create(user("jonas", None))).await, Err(ErrorKind::Conflict));
}

#[tokio::test]
async fn a_right_is_one_s_alone_until_its_holder_is_gone() {
    let tree = Server::alone().tree();
    let (ldap, other) = (tree.open(), tree.open());
    let held = ldap.lease(Right::Write, Duration::ZERO).await.unwrap().unwrap();
    let error = other.lease(Right::Write, Duration::ZERO).await.unwrap_err();
    assert!(matches!(&error.kind, ErrorKind::Locked(Some(holder)) if holder.contains("process")), "{error:?}");
    drop(other.lease(Right::Run, Duration::ZERO).await.unwrap().unwrap());
    drop(held);
    drop(other.lease(Right::Write, Duration::ZERO).await.unwrap().unwrap());
    assert_eq!(swept(&ldap).await, [], "a lock is no object");

    // One whose holder died, and one whose holder did not.
    let lock = format!("cn=lease-write,ou=tenantry,{}", tree.base());
    let sign = |until: &str| {
        format!(
            "dn: {lock}\nchangetype: add\nobjectClass: applicationProcess\ncn: lease-write\ndescription: until {until} process 1 on x\n"
        )
    };
    tree.change(&sign("2026-01-01T00:00:00Z"));
    drop(ldap.lease(Right::Write, Duration::from_secs(5)).await.unwrap().unwrap());
    tree.change(&sign("2999-01-01T00:00:00Z"));
    let error = ldap.lease(Right::Write, Duration::from_millis(600)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Locked(Some("process 1 on x".into())));
}

#[tokio::test]
async fn a_server_that_was_restarted_is_found_again() {
    let mut server = Server::start(&[]);
    let tree = server.tree();
    let ldap = tree.open();
    let north = create(&ldap, place(Kind::Company, "north", None)).await;
    server
        .restart(async || {
            let error = ldap.sweep(&roles()).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unavailable);
        })
        .await;
    assert_eq!(swept(&ldap).await, std::slice::from_ref(&north));
    create(&ldap, user("mara", Some(&north))).await;
}

#[tokio::test]
async fn a_socket_will_do() {
    let server = Server::alone();
    let tree = server.tree();
    let socket = format!("ldapi://{}%2Fsocket", server.folder().to_str().unwrap().replace('/', "%2F"));
    let ldap = open_at(&socket, tree.base(), "cn=tenantry,dc=test", "service").unwrap();
    create(&ldap, user("mara", None)).await;
    assert_eq!(swept(&ldap).await.len(), 1);
}

/// A host that is not called this machine gets TLS, whatever the URL says; the certificate is checked.
#[test]
fn the_password_goes_over_tls() {
    let server = Server::alone();
    let tree = server.tree();
    let folder = TempDir::new().unwrap();
    let url = tree.url().replace("127.0.0.1", "127.0.0.2");
    std::fs::write(folder.path().join("password"), "service").unwrap();
    std::fs::write(
        folder.path().join("tenantry.yaml"),
        format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: {{ name: acme }}\nspec:\n  directory:\n    ldap:\n      \
             url: {url}\n      baseDn: \"{}\"\n      bindDn: cn=tenantry,dc=test\n      password: {{ file: password }}\n",
            tree.base()
        ),
    )
    .unwrap();
    let plan = |ca: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command.arg("plan").current_dir(folder.path()).env("SSL_CERT_FILE", ca).env_remove("SSL_CERT_DIR");
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (fine, said) = plan(&server.folder().join("ca.pem"));
    assert!(fine, "{said}");
    std::fs::copy(server.folder().join("ldap.pem"), folder.path().join("other.pem")).unwrap();
    let (fine, said) = plan(&folder.path().join("other.pem"));
    assert!(!fine && said.contains("ertificate"), "{said}");
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}
