//! A browser, driven by the `WebDriver` protocol (<https://www.w3.org/TR/webdriver2/>) as far as these tests need it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::fixture::client;

/// The key under which an element's id stands.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A headless browser with a profile of its own. It and its driver are ended when this is dropped.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    http: Client,
    profile: TempDir,
}

/// Something on the page.
#[derive(Debug)]
pub(crate) struct Element(String);

impl Browser {
    pub(crate) async fn start() -> Self {
        let profile = TempDir::new().unwrap();
        let driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", profile.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut driver = driver.expect("chromedriver is installed; `tests/run` does that");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port =
            lines.by_ref().find_map(|line| line.ok()?.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok());
        // It may go on writing.
        std::thread::spawn(move || lines.for_each(drop));
        let mut browser = Self { driver, port: port.expect("it says its port"), session: String::new(), http: client(), profile };
        let mut args = vec!["--headless=new".into(), "--disable-gpu".into(), "--disable-dev-shm-usage".into()];
        args.push(format!("--user-data-dir={}", browser.profile.path().join("profile").display()));
        args.extend(["--no-first-run", "--disable-background-networking", "--disable-component-update"].map(String::from));
        if rustix::process::geteuid().is_root() {
            // Its sandbox does not work for root.
            args.push("--no-sandbox".into());
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": args },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let session = browser.call(Method::POST, "/session", Some(wanted)).await;
        session["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        // It begins with a page of its own, whose requests are none of ours.
        browser.open("about:blank").await;
        browser.requests().await;
        browser
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.http.request(method, format!("http://127.0.0.1:{}{path}", self.port));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, mut answer) = (answer.status(), answer.json::<Value>().await.unwrap());
        assert!(status.is_success(), "{path}: {answer}");
        answer["value"].take()
    }

    async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, &format!("/session/{}{path}", self.session), None).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.call(Method::POST, &format!("/session/{}{path}", self.session), Some(body)).await
    }

    pub(crate) async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// Waits until the page with this title is there: a click does not wait for what it leads to.
    pub(crate) async fn arrives_at(&self, title: &str) {
        let start = Instant::now();
        let mut found = String::new();
        while found != title {
            assert!(start.elapsed() < Duration::from_secs(20), "`{title}` does not come; there is `{found}`");
            tokio::time::sleep(Duration::from_millis(20)).await;
            let ready = "return document.readyState === 'complete' ? document.title : ''";
            found = text(&self.script(ready).await);
        }
    }

    pub(crate) async fn url(&self) -> String {
        text(&self.get("/url").await)
    }

    /// What a CSS selector finds.
    pub(crate) async fn all(&self, css: &str) -> Vec<Element> {
        let found = self.post("/elements", json!({ "using": "css selector", "value": css })).await;
        found.as_array().unwrap().iter().map(|one| Element(text(&one[ELEMENT]))).collect()
    }

    pub(crate) async fn one(&self, css: &str) -> Element {
        let mut found = self.all(css).await;
        assert_eq!(found.len(), 1, "{css}");
        found.remove(0)
    }

    /// The control that assistive technology calls `label`.
    pub(crate) async fn labelled(&self, label: &str) -> Element {
        let mut labels = Vec::new();
        for control in self.all("input, button, a").await {
            let found = text(&self.get(&format!("/element/{}/computedlabel", control.0)).await);
            if found == label {
                return control;
            }
            labels.push(found);
        }
        panic!("nothing is called `{label}`; there are {labels:?}");
    }

    pub(crate) async fn type_into(&self, element: &Element, keys: &str) {
        self.post(&format!("/element/{}/value", element.0), json!({ "text": keys })).await;
    }

    pub(crate) async fn click(&self, element: &Element) {
        self.post(&format!("/element/{}/click", element.0), json!({})).await;
    }

    pub(crate) async fn text(&self, element: &Element) -> String {
        text(&self.get(&format!("/element/{}/text", element.0)).await)
    }

    pub(crate) async fn role(&self, element: &Element) -> String {
        text(&self.get(&format!("/element/{}/computedrole", element.0)).await)
    }

    /// Runs a script of the test; the pages themselves have none.
    pub(crate) async fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// A command of the browser's own protocol.
    pub(crate) async fn devtools(&self, command: &str, params: Value) {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": params })).await;
    }

    /// The whole page as PNG.
    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        STANDARD.decode(text(&self.get("/screenshot").await)).unwrap()
    }

    /// What was logged since the last time: `browser` is the console, `performance` what went over the network.
    pub(crate) async fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.post("/se/log", json!({ "type": kind })).await;
        entries.as_array().unwrap().clone()
    }

    /// The addresses of all requests since the last time.
    pub(crate) async fn requests(&self) -> Vec<String> {
        let entries = self.log("performance").await;
        let messages = entries.iter().map(|entry| serde_json::from_str::<Value>(entry["message"].as_str().unwrap()).unwrap());
        let sent = messages.filter(|it| it["message"]["method"] == "Network.requestWillBeSent");
        sent.map(|it| text(&it["message"]["params"]["request"]["url"])).collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ending the session ends the browser; without that it would outlive its driver.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = write!(
                stream,
                "DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
                self.session, self.port
            );
            let _ = stream.read(&mut [0; 64]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
