//! What the controller answers over HTTP: `/healthz` (it lives), `/readyz` (it has seen everything, or waits to lead),
//! `/metrics`.

use std::sync::Arc;

use axum::{Router, http::StatusCode, routing::get};
use tokio::{net::TcpListener, sync::watch};

use super::metrics::Metrics;
use crate::serve;

/// The media type of what Prometheus reads (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers until the controller stops.
pub(super) async fn answer(listener: TcpListener, metrics: Arc<Metrics>, mut stopped: watch::Receiver<bool>) {
    let readiness = Arc::clone(&metrics);
    let ready = move || async move {
        if readiness.is_ready() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
    };
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(move || async move { ([("content-type", OPEN_METRICS)], metrics.text()) }));
    let stop = async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    serve::serve(listener, router, stop).await;
}
