//! As much of HTTP/1.1 as stands between a driver and a server: whole messages, one for each connection.

use std::{
    io::{self, BufRead, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// A request or an answer.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// `GET /Users HTTP/1.1`, `HTTP/1.1 200 OK`
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// An answer.
    pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { start: format!("HTTP/1.1 {status} it"), headers, body: body.into() }
    }

    /// Reads one; nothing where the other side has hung up.
    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut start = String::new();
        if from.read_line(&mut start)? == 0 {
            return Ok(None);
        }
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.push((name.trim().to_owned(), value.trim().to_owned())),
                None => break,
            }
        }
        let mut message = Self { start: start.trim_end().to_owned(), headers, body: Vec::new() };
        let mut body = Vec::new();
        if message.header("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked")) {
            loop {
                let mut size = String::new();
                from.read_line(&mut size)?;
                let size = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
                from.take(size).read_to_end(&mut body)?;
                from.read_line(&mut String::new())?;
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = message.header("content-length") {
            body = vec![0; length.parse().map_err(io::Error::other)?];
            from.read_exact(&mut body)?;
        } else if message.status().is_some_and(|status| status != 204 && status != 304) {
            from.read_to_end(&mut body)?;
        }
        message.body = body;
        Ok(Some(message))
    }

    /// Writes it as the only one of its connection.
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.bytes())?;
        to.flush()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            if !["transfer-encoding", "connection", "content-length"].iter().any(|it| name.eq_ignore_ascii_case(it)) {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", self.body.len()));
        [head.as_bytes(), &self.body].concat()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Of a request.
    pub(crate) fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// Of a request: the path, without what is behind a `?`.
    pub(crate) fn path(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default()
    }

    /// Of a request: what is behind a `?`.
    pub(crate) fn query(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default().split_once('?').map_or("", |(_, query)| query)
    }

    /// Of an answer.
    pub(crate) fn status(&self) -> Option<u16> {
        self.start.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()
    }
}

/// Takes connections on loopback, each in a thread of its own, until it is dropped.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    closed: Arc<AtomicBool>,
}

impl Door {
    pub(crate) fn open(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, closed, serve) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)), Arc::new(serve));
        let it = Arc::clone(&closed);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if it.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), serve) = (stream, Arc::clone(&serve)) else { continue };
                thread::spawn(move || serve(stream));
            }
        });
        Self { address, closed }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}
