//! What stands for a forge's API: the one thing that cannot be had here. It hears what is asked, and answers what it was told to.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) method: String,
    /// With its query.
    pub(super) path: String,
    /// Names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

type Answers = BTreeMap<String, Answer>;

/// What is said to one call.
#[derive(Debug, Clone)]
enum Answer {
    Body(Vec<u8>),
    /// It is to be had elsewhere.
    Redirect(String),
}

/// The listener.
pub(super) struct Forge {
    pub(super) url: String,
    address: std::net::SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Forge {
    /// Answers each `METHOD /path?query` as it is told; anything else with 404.
    pub(super) fn answering<B: Into<Vec<u8>>>(answers: impl IntoIterator<Item = (String, B)>) -> Self {
        Self::redirecting(answers, &[])
    }

    /// The same; some calls are sent to another address, as forges do with what they keep elsewhere.
    pub(super) fn redirecting<B: Into<Vec<u8>>>(
        answers: impl IntoIterator<Item = (String, B)>,
        redirects: &[(String, String)],
    ) -> Self {
        let bodies = answers.into_iter().map(|(line, body)| (line, Answer::Body(body.into())));
        let elsewhere = redirects.iter().map(|(line, url)| (line.clone(), Answer::Redirect(url.clone())));
        let answers: Answers = bodies.chain(elsewhere).collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (heard, stopped) = (Arc::clone(&asked), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                serve(stream.unwrap(), &answers, &heard);
            }
        });
        Self { url: format!("http://{address}"), address, asked, stop, thread: Some(thread) }
    }

    /// What was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The same, as `METHOD /path`.
    pub(super) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(|it| format!("{} {}", it.method, it.path)).collect()
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(mut stream: TcpStream, answers: &Answers, heard: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let first = line();
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return };
    let mut headers = BTreeMap::new();
    loop {
        let line = line();
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |it| it.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (top, answer) = match answers.get(&format!("{method} {path}")).cloned() {
        Some(Answer::Body(body)) => ("200 It".to_owned(), body),
        Some(Answer::Redirect(url)) => (format!("302 Elsewhere\r\nLocation: {url}"), Vec::new()),
        None => ("404 Nothing".to_owned(), b"{}".to_vec()),
    };
    heard.lock().unwrap().push(Asked { method, path, headers, body: String::from_utf8(body).unwrap() });
    let top = format!("HTTP/1.1 {top}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
    stream.write_all(top.as_bytes()).and_then(|()| stream.write_all(&answer)).unwrap();
}
