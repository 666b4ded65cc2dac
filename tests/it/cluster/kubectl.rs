//! kubectl against this server, by anybody.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{
    Cluster, Identity,
    until::{Look, until},
};
use crate::place::Ran;

impl Cluster {
    /// Of somebody who may do everything.
    pub(crate) fn kubectl(&self, words: &[&str]) -> Ran {
        self.ran(&Identity::Admin, words, "")
    }

    /// Of somebody, who is in these groups.
    pub(crate) fn kubectl_as(&self, person: &str, groups: &[&str], words: &[&str]) -> Ran {
        self.ran(&Identity::Person(person, groups), words, "")
    }

    /// Applies documents on the server's side, as somebody who may do everything.
    pub(crate) fn apply(&self, yaml: &str) -> Ran {
        self.apply_as(&Identity::Admin, yaml)
    }

    /// Applies documents on the server's side. A field nobody knows is an error.
    pub(crate) fn apply_as(&self, identity: &Identity<'_>, yaml: &str) -> Ran {
        self.ran(identity, &["apply", "--server-side", "--field-manager", "tests", "--validate=strict", "-f", "-"], yaml)
    }

    /// An object, or null where there is none. The namespace of what has none is empty.
    #[track_caller]
    pub(crate) fn get(&self, kind: &str, namespace: &str, name: &str) -> Value {
        let mut words = vec!["get", kind, name, "--ignore-not-found", "-o", "json"];
        if !namespace.is_empty() {
            words.extend(["--namespace", namespace]);
        }
        let ran = self.kubectl(&words).ended(0);
        if ran.out.is_empty() { Value::Null } else { ran.json() }
    }

    /// Waits until it is so, as long as `patience`: a `bool`, an `Option`, or a `Result` whose error is shown when it takes
    /// too long.
    #[track_caller]
    #[allow(clippy::unused_self, reason = "for whoever has a cluster at hand")]
    pub(crate) fn until<L: Look>(&self, look: impl FnMut() -> L, patience: Duration, what: &str) -> L::Found {
        until(patience, what, look)
    }

    /// kubectl with something on its standard input.
    pub(crate) fn ran(&self, identity: &Identity<'_>, words: &[&str], input: &str) -> Ran {
        let mut command = self.program("kubectl", &self.kubeconfig(identity));
        let mut child = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // What it does not want to read it need not: its answer counts.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap().into()
    }

    /// One of the programs beside kubectl, in a folder of ours and with nothing of our environment.
    pub(crate) fn program(&self, name: &str, kubeconfig: &Path) -> Command {
        let mut command = Command::new(self.assets.join(name));
        command.current_dir(&self.own).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", &self.own).env("KUBECONFIG", kubeconfig);
        command
    }
}
