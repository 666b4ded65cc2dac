//! Against a server of ours that follows a script: what it was sent is kept, what it answers is written down byte by byte.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

use secrecy::SecretString;
use serde_json::{Value, json};

use super::{Bearer, Client, ClientCredentials, Fixed, Request, Status, Tokens as _, Tuning, Verb, Wire, each};
use crate::directory::{DirectoryError, ErrorKind};

/// One turn of a server.
#[derive(Clone)]
enum Turn {
    /// These bytes, and the connection closes.
    Say(Vec<u8>),
    /// Nothing at all, and the connection closes.
    Drop,
    /// Nothing for so long.
    Hang(Duration),
}

struct Server {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers one connection after the other, the last turn for ever.
    fn start(turns: Vec<Turn>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/base", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        thread::spawn(move || {
            let mut turns = turns.into_iter();
            let mut turn = turns.next();
            while let Ok((stream, _)) = listener.accept() {
                let now = turn.clone().unwrap();
                turn = turns.next().or(turn);
                let ears = Arc::clone(&ears);
                thread::spawn(move || serve(stream, &now, &ears));
            }
        });
        Self { url, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.heard().len()
    }

    fn client(&self) -> Client {
        self.client_with(tuning())
    }

    fn client_with(&self, tuning: Tuning) -> Client {
        Client::new(wire(&self.url, tuning), Fixed("t0ken".into()))
    }
}

fn serve(mut stream: TcpStream, turn: &Turn, ears: &Mutex<Vec<String>>) {
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let whole = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
            if body.len() >= length.unwrap_or(0) {
                ears.lock().unwrap().push(whole);
                break;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => text.extend_from_slice(&buffer[..count]),
        }
    }
    match turn {
        Turn::Say(bytes) => {
            let _ = stream.write_all(bytes);
        }
        Turn::Drop => {}
        Turn::Hang(time) => thread::sleep(*time),
    }
}

fn wire(url: &str, tuning: Tuning) -> Arc<Wire> {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Wire::new(url, tuning).unwrap()
}

/// In a hurry.
fn tuning() -> Tuning {
    Tuning { request: Duration::from_millis(800), pause: Duration::from_millis(1), ..Tuning::default() }
}

fn say(status: &str, headers: &str, body: &str) -> Turn {
    say_bytes(status, headers, body.as_bytes())
}

fn say_bytes(status: &str, headers: &str, body: &[u8]) -> Turn {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    Turn::Say([head.as_bytes(), body].concat())
}

fn ok(body: &Value) -> Turn {
    say("200 OK", "Content-Type: application/json\r\n", &body.to_string())
}

fn get() -> Request {
    Request::new(Verb::Get, ["users"], "read users")
}

fn post() -> Request {
    Request::new(Verb::Post, ["users"], "create user").json(&json!({"a": 1}))
}

async fn fails(client: &Client, request: &Request) -> DirectoryError {
    client.send(request).await.err().unwrap()
}

#[tokio::test]
async fn a_request_is_what_was_asked_for() {
    let server = Server::start(vec![ok(&json!({"a": [1]}))]);
    let client = server.client();
    let request = Request::new(Verb::Post, ["a b", "c/d"], "x").query("q", "ü&").json(&json!({"k": "v"}));
    let answer: Value = client.send(&request).await.unwrap().json("x").unwrap();
    assert_eq!(answer, json!({"a": [1]}));
    let heard = server.heard().remove(0).to_lowercase();
    assert!(heard.starts_with("post /base/a%20b/c%2fd?q=%c3%bc%26 http/1.1\r\n"), "{heard}");
    assert!(heard.contains(&format!("user-agent: tenantry/{}\r\n", env!("CARGO_PKG_VERSION"))), "{heard}");
    assert!(heard.contains("authorization: bearer t0ken\r\n") && heard.contains("content-type: application/json\r\n"), "{heard}");
    assert!(heard.ends_with("\r\n\r\n{\"k\":\"v\"}"), "{heard}");
    let traffic = client.traffic();
    assert_eq!((traffic.requests, traffic.bytes), (1, 18));
    assert!(traffic.time > Duration::ZERO);
    let odd = fails(&client, &Request::new(Verb::Get, ["users", ".."], "x")).await;
    assert_eq!(odd.kind, ErrorKind::Failed);
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let other = Server::start(vec![ok(&json!({}))]);
    let server = Server::start(vec![say("302 Found", &format!("Location: {}/x?ticket=s3cret\r\n", other.url), "")]);
    let error = fails(&server.client(), &get()).await;
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(
        error.chain().contains(&format!("302 leads to {}/x,", other.url)) && !error.chain().contains("s3cret"),
        "{}",
        error.chain()
    );
    assert_eq!((server.count(), other.count()), (1, 0));
}

#[tokio::test]
async fn no_proxy_is_taken_from_the_environment_and_nothing_listens_is_unavailable() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = Client::new(wire(&format!("http://{free}"), tuning()), Fixed("t".into()));
    // A connection that is refused is certainly no request that was begun: also what may not be done twice is tried again.
    let error = fails(&client, &post()).await;
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(client.traffic().requests, 5);
    assert!(!error.chain().contains("users"), "{}", error.chain());
}

#[tokio::test]
async fn what_takes_too_long_is_given_up_and_tried_again_where_it_can_be() {
    let slow = Turn::Hang(Duration::from_secs(3));
    let server = Server::start(vec![slow.clone(), ok(&json!([]))]);
    server.client().send(&get()).await.unwrap();
    assert_eq!(server.count(), 2);
    let server = Server::start(vec![slow]);
    let error = fails(&server.client(), &post()).await;
    assert_eq!((error.kind, server.count()), (ErrorKind::Unavailable, 1));
}

#[tokio::test]
async fn what_is_repeated_and_how_often() {
    for status in ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout", "429 Too Many Requests"] {
        let server = Server::start(vec![say(status, "", "")]);
        let client = server.client();
        let error = fails(&client, &get()).await;
        assert_eq!((error.kind, server.count()), (ErrorKind::Unavailable, 5), "{status}");
        assert_eq!(client.traffic().requests, 5);
        let server = Server::start(vec![say(status, "", "")]);
        fails(&server.client(), &post()).await;
        assert_eq!(server.count(), if status.starts_with("429") { 5 } else { 1 }, "{status}");
        let server = Server::start(vec![say(status, "", ""), ok(&json!({}))]);
        server.client().send(&post().repeatable()).await.unwrap();
        assert_eq!(server.count(), 2, "{status}");
    }
    // The connection was lost after the request had gone out: it may have been carried out.
    let server = Server::start(vec![Turn::Drop]);
    fails(&server.client(), &post()).await;
    assert_eq!(server.count(), 1);
    for verb in [Verb::Get, Verb::Put, Verb::Delete] {
        let server = Server::start(vec![Turn::Drop, Turn::Drop, ok(&json!({}))]);
        server.client().send(&Request::new(verb, ["x"], "x")).await.unwrap();
        assert_eq!(server.count(), 3, "{verb:?}");
    }
    // What is wrong stays wrong, and a 500 often is.
    for status in ["500 Internal Server Error", "400 Bad Request", "404 Not Found", "409 Conflict", "412 Precondition Failed"] {
        let server = Server::start(vec![say(status, "", "")]);
        server.client().send(&get()).await.unwrap();
        assert_eq!(server.count(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_server_says_how_long_to_wait() {
    let seconds = say("429 Too Many Requests", "Retry-After: 1\r\n", "");
    let date = "Date: Sun, 06 Nov 1994 08:49:36 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    for turn in [seconds, say("503 Service Unavailable", date, "")] {
        let server = Server::start(vec![turn, ok(&json!({}))]);
        let begun = Instant::now();
        server.client().send(&get()).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_secs(1) && begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(server.count(), 2);
    }
    let long = "Date: Sun, 06 Nov 1994 08:49:36 GMT\r\nRetry-After: Sun, 06 Nov 1994 09:49:36 GMT\r\n";
    for headers in ["Retry-After: 3600\r\n", long] {
        let server = Server::start(vec![say("503 Service Unavailable", headers, "")]);
        let error = fails(&server.client(), &get()).await;
        assert_eq!((error.kind.clone(), server.count()), (ErrorKind::Unavailable, 1));
        assert!(error.chain().ends_with("it asks to be left alone for 3600 seconds"), "{}", error.chain());
    }
}

#[tokio::test]
async fn an_answer_is_whole_and_of_bounded_size() {
    let half = Turn::Say(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[1".to_vec());
    let server = Server::start(vec![half.clone()]);
    let error = fails(&server.client(), &get()).await;
    assert_eq!((error.kind.clone(), server.count()), (ErrorKind::Unavailable, 5));
    assert!(error.chain().contains("broke off"), "{}", error.chain());
    let server = Server::start(vec![half, ok(&json!([1]))]);
    let answer: Value = server.client().send(&get()).await.unwrap().json("x").unwrap();
    assert_eq!(answer, json!([1]));

    let small = || Tuning { most: 1000, ..tuning() };
    let said = Server::start(vec![ok(&json!("x".repeat(1000)))]);
    let endless = [&b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"[..], &[b' '; 5000]].concat();
    let unsaid = Server::start(vec![Turn::Say(endless)]);
    for server in [said, unsaid] {
        let error = fails(&server.client_with(small()), &get()).await;
        assert_eq!((error.kind.clone(), server.count()), (ErrorKind::Incomplete, 1));
        assert!(error.chain().contains("larger than"), "{}", error.chain());
    }
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let server = Server::start(vec![say("200 OK", "Content-Type: application/json\r\n", &deep)]);
    let error = server.client().send(&get()).await.unwrap().json::<Value>("read users").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Incomplete);
    assert!(error.chain().contains("recursion limit"), "{}", error.chain());
}

#[tokio::test]
async fn a_page_for_people_is_no_answer() {
    let server = Server::start(vec![say("200 OK", "Content-Type: text/html;charset=utf-8\r\n", "<html>Sign in</html>")]);
    let error = fails(&server.client(), &get()).await;
    assert_eq!((error.kind.clone(), server.count()), (ErrorKind::Incomplete, 1));
    assert!(error.chain().contains("a login page?"), "{}", error.chain());
}

#[tokio::test]
async fn the_words_of_a_server_are_one_harmless_line() {
    let latin = [&b"Titel \xfcberl\xe4ngt\r\n\x1b[31m  rot "[..], "x".repeat(400).as_bytes()].concat();
    let server = Server::start(vec![say_bytes("400 Bad Request", "Content-Type: text/plain; charset=ISO-8859-1\r\n", &latin)]);
    let answer = server.client().send(&get()).await.unwrap();
    assert_eq!((answer.status, answer.code), (Status::Invalid, 400));
    let said = answer.said();
    assert!(said.starts_with("400 Bad Request: Titel überlängt \\u{1b}[31m rot xxx") && said.ends_with("x…"), "{said}");
    assert!(said.chars().count() < 330, "{said}");
    assert_eq!(answer.accepted("create user").err().unwrap().kind, ErrorKind::Rejected);

    let server =
        Server::start(vec![say("409 Conflict", "Content-Type: application/json\r\n", r#"{"errorMessage":"t0ken or p4ss"}"#)]);
    let answer = server.client().send(&post().hiding("p4ss".into())).await.unwrap();
    assert_eq!((answer.status, answer.said().as_str()), (Status::Conflict, "409 Conflict: … or …"));
}

#[tokio::test]
async fn who_may_not_is_refused_at_once() {
    let server = Server::start(vec![say("403 Forbidden", "", "HTTP 403 Forbidden")]);
    let error = fails(&server.client(), &get()).await;
    assert_eq!((error.kind.clone(), server.count()), (ErrorKind::Refused, 1));
    assert!(error.chain().ends_with("403 Forbidden: HTTP 403 Forbidden"), "{}", error.chain());
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let token = |text: &str| ok(&json!({"access_token": text, "expires_in": 300}));
    let client = |server: &Server| {
        let wire = wire(&server.url, tuning());
        Client::new(Arc::clone(&wire), ClientCredentials::new(wire, &["token"], "robot", "s3cret".into()))
    };
    let refusal = say("401 Unauthorized", "", "");
    let server = Server::start(vec![token("one"), refusal.clone(), token("two"), ok(&json!({}))]);
    let kept = client(&server);
    kept.send(&post()).await.unwrap();
    let heard = server.heard();
    assert_eq!(heard.len(), 4);
    assert!(
        heard[0].starts_with("POST /base/token ")
            && heard[0].ends_with("grant_type=client_credentials&client_id=robot&client_secret=s3cret")
    );
    assert!(heard[1].contains("Bearer one\r\n") && heard[3].contains("Bearer two\r\n"), "{heard:?}");
    assert_eq!(kept.traffic().requests, 4);

    let server = Server::start(vec![token("one"), refusal.clone(), token("two"), refusal]);
    let error = fails(&client(&server), &post()).await;
    assert_eq!((error.kind, server.count()), (ErrorKind::Refused, 4));

    // A client that is not known, or has another secret; the secret is not told.
    let unknown = r#"{"error":"invalid_client","error_description":"no such client s3cret"}"#;
    for status in ["401 Unauthorized", "400 Bad Request"] {
        let server = Server::start(vec![say(status, "", unknown)]);
        let error = fails(&client(&server), &post()).await;
        assert_eq!((error.kind.clone(), server.count()), (ErrorKind::Refused, 1));
        assert!(
            error.chain().contains("sign in as the client `robot`") && error.chain().contains("invalid_client"),
            "{}",
            error.chain()
        );
        assert!(!error.chain().contains("s3cret"), "{}", error.chain());
    }
}

#[tokio::test]
async fn a_token_is_asked_for_by_one_and_replaced_before_it_ends() {
    let server = Server::start(vec![
        ok(&json!({"access_token": "one", "expires_in": 2})),
        ok(&json!({"access_token": "two", "expires_in": 300})),
    ]);
    let source = ClientCredentials::new(wire(&server.url, tuning()), &["token"], "robot", "s3cret".into());
    let all = each(20, 0..20, |_| source.bearer(None)).await;
    let texts: Vec<String> = all.into_iter().map(|it| text(&it.unwrap())).collect();
    assert!(texts.iter().all(|it| it == "one") && server.count() == 1, "{texts:?}");
    tokio::time::sleep(Duration::from_millis(1700)).await;
    assert_eq!((text(&source.bearer(None).await.unwrap()).as_str(), server.count()), ("two", 2));
}

fn text(Bearer(token): &Bearer) -> String {
    secrecy::ExposeSecret::expose_secret(token).to_owned()
}

#[tokio::test]
async fn so_many_at_once_and_no_more() {
    let server = Server::start(vec![Turn::Hang(Duration::from_millis(200))]);
    let client = Client::new(wire(&server.url, Tuning { width: 3, ..tuning() }), Fixed(SecretString::from("t")));
    let requests: Vec<Request> = (0..9).map(|_| post()).collect();
    let begun = Instant::now();
    let answers = each(9, &requests, |request| client.send(request)).await;
    assert!(answers.iter().all(Result::is_err));
    // Three rounds of what takes a fifth of a second each.
    assert!(begun.elapsed() >= Duration::from_millis(600), "{:?}", begun.elapsed());
    assert_eq!(each(4, 0..10, |number| async move { number }).await, (0..10).collect::<Vec<_>>());
}
