//! What the driver makes of the real service, of every profile.

use std::collections::BTreeSet;

use smol_str::SmolStr;
use tenantry::{
    directory::{ErrorKind, Stop},
    drivers::{
        Scim,
        remote::{Edit, Item, NewPassword, Remote, Target},
    },
    model::{Field, Kind, Method, PasswordHash, PlainPassword, RemoteId},
    observed::Capabilities,
};

use super::{SERVER, fresh, open, place};

pub(super) fn target(kind: Kind, name: &str, parent: Option<&Item>) -> Target {
    let fields = match kind {
        Kind::User => vec![(Field::Username, name.into()), (Field::Email, format!("{name}@acme.example").into())],
        Kind::Company | Kind::Customer | Kind::Role => vec![(Field::DisplayName, name.into())],
    };
    Target {
        kind,
        name: name.into(),
        parent: parent.map(|it| it.id.clone()),
        fields,
        role: (kind == Kind::User).then(|| "owner".into()),
        enabled: true,
        mark: Some(format!("ref-{name}")),
    }
}

pub(super) fn roles() -> BTreeSet<SmolStr> {
    ["owner", "n.helper"].map(SmolStr::new).into()
}

pub(super) async fn write(scim: &Scim, edit: Edit) -> Result<Option<Item>, ErrorKind> {
    scim.write(&[edit], &Stop::default()).await.pop().unwrap().map_err(|error| {
        eprintln!("{}", error.chain());
        error.kind
    })
}

pub(super) async fn create(scim: &Scim, target: Target) -> Item {
    write(scim, Edit::Create(target)).await.unwrap().unwrap()
}

async fn sweep(scim: &Scim) -> Vec<Item> {
    let mut items = scim.sweep(&roles()).await.unwrap();
    items.sort_by(|a, b| a.id.cmp(&b.id));
    items
}

fn set(fields: &mut Vec<(Field, SmolStr)>, field: Field, value: &str) {
    fields.retain(|(known, _)| *known != field);
    fields.push((field, value.into()));
}

fn sorted(item: &Item) -> Item {
    let mut item = item.clone();
    item.fields.sort();
    item
}

/// Reads an object in each way there is and compares it with what a write said of it.
async fn agrees(scim: &Scim, item: &Item) {
    let swept = sweep(scim).await.into_iter().find(|it| it.id == item.id).unwrap();
    let read = scim.read(&[(item.kind, item.id.clone())], &roles()).await.unwrap();
    // Who joins or leaves a group changes it.
    let untagged = |it: &Item| Item { tag: None, ..sorted(it) };
    assert_eq!((untagged(&swept), &read.iter().map(untagged).collect::<Vec<_>>()[..]), (untagged(item), &[untagged(item)][..]));
}

async fn lives(profile: &str) {
    let scim = fresh(profile);
    assert_eq!(sweep(&scim).await, []);
    let north = create(&scim, target(Kind::Company, "north", None)).await;
    let south = create(&scim, target(Kind::Company, "role:owner", Some(&north))).await;
    let shop = create(&scim, target(Kind::Customer, "customer:shop", Some(&south))).await;
    let mut mara = target(Kind::User, "mara", Some(&shop));
    for (field, value) in [
        (Field::DisplayName, "Mara \u{1f31e} \"L\""),
        (Field::FirstName, "Mara"),
        (Field::LastName, "Lindqvist"),
        (Field::Phone, "+4915112345678"),
    ] {
        set(&mut mara.fields, field, value);
    }
    let made = create(&scim, mara.clone()).await;
    for item in [&north, &south, &shop, &made] {
        agrees(&scim, item).await;
    }
    assert_eq!((made.mark.as_deref(), made.enabled, &made.roles[..]), (Some("ref-mara"), Some(true), &["owner".into()][..]));
    assert_eq!(made.tag.is_some(), profile != "bare");
    assert_eq!(sweep(&scim).await.len(), 4, "a role is no company");

    // Everything at once, and back to almost nothing.
    let mut other = mara.clone();
    for (field, value) in [(Field::Username, "mara.l"), (Field::Email, "m@acme.example"), (Field::FirstName, "M")] {
        set(&mut other.fields, field, value);
    }
    other.fields.retain(|(field, _)| *field != Field::Phone);
    (other.parent, other.role, other.enabled) = (Some(north.id.clone()), Some("n.helper".into()), false);
    let changed = write(&scim, Edit::Update(Box::new(made.clone()), other.clone())).await.unwrap().unwrap();
    agrees(&scim, &changed).await;
    assert_eq!(
        (changed.parent.as_ref(), changed.enabled, &changed.roles[..]),
        (Some(&north.id), Some(false), &["n.helper".into()][..])
    );
    other.fields.retain(|(field, _)| matches!(field, Field::Username | Field::Email));
    other.role = None;
    let poor = write(&scim, Edit::Update(Box::new(changed.clone()), other.clone())).await.unwrap().unwrap();
    agrees(&scim, &poor).await;
    assert_eq!((poor.fields.len(), poor.roles.len()), (2, 1), "no role asked for leaves the one that is held");
    // What was read before the last change is not the state any more.
    if profile != "bare" {
        set(&mut other.fields, Field::DisplayName, "late");
        assert_eq!(write(&scim, Edit::Update(Box::new(changed.clone()), other.clone())).await, Err(ErrorKind::Moved));
        assert_eq!(write(&scim, Edit::Delete(Box::new(changed))).await, Err(ErrorKind::Moved));
    }
    agrees(&scim, &poor).await;

    let mut rival = target(Kind::User, "MARA.L", Some(&north));
    rival.mark = Some("another".into());
    assert_eq!(write(&scim, Edit::Create(rival)).await, Err(ErrorKind::Conflict));
    // A second one of our own is the first one.
    assert_eq!(create(&scim, Target { mark: Some("ref-mara".into()), ..target(Kind::User, "mara.l", None) }).await.id, poor.id);

    assert_eq!(write(&scim, Edit::Delete(Box::new(poor.clone()))).await, Ok(None));
    assert_eq!(write(&scim, Edit::Delete(Box::new(poor))).await, Ok(None));
    assert_eq!(sweep(&scim).await.len(), 3);
}

#[tokio::test]
async fn lives_with_everything() {
    lives("default").await;
}

#[tokio::test]
async fn lives_with_nothing_but_the_least() {
    lives("bare").await;
}

#[tokio::test]
async fn lives_with_cursors() {
    lives("cursor").await;
}

#[tokio::test]
async fn reads_many_pages_and_moves_many_members() {
    for profile in ["small", "cursor", "bare"] {
        let scim = fresh(profile);
        let [north, south] = [target(Kind::Company, "north", None), target(Kind::Company, "south", None)];
        let (north, south) = (create(&scim, north).await, create(&scim, south).await);
        let targets: Vec<_> = (0..120).map(|i| target(Kind::User, &format!("u{i:03}"), Some(&north))).collect();
        let edits: Vec<_> = targets.iter().cloned().map(Edit::Create).collect();
        let before = scim.traffic().requests;
        let made: Vec<_> = scim.write(&edits, &Stop::default()).await.into_iter().map(|it| it.unwrap().unwrap()).collect();
        assert!(scim.traffic().requests - before < 150, "members join together: {:?}", scim.traffic());
        let users = |items: Vec<Item>, above: &RemoteId| {
            items.iter().filter(|it| it.parent.as_ref() == Some(above) && it.roles == ["owner"]).count()
        };
        assert_eq!(users(sweep(&scim).await, &north.id), 120, "{profile}");
        let moved = |(item, target): (&Item, &Target)| {
            Edit::Update(Box::new(item.clone()), Target { parent: Some(south.id.clone()), ..target.clone() })
        };
        let edits: Vec<_> = made.iter().zip(&targets).map(moved).collect();
        assert!(scim.write(&edits, &Stop::default()).await.iter().all(Result::is_ok));
        let items = sweep(&scim).await;
        assert_eq!((users(items.clone(), &south.id), users(items, &north.id)), (120, 0), "{profile}");
        let gone: Vec<_> = made.iter().take(60).map(|it| Edit::Delete(Box::new(it.clone()))).collect();
        assert!(scim.write(&gone, &Stop::default()).await.iter().all(Result::is_ok));
        assert_eq!(users(sweep(&scim).await, &south.id), 60, "{profile}");
    }
}

#[tokio::test]
async fn says_what_a_service_can_do() {
    let (scim, flat) = (fresh("default"), fresh("flat"));
    for it in [&scim, &flat] {
        sweep(it).await;
    }
    assert!(scim.capabilities().places == Capabilities::every_place() && scim.capabilities().disable);
    assert_eq!(scim.capabilities().methods, [Method::Invite, Method::Secret, Method::None].into());
    assert_eq!(flat.capabilities().places, [(Kind::User, Kind::Company), (Kind::User, Kind::Customer)].into());
    let north = create(&flat, target(Kind::Company, "north", None)).await;
    let refused = write(&flat, Edit::Create(target(Kind::Customer, "shop", Some(&north)))).await;
    assert_eq!(refused, Err(ErrorKind::Rejected));
    assert_eq!(sweep(&flat).await.len(), 1);
}

#[tokio::test]
async fn sets_and_forgets_passwords() {
    for profile in ["default", "bare"] {
        let scim = fresh(profile);
        let mara = create(&scim, target(Kind::User, "mara", None)).await;
        let hash = PasswordHash::new("$argon2id$");
        let password = NewPassword { hash, plain: Some(PlainPassword::new("plenty of lemons")), must_change: false };
        scim.password(&mara.id, &password).await.unwrap();
        scim.revoke(&mara.id).await.unwrap();
        agrees(&scim, &mara).await;
        let only_hash = NewPassword { plain: None, ..password.clone() };
        assert_eq!(scim.password(&mara.id, &only_hash).await.unwrap_err().kind, ErrorKind::Rejected);
        let nobody = RemoteId("u-nobody".into());
        assert_eq!(scim.password(&nobody, &password).await.unwrap_err().kind, ErrorKind::Moved);
    }
}

#[tokio::test]
async fn who_is_not_let_in_reads_nothing() {
    let nowhere = open(SERVER.address, "unknown.1/v2");
    assert_eq!(nowhere.sweep(&roles()).await.unwrap_err().kind, ErrorKind::Rejected);
    let settings = super::settings(SERVER.address, &place("default"));
    let scim = Scim::open(&settings, "a wrong token".into()).unwrap();
    let error = scim.sweep(&roles()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(!error.chain().contains("a wrong token"));
}
