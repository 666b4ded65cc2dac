//! The controller: the objects of a cluster, brought into the directories that its Directories name. The other front end; it
//! plans and carries out with the same sentences as the command line does (`pipeline`).
//!
//! | file | knows |
//! |---|---|
//! | `index` | the objects as they were last seen; no server |
//! | `item`, `binding` | what of an object, and of a Directory, counts |
//! | `pass` | one look at everything of one Directory, and what is done about it |
//! | `gate` | what may be lost at once, and what somebody approved |
//! | `status` | what stands in a status |
//! | `scribe`, `cluster`, `secrets`, `events` | requests |
//! | `elect` | who leads |
//! | `metrics`, `answer` | what is told to whoever watches the controller |

mod answer;
mod binding;
mod cluster;
mod elect;
mod events;
mod gate;
mod index;
mod item;
mod metrics;
mod pass;
mod scribe;
mod secrets;
mod status;
mod watch;

use std::{
    collections::HashMap,
    path::PathBuf,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, Config};
use tokio::{net::TcpListener, sync::watch as channel, task::JoinHandle};

use self::{
    cluster::Cluster,
    elect::{Elector, Fence},
    events::Events,
    index::{Home, Index},
    metrics::Metrics,
    pass::Worker,
    scribe::{Job, Scribe},
};
use crate::{directory::Stop, model::Name};

/// How the controller runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its own namespace: where its Lease and the Secrets of Directories are; roles in it are global.
    pub own: String,
    /// What this replica is called.
    pub replica: String,
    /// The name of the Lease; none where there is one replica only.
    pub lease: Option<String>,
    /// How often everything is looked at again.
    pub resync: Duration,
    /// The name of the `ValidatingAdmissionPolicy` that asks who grants a role, and of its binding.
    pub policy: String,
    /// The Directories that are served; all where none is named.
    pub only: Vec<String>,
    /// From where relative paths of Directories start.
    pub base: PathBuf,
}

/// Why the controller ended.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// There is no way to the API server.
    #[error("cannot tell where the API server is")]
    Config(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another replica leads by now.
    #[error("another replica leads now")]
    Deposed,
}

/// What all parts of the controller share.
struct Shared {
    settings: Settings,
    cluster: Cluster,
    index: Arc<Mutex<Index>>,
    revision: channel::Sender<u64>,
    scribe: Scribe,
    events: Events,
    metrics: Arc<Metrics>,
    stop: Stop,
    stopped: channel::Receiver<bool>,
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody that something is new; whom it concerns says the index.
    fn tell(&self) {
        self.revision.send_modify(|revision| *revision += 1);
    }

    /// Has whoever serves a Directory look again.
    fn wake(&self, name: &Name) {
        self.index().touch_directory(name);
        self.tell();
    }

    /// The same in a moment: something failed.
    fn wake_soon(&self, name: &Name) {
        let (revision, index, name) = (self.revision.clone(), Arc::clone(&self.index), name.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            index.lock().unwrap_or_else(PoisonError::into_inner).touch_directory(&name);
            revision.send_modify(|revision| *revision += 1);
        });
    }

    async fn stopped(&self) {
        let mut stopped = self.stopped.clone();
        // A sender that is gone has stopped as well.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }
}

/// Where the API server is, and as whom it is asked.
pub struct Server {
    config: Config,
}

impl Server {
    /// Finds the API server: `KUBECONFIG`, `~/.kube/config`, or the service account of the pod.
    pub async fn find() -> Result<Self, ControllerError> {
        let config = Config::infer().await.map_err(|error| ControllerError::Config(Box::new(error)))?;
        Ok(Self { config })
    }

    /// The namespace that is ours unless somebody says otherwise.
    pub fn namespace(&self) -> &str {
        &self.config.default_namespace
    }

    fn client(&self) -> Result<Client, ControllerError> {
        let mut config = self.config.clone();
        // What is tried again, and when, is decided here: a write that is repeated after its term would be somebody else's.
        config.default_retry = false;
        Client::try_from(config).map_err(|error| ControllerError::Config(Box::new(error)))
    }
}

/// Runs until `stop`; ends at an object boundary.
pub async fn run(
    server: &Server,
    settings: Settings,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), ControllerError> {
    let client = server.client()?;
    let metrics = Arc::new(Metrics::new());
    let (ending, stopped) = channel::channel(false);
    let answering = tokio::spawn(answer::answer(listener, Arc::clone(&metrics), stopped.clone()));
    let fence = Arc::new(if settings.lease.is_some() { Fence::closed() } else { Fence::open() });
    let (leads, mut term) = channel::channel(settings.lease.is_none().then_some(0));
    let mut elector = settings.lease.clone().map(|name| Elector {
        api: Api::<Lease>::namespaced(client.clone(), &settings.own),
        name,
        id: format!("{}_{}", settings.replica, uuid::Uuid::now_v7()),
        seen: None,
    });
    let mut stop = pin!(stop);
    let ended = {
        let electing = async {
            match &mut elector {
                // Whoever waits to lead can answer that all is well.
                Some(elector) => elector.run(&fence, &leads, &|| metrics.set_ready(true)).await,
                None => std::future::pending().await,
            }
        };
        let working = async {
            tokio::select! {
                led = term.wait_for(Option::is_some) => if led.is_err() { return Ok(()) },
                () = &mut stop => return Ok(()),
            }
            metrics.set_ready(false);
            metrics.leads(true);
            let number = *term.borrow();
            tracing::info!(replica = settings.replica, term = number, "leads");
            let shared = share(&client, settings.clone(), &fence, &metrics, stopped.clone());
            let mut leader = Leader { shared, workers: HashMap::new() };
            let deposed = tokio::select! {
                () = leader.run() => false,
                _ = term.wait_for(|now| *now != number) => true,
                () = &mut stop => false,
            };
            leader.shared.stop.request();
            let _ = ending.send(true);
            leader.end().await;
            metrics.leads(false);
            if deposed { Err(ControllerError::Deposed) } else { Ok(()) }
        };
        tokio::pin!(electing);
        tokio::select! {
            () = &mut electing => Ok(()),
            ended = working => ended,
        }
    };
    if let Some(elector) = &mut elector {
        elector.release(&fence).await;
    }
    let _ = ending.send(true);
    let _ = answering.await;
    tracing::info!("stopped");
    ended
}

fn share(
    client: &Client,
    settings: Settings,
    fence: &Arc<Fence>,
    metrics: &Arc<Metrics>,
    stopped: channel::Receiver<bool>,
) -> Arc<Shared> {
    let cluster = Cluster { client: client.clone(), fence: Arc::clone(fence) };
    let index = Arc::new(Mutex::new(Index::new(&settings.own, &settings.only)));
    let revision = channel::Sender::new(0);
    let scribe = Scribe::new(cluster.clone(), Arc::clone(&index), revision.clone(), Arc::clone(metrics));
    let events = Events::start(client.clone(), settings.replica.clone(), Arc::clone(fence));
    let (metrics, stop) = (Arc::clone(metrics), Stop::default());
    Arc::new(Shared { settings, cluster, index, revision, scribe, events, metrics, stop, stopped })
}

/// What only the leader does.
struct Leader {
    shared: Arc<Shared>,
    workers: HashMap<Name, JoinHandle<()>>,
}

impl Leader {
    /// Watches, and has one worker for each Directory.
    async fn run(&mut self) {
        for what in index::Watched::ALL {
            tokio::spawn(watch::watch(Arc::clone(&self.shared), what));
        }
        let mut news = self.shared.revision.subscribe();
        loop {
            news.borrow_and_update();
            self.staff();
            if self.shared.settings.only.is_empty() && self.shared.index().is_complete() {
                self.tell_homeless().await;
            }
            if news.changed().await.is_err() {
                return;
            }
        }
    }

    /// One worker for each Directory that is served; nobody works before every list was complete once.
    fn staff(&mut self) {
        let names: Vec<Name> = {
            let index = self.shared.index();
            if !index.is_complete() {
                return;
            }
            index.directories().map(|it| it.name.clone()).filter(|name| index.served(name)).collect()
        };
        self.shared.metrics.set_ready(true);
        self.workers.retain(|_, worker| !worker.is_finished());
        for name in names {
            let shared = &self.shared;
            self.workers.entry(name.clone()).or_insert_with(|| tokio::spawn(Worker::new(name, Arc::clone(shared)).run()));
        }
    }

    /// Says of objects that belong to no Directory, or to several, that nothing is done about them.
    async fn tell_homeless(&self) {
        let homeless = self.shared.index().homeless();
        let now = pass::seconds(jiff::Timestamp::now());
        let undefined = self.shared.cluster.undefined(homeless.iter().map(|(item, _)| Arc::clone(item)).collect()).await;
        for item in &undefined {
            self.shared.scribe.submit(item, Job::LetGo);
        }
        for (item, home) in homeless.into_iter().filter(|(item, _)| !undefined.iter().any(|it| it.key == item.key)) {
            let listed = match home {
                Home::Several(names) => names,
                Home::None | Home::One(_) => Vec::new(),
            };
            if item.deleting && item.is_kept() && item.status.directory.is_none() {
                self.shared.scribe.submit(&item, Job::LetGo); // it never had an account
                continue;
            }
            let said = pass::unchanged(&item, status::homeless(&item.home, &listed));
            if let Some(status) = status::status(&item, said, now) {
                self.shared.scribe.submit(&item, Job::Say(Box::new(status)));
            }
        }
    }

    /// Waits for passes under way to end, and for what is being written.
    async fn end(&mut self) {
        const DRAIN: Duration = Duration::from_secs(20);
        let workers = std::mem::take(&mut self.workers);
        let drained = async {
            for (_, worker) in workers {
                let _ = worker.await; // one that has panicked has ended too
            }
            while self.shared.scribe.is_busy() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("stopped with writes under way");
        }
    }
}
