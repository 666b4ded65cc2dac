//! What each stage costs: loading, judging, reading the directory, planning, applying.
//!
//! `cargo bench --bench stages` measures at 1 000, 10 000 and 100 000 users of a generated organisation, companies and
//! customers counted on top; a filter picks a stage or a size: `cargo bench --bench stages -- plan`. `scale` measures the
//! whole program instead.

mod organisation;

use std::{path::Path, sync::Arc, time::Duration};

use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, measurement::WallTime};
use jiff::Timestamp;
use tempfile::TempDir;
use tenantry::{
    apply,
    credential::Vault,
    desired::{self, Desired, Known},
    directory::{Directory, Run, Stop},
    drivers::Sqlite,
    issue::Issuer,
    mail::Mailer,
    manifest::{Extent, Input, Limits, Loaded, Project, load},
    observed::{Observed, Scope},
    plan::{self, Plan, Policy, Purge},
};
use tokio::runtime::Runtime;

use organisation::Organisation;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

fn main() {
    let mut criterion = Criterion::default().sample_size(10).warm_up_time(Duration::from_secs(1)).configure_from_args();
    for size in SIZES {
        let stage = Stage::new(size);
        let mut group = criterion.benchmark_group("stages");
        group.throughput(Throughput::Elements(stage.organisation.documents as u64));
        stage.load(&mut group);
        stage.judge(&mut group);
        stage.create(&mut group);
        stage.settled(&mut group);
        group.finish();
    }
    criterion.final_summary();
}

/// An organisation and what is needed to plan it.
struct Stage {
    size: usize,
    folder: TempDir,
    organisation: Organisation,
    project: Project,
    runtime: Runtime,
}

impl Stage {
    fn new(size: usize) -> Self {
        let folder = TempDir::new().expect("a folder");
        let organisation = organisation::write(folder.path(), size).expect("files");
        Self { size, folder, organisation, project: Project::default(), runtime: Runtime::new().expect("a runtime") }
    }

    fn id(&self, stage: &str) -> BenchmarkId {
        BenchmarkId::new(stage, self.size)
    }

    fn loaded(&self) -> Loaded {
        let loaded = load(&[Input::Folder(self.organisation.tenants.clone())], &Limits::default());
        assert!(
            loaded.problems.is_empty() && loaded.documents.len() == self.organisation.documents,
            "{:?}",
            loaded.problems.first()
        );
        loaded
    }

    fn judged(&self, loaded: Loaded) -> Desired {
        let extent = Extent::Whole { root: "tenants".into() };
        let (desired, problems) = desired::desired(loaded.documents, &self.project, extent, 0);
        assert!(problems.is_empty(), "{:?}", problems.first());
        desired
    }

    fn directory(&self, file: &str) -> Sqlite {
        Sqlite::open(self.folder.path(), Path::new(file)).expect("SQLite")
    }

    fn observe(&self, directory: &Sqlite) -> Observed {
        let window = self.project.budget.window;
        self.runtime.block_on(directory.observe(&self.project.owner, &Scope::All, window)).expect("a directory")
    }

    fn plan(&self, directory: &Sqlite, desired: &Desired, observed: &Observed) -> Plan {
        let others = observed.roles_of_others(&self.project.owner);
        let known = Known { roles: observed.roles(), others, aside: std::collections::BTreeSet::new(), region: &|_| None };
        let roles = desired::roles(desired, &self.project, Some(&known));
        let policy = Policy {
            owner: self.project.owner.clone(),
            now: Timestamp::now(),
            retention: self.project.retention,
            protected: self.project.protected.clone(),
            adopt: [].into(),
            purge: Purge::default(),
            orders: std::collections::BTreeMap::default(),
            aside: std::collections::BTreeMap::new(),
            gently: false,
        };
        plan::plan(&plan::Input {
            directory: directory.name(),
            desired,
            roles: &roles,
            observed,
            capabilities: &directory.capabilities(),
            scope: &Scope::All,
            policy: &policy,
            approved: None,
        })
    }

    fn apply(&self, directory: &Sqlite, plan: &Plan) {
        let (id, digest) = ("bench".into(), plan.digest().into());
        let owner = self.project.owner.clone();
        let run = Run { id, owner, actor: None, digest, losses_allowed: false, commits: Arc::default(), stop: Stop::default() };
        // Nobody in the organisation has a credential.
        let post = Arc::new(Mailer::open(None, Path::new("."), None).unwrap());
        let issuer = Issuer::new(&self.project, false, Vault::new(Path::new("."), |_| None), post);
        let report = self.runtime.block_on(apply::apply(directory, plan, &issuer, &run, None, &|_| {}));
        assert_eq!(report.done().applied, self.organisation.documents as u64);
    }

    fn load(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        group.bench_function(self.id("load"), |bencher| bencher.iter_with_large_drop(|| self.loaded()));
    }

    fn judge(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        let loaded = self.loaded();
        group.bench_function(self.id("judge"), |bencher| {
            bencher.iter_batched(|| loaded.clone(), |loaded| self.judged(loaded), BatchSize::PerIteration);
        });
    }

    /// Into an empty directory.
    fn create(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        let desired = self.judged(self.loaded());
        let nothing = self.directory("nothing.db");
        let observed = self.observe(&nothing);
        group.bench_function(self.id("plan creates"), |bencher| {
            bencher.iter_with_large_drop(|| self.plan(&nothing, &desired, &observed));
        });
        let plan = self.plan(&nothing, &desired, &observed);
        group.bench_function(self.id("apply creates"), |bencher| {
            let empty = || {
                let folder = TempDir::new().expect("a folder");
                (Sqlite::open(folder.path(), Path::new("tenantry.db")).expect("SQLite"), folder)
            };
            let run = |(directory, folder): (Sqlite, TempDir)| {
                self.apply(&directory, &plan);
                (directory, folder)
            };
            bencher.iter_batched(empty, run, BatchSize::PerIteration);
        });
    }

    /// With everything as it should be.
    fn settled(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        let desired = self.judged(self.loaded());
        let directory = self.directory("tenantry.db");
        let plan = self.plan(&directory, &desired, &self.observe(&directory));
        self.apply(&directory, &plan);
        group.bench_function(self.id("observe"), |bencher| bencher.iter_with_large_drop(|| self.observe(&directory)));
        let observed = self.observe(&directory);
        assert!(self.plan(&directory, &desired, &observed).decisions.is_empty(), "what was applied is settled");
        group.bench_function(self.id("plan nothing"), |bencher| {
            bencher.iter_with_large_drop(|| self.plan(&directory, &desired, &observed));
        });
    }
}
