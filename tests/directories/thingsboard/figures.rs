//! What reading and writing costs: counted, not timed.

use std::collections::BTreeSet;

use smol_str::{SmolStr, format_smolstr};
use tenantry::{
    directory::Stop,
    drivers::remote::{Edit, Item, Remote, Target},
    model::{Field, Kind, RemoteId},
};

use super::{Server, system, tenant};

const USERS: usize = 2_000;

fn roles() -> BTreeSet<SmolStr> {
    ["tenant-administrator", "customer-user"].map(SmolStr::new).into()
}

fn target(kind: Kind, name: &str, parent: &RemoteId) -> Target {
    let fields = match kind {
        Kind::User => vec![(Field::Username, name.into()), (Field::Email, format_smolstr!("{name}@acme.example"))],
        Kind::Customer | Kind::Company | Kind::Role => vec![(Field::DisplayName, name.into())],
    };
    let (parent, role) = (Some(parent.clone()), (kind == Kind::User).then(|| "customer-user".into()));
    Target { kind, name: name.into(), parent, fields, role, enabled: true, mark: Some(format!("{{\"v\":1,\"name\":\"{name}\"}}")) }
}

fn items(written: Vec<Result<Option<Item>, tenantry::directory::DirectoryError>>) -> Vec<Item> {
    written.into_iter().map(|it| it.unwrap().unwrap()).collect()
}

/// Writes two thousand users of two customers and reads them, by one who is let in in this way.
async fn figures(server: &Server, remote: &dyn Remote, parent: &RemoteId) {
    remote.sweep(&roles()).await.unwrap();
    let customers: Vec<_> = ["one", "two"].map(|name| Edit::Create(target(Kind::Customer, name, parent))).into();
    let customers = items(remote.write(&customers, &Stop::default()).await);
    let users = (0..USERS).map(|i| Edit::Create(target(Kind::User, &format!("u{i:04}"), &customers[i % 2].id)));
    let before = remote.traffic().requests;
    let made = items(remote.write(&users.collect::<Vec<_>>(), &Stop::default()).await);
    let created = remote.traffic().requests - before;
    assert!(created <= 2 * USERS as u64, "{created} requests for {USERS} new users");
    assert!(created >= USERS as u64);

    let before = remote.traffic().requests;
    let swept = remote.sweep(&roles()).await.unwrap();
    let read = remote.traffic().requests - before;
    assert_eq!(swept.iter().filter(|it| it.kind == Kind::User && it.mark.is_some()).count(), USERS);
    assert!((USERS as u64..=2_050).contains(&read), "{read} requests to read {USERS} users");
    assert!(made.iter().all(|it| it.enabled == Some(true) && it.must_change == Some(true)));

    // A write that changes nothing sends nothing: every save would make another version. What is written is read just before.
    let ids: Vec<_> = made.iter().map(|item| (item.kind, item.id.clone())).collect();
    assert_eq!(remote.read(&ids, &roles()).await.unwrap().len(), USERS);
    let before = remote.traffic().requests;
    let same = made.iter().zip((0..USERS).map(|i| target(Kind::User, &format!("u{i:04}"), &customers[i % 2].id)));
    let same: Vec<_> = same.map(|(item, target)| Edit::Update(Box::new(item.clone()), target)).collect();
    assert_eq!(items(remote.write(&same, &Stop::default()).await), made);
    assert_eq!(remote.traffic().requests, before);
    let most = server.simulator().state().most;
    assert!((2..=8).contains(&most), "{most} requests at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_users_of_a_tenant() {
    let server = Server::simulated();
    let (north, key) = server.tenant("north");
    figures(&server, &tenant(&server, &key), &RemoteId(north.into())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_users_for_the_system_administrator() {
    let server = Server::simulated();
    let (north, _) = server.tenant("north");
    figures(&server, &system(&server), &RemoteId(north.into())).await;
}
