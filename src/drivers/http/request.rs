//! What is asked.

use reqwest::{
    Client as Transport, Method, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use zeroize::Zeroizing;

use super::Bearer;
use crate::directory::{DirectoryError, ErrorKind};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Put,
    Delete,
    Post,
    Patch,
}

/// A request, which can be sent more than once. A body is wiped when it is dropped: it may have a password in it.
pub(crate) struct Request {
    verb: Verb,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    accept: &'static str,
    body: Option<(&'static str, Zeroizing<Vec<u8>>)>,
    headers: Vec<(HeaderName, String)>,
    repeatable: bool,
    hidden: Vec<SecretString>,
    /// What is being done, for the error: `read users`.
    pub(super) what: String,
}

impl Request {
    /// A request of the path made of these parts, each of which is escaped. `what` is what it is for: `read users`.
    pub(crate) fn new<P: AsRef<str>>(verb: Verb, path: impl IntoIterator<Item = P>, what: impl Into<String>) -> Self {
        Self {
            verb,
            path: path.into_iter().map(|part| part.as_ref().to_owned()).collect(),
            query: Vec::new(),
            accept: "application/json",
            body: None,
            headers: Vec::new(),
            repeatable: match verb {
                Verb::Get | Verb::Put | Verb::Delete => true,
                Verb::Post | Verb::Patch => false,
            },
            hidden: Vec::new(),
            what: what.into(),
        }
    }

    /// With a parameter behind the path.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "numbers and texts read best as they are")]
    pub(crate) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// With a body of `application/json`.
    #[must_use]
    pub(crate) fn json(self, body: &impl Serialize) -> Self {
        self.json_as("application/json", body)
    }

    /// With a body of JSON that is called something else: `application/scim+json`. Answers are asked for in the same.
    #[must_use]
    pub(crate) fn json_as(mut self, media: &'static str, body: &impl Serialize) -> Self {
        // Wire structs have no maps with keys that are no text, which is all that can go wrong here.
        self.body = Some((media, Zeroizing::new(serde_json::to_vec(body).unwrap_or_default())));
        self.accept(media)
    }

    /// With a body as forms send it.
    #[must_use]
    pub(crate) fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let mut url = Url::parse("form:").expect("a URL");
        url.query_pairs_mut().extend_pairs(fields);
        let body = Zeroizing::new(url.query().unwrap_or_default().as_bytes().to_vec());
        self.body = Some(("application/x-www-form-urlencoded", body));
        self
    }

    /// Asks for another form of answer.
    #[must_use]
    pub(crate) fn accept(mut self, media: &'static str) -> Self {
        self.accept = media;
        self
    }

    /// With a header: `If-Match`.
    #[must_use]
    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// It may be sent twice, although its method does not promise that.
    #[must_use]
    pub(crate) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// It is sent once, although its method promises that it may be sent twice: a mail goes out each time.
    #[must_use]
    pub(crate) fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }

    /// It has a secret in it, which is taken out of what the server says about it.
    #[must_use]
    pub(crate) fn hiding(mut self, secret: SecretString) -> Self {
        self.hidden.push(secret);
        self
    }

    pub(super) fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    pub(super) fn hidden(&self) -> &[SecretString] {
        &self.hidden
    }

    pub(super) fn size(&self) -> usize {
        self.body.as_ref().map_or(0, |(_, body)| body.len())
    }

    /// The request as it goes over the wire.
    pub(super) fn build(
        &self,
        http: &Transport,
        base: &Url,
        proof: Option<(&'static str, &Bearer)>,
    ) -> Result<reqwest::Request, DirectoryError> {
        let failed = || DirectoryError::new(self.what.as_str(), ErrorKind::Failed);
        let mut url = base.clone();
        // `.` and `..` would be taken for steps and not for names.
        if self.path.iter().any(|part| matches!(part.as_str(), "." | ".." | "")) {
            return Err(failed().because("the path has a part that is no name"));
        }
        url.path_segments_mut().map_err(|()| failed().because("the base URL can have no path"))?.pop_if_empty().extend(&self.path);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let method = match self.verb {
            Verb::Get => Method::GET,
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
            Verb::Post => Method::POST,
            Verb::Patch => Method::PATCH,
        };
        let mut request = http.request(method, url).header(ACCEPT, self.accept);
        if let Some((media, body)) = &self.body {
            request = request.header(CONTENT_TYPE, *media).body(body.to_vec());
        }
        for (name, value) in &self.headers {
            let value = HeaderValue::from_str(value).map_err(|_| failed().because(format!("the header {name} cannot say that")))?;
            request = request.header(name, value);
        }
        if let Some((scheme, Bearer(token))) = proof {
            let value = HeaderValue::from_str(&format!("{scheme} {}", token.expose_secret()));
            let mut value = value.map_err(|_| failed().because("the token has characters that no header can have"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request.build().map_err(|error| failed().because(error.without_url()))
    }
}
