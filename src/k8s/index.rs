//! The objects of the cluster as they were last seen: pushed in as events, taken out as one consistent picture. Synchronous, and
//! without a server.
//!
//! Absence means nothing until a list was complete. What we have written ourselves comes back here at once, from the answer of
//! the server: an event that is older than that is passed over.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use kube::core::DynamicObject;
use smol_str::SmolStr;

use super::{binding::Binding, item::Item};
use crate::model::{Key, Kind, Name};

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Watched {
    /// Companies, customers, users, roles.
    Kind(Kind),
    /// Directories.
    Directory,
}

impl Watched {
    pub(super) const ALL: [Self; 5] =
        [Self::Directory, Self::Kind(Kind::Role), Self::Kind(Kind::Company), Self::Kind(Kind::Customer), Self::Kind(Kind::User)];
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The namespace of the controller.
    own: SmolStr,
    /// The Directories that are served; all where none is named.
    only: Vec<String>,
    items: BTreeMap<Key, Arc<Item>>,
    directories: BTreeMap<Name, Arc<Binding>>,
    /// What a list under way has shown, by what is listed.
    listing: BTreeMap<Watched, (HashSet<Key>, HashSet<Name>)>,
    complete: BTreeSet<Watched>,
    /// When something was last new: in each namespace, of each Directory, and for everybody. Counted, not timed.
    news: u64,
    touched: HashMap<SmolStr, u64>,
    touched_names: HashMap<Name, u64>,
    touched_all: u64,
}

/// What belongs to one Directory, at one time.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) binding: Arc<Binding>,
    /// The objects of its namespaces, sorted by key.
    pub(super) items: Vec<Arc<Item>>,
    /// Objects elsewhere that say they are bound to it, and wait for it.
    pub(super) strays: Vec<Arc<Item>>,
    /// Objects that wait for somebody in a namespace which another Directory lists as well.
    pub(super) disputed: Vec<Arc<Item>>,
}

/// To which Directory a namespace belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Home {
    One(Name),
    None,
    Several(Vec<Name>),
}

impl Index {
    /// Nothing was seen yet.
    pub(super) fn new(own: &str, only: &[String]) -> Self {
        Self { own: own.into(), only: only.to_vec(), ..Self::default() }
    }

    /// Whether every list was complete once.
    pub(super) fn is_complete(&self) -> bool {
        self.complete.len() == Watched::ALL.len()
    }

    /// Has whoever serves an object look again: by its namespace, and by what it is bound to.
    pub(super) fn touch(&mut self, item: &Item) {
        self.touch_home(&item.home);
        if let Some(name) = item.status.directory.as_deref().and_then(|name| Name::new(name).ok()) {
            self.touch_directory(&name);
        }
    }

    fn touch_home(&mut self, home: &SmolStr) {
        self.news += 1;
        self.touched.insert(home.clone(), self.news);
    }

    /// Has whoever serves a Directory look again.
    pub(super) fn touch_directory(&mut self, name: &Name) {
        self.news += 1;
        self.touched_names.insert(name.clone(), self.news);
    }

    /// Has whoever serves a namespace of these look again: to whom it belongs may be another one now.
    fn touch_listed(&mut self, bindings: &[&Binding]) {
        let homes: HashSet<SmolStr> = self.items.values().map(|item| item.home.clone()).collect();
        for home in homes.iter().filter(|home| bindings.iter().any(|it| it.lists(home))) {
            self.touch_home(home);
        }
    }

    /// Has everybody look again.
    fn touch_all(&mut self) {
        self.news += 1;
        self.touched_all = self.news;
    }

    /// What tells whether there is anything new for a Directory: another number than last time.
    pub(super) fn stamp(&self, name: &Name) -> u64 {
        let here = self.touched.iter().filter(|(home, _)| self.directories.get(name).is_some_and(|it| it.lists(home)));
        let own = self.touched_names.get(name).copied().unwrap_or_default();
        here.map(|(_, at)| *at).max().unwrap_or_default().max(own).max(self.touched_all)
    }

    /// A list begins.
    pub(super) fn begin(&mut self, what: Watched) {
        self.listing.insert(what, Default::default());
    }

    /// A list is complete: what it did not show is gone. Says whether anything is.
    pub(super) fn end(&mut self, what: Watched) -> bool {
        let (keys, names) = self.listing.remove(&what).unwrap_or_default();
        let before = self.items.len() + self.directories.len();
        match what {
            Watched::Kind(kind) => self.items.retain(|key, _| key.kind != kind || keys.contains(key)),
            Watched::Directory => self.directories.retain(|name, _| names.contains(name)),
        }
        let news = self.complete.insert(what) || before != self.items.len() + self.directories.len();
        if news {
            self.touch_all();
        }
        news
    }

    /// An object is there, or was changed. Says whether that can change what is done.
    pub(super) fn put(&mut self, what: Watched, raw: &DynamicObject) -> bool {
        match what {
            Watched::Kind(kind) => self.put_item(kind, raw),
            Watched::Directory => self.put_directory(raw),
        }
    }

    fn put_item(&mut self, kind: Kind, raw: &DynamicObject) -> bool {
        let Some(item) = Item::read(kind, raw, &self.own) else {
            tracing::warn!(kind = kind.word(), "an object whose name is no DNS label is passed over");
            return false;
        };
        if let Some((keys, _)) = self.listing.get_mut(&Watched::Kind(kind)) {
            keys.insert(item.key.clone());
        }
        let before = self.items.get(&item.key);
        if before.is_some_and(|before| before.uid == item.uid && older(&item.version, &before.version)) {
            return false;
        }
        let news = before.is_none_or(|before| item.differs(before));
        if news {
            self.touch(&item);
        }
        self.items.insert(item.key.clone(), Arc::new(item));
        news
    }

    fn put_directory(&mut self, raw: &DynamicObject) -> bool {
        let Some(binding) = Binding::read(raw) else { return false };
        if let Some((_, names)) = self.listing.get_mut(&Watched::Directory) {
            names.insert(binding.name.clone());
        }
        let before = self.directories.get(&binding.name);
        if before.is_some_and(|before| before.uid == binding.uid && older(&binding.version, &before.version)) {
            return false;
        }
        let news = before.is_none_or(|before| binding.differs(before));
        let (before, binding) = (before.cloned(), Arc::new(binding));
        self.directories.insert(binding.name.clone(), Arc::clone(&binding));
        if news {
            self.touch_directory(&binding.name);
            let listed: Vec<&Binding> = before.as_deref().into_iter().chain([&*binding]).collect();
            self.touch_listed(&listed);
        }
        news
    }

    /// An object is gone.
    pub(super) fn remove(&mut self, what: Watched, raw: &DynamicObject) -> bool {
        match what {
            Watched::Kind(kind) => {
                let uid = raw.metadata.uid.as_deref().unwrap_or_default();
                let same = |key: &Key| self.items.get(key).is_some_and(|it| it.uid == uid);
                let gone = Item::key(kind, raw, &self.own).filter(same).and_then(|key| self.items.remove(&key));
                if let Some(gone) = &gone {
                    self.touch(gone);
                }
                gone.is_some()
            }
            Watched::Directory => {
                let gone = Binding::read(raw).and_then(|gone| self.directories.remove(&gone.name));
                if let Some(gone) = &gone {
                    self.touch_directory(&gone.name);
                    self.touch_listed(&[gone]);
                }
                gone.is_some()
            }
        }
    }

    /// The object, where it is one without our finalizer that belongs to a Directory which takes it up.
    pub(super) fn new_here(&self, what: Watched, raw: &DynamicObject) -> Option<Arc<Item>> {
        let Watched::Kind(kind) = what else { return None };
        let item = self.items.get(&Item::key(kind, raw, &self.own)?)?;
        let Home::One(name) = self.home(&item.home) else { return None };
        let takes_up = self.complete.len() == Watched::ALL.len()
            && self.served(&name)
            && self.directories.get(&name).is_some_and(|it| !it.release);
        (takes_up && !item.is_kept() && !item.deleting).then(|| Arc::clone(item))
    }

    /// Whether a Directory is one of those that this controller serves.
    pub(super) fn served(&self, name: &Name) -> bool {
        self.only.is_empty() || self.only.iter().any(|it| it == name.as_str())
    }

    /// An object as it was seen last.
    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Item>> {
        self.items.get(key)
    }

    /// The Directories.
    pub(super) fn directories(&self) -> impl Iterator<Item = &Arc<Binding>> {
        self.directories.values()
    }

    /// To which Directory a namespace belongs.
    pub(super) fn home(&self, namespace: &str) -> Home {
        let mut names: Vec<_> = self.directories.values().filter(|it| it.lists(namespace)).map(|it| it.name.clone()).collect();
        match names.len() {
            0 => Home::None,
            1 => Home::One(names.remove(0)),
            _ => Home::Several(names),
        }
    }

    /// What belongs to a Directory; nothing where there is none of that name.
    pub(super) fn view(&self, name: &Name) -> Option<View> {
        let binding = Arc::clone(self.directories.get(name)?);
        let here = self.homes(|home| *home == Home::One(name.clone()));
        let (mut items, mut strays, mut disputed) = (Vec::new(), Vec::new(), Vec::new());
        for item in self.items.values() {
            if here.contains(&item.home) {
                items.push(Arc::clone(item));
            } else if item.is_kept() && item.status.directory.as_deref() == Some(name.as_str()) {
                strays.push(Arc::clone(item));
            } else if item.is_kept() && binding.lists(&item.home) {
                disputed.push(Arc::clone(item));
            }
        }
        Some(View { binding, items, strays, disputed })
    }

    /// Objects that belong to no Directory, or to several.
    pub(super) fn homeless(&self) -> Vec<(Arc<Item>, Home)> {
        let lost = self.homes(|home| !matches!(home, Home::One(_)));
        let items = self.items.values().filter(|item| lost.contains(&item.home));
        items.map(|item| (Arc::clone(item), self.home(&item.home))).collect()
    }

    /// The namespaces of objects whose Directory is like this.
    fn homes(&self, fits: impl Fn(&Home) -> bool) -> HashSet<SmolStr> {
        let all: HashSet<&SmolStr> = self.items.values().map(|item| &item.home).collect();
        all.into_iter().filter(|namespace| fits(&self.home(namespace))).cloned().collect()
    }
}

/// Whether a version of an object is older than another one. Versions of one object are numbers that grow
/// (<https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>); of what is no number nothing is known.
fn older(a: &str, b: &str) -> bool {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a < b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, namespace: Option<&str>, name: &str, version: u64, spec: &serde_json::Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": kind,
            "metadata": { "name": name, "namespace": namespace, "uid": format!("uid of {name}"), "generation": 1,
                "resourceVersion": version.to_string() },
            "spec": spec,
        }))
        .unwrap()
    }

    fn company(namespace: &str, name: &str, version: u64) -> DynamicObject {
        object("Company", Some(namespace), name, version, &json!({}))
    }

    fn directory(name: &str, version: u64, namespaces: &[&str]) -> DynamicObject {
        object("Directory", None, name, version, &json!({ "namespaces": namespaces, "directory": { "sqlite": {} } }))
    }

    const COMPANY: Watched = Watched::Kind(Kind::Company);

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn nothing_is_known_before_every_list_was_complete_and_what_a_list_does_not_show_is_gone() {
        let mut index = Index::new("system", &[]);
        index.put(Watched::Directory, &directory("main", 1, &["north"]));
        for what in Watched::ALL {
            assert!(!index.is_complete());
            index.begin(what);
            if what == COMPANY {
                index.put(COMPANY, &company("north", "acme", 1));
                index.put(COMPANY, &company("north", "other", 2));
            }
            if what == Watched::Directory {
                index.put(Watched::Directory, &directory("main", 1, &["north"]));
            }
            index.end(what);
        }
        assert!(index.is_complete());
        assert_eq!(index.view(&name("main")).unwrap().items.len(), 2);
        index.begin(COMPANY);
        index.put(COMPANY, &company("north", "other", 2));
        assert_eq!(index.view(&name("main")).unwrap().items.len(), 2, "half of a list removes nobody");
        index.end(COMPANY);
        assert_eq!(index.view(&name("main")).unwrap().items.len(), 1);
    }

    #[test]
    fn an_event_that_is_older_than_our_own_write_is_passed_over() {
        let mut index = Index::new("system", &[]);
        assert!(index.put(COMPANY, &company("north", "acme", 5)));
        let mut older = company("north", "acme", 4);
        older.metadata.generation = Some(7);
        assert!(!index.put(COMPANY, &older));
        assert_eq!(index.get(&"company/north/acme".parse().unwrap()).unwrap().generation, 1);
        // The same name with another uid is another object, whatever its version.
        older.metadata.uid = Some("another".into());
        assert!(index.put(COMPANY, &older));
        assert!(!index.remove(COMPANY, &company("north", "acme", 9)), "the one before it is gone already");
    }

    #[test]
    fn a_namespace_belongs_to_the_one_directory_that_lists_it() {
        let mut index = Index::new("system", &[]);
        index.put(Watched::Directory, &directory("a", 1, &["north", "team-*"]));
        index.put(Watched::Directory, &directory("b", 2, &["south", "team-red"]));
        for (namespace, home) in [
            ("north", Home::One(name("a"))),
            ("team-blue", Home::One(name("a"))),
            ("team-red", Home::Several(vec![name("a"), name("b")])),
            ("teams", Home::None),
        ] {
            assert_eq!(index.home(namespace), home, "{namespace}");
        }
    }

    #[test]
    fn whoever_is_not_concerned_is_not_woken() {
        let mut index = Index::new("system", &[]);
        index.put(Watched::Directory, &directory("a", 1, &["north"]));
        index.put(Watched::Directory, &directory("b", 2, &["south"]));
        let (a, b) = (index.stamp(&name("a")), index.stamp(&name("b")));
        index.put(COMPANY, &company("south", "acme", 3));
        assert_eq!(index.stamp(&name("a")), a);
        assert_ne!(index.stamp(&name("b")), b);
        // What we write ourselves is no news.
        let b = index.stamp(&name("b"));
        let mut written = company("south", "acme", 4);
        written.data["status"] = json!({ "observedGeneration": 1 });
        assert!(!index.put(COMPANY, &written));
        assert_eq!(index.stamp(&name("b")), b);
        // Whose a namespace is concerns whoever had it and whoever gets it.
        let mut wider = directory("a", 5, &["north", "south"]);
        wider.metadata.generation = Some(2);
        assert!(index.put(Watched::Directory, &wider));
        assert_ne!(index.stamp(&name("a")), a);
        assert_ne!(index.stamp(&name("b")), b);
    }
}
