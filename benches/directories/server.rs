//! A server of the tests, for as long as this lives: it ends with its standard input.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

pub(crate) struct Server {
    child: Child,
    leash: Option<ChildStdin>,
    said: Lines<BufReader<ChildStdout>>,
}

impl Server {
    /// Starts `tests/servers/SCRIPT serve ARGUMENTS`.
    pub(crate) fn start(script: &str, arguments: &[&OsStr]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(script);
        let mut command = Command::new(script);
        let mut child =
            command.arg("serve").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the server's script");
        let (leash, said) = (child.stdin.take(), BufReader::new(child.stdout.take().expect("its output")).lines());
        Self { child, leash, said }
    }

    /// What it says of something: the next line with `NAME=`.
    pub(crate) fn says(&mut self, name: &str) -> String {
        let mut lines = self.said.by_ref().map_while(Result::ok);
        let value = lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned()));
        value.unwrap_or_else(|| panic!("the server says no {name}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.leash = None;
        let _ = self.child.wait();
    }
}
