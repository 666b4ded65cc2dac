//! What stands on every answer, and from where a form may come.

use std::net::SocketAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::BaseUrl;

/// The headers of every answer.
#[derive(Clone)]
pub(super) struct Headers(Vec<(HeaderName, HeaderValue)>);

impl Headers {
    /// `style` is the one style sheet, which stands in the page: with a file of its own the pages would need to know where
    /// they are mounted.
    pub(super) fn new(https: bool, style: &str) -> Self {
        let hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
        let policy =
            format!("default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
        let fixed = |name, value| (name, HeaderValue::from_static(value));
        let mut all = vec![
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).expect("a policy is ASCII")),
            fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            fixed(header::X_FRAME_OPTIONS, "DENY"),
            fixed(header::REFERRER_POLICY, "no-referrer"),
            fixed(header::CACHE_CONTROL, "no-store"),
            fixed(HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            fixed(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
            fixed(
                HeaderName::from_static("permissions-policy"),
                "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
            ),
            fixed(HeaderName::from_static("x-robots-tag"), "noindex"),
        ];
        if https {
            all.push(fixed(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"));
        }
        Self(all)
    }
}

/// Sets them, whatever the answer is.
pub(super) async fn set(State(Headers(headers)): State<Headers>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().extend(headers);
    response
}

/// Where our own pages are, as browsers name it.
pub(super) struct Origins {
    base_url: Option<String>,
    listener: Vec<String>,
}

impl Origins {
    pub(super) fn new(base_url: Option<&BaseUrl>, listen: SocketAddr) -> Self {
        let mut listener = vec![format!("http://{listen}")];
        if listen.ip().is_loopback() {
            listener.push(format!("http://localhost:{}", listen.port()));
        }
        Self { base_url: base_url.map(|url| url.origin().to_owned()), listener }
    }

    /// Whether a base URL is just where the server listens: nothing stands in front of it.
    pub(super) fn is_listener(&self, url: &BaseUrl) -> bool {
        self.listener.iter().any(|origin| origin == url.origin())
    }

    /// Whether a form may have been sent by a page of ours, as far as the browser says.
    ///
    /// There is no session that another site could ride on, so this is a second line. `Sec-Fetch-Site` is set by the browser
    /// and by no page; it is missing without TLS (except on loopback) and in old browsers. `Origin` is `null` for our own
    /// forms, because of `Referrer-Policy: no-referrer` (<https://fetch.spec.whatwg.org/#append-a-request-origin-header>), so
    /// `null` says nothing; any other value must be ours.
    pub(super) fn allow(&self, headers: &HeaderMap) -> bool {
        let ours = |origin: &str| {
            self.base_url.iter().chain(&self.listener).any(|known| known.eq_ignore_ascii_case(origin)) || origin == "null"
        };
        let all = |name: HeaderName, fits: &dyn Fn(&str) -> bool| {
            headers.get_all(name).iter().all(|value| value.to_str().is_ok_and(fits))
        };
        all(HeaderName::from_static("sec-fetch-site"), &|site| matches!(site, "same-origin" | "none")) && all(header::ORIGIN, &ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(base_url: Option<&str>, sent: &[(&'static str, &str)]) -> bool {
        let base_url = base_url.map(|url| BaseUrl::parse(url).unwrap());
        let origins = Origins::new(base_url.as_ref(), "127.0.0.1:8080".parse().unwrap());
        let header = |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().unwrap());
        origins.allow(&sent.iter().map(header).collect())
    }

    #[test]
    fn forms_of_other_sites_are_told_apart() {
        for (sent, allowed) in [
            (&[][..], true),
            (&[("origin", "http://127.0.0.1:8080")], true),
            (&[("origin", "http://localhost:8080")], true),
            (&[("origin", "null")], true),
            (&[("origin", "http://127.0.0.1")], false),
            (&[("origin", "https://127.0.0.1:8080")], false),
            (&[("origin", "https://evil.example")], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "null")], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "null")], true),
            (&[("origin", "http://127.0.0.1:8080"), ("origin", "https://evil.example")], false),
        ] {
            assert_eq!(allow(None, sent), allowed, "{sent:?}");
        }
        let base = Some("https://Accounts.acme.example/people");
        assert!(allow(base, &[("origin", "https://accounts.acme.example")]));
        assert!(allow(base, &[("origin", "http://127.0.0.1:8080")]));
        assert!(!allow(base, &[("origin", "https://acme.example")]));
    }
}
