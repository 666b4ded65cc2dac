//! `tenantry controller`, as a process.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    Cluster, Identity, SYSTEM, servers, unique,
    until::{Look, poll},
};

/// However slow the machine is: what is waited for has happened by then, or never will.
const PATIENCE: Duration = Duration::from_mins(1);

/// A controller that runs, and all it has printed. It ends with this, or with this process, however that ends.
pub(crate) struct Controller {
    child: Child,
    printed: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    /// Where it runs, when the folder is its own.
    own: Option<TempDir>,
    folder: PathBuf,
}

impl Controller {
    /// One alone, in a folder of its own and with a lease of its own unless the words name one.
    pub(crate) fn start(cluster: &Cluster, words: &[&str]) -> Self {
        let own = tempfile::tempdir().unwrap();
        let folder = own.path().to_owned();
        let mut controller = Self::start_in(cluster, &folder, words);
        controller.own = Some(own);
        controller
    }

    /// One in a folder that outlives it: for another after it, or beside it (name a `--lease` for both then).
    pub(crate) fn start_in(cluster: &Cluster, folder: &Path, words: &[&str]) -> Self {
        // By the leash it ends with us, and has the process id of our child.
        let mut command = Command::new(servers().join("leash"));
        command.arg(env!("CARGO_BIN_EXE_tenantry")).args(["controller", "--listen", "127.0.0.1:0"]).args(words);
        if !words.contains(&"--lease") {
            command.args(["--lease", &unique("lease")]);
        }
        command.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder);
        command.env("KUBECONFIG", cluster.kubeconfig(&Identity::Controller)).env("POD_NAMESPACE", SYSTEM);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let printed = Arc::new(Mutex::new(String::new()));
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let readers = vec![collect(out, &printed), collect(err, &printed)];
        Self { child, printed, readers, own: None, folder: folder.to_owned() }
    }

    /// Its working folder: `outbox`, and the file of an embedded directory.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// All it has printed, on both streams.
    pub(crate) fn log(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// The lines of its log that are JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits until it is so; on failure its log is shown.
    #[track_caller]
    pub(crate) fn until<L: Look>(&self, patience: Duration, what: &str, look: impl FnMut() -> L) -> L::Found {
        poll(patience, look).unwrap_or_else(|last| panic!("not within {patience:?}: {what}\n{last}\n{}", self.log()))
    }

    /// Waits until it has said something so often.
    #[track_caller]
    pub(crate) fn says(&self, text: &str, times: usize) {
        self.until(PATIENCE, &format!("it says `{text}`"), || self.log().matches(text).count() >= times);
    }

    /// Where it listens: it says so in its log.
    #[track_caller]
    pub(crate) fn address(&self) -> String {
        self.until(PATIENCE, "it says where it listens", || {
            self.lines().iter().find_map(|line| {
                // Fields of a line stand beside its message, or below `fields`.
                let fields = line.get("fields").unwrap_or(line);
                (fields["message"] == "listening").then(|| fields["address"].as_str().unwrap().to_owned())
            })
        })
    }

    /// The answer to a GET there: its status, and its body.
    #[track_caller]
    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// `/metrics`.
    #[track_caller]
    pub(crate) fn metrics(&self) -> String {
        let (status, body) = self.page("/metrics");
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Stops it as a cluster does, and waits for its end.
    #[track_caller]
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        self.signal("TERM");
        self.ended()
    }

    /// Ends it on the spot.
    #[track_caller]
    pub(crate) fn kill(mut self) -> String {
        self.signal("KILL");
        self.ended().1
    }

    /// Nothing of it runs until `resume`.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// It goes on, and has noticed nothing.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// Waits until it has ended by itself: how, and its log.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        let child = &mut self.child;
        let status = poll(PATIENCE, || child.try_wait().unwrap());
        let Ok(status) = status else { panic!("it does not end:\n{}", self.log()) };
        // All of it, now that there is an end.
        self.readers.drain(..).for_each(|it| it.join().unwrap());
        (status, self.log())
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stream: impl Read + Send + 'static, printed: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let printed = Arc::clone(printed);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            printed.lock().unwrap().push_str(&format!("{line}\n"));
        }
    })
}
