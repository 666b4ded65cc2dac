//! Where people reach the pages.

use axum::http::Uri;

/// A base URL, in parts: `https://accounts.acme.example/people`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    origin: String,
    path: String,
}

impl BaseUrl {
    /// Takes a URL of the scheme `https` or `http` without a query; what is wrong with another one is said.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.contains(['?', '#']) {
            return Err("it must have no `?` and no `#`");
        }
        let uri: Uri = text.parse().map_err(|_| "it is no URL")?;
        let (Some(scheme @ ("https" | "http")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err("it must begin with `https://` or `http://`");
        };
        if authority.as_str().contains('@') {
            return Err("it must not have a name or password in it");
        }
        let path = uri.path().trim_end_matches('/');
        let fits = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
        let dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
        if !path.chars().all(fits) || path.contains("//") || dots {
            return Err("its path must consist of letters, digits and `- . _ ~`");
        }
        let default = if scheme == "https" { ":443" } else { ":80" };
        let host = authority.as_str().to_ascii_lowercase();
        let host = host.strip_suffix(default).unwrap_or(&host);
        Ok(Self { origin: format!("{scheme}://{host}"), path: path.to_owned() })
    }

    /// What a browser calls it in `Origin`: `https://accounts.acme.example`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The path, without a slash at its end: `/people`, or nothing.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is reached by TLS.
    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https://")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::DEFAULT_BASE_URL;

    #[test]
    fn a_base_url_is_taken_apart() {
        for (text, origin, path) in [
            ("https://Accounts.acme.example", "https://accounts.acme.example", ""),
            ("https://acme.example:443/", "https://acme.example", ""),
            ("https://acme.example:80/people/", "https://acme.example:80", "/people"),
            ("http://[::1]:8080/a/b", "http://[::1]:8080", "/a/b"),
            (DEFAULT_BASE_URL, "http://127.0.0.1:8080", ""),
        ] {
            let url = BaseUrl::parse(text).unwrap();
            assert_eq!((url.origin(), url.path()), (origin, path), "{text}");
        }
        for bad in [
            "acme.example",
            "ftp://a",
            "https://a/?x",
            "https://a/#x",
            "https://a/{b}",
            "https://a//b",
            "https://a/../b",
            "https://u:p@a",
        ] {
            assert!(BaseUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
