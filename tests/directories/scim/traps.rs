//! How services are known to misbehave, each once.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tenantry::{
    directory::ErrorKind,
    drivers::{
        Scim,
        remote::{Edit, Item, NewPassword, Remote},
    },
    model::{Field, Kind, PasswordHash, PlainPassword, RemoteId},
};

use super::{
    remote::{create, roles, target, write},
    scripted::{Asked, Scripted, State, error, list, scim},
};
use crate::http::Message;

async fn sweep(scim: &Scim) -> Result<Vec<Item>, ErrorKind> {
    scim.sweep(&roles()).await.map_err(|error| {
        eprintln!("{}", error.chain());
        error.kind
    })
}

fn user(name: &str) -> Value {
    json!({"userName": name, "externalId": format!("theirs-{name}"), "emails": [{"value": format!("{name}@acme.example")}]})
}

/// The answer to a creation is lost, or is an error, although it was done; the filter by which it is looked for is ignored, or
/// answered with nothing. It is found all the same, and nobody else is taken for it.
#[tokio::test]
async fn a_lost_creation_is_found_whatever_filters_are_worth() {
    for lost in [|| None, || Some(error(500, "")), || Some(error(409, "uniqueness")), || Some(Message::answer(201, &[], "{"))] {
        for silent in [false, true] {
            let service = Scripted::new(move |asked, _, usual| match asked.method.as_str() {
                "POST" => lost(),
                "GET" if silent && asked.query.contains_key("filter") => Some(list(&[], &asked.query)),
                _ => Some(usual),
            });
            service.keep("Users", "1", user("anna"));
            let scim = service.scim();
            sweep(&scim).await.unwrap();
            let mut mara = target(Kind::User, "mara", None);
            mara.role = None;
            let made = create(&scim, mara).await;
            assert_eq!((made.id, made.mark), (RemoteId("u-new-1".into()), Some("ref-mara".into())));
            assert_eq!((service.asked("POST Users"), sweep(&scim).await.unwrap().len()), (1, 2));
        }
    }
}

/// It was not done: nobody else is taken for it.
#[tokio::test]
async fn a_creation_that_failed_is_nobody_else() {
    let service = Scripted::new(|asked, state, usual| match asked.method.as_str() {
        "POST" => {
            state.resources.remove("Users/new-1");
            Some(error(500, ""))
        }
        _ => Some(usual),
    });
    service.keep("Users", "1", user("anna"));
    service.keep("Users", "2", user("mara"));
    let scim = service.scim();
    sweep(&scim).await.unwrap();
    assert_eq!(write(&scim, Edit::Create(target(Kind::User, "mara", None))).await, Err(ErrorKind::Unavailable));
}

/// The service forgets the reference: what was not there before and is just what was to be created is ours; what was is not.
#[tokio::test]
async fn a_service_that_forgets_references_is_told_by_what_was_there() {
    for there_before in [false, true] {
        let service = Scripted::new(|asked, state, usual| {
            for resource in state.resources.values_mut() {
                resource.as_object_mut().unwrap().remove("externalId");
            }
            if asked.method == "POST" { Some(error(409, "uniqueness")) } else { Some(usual) }
        });
        let mut mara = target(Kind::User, "mara", None);
        mara.role = None;
        if there_before {
            service.keep("Users", "new-1", json!({"userName": "mara", "active": true, "emails": [{"value": "mara@acme.example"}]}));
        }
        let scim = service.scim();
        sweep(&scim).await.unwrap();
        let outcome = write(&scim, Edit::Create(mara)).await;
        assert_eq!(outcome.is_ok(), !there_before, "{outcome:?}");
    }
}

fn pages(service: &Scripted, count: usize) {
    for row in 0..count {
        service.keep("Users", &format!("{row:03}"), user(&format!("u{row}")));
    }
}

/// Something else instead of some pages of the list of users, by how many there were before.
fn pages_of(script: impl Fn(usize, &Asked, &mut State, Message) -> Option<Message> + Send + Sync + 'static) -> Scripted {
    let count = AtomicUsize::new(0);
    let service = Scripted::new(move |asked, state, usual| match (asked.method.as_str(), asked.endpoint.as_str(), &asked.id) {
        ("GET", "Users", None) => script(count.fetch_add(1, Ordering::SeqCst), asked, state, usual),
        _ => Some(usual),
    });
    pages(&service, 250);
    service
}

/// Rows go and come while the list is walked: it is walked again.
#[tokio::test]
async fn a_walk_that_does_not_add_up_is_walked_again() {
    let losing = pages_of(|number, _, state, usual| {
        if number == 0 {
            state.resources.remove("Users/000");
        }
        Some(usual)
    });
    assert_eq!(sweep(&losing.scim()).await.unwrap().len(), 249);
    let growing = pages_of(|number, _, state, usual| {
        if number == 0 {
            state.resources.insert("Users/0000".into(), json!({"id": "0000", "userName": "early"}));
        }
        Some(usual)
    });
    assert_eq!(sweep(&growing.scim()).await.unwrap().len(), 251);
}

/// What never adds up is no answer: not the half of it, and not nothing.
#[tokio::test]
async fn a_walk_that_never_adds_up_is_an_error() {
    let forever = pages_of(|number, _, state, usual| {
        state.resources.remove(&format!("Users/{number:03}"));
        Some(usual)
    });
    let first_page_for_ever = pages_of(|_, _, state, _| {
        let all: Vec<_> = state.resources.values().cloned().collect();
        Some(list(&all, &[("count".to_owned(), "100".to_owned())].into()))
    });
    let empty = pages_of(|_, _, _, _| Some(scim(200, &json!({"totalResults": 250, "Resources": []}))));
    let nothing = pages_of(|_, _, _, _| Some(scim(200, &json!({}))));
    let unlabelled = pages_of(|_, _, _, _| Some(scim(200, &json!({"totalResults": 1, "Resources": [{"userName": "x"}]}))));
    let uncounted = pages_of(|_, _, _, _| Some(scim(200, &json!({"Resources": [{"id": "1", "userName": "x"}]}))));
    let sign_in = pages_of(|_, _, _, _| Some(Message::answer(200, &[("Content-Type", "text/html")], "<html>Sign in")));
    let silent = pages_of(|_, _, _, _| Some(Message::answer(200, &[], "")));
    for service in [forever, first_page_for_ever, empty, nothing, unlabelled, uncounted, sign_in, silent] {
        assert_eq!(sweep(&service.scim()).await, Err(ErrorKind::Incomplete));
    }
}

/// A page that ends in the middle is asked for again; a service with no time is waited for.
#[tokio::test]
async fn what_broke_off_is_asked_for_again() {
    let half = pages_of(|number, _, _, usual| match number {
        0 => Some(Message { headers: vec![("Content-Encoding".into(), "identity".into())], ..Message::answer(503, &[], "") }),
        1 => None,
        2 => Some(Message::answer(
            429,
            &[("Date", "Sun, 22 Nov 2026 14:00:00 GMT"), ("Retry-After", "Sun, 22 Nov 2026 14:00:01 GMT")],
            "",
        )),
        _ => Some(usual),
    });
    assert_eq!(sweep(&half.scim()).await.unwrap().len(), 250);
}

/// Pages are smaller than was asked for.
#[tokio::test]
async fn small_pages_are_pages() {
    let service = pages_of(|_, asked, state, _| {
        let mut query = asked.query.clone();
        query.insert("count".into(), "33".into());
        let users = state.resources.iter().filter(|(at, _)| at.starts_with("Users")).map(|(_, it)| it.clone());
        Some(list(&users.collect::<Vec<_>>(), &query))
    });
    assert_eq!(sweep(&service.scim()).await.unwrap().len(), 250);
    assert_eq!(service.asked("GET Users"), 8);
}

/// What a list does not have is asked for before it counts as gone.
#[tokio::test]
async fn what_a_list_lost_is_not_gone() {
    let service = Scripted::new(|asked, _, usual| match (asked.endpoint.as_str(), &asked.id) {
        ("Groups", None) => Some(list(&[], &asked.query)),
        _ => Some(usual),
    });
    service.keep("Groups", "1", json!({"displayName": "north"}));
    let scim = service.scim();
    let ids = [(Kind::Company, RemoteId("g-1".into())), (Kind::Company, RemoteId("g-2".into()))];
    let read = scim.read(&ids, &roles()).await.unwrap();
    assert_eq!(read.iter().map(|it| it.id.0.as_str()).collect::<Vec<_>>(), ["g-1"]);
}

fn rich() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:x"],
        "userName": "mara",
        "name": {"givenName": "Mara", "honorificPrefix": "Dr."},
        "emails": [{"value": "home@acme.example", "type": "home"}, {"value": "mara@acme.example", "type": "work", "display": "M"}],
        "phoneNumbers": [{"value": "+491", "type": "fax"}],
        "groups": [{"value": "1"}],
        "urn:x": {"a": [1]},
        "active": "True",
        "meta": {"created": "2026-01-02T03:04:05Z", "version": "W/\"1\""},
    })
}

/// Where everything has to be written whole, everything that was there is: but what is the service's own, and no password.
#[tokio::test]
async fn what_is_written_whole_keeps_what_is_not_ours() {
    let service = Scripted::new(|_, _, usual| Some(usual));
    service.keep("Users", "7", rich());
    let scim = service.scim();
    let found = sweep(&scim).await.unwrap().remove(0);
    assert_eq!(found.enabled, Some(true));
    assert!(found.fields.contains(&(Field::Email, "mara@acme.example".into())), "{:?}", found.fields);
    let mut to = target(Kind::User, "mara", None);
    to.role = None;
    to.fields.retain(|(field, _)| *field != Field::Email);
    let given = [(Field::Email, "new@acme.example"), (Field::FirstName, "Mara"), (Field::Phone, "+492")];
    to.fields.extend(given.map(|(field, text)| (field, text.into())));
    write(&scim, Edit::Update(Box::new(found), to)).await.unwrap();
    let mut expected = rich();
    for gone in ["groups", "meta"] {
        expected.as_object_mut().unwrap().remove(gone);
    }
    expected["id"] = "7".into();
    expected["emails"][1] = json!({"value": "new@acme.example", "type": "work"});
    expected["phoneNumbers"][0]["value"] = "+492".into();
    assert_eq!(service.kept("Users/7"), Some(expected));
    assert_eq!((service.asked("PATCH Users"), service.asked("PUT Users")), (1, 1));
    // It is known from now on, and the password is written beside the rest.
    let password = NewPassword {
        hash: PasswordHash::new("$argon2id$"),
        plain: Some(PlainPassword::new("plenty of lemons")),
        must_change: false,
    };
    scim.password(&RemoteId("u-7".into()), &password).await.unwrap();
    let kept = service.kept("Users/7").unwrap();
    assert_eq!((kept["password"].as_str(), kept["urn:x"]["a"][0].as_i64()), (Some("plenty of lemons"), Some(1)));
    assert_eq!((service.asked("PATCH Users"), service.asked("PUT Users")), (1, 2));
}

/// Where a change in part is taken, nothing is written whole: on some services that takes the password away. What it came to
/// is read where the service does not say.
#[tokio::test]
async fn a_change_in_part_writes_nothing_whole() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let it = Arc::clone(&seen);
    let service = Scripted::new(move |asked, state, usual| match asked.method.as_str() {
        "PATCH" => {
            it.lock().unwrap().push(asked.body["Operations"].clone());
            let user = state.resources.get_mut("Users/7").unwrap();
            user["userName"] = "Mara.L".into();
            user["meta"]["version"] = "W/\"2\"".into();
            Some(Message::answer(204, &[], ""))
        }
        _ => Some(usual),
    });
    service.keep("Users", "7", rich());
    let scim = service.scim();
    let found = sweep(&scim).await.unwrap().remove(0);
    let mut to = target(Kind::User, "mara.l", None);
    (to.role, to.enabled) = (None, false);
    to.fields = vec![(Field::Username, "mara.l".into()), (Field::LastName, "L".into())];
    to.fields.push((Field::Email, "mara@acme.example".into()));
    let after = write(&scim, Edit::Update(Box::new(found), to)).await.unwrap().unwrap();
    // What the service made of it, and not what was sent.
    assert_eq!(after.tag.as_deref(), Some("W/\"2\""));
    assert!(after.fields.contains(&(Field::Username, "Mara.L".into())));
    assert_eq!(after.enabled, Some(true));
    let ops = json!([
        {"op": "replace", "path": "userName", "value": "mara.l"},
        {"op": "remove", "path": "name.givenName"},
        {"op": "add", "path": "name.familyName", "value": "L"},
        {"op": "remove", "path": "phoneNumbers"},
        {"op": "replace", "path": "active", "value": false},
    ]);
    assert_eq!(*seen.lock().unwrap(), [ops]);
    assert_eq!(service.asked("PUT Users"), 0);
}

/// A service whose tags last a second does not see two writes within one; one that has none sees nothing. What was read is
/// compared with what is there before anything is written whole.
#[tokio::test]
async fn somebody_else_s_change_is_not_written_over() {
    let service = Scripted::new(|_, _, usual| Some(usual));
    let mut plain = rich();
    plain.as_object_mut().unwrap().remove("meta");
    service.keep("Users", "7", plain.clone());
    let scim = service.scim();
    let found = sweep(&scim).await.unwrap().remove(0);
    plain["displayName"] = "theirs".into();
    service.keep("Users", "7", plain);
    let mut to = target(Kind::User, "mara", None);
    to.role = None;
    assert_eq!(write(&scim, Edit::Update(Box::new(found), to)).await, Err(ErrorKind::Moved));
    assert_eq!((service.asked("PUT Users"), service.kept("Users/7").unwrap()["displayName"].as_str()), (0, Some("theirs")));
}

/// Groups that have nothing to do with companies are nobody's company as long as it is clear which one is.
#[tokio::test]
async fn groups_for_other_things_move_nobody() {
    let service = Scripted::new(|_, _, usual| Some(usual));
    service.keep("Users", "7", rich());
    let members = json!([{"value": "7", "type": "User"}]);
    service.keep("Groups", "1", json!({"displayName": "VPN", "members": members}));
    service.keep("Groups", "2", json!({"displayName": "Sports", "externalId": "theirs", "members": members}));
    let parent = async || {
        let user = sweep(&service.scim()).await.unwrap().into_iter().find(|it| it.kind == Kind::User).unwrap();
        (user.parent.map(|it| it.0), user.unfit.is_some())
    };
    assert_eq!(parent().await, (None, true));
    service.keep("Groups", "3", json!({"displayName": "customer:Shop", "members": members}));
    assert_eq!(parent().await, (Some("g-3".into()), false));
    service.keep("Groups", "4", json!({"displayName": "North", "externalId": "tenantry:1", "members": members}));
    assert_eq!(parent().await, (Some("g-4".into()), false));
    // Of a group of the same identifier nothing follows for a user.
    service.keep("Groups", "7", json!({"displayName": "Seven"}));
    service.keep(
        "Groups",
        "5",
        json!({"displayName": "Five", "externalId": "tenantry:2", "members": [{"value": "7", "type": "Group"}]}),
    );
    assert_eq!(parent().await, (Some("g-4".into()), false));
    // Moving leaves what is no company alone.
    let scim = service.scim();
    let user = sweep(&scim).await.unwrap().into_iter().find(|it| it.kind == Kind::User).unwrap();
    let mut to = target(Kind::User, "mara", None);
    (to.role, to.fields, to.parent) = (None, user.fields.clone(), Some(RemoteId("g-5".into())));
    write(&scim, Edit::Update(Box::new(user), to)).await.unwrap();
    let count = |id: &str| service.kept(&format!("Groups/{id}")).unwrap()["members"].as_array().map_or(0, Vec::len);
    assert_eq!(["1", "2", "3", "4", "5"].map(count), [1, 1, 1, 0, 2]);
}

/// A service that takes a member and does not keep it has not done it.
#[tokio::test]
async fn a_member_that_was_not_kept_is_an_error() {
    let service = Scripted::new(|asked, state, usual| match (asked.method.as_str(), asked.endpoint.as_str()) {
        ("PUT", "Groups") => {
            let group = state.resources.get_mut("Groups/1").unwrap();
            group.as_object_mut().unwrap().insert("members".into(), json!([]));
            Some(scim(200, group))
        }
        _ => Some(usual),
    });
    service.keep("Groups", "1", json!({"displayName": "north"}));
    let scim = service.scim();
    let north = sweep(&scim).await.unwrap().remove(0);
    let mut mara = target(Kind::User, "mara", Some(&north));
    mara.role = None;
    assert_eq!(write(&scim, Edit::Create(mara)).await, Err(ErrorKind::Rejected));
}

/// A service that is out of order is said to be, in reasonable time, and is not taken for an empty one.
#[tokio::test]
async fn a_service_out_of_order_is_unavailable() {
    let service = Scripted::new(|asked, _, usual| if asked.endpoint == "Groups" { Some(error(500, "")) } else { Some(usual) });
    let outcome = tokio::time::timeout(Duration::from_secs(30), async { sweep(&service.scim()).await }).await;
    assert_eq!(outcome.unwrap(), Err(ErrorKind::Unavailable));
}
