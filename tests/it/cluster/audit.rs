//! What was asked of the server, and by whom: its audit log.

use std::{
    fmt,
    fs::File,
    io::{Read, Seek, SeekFrom},
    time::Duration,
};

use serde_json::Value;

use super::{Cluster, unique, until::until};

/// A moment in the audit log.
pub(crate) struct Mark<'a> {
    cluster: &'a Cluster,
    from: u64,
}

/// A request that was answered. It shows as `patch users/status north/anna by system:admin: 200`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub(crate) verb: String,
    /// With its subresource: `users/status`.
    pub(crate) resource: String,
    /// Empty where it has none.
    pub(crate) namespace: String,
    /// Empty where it is about many.
    pub(crate) name: String,
    /// By whom, after impersonation.
    pub(crate) user: String,
    /// How it ended.
    pub(crate) code: u64,
    /// What was asked for, word by word.
    pub(crate) uri: String,
}

impl Cluster {
    /// Now.
    pub(crate) fn mark(&self) -> Mark<'_> {
        self.flush_audit();
        Mark { cluster: self, from: self.audit_log().metadata().unwrap().len() }
    }

    fn audit_log(&self) -> File {
        File::open(self.folder.join("audit.jsonl")).unwrap()
    }

    /// A request is in the log once it was answered: this one comes behind all of which somebody knows the answer.
    fn flush_audit(&self) {
        let path = format!("/version?mark={}", unique("mark"));
        let from = self.audit_log().metadata().unwrap().len();
        self.kubectl(&["get", "--raw", &path]).ended(0);
        let mark = Mark { cluster: self, from };
        until(Duration::from_secs(20), "the audit log has a request", || mark.read().contains(&path));
    }
}

impl Mark<'_> {
    /// Everything that was asked since and is answered, in the order of the answers.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.cluster.flush_audit();
        let all = self.read().lines().map(|line| Request::of(&serde_json::from_str(line).unwrap())).collect::<Vec<_>>();
        all.into_iter().filter(|it| !it.uri.starts_with("/version?mark=")).collect()
    }

    /// What somebody wrote since, or tried to, with its answer; dry runs write nothing.
    pub(crate) fn writes(&self, user: &str) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|it| it.user == user && it.writes());
        requests
    }

    fn read(&self) -> String {
        let mut log = self.cluster.audit_log();
        log.seek(SeekFrom::Start(self.from)).unwrap();
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        // The last line may still be on its way.
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        text
    }
}

impl Request {
    /// Whether it wrote something, or would have.
    pub(crate) fn writes(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch") && !self.uri.contains("dryRun=") && !self.resource.is_empty()
    }

    fn of(event: &Value) -> Self {
        let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (mut resource, below) = (text("/objectRef/resource"), text("/objectRef/subresource"));
        if !below.is_empty() {
            resource = format!("{resource}/{below}");
        }
        let user = event.pointer("/impersonatedUser/username").or(event.pointer("/user/username"));
        Self {
            verb: text("/verb"),
            resource,
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            user: user.and_then(Value::as_str).unwrap_or_default().to_owned(),
            code: event.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default(),
            uri: text("/requestURI"),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, resource, namespace, name, user, code, uri: _ } = self;
        write!(f, "{verb} {resource} {namespace}/{name} by {user}: {code}")
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
