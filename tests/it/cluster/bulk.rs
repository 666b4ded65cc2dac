//! Requests without kubectl: a hundred objects in the time that kubectl takes for one.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::Cluster;

/// Requests at once.
const WIDTH: usize = 16;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// Where the objects of a kind are, in a namespace; what has none is everywhere, or of the whole cluster.
fn path(plural: &str, namespace: &str, name: &str) -> String {
    let group = match plural {
        "namespaces" | "secrets" => "/api/v1".to_owned(),
        "events" => "/apis/events.k8s.io/v1".to_owned(),
        _ => "/apis/tenantry.dev/v1alpha1".to_owned(),
    };
    let place = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
    let name = if name.is_empty() { String::new() } else { format!("/{name}") };
    format!("{group}{place}/{plural}{name}")
}

/// A request that is to be made.
pub(crate) struct Call {
    method: Method,
    path: String,
    body: Option<(&'static str, Value)>,
}

impl Call {
    pub(crate) fn apply(plural: &str, namespace: &str, document: Value) -> Self {
        let name = document["metadata"]["name"].as_str().unwrap();
        let path = format!("{}?fieldManager=tests&force=true&fieldValidation=Strict", path(plural, namespace, name));
        Self { method: Method::PATCH, path, body: Some(("application/apply-patch+yaml", document)) }
    }

    pub(crate) fn merge(plural: &str, namespace: &str, name: &str, patch: Value) -> Self {
        let place = format!("{}?fieldManager=somebody", path(plural, namespace, name));
        Self { method: Method::PATCH, path: place, body: Some(("application/merge-patch+json", patch)) }
    }

    pub(crate) fn delete(plural: &str, namespace: &str, name: &str) -> Self {
        Self { method: Method::DELETE, path: path(plural, namespace, name), body: None }
    }

    pub(crate) fn raw(method: Method, path: String, form: &'static str, body: Value) -> Self {
        Self { method, path, body: Some((form, body)) }
    }

    fn get(plural: &str, namespace: &str, name: &str) -> Self {
        Self { method: Method::GET, path: path(plural, namespace, name), body: None }
    }
}

impl Cluster {
    fn client(&self) -> Client {
        static CLIENTS: LazyLock<Mutex<HashMap<String, Client>>> = LazyLock::new(Mutex::default);
        let mut clients = CLIENTS.lock().unwrap();
        let client = clients.entry(self.server.clone()).or_insert_with(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let authority = reqwest::Certificate::from_pem_bundle(&std::fs::read(&self.authority).unwrap()).unwrap();
            let builder = Client::builder().tls_certs_only(authority).timeout(Duration::from_mins(1));
            builder.build().unwrap()
        });
        client.clone()
    }

    async fn request(client: Client, server: String, call: Call) -> (u16, Value) {
        let Call { method, path, body } = call;
        let mut request = client.request(method, format!("{server}{path}")).bearer_auth("admin");
        if let Some((form, body)) = body {
            request = request.header("content-type", form).body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// One request, and its answer, by somebody who may do everything.
    pub(crate) fn ask(&self, call: Call) -> (u16, Value) {
        RUNTIME.block_on(Self::request(self.client(), self.server.clone(), call))
    }

    /// Many requests, some at once; all of them have to be answered well.
    #[track_caller]
    pub(crate) fn ask_all(&self, calls: Vec<Call>) {
        let (client, server) = (self.client(), self.server.clone());
        let answers: Vec<(u16, Value)> = RUNTIME.block_on(async move {
            let all = calls.into_iter().map(|call| Self::request(client.clone(), server.clone(), call));
            stream::iter(all).buffer_unordered(WIDTH).collect().await
        });
        for (status, answer) in answers {
            assert!(status < 300, "{status}: {answer}");
        }
    }

    /// An object; null where there is none.
    #[track_caller]
    pub(crate) fn fetch(&self, plural: &str, namespace: &str, name: &str) -> Value {
        match self.ask(Call::get(plural, namespace, name)) {
            (200, object) => object,
            (404, _) => Value::Null,
            (status, answer) => panic!("{status}: {answer}"),
        }
    }

    /// All objects of a kind in a namespace.
    #[track_caller]
    pub(crate) fn all(&self, plural: &str, namespace: &str) -> Vec<Value> {
        let (status, list) = self.ask(Call::get(plural, namespace, ""));
        assert_eq!(status, 200, "{list}");
        list["items"].as_array().unwrap().clone()
    }
}
