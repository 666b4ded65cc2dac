//! A bad network between a driver and its server: connections are lost before and after the effect, answers are late, cut
//! short, or never come, requests come twice. Which of it happens to what follows from a seed, as far as the order in which
//! things happen does.

use std::{
    collections::BTreeMap,
    io::{BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    conformance::Trouble,
    http::{Door, Message},
};

/// A proxy on loopback.
pub(crate) struct Proxy {
    door: Door,
    faults: Arc<Faults>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The connection is lost before the server hears of it.
    Before,
    /// It is lost after the server has done it.
    After,
    /// The answer is late.
    Late,
    /// The answer ends in the middle.
    Half,
    /// The server does it, and says that it has failed.
    Failed,
    /// The server has no time.
    Busy,
    /// The server gets it twice.
    Twice,
    /// What the answer lists is in another order.
    Shuffled,
}

/// What becomes of the next thing.
struct Faults {
    on: AtomicBool,
    state: Mutex<u64>,
    /// One thing of so many goes wrong.
    one_in: u64,
    done: Mutex<BTreeMap<Fault, u64>>,
}

impl Faults {
    fn new(seed: u64, one_in: u64) -> Arc<Self> {
        Arc::new(Self { on: AtomicBool::new(false), state: Mutex::new(seed), one_in, done: Mutex::default() })
    }

    /// `SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>
    fn random(&self) -> u64 {
        let mut state = self.state.lock().unwrap();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn next(&self, choice: &[Fault]) -> Option<Fault> {
        if !self.on.load(Ordering::SeqCst) || !self.random().is_multiple_of(self.one_in) {
            return None;
        }
        let fault = choice[usize::try_from(self.random() % choice.len() as u64).unwrap()];
        *self.done.lock().unwrap().entry(fault).or_default() += 1;
        Some(fault)
    }
}

impl Proxy {
    /// Before a server that speaks HTTP/1.1. Nothing goes wrong until it is told to.
    pub(crate) fn http(server: SocketAddr, seed: u64) -> Self {
        let faults = Faults::new(seed, 4);
        let it = Arc::clone(&faults);
        let door = Door::open(move |stream| drop(exchange(&stream, server, &it)));
        Self { door, faults }
    }

    /// Before a server that speaks anything over TCP.
    pub(crate) fn tcp(server: SocketAddr, seed: u64) -> Self {
        let faults = Faults::new(seed, 60);
        let it = Arc::clone(&faults);
        let door = Door::open(move |client| {
            let Ok(server) = TcpStream::connect(server) else { return };
            let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else { return };
            let there = Arc::clone(&it);
            thread::spawn(move || pump(from, to, &there, &[Fault::Before]));
            pump(server, client, &it, &[Fault::After, Fault::Late, Fault::Half]);
        });
        Self { door, faults }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.door.address
    }

    /// Begins or ends trouble.
    pub(crate) fn switch(&self) -> Trouble {
        let faults = Arc::clone(&self.faults);
        Arc::new(move |on| faults.on.store(on, Ordering::SeqCst))
    }

    /// How often what went wrong.
    pub(crate) fn done(&self) -> BTreeMap<Fault, u64> {
        self.faults.done.lock().unwrap().clone()
    }
}

/// One request and its answer.
fn exchange(mut client: &TcpStream, server: SocketAddr, faults: &Faults) -> std::io::Result<()> {
    let Some(request) = Message::read(&mut BufReader::new(client))? else { return Ok(()) };
    let mut choice = vec![Fault::Before, Fault::After, Fault::Late, Fault::Half, Fault::Failed, Fault::Busy];
    if request.method() == "GET" {
        choice.push(Fault::Shuffled);
    }
    if ["GET", "PUT", "DELETE"].contains(&request.method()) {
        choice.push(Fault::Twice);
    }
    let fault = faults.next(&choice);
    match fault {
        Some(Fault::Before) => return client.shutdown(Shutdown::Both),
        Some(Fault::Busy) => return Message::answer(429, &[("Retry-After", "0")], "").write(&mut client),
        Some(Fault::Twice) => drop(forward(&request, server)?),
        Some(Fault::Late) => thread::sleep(Duration::from_millis(300)),
        Some(Fault::After | Fault::Half | Fault::Failed | Fault::Shuffled) | None => {}
    }
    let mut answer = forward(&request, server)?;
    match fault {
        Some(Fault::After) => return client.shutdown(Shutdown::Both),
        Some(Fault::Failed) => answer = Message::answer(503, &[], "out of order"),
        Some(Fault::Half) => {
            let bytes = answer.bytes();
            client.write_all(&bytes[..bytes.len() - answer.body.len().div_ceil(2) - 1])?;
            return client.shutdown(Shutdown::Both);
        }
        Some(Fault::Shuffled) => shuffle(&mut answer.body, faults),
        Some(Fault::Before | Fault::Busy | Fault::Twice | Fault::Late) | None => {}
    }
    answer.write(&mut client)
}

fn forward(request: &Message, server: SocketAddr) -> std::io::Result<Message> {
    let mut stream = TcpStream::connect(server)?;
    request.write(&mut stream)?;
    Message::read(&mut BufReader::new(stream))?.ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

/// Puts the lists of an answer into another order: that of a list without one means nothing.
fn shuffle(body: &mut Vec<u8>, faults: &Faults) {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return };
    let list = match &mut value {
        Value::Array(list) => Some(list),
        Value::Object(map) => map.get_mut("Resources").and_then(Value::as_array_mut),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    if let Some(list) = list {
        list.sort_by_cached_key(|_| faults.random());
        *body = serde_json::to_vec(&value).unwrap();
    }
}

/// One direction of a connection.
fn pump(mut from: TcpStream, mut to: TcpStream, faults: &Faults, choice: &[Fault]) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut part = &buffer[..count];
        let fault = faults.next(choice);
        match fault {
            Some(Fault::Late) => thread::sleep(Duration::from_millis(100)),
            Some(Fault::Half) => part = &part[..count / 2],
            Some(Fault::Before | Fault::After) => break,
            Some(Fault::Failed | Fault::Busy | Fault::Twice | Fault::Shuffled) | None => {}
        }
        if to.write_all(part).is_err() || fault == Some(Fault::Half) {
            break;
        }
    }
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}
