//! What this server does differently from what one would think, one test each.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use smol_str::{SmolStr, format_smolstr};
use tenantry::{
    directory::{DirectoryError, ErrorKind, Stop},
    drivers::{
        remote::{Edit, Item, NewPassword, Remote, Target},
        thingsboard::Thingsboard,
    },
    manifest::{ThingsboardInvites, ThingsboardProof},
    model::{Field, Kind, PasswordHash, PlainPassword, RemoteId},
};

use super::{Server, open_with, system, tenant, unread};
use crate::{http::Message, simulator::Mail};

fn roles() -> BTreeSet<SmolStr> {
    ["tenant-administrator", "customer-user", "support"].map(SmolStr::new).into()
}

fn target(kind: Kind, name: &str, parent: Option<&RemoteId>) -> Target {
    let fields = match kind {
        Kind::User => vec![(Field::Username, name.into()), (Field::Email, format_smolstr!("{name}@acme.example"))],
        Kind::Customer | Kind::Company | Kind::Role => vec![(Field::DisplayName, name.into())],
    };
    let mark = Some(format!("{{\"v\":1,\"name\":\"{name}\"}}"));
    Target { kind, name: name.into(), parent: parent.cloned(), fields, role: None, enabled: true, mark }
}

async fn write(remote: &Thingsboard, edit: Edit) -> Result<Option<Item>, DirectoryError> {
    remote.write(&[edit], &Stop::default()).await.pop().unwrap()
}

async fn create(remote: &Thingsboard, target: Target) -> Item {
    write(remote, Edit::Create(target)).await.unwrap().unwrap()
}

async fn update(remote: &Thingsboard, item: &Item, target: Target) -> Result<Item, DirectoryError> {
    write(remote, Edit::Update(Box::new(item.clone()), target)).await.map(Option::unwrap)
}

async fn read(remote: &Thingsboard, item: &Item) -> Item {
    remote.read(&[(item.kind, item.id.clone())], &roles()).await.unwrap().pop().unwrap()
}

async fn sweep(remote: &Thingsboard) -> Result<Vec<Item>, DirectoryError> {
    remote.sweep(&roles()).await
}

/// A tenant, a customer of it, a user of each, and the driver as its administrator.
async fn populated() -> (Server, Thingsboard, [Item; 3]) {
    let server = Server::simulated();
    let (north, key) = server.tenant("north");
    let remote = tenant(&server, &key);
    sweep(&remote).await.unwrap();
    let north = RemoteId(north.into());
    let shop = create(&remote, target(Kind::Customer, "shop", Some(&north))).await;
    let mara = create(&remote, target(Kind::User, "mara", Some(&north))).await;
    let pia = create(&remote, target(Kind::User, "pia", Some(&shop.id))).await;
    (server, remote, [shop, mara, pia])
}

fn again(item: &Item, name: &str) -> Target {
    target(item.kind, name, item.parent.as_ref())
}

#[tokio::test]
async fn what_others_keep_survives_and_what_the_server_adds_never_travels_back() {
    let (server, remote, [shop, mara, _]) = populated().await;
    let theirs = json!({ "lang": "de_DE", "homeDashboardId": null, "nested": { "tenantry": 1 } });
    for item in [&shop, &mara] {
        let theirs = theirs.clone();
        server.simulator().state().change(&item.id.0, |row| {
            for (name, value) in theirs.as_object().unwrap() {
                row["additionalInfo"][name] = value.clone();
            }
        });
    }
    for item in [&shop, &mara] {
        let item = read(&remote, item).await;
        let mut to = again(&item, "other");
        to.fields.push((Field::Description, "for people".into()));
        let after = update(&remote, &item, to).await.unwrap();
        assert_eq!(read(&remote, &item).await, Item { roles: read(&remote, &item).await.roles, ..after });
        let state = server.simulator().state();
        let row = state.user("other@acme.example").filter(|_| item.kind == Kind::User).or_else(|| state.place("other")).unwrap();
        let mut wanted = theirs.clone();
        wanted["description"] = json!("for people");
        wanted["tenantry"] = json!({ "mark": { "v": 1, "name": "other" } });
        if item.kind == Kind::User {
            wanted["tenantry"]["username"] = json!("other");
        }
        assert_eq!(row["additionalInfo"], wanted, "and none of `userCredentialsEnabled`, `userActivated`, `lastLoginTs`");
    }
}

#[tokio::test]
async fn a_version_is_the_precondition_of_every_save_and_no_save_is_for_nothing() {
    let (server, remote, [shop, mara, _]) = populated().await;
    for item in [&shop, &mara] {
        let item = read(&remote, item).await;
        let name = if item.kind == Kind::User { "mara" } else { "shop" };
        assert_eq!(update(&remote, &item, again(&item, name)).await.unwrap().tag, item.tag, "nothing differs, nothing is sent");
        server.simulator().state().change(&item.id.0, |row| row["phone"] = json!("+49301234"));
        let late = update(&remote, &item, again(&item, "late")).await.unwrap_err();
        assert_eq!(late.kind, ErrorKind::Moved, "{}", late.chain());
        let now = read(&remote, &item).await;
        assert_eq!(update(&remote, &now, again(&now, "in-time")).await.unwrap().tag.as_deref(), Some("3"));
    }
}

#[tokio::test]
async fn the_region_of_a_tenant_is_no_difference() {
    let server = Server::simulated();
    let remote = system(&server);
    sweep(&remote).await.unwrap();
    let north = create(&remote, target(Kind::Company, "north", None)).await;
    let north = update(&remote, &north, target(Kind::Company, "northern", None)).await.unwrap();
    assert_eq!(server.simulator().state().place("northern").unwrap()["region"], "Global");
    assert_eq!(update(&remote, &north, target(Kind::Company, "northern", None)).await.unwrap().tag, north.tag);
}

#[tokio::test]
async fn a_mail_goes_out_only_when_it_is_asked_for() {
    let (server, remote, [_, mara, _]) = populated().await;
    assert_eq!(server.simulator().state().mails, []);
    server.simulator().state().no_mail = true;
    // Nobody is deleted because a mail could not be sent.
    create(&remote, again(&mara, "late")).await;
    assert!(server.simulator().state().user("late@acme.example").is_some());
    assert!(remote.invite(&mara.id, std::time::Duration::from_mins(1)).await.is_err());
    server.simulator().state().no_mail = false;
    remote.invite(&mara.id, std::time::Duration::from_mins(1)).await.unwrap();
    assert_eq!(server.simulator().state().mails, [Mail::Activation("mara@acme.example".into())]);
}

fn password(text: &str) -> NewPassword {
    NewPassword { hash: PasswordHash::new("$argon2id$"), plain: Some(PlainPassword::new(text)), must_change: false }
}

#[tokio::test]
async fn the_first_password_opens_and_nobody_sets_another() {
    let (server, remote, [_, mara, pia]) = populated().await;
    assert_eq!((mara.enabled, mara.must_change), (Some(true), Some(true)), "open to whoever sets the first password");
    assert!(!server.simulator().state().door("mara@acme.example").0);
    let link = remote.link(&mara.id).await.unwrap().unwrap();
    let shown = tenantry::credential::ExposeSecret::expose_secret(&link.url).to_owned();
    let (_, _, token) = server.simulator().state().door("mara@acme.example");
    assert!(shown.ends_with(&format!("activateToken={}", token.unwrap())), "{shown}");
    assert!(!format!("{link:?}").contains("activateToken"));
    assert_eq!(remote.password(&mara.id, &password("short")).await.unwrap_err().kind, ErrorKind::Rejected);
    remote.password(&mara.id, &password("plenty of lemons")).await.unwrap();
    assert_eq!(server.simulator().state().door("mara@acme.example"), (true, Some("plenty of lemons".into()), None));
    let mara = read(&remote, &mara).await;
    assert_eq!((mara.enabled, mara.must_change), (Some(true), Some(false)));
    let second = remote.password(&mara.id, &password("plenty of oranges")).await.unwrap_err();
    assert_eq!(second.kind, ErrorKind::Rejected);
    assert!(!second.chain().contains("oranges") && second.chain().contains("nobody else"), "{}", second.chain());
    assert_eq!(remote.revoke(&mara.id).await.unwrap_err().kind, ErrorKind::Rejected);
    remote.revoke(&pia.id).await.unwrap();
    assert!(remote.link(&mara.id).await.unwrap().is_none());
    remote.invite(&mara.id, std::time::Duration::from_mins(1)).await.unwrap();
    assert_eq!(server.simulator().state().mails, [Mail::Reset("mara@acme.example".into())]);
}

#[tokio::test]
async fn whoever_is_shut_off_has_no_link_and_no_token_that_works() {
    let (server, remote, [_, mara, pia]) = populated().await;
    // Never activated: the link in the mail is worth nothing any more.
    let (_, _, token) = server.simulator().state().door("mara@acme.example");
    let off = update(&remote, &mara, Target { enabled: false, ..again(&mara, "mara") }).await.unwrap();
    assert_eq!((off.enabled, read(&remote, &mara).await.enabled), (Some(false), Some(false)));
    let body = json!({ "activateToken": token.unwrap(), "password": "let me in please" });
    assert_eq!(server.raw(None, "POST", "noauth/activate?sendActivationMail=false", &body).status(), Some(400));
    let on = update(&remote, &off, again(&mara, "mara")).await.unwrap();
    assert_eq!((on.enabled, read(&remote, &mara).await.enabled), (Some(true), Some(true)));
    // Signed in within the very second: that token is good until the second is over.
    remote.password(&pia.id, &password("plenty of lemons")).await.unwrap();
    let pia = read(&remote, &pia).await;
    let body = json!({ "username": "pia@acme.example", "password": "plenty of lemons" });
    let token = server.ask(None, "POST", "auth/login", &body)["token"].as_str().unwrap().to_owned();
    assert_eq!(server.raw(Some(&token), "GET", "auth/user", &Value::Null).status(), Some(200));
    update(&remote, &pia, Target { enabled: false, ..again(&pia, "pia") }).await.unwrap();
    assert_eq!(server.raw(Some(&token), "GET", "auth/user", &Value::Null).status(), Some(401));
    // Shut off from the beginning: nobody was ever given anything.
    let late = create(&remote, Target { enabled: false, ..again(&mara, "late") }).await;
    assert_eq!((late.enabled, late.must_change), (Some(false), Some(true)));
    assert_eq!(read(&remote, &late).await.enabled, Some(false));
    let late = update(&remote, &late, again(&late, "late")).await.unwrap();
    assert_eq!((read(&remote, &late).await.enabled, late.must_change), (Some(true), Some(true)));
    // Deleted, and its token with it.
    remote.password(&late.id, &password("plenty of lemons")).await.unwrap();
    let late = read(&remote, &late).await;
    let body = json!({ "username": "late@acme.example", "password": "plenty of lemons" });
    let token = server.ask(None, "POST", "auth/login", &body)["token"].as_str().unwrap().to_owned();
    assert_eq!(write(&remote, Edit::Delete(Box::new(late))).await.unwrap(), None);
    assert_eq!(server.raw(Some(&token), "GET", "auth/user", &Value::Null).status(), Some(401));
}

#[tokio::test]
async fn an_invitation_dies_with_the_address_it_went_to() {
    let (server, remote, [_, mara, _]) = populated().await;
    let (_, _, token) = server.simulator().state().door("mara@acme.example");
    remote.uninvite(&mara.id).await.unwrap();
    let body = json!({ "activateToken": token.unwrap(), "password": "let me in please" });
    assert_eq!(server.raw(None, "POST", "noauth/activate?sendActivationMail=false", &body).status(), Some(400));
    remote.uninvite(&mara.id).await.unwrap();
    assert_eq!(read(&remote, &mara).await.must_change, Some(false));
}

#[tokio::test]
async fn a_corrected_address_leaves_no_link_at_the_wrong_one() {
    let (server, remote, [_, _, pia]) = populated().await;
    remote.invite(&pia.id, std::time::Duration::from_mins(1)).await.unwrap();
    let link = remote.link(&pia.id).await.unwrap().unwrap();
    let pia = read(&remote, &pia).await;
    let after = update(&remote, &pia, again(&pia, "pia.right")).await.unwrap();
    assert_eq!(read(&remote, &pia).await, after);
    assert!(remote.link(&pia.id).await.unwrap().is_none(), "the next mail is one to set another password");
    let token = tenantry::credential::ExposeSecret::expose_secret(&link.url).rsplit('=').next().unwrap().to_owned();
    let body = json!({ "activateToken": token, "password": "Wrong-Person-1" });
    assert_eq!(server.raw(None, "POST", "noauth/activate?sendActivationMail=false", &body).status(), Some(400));
}

#[tokio::test]
async fn the_case_of_a_mailbox_is_the_servers() {
    let (server, remote, [_, mara, _]) = populated().await;
    server.simulator().state().change(&mara.id.0, |row| row["email"] = json!("Mara@Acme.example"));
    let mara = read(&remote, &mara).await;
    let mut to = again(&mara, "mara");
    to.fields.push((Field::FirstName, "Mara".into()));
    update(&remote, &mara, to).await.unwrap();
    let state = server.simulator().state();
    assert_eq!(state.user("Mara@Acme.example").unwrap()["firstName"], "Mara", "what she signs in with stays");
}

#[tokio::test]
async fn nobody_stays_in_because_something_else_cannot_be_saved() {
    let (_server, remote, [_, mara, _]) = populated().await;
    remote.password(&mara.id, &password("Correct-Horse-9")).await.unwrap();
    let mara = read(&remote, &mara).await;
    let mut to = again(&mara, "mara");
    (to.enabled, to.mark) = (false, Some("{\"locked\":\"a sign-in from <somewhere>\"}".into()));
    assert!(update(&remote, &mara, to).await.is_err(), "the server takes no `<`");
    assert_eq!(read(&remote, &mara).await.enabled, Some(false));
}

#[tokio::test]
async fn nobody_hides_behind_a_word_in_their_own_account() {
    let (server, remote, [_, mara, pia]) = populated().await;
    for item in [&mara, &pia] {
        server.simulator().state().change(&item.id.0, |row| row["additionalInfo"]["tenantry"]["caretaker"] = json!(true));
    }
    let all = sweep(&remote).await.unwrap();
    assert!([&mara, &pia].iter().all(|it| all.iter().any(|found| found.id == it.id)));
    let system = system(&server);
    sweep(&system).await.unwrap();
    create(&system, target(Kind::User, "new", mara.parent.as_ref())).await;
    assert_eq!(
        sweep(&system).await.unwrap().iter().filter(|it| it.kind == Kind::User).count(),
        all.iter().filter(|it| it.kind == Kind::User).count() + 1
    );
}

#[tokio::test]
async fn a_tenant_without_an_administrator_is_written_to_and_the_last_one_can_go() {
    let server = Server::simulated();
    let remote = system(&server);
    sweep(&remote).await.unwrap();
    let north = create(&remote, target(Kind::Company, "north", None)).await;
    let shop = create(&remote, target(Kind::Customer, "shop", Some(&north.id))).await;
    let caretaker = |emails: &[String]| emails.iter().filter(|it| it.ends_with("@caretaker.invalid")).count();
    assert_eq!(caretaker(&server.simulator().state().emails()), 1, "somebody has to act for");
    assert_eq!(sweep(&remote).await.unwrap().len(), 2, "and nobody sees them");
    let mara = create(&remote, target(Kind::User, "mara", Some(&north.id))).await;
    assert_eq!(caretaker(&server.simulator().state().emails()), 0, "they go when there is somebody");
    assert_eq!(sweep(&remote).await.unwrap().len(), 3);
    // Another program finds the same.
    assert_eq!(sweep(&system(&server)).await.unwrap().len(), 3);
    write(&remote, Edit::Delete(Box::new(mara))).await.unwrap();
    assert_eq!(caretaker(&server.simulator().state().emails()), 1, "the last one cannot be deleted otherwise");
    assert!(write(&remote, Edit::Delete(Box::new(north.clone()))).await.is_err(), "not with a customer in it");
    write(&remote, Edit::Delete(Box::new(shop))).await.unwrap();
    write(&remote, Edit::Delete(Box::new(north))).await.unwrap();
    assert_eq!(server.simulator().state().emails().len(), 1);
    assert_eq!(sweep(&remote).await.unwrap(), []);
}

#[tokio::test]
async fn users_who_came_into_a_customer_keep_it() {
    let (server, remote, [shop, _, pia]) = populated().await;
    write(&remote, Edit::Delete(Box::new(pia))).await.unwrap();
    let north = shop.parent.clone().unwrap();
    server.simulator().state().add_user(&north.0, Some(&shop.id.0), "new@shop.example");
    let error = write(&remote, Edit::Delete(Box::new(shop))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Moved, "{}", error.chain());
    assert!(server.simulator().state().user("new@shop.example").is_some());
}

#[tokio::test]
async fn an_email_that_another_tenant_has_is_taken_although_nobody_sees_it() {
    let (server, remote, [_, mara, _]) = populated().await;
    {
        let mut state = server.simulator().state();
        let south = state.add_tenant("south");
        state.add_user(&south, None, "anna@acme.example");
    }
    let error = write(&remote, Edit::Create(again(&mara, "anna"))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "{}", error.chain());
    assert_eq!(update(&remote, &mara, again(&mara, "anna")).await.unwrap_err().kind, ErrorKind::Conflict);
}

#[tokio::test]
async fn tokens_that_ended_are_replaced_and_a_key_of_nobody_is_refused() {
    let server = Server::simulated();
    let remote = system(&server);
    sweep(&remote).await.unwrap();
    let north = create(&remote, target(Kind::Company, "north", None)).await;
    let shop = create(&remote, target(Kind::Customer, "shop", Some(&north.id))).await;
    for _ in 0..2 {
        server.simulator().state().end_tokens();
        assert_eq!(sweep(&remote).await.unwrap().len(), 2);
    }
    server.simulator().state().end_tokens();
    assert_eq!(update(&remote, &shop, again(&shop, "store")).await.unwrap().tag.as_deref(), Some("2"));
    // A key of somebody who never activated is made, and is no good.
    let key = {
        let mut state = server.simulator().state();
        let robot = state.add_user(&north.id.0, None, "robot@acme.example");
        state.add_key(&robot)
    };
    let error = sweep(&tenant(&server, &key)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{}", error.chain());
    assert!(!error.chain().contains(&key));
    let proof = ThingsboardProof::Login { username: server.username.clone(), password: unread() };
    let wrong = open_with(&server.url(), proof, "wrong", ThingsboardInvites::Tenantry);
    let error = sweep(&wrong).await.unwrap_err();
    assert!(error.kind == ErrorKind::Refused && error.chain().contains("sysadmin@thingsboard.org"), "{}", error.chain());
}

#[tokio::test]
async fn being_too_fast_is_lived_with() {
    let (server, remote, [shop, _, _]) = populated().await;
    let users: Vec<_> = (0..40).map(|i| Edit::Create(target(Kind::User, &format!("u{i}"), Some(&shop.id)))).collect();
    server.simulator().state().limit(10.0, 20.0);
    assert!(remote.write(&users, &Stop::default()).await.iter().all(Result::is_ok));
    assert_eq!(sweep(&remote).await.unwrap().len(), 45);
    assert!(server.simulator().state().slowed > 0);
}

/// Answers every request for users with this, and counts.
fn answering(server: &Server, answer: Message) -> std::sync::Arc<std::sync::atomic::AtomicU64> {
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = std::sync::Arc::clone(&count);
    server.simulator().state().script = Some(Box::new(move |method, path| {
        let meant = method == "GET" && path == "users";
        if meant {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        meant.then(|| answer.clone())
    }));
    count
}

#[tokio::test]
async fn errors_are_read_as_they_come_and_none_is_repeated() {
    let (server, remote, _) = populated().await;
    let body = [&br#"{"status":500,"message":"Titel "#[..], b"\xfcberl\xe4ngt", br#"","errorCode":2,"timestamp":7}"#].concat();
    let latin = Message::answer(500, &[("Content-Type", "application/json;charset=ISO-8859-1")], body);
    let html = Message::answer(400, &[("Content-Type", "text/html;charset=utf-8")], "<html><b>Bad Request</b></html>");
    for (answer, said) in
        [(latin, "500 Internal Server Error: Titel überlängt"), (html, "400 Bad Request: the answer is a page for people")]
    {
        let count = answering(&server, answer);
        let error = sweep(&remote).await.unwrap_err();
        assert!(error.chain().ends_with(said), "{}", error.chain());
        assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_list_that_does_not_add_up_is_no_answer() {
    let (server, remote, [_, mara, _]) = populated().await;
    let row = server.simulator().state().user("mara@acme.example").unwrap();
    let page = |data: &[Value], total: u64| {
        let body = json!({ "data": data, "totalPages": 1, "totalElements": total, "hasNext": false });
        Message::answer(200, &[("Content-Type", "application/json")], body.to_string())
    };
    for answer in [page(&[], 3), page(std::slice::from_ref(&row), 2), page(&[row.clone(), row], 2)] {
        let count = answering(&server, answer);
        assert_eq!(sweep(&remote).await.unwrap_err().kind, ErrorKind::Incomplete);
        assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 3, "it is walked again");
    }
    // Somebody who is on the list and not there any more has moved the rest of it.
    let mut gone = server.simulator().state().user("pia@acme.example").unwrap();
    gone["id"]["id"] = json!("00000000-7c11-11f0-a9d7-ffffffffffff");
    answering(&server, page(&[gone], 1));
    assert_eq!(sweep(&remote).await.unwrap_err().kind, ErrorKind::Incomplete);
    server.simulator().state().script = None;
    assert!(sweep(&remote).await.unwrap().iter().any(|it| it.id == mara.id));
}

#[tokio::test]
async fn what_a_customer_takes_with_it_is_counted_and_named() {
    let (server, remote, [shop, _, _]) = populated().await;
    let north = shop.parent.clone().unwrap();
    let asked = [(Kind::Customer, shop.id.clone()), (Kind::Company, north.clone())];
    assert_eq!(remote.contents(&asked[..1]).await.unwrap()[0].total(), 0);
    {
        let mut state = server.simulator().state();
        for i in 0..12 {
            state.add_thing("devices", &north.0, Some(&shop.id.0), &format!("pump {i:02}"));
        }
        state.add_thing("dashboards", &north.0, Some(&shop.id.0), "Overview");
        state.add_thing("assets", &north.0, None, "Building");
    }
    let found = remote.contents(&asked).await.unwrap();
    assert_eq!(found[0].counts, [("devices unassigned".into(), 12), ("dashboard unassigned".into(), 1)].into());
    assert_eq!((found[0].first.len(), found[0].first[0].as_str()), (10, "device `pump 00`"));
    assert_eq!((found[1].total(), found[1].counts["asset deleted"]), (15, 1));
}

#[tokio::test]
async fn who_may_not_is_told_so_at_once() {
    let (server, _, [shop, _, pia]) = populated().await;
    let key = {
        let mut state = server.simulator().state();
        state.let_in(&pia.id.0, "a customer's password");
        state.add_key(&pia.id.0)
    };
    let error = sweep(&tenant(&server, &key)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.chain().contains("CUSTOMER_USER"), "{}", error.chain());
    // A user of a customer is found by one who has read nothing: a link of a mail is used days later.
    let remote = system(&server);
    let found = remote.read(&[(Kind::User, pia.id.clone())], &roles()).await.unwrap();
    assert_eq!(found[0].parent, Some(shop.id));
}
