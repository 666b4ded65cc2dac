//! Connections: so many at once, each with little time to say what it wants.

use std::{
    collections::HashMap,
    net::IpAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, extract::Request};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::limits::Peer;

/// Connections at once, below the 1 024 files that a process may usually have open. What comes on top waits in the queue of
/// the operating system.
const CONNECTIONS: usize = 512;
/// Connections of one peer: nobody takes the places of all others by saying half a sentence on each. A proxy is one peer too, and
/// needs fewer.
const OF_ONE: usize = CONNECTIONS / 4;
/// How long a request line with its headers may take, and how long a connection may be idle before.
const HEAD: Duration = Duration::from_secs(10);
/// Bytes of a request line with its headers.
const HEAD_SIZE: usize = 16 * 1024;
/// How long requests under way may take when the server stops.
const DRAIN: Duration = Duration::from_secs(20);
/// How long nothing is accepted after the operating system refused a connection, for example for want of files.
const PAUSE: Duration = Duration::from_millis(200);

/// Answers until `stop`, then finishes what is under way.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let peers = Peers::default();
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &room) => accepted,
        };
        if let Some((stream, peer, permit)) = accepted
            && let Some(place) = peers.enter(peer)
        {
            let connection = answer(stream, peer, router.clone(), &graceful);
            tokio::spawn(async move {
                // A connection that breaks, or says nothing in time, is nobody's fault here.
                let _ = connection.await;
                drop((permit, place));
            });
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("stopped with requests under way");
    }
}

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, Peer, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => {
            let _ = stream.set_nodelay(true);
            Some((stream, Peer(address.ip()), permit))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

/// HTTP/1.1 by hand: with `axum::serve` a connection that never finishes its headers stays for ever.
fn answer(stream: TcpStream, peer: Peer, router: Router, graceful: &GracefulShutdown) -> impl Future + Send + 'static {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_SIZE);
    graceful.watch(http.serve_connection(TokioIo::new(stream), service))
}

/// How many connections each peer has.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// The place of one connection, free again when it is dropped.
struct Place {
    peers: Peers,
    network: IpAddr,
}

impl Peers {
    fn enter(&self, peer: Peer) -> Option<Place> {
        let network = peer.network();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(network).or_default();
        if *count >= OF_ONE {
            return None;
        }
        *count += 1;
        Some(Place { peers: self.clone(), network })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self { peers, network } = self;
        let mut all = peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(network) {
            *count -= 1;
            if *count == 0 {
                all.remove(network);
            }
        }
    }
}
