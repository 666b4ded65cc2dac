//! The API itself, where a kubectl for each request would take too long.

use reqwest::{Certificate, Client, Method};
use serde_json::Value;

use super::Cluster;

/// Somebody who may do everything.
pub(crate) struct Api {
    client: Client,
    server: String,
}

impl Cluster {
    /// Connections to the API; for one test, since they belong to its runtime.
    pub(crate) fn api(&self) -> Api {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = Certificate::from_pem_bundle(&std::fs::read(&self.authority).unwrap()).unwrap();
        Api { client: Client::builder().tls_certs_only(authority).build().unwrap(), server: self.server.clone() }
    }
}

impl Api {
    /// What is answered, and with which status.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.server)).bearer_auth("admin");
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap())
    }
}
