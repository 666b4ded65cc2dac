//! What the pages answer.

use std::{
    io::Write,
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::Timestamp;
use tenantry::{
    credential::Hasher,
    directory::{Accounts, DirectoryError, ErrorKind, SignIn},
    manifest::Passwords,
    model::{PasswordHash, PlainPassword, TokenHash, Username},
    serve::{self, BaseUrl, Settings},
};

use super::fixture::{Answer, GOOD, Server, World, client};

const UNKNOWN: &str = "/set-password/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[tokio::test]
async fn a_link_is_used_once_and_looking_at_it_uses_nothing_up() {
    let world = World::new().await;
    world.person("mara").await;
    let link = world.link("mara", 5).await;
    let server = world.serve();
    let form = server.get(&link).await;
    assert_eq!(form.status, 200);
    for _ in 0..100 {
        assert_eq!(server.get(&link).await, form);
    }
    let head = server.client.head(format!("{}{link}", server.url)).send().await.unwrap();
    assert_eq!(head.status(), 200);
    for other in [UNKNOWN, "/set-password/x", "/set-password/%ff", "/set-password/%7B%7B%207*7%20%7D%7D"] {
        assert_eq!(server.get(other).await, form, "{other}: the form tells nothing");
    }
    assert_eq!(world.verify("mara", b"").0, 4);

    let set = server.set(&link, GOOD).await;
    assert_eq!((set.status, set.header("location"), set.body.as_str()), (303, Some("done"), ""));
    let done = server.get("/set-password/done").await;
    assert!(done.status == 200 && done.body.contains("<h1>Your password is set</h1>"), "{}", done.body);
    assert_eq!(world.verify("mara", GOOD.as_bytes()), (0, "ok\n".into(), String::new()));
    assert_eq!(server.get(&link).await, form, "a used one looks the same");
    assert_eq!(server.set(&link, "another Password").await.status, 410);
    assert_eq!(world.verify("mara", GOOD.as_bytes()).0, 0);
}

#[tokio::test]
async fn of_fifty_at_once_one_wins() {
    let world = World::new().await;
    world.person("mara").await;
    let link = world.link("mara", 5).await;
    let server = Arc::new(world.serve());
    let tries = (0..50).map(|number| {
        let (server, link) = (Arc::clone(&server), link.clone());
        tokio::spawn(async move { (number, server.set(&link, &format!("{GOOD} {number}")).await) })
    });
    let mut winners = Vec::new();
    let mut losers = Vec::new();
    for one in tries.collect::<Vec<_>>() {
        let (number, answer) = one.await.unwrap();
        if answer.status == 303 { winners.push(number) } else { losers.push(answer) }
    }
    assert_eq!((winners.len(), losers.len()), (1, 49));
    let dead = server.set(UNKNOWN, GOOD).await;
    assert!(losers.iter().all(|answer| *answer == dead), "the others get the answer of every dead link");
    assert_eq!(world.verify("mara", format!("{GOOD} {}", winners[0]).as_bytes()).0, 0, "the password is the winner's");
}

#[tokio::test]
async fn every_dead_link_is_answered_alike() {
    let world = World::new().await;
    for called in ["used", "expired", "disabled", "renewed"] {
        world.person(called).await;
    }
    let server = world.serve();
    let used = world.link("used", 5).await;
    assert_eq!(server.set(&used, GOOD).await.status, 303);
    let expired = world.link("expired", -1).await;
    let disabled = world.link("disabled", 5).await;
    world.disable("disabled").await;
    let old = world.link("renewed", 5).await;
    let renewed = world.link("renewed", 5).await;
    let unknown = server.set(UNKNOWN, GOOD).await;
    assert_eq!(unknown.status, 410);
    assert!(unknown.body.contains("send you a new one"), "{}", unknown.body);
    for (link, why) in [(&used, "used"), (&expired, "expired"), (&disabled, "disabled"), (&old, "renewed")] {
        assert_eq!(server.set(link, GOOD).await, unknown, "{why}");
    }
    for ill_formed in ["/set-password/x", "/set-password/%ff", "/set-password/%00"] {
        assert_eq!(server.set(ill_formed, GOOD).await, unknown, "{ill_formed}");
    }
    assert_eq!(server.set(&renewed, GOOD).await.status, 303);
}

#[tokio::test]
async fn mistakes_are_said_at_the_field_and_passwords_are_not_echoed() {
    let world = World::new().await;
    world.person("mara").await;
    let link = world.link("mara", 5).await;
    let server = world.serve();
    let long = "aB".repeat(65);
    for (password, again, message) in [
        ("Zx<'\"&1", "Zx<'\"&1", "must have at least 8 characters"),
        (&long, &long, "must have at most 128 characters"),
        ("qqqqqqqqq", "qqqqqqqqq", "at least 2 of these kinds"),
        ("Zx1 control\u{1}", "Zx1 control\u{1}", "control characters"),
        ("Zx1 \u{fffd}\u{fffd}\u{fffd}\u{fffd}", "Zx1 \u{fffd}\u{fffd}\u{fffd}\u{fffd}", "could not be read"),
        (GOOD, "correct horse Batter", "not the same"),
        (GOOD, "", "not the same"),
        ("", "", "must have at least 8 characters"),
    ] {
        let mut answer = server.post(&link, &[("password", password), ("again", again)]).await;
        assert_eq!(answer.status, 422, "{message}");
        assert!(
            answer.body.contains("<p class=\"problem\" id=\"problem\" role=\"alert\">") && answer.body.contains(message),
            "{}",
            answer.body
        );
        assert!(answer.body.contains("<title>Error: Set your password</title>"));
        assert!(answer.body.contains("problem\" aria-invalid=\"true\" autofocus>"), "{}", answer.body);
        for typed in [password, again].iter().filter(|typed| !typed.is_empty()) {
            assert!(!answer.body.contains(*typed), "{}", answer.body);
        }
        answer.body.clear();
    }
    let answer = server.post(&link, &[("password", GOOD)]).await;
    assert_eq!(answer.status, 400, "a field is missing");
    assert_eq!(server.set(&link, GOOD).await.status, 303, "none of it used the link up");
    // Characters of any script and length are taken as they are.
    world.person("jonas").await;
    let link = world.link("jonas", 5).await;
    let password = "𝒜b".repeat(64);
    assert_eq!(server.set(&link, &password).await.status, 303);
    assert_eq!(world.verify("jonas", password.as_bytes()).0, 0);
}

#[tokio::test]
async fn every_answer_has_the_strict_headers() {
    let world = World::new().await;
    let server = world.serve();
    let answers = [
        (200, server.get("/").await),
        (200, server.get("/healthz").await),
        (200, server.get("/password").await),
        (200, server.get(UNKNOWN).await),
        (404, server.get("/nowhere").await),
        (404, server.get("/set-password/a/b").await),
        (404, server.get("//set-password/a").await),
        (405, server.post("/healthz", &[]).await),
        (400, server.post("/password", &[]).await),
        (410, server.set(UNKNOWN, GOOD).await),
        (413, server.set(UNKNOWN, &"x".repeat(8 * 1024)).await),
        (422, server.set(UNKNOWN, "x").await),
    ];
    for (status, answer) in answers {
        assert_eq!(answer.status, status, "{}", answer.body);
        let policy = answer.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "style-src 'sha256-", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
        {
            assert!(policy.contains(part) && !policy.contains("unsafe"), "{policy}");
        }
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
        assert!(answer.header("permissions-policy").is_some());
        for absent in ["strict-transport-security", "set-cookie", "server", "x-powered-by"] {
            assert_eq!(answer.header(absent), None);
        }
        assert!(!answer.body.contains("<script") && !answer.body.contains(" action="), "{}", answer.body);
    }
    let allow = server.post("/healthz", &[]).await;
    assert_eq!(allow.header("allow"), Some("GET,HEAD"));
    let put = server.client.put(format!("{}{UNKNOWN}", server.url)).send().await.unwrap();
    assert_eq!(Answer::of(put).await.status, 405);
}

#[tokio::test]
async fn nothing_is_made_of_what_a_request_says_of_the_host() {
    let world = World::new().await;
    let server = world.serve();
    for path in ["/", "/password", UNKNOWN, "/nowhere"] {
        let plain = server.get(path).await;
        let request = server
            .client
            .get(format!("{}{path}", server.url))
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-prefix", "/evil")
            .header("forwarded", "host=evil.example;proto=https");
        assert_eq!(Answer::of(request.send().await.unwrap()).await, plain);
    }
    let absolute = server.raw("GET http://evil.example/password HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert!(absolute.starts_with("HTTP/1.1 200 ") && !absolute.contains("evil"), "{absolute}");
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let world = World::new().await;
    world.person("mara").await;
    let link = world.link("mara", 5).await;
    world.project("https://accounts.acme.example/people");
    let server = world.serve();
    let post = async |headers: &[(&str, &str)]| {
        let mut request = server.client.post(format!("{}{link}", server.url)).form(&[("password", GOOD), ("again", GOOD)]);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.send().await.unwrap()).await
    };
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "https://accounts.acme.example.evil.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", "https://accounts.acme.example")],
    ] {
        let answer = post(headers).await;
        assert_eq!(answer.status, 403, "{headers:?}");
        assert!(answer.body.contains("another site"));
    }
    assert_eq!(post(&[("sec-fetch-site", "same-origin"), ("origin", "https://accounts.acme.example")]).await.status, 303);
}

#[tokio::test]
async fn the_pages_stand_below_the_path_of_the_base_url_too() {
    let world = World::new().await;
    world.person("mara").await;
    let link = world.link("mara", 5).await;
    world.project("https://accounts.acme.example/people/");
    let server = world.serve();
    let home = server.get("/people").await;
    assert_eq!((home.status, home.header("location")), (308, Some("people/")));
    let home = server.get("/people/").await;
    assert!(home.status == 200 && home.body.contains("href=\"password\""), "{}", home.body);
    assert_eq!(home.header("strict-transport-security"), Some("max-age=31536000"));
    for path in ["/people/password", "/people/healthz", "/people/password/done", "/password"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    assert_eq!(server.get("/people/nowhere").await.status, 404);
    let set = server.set(&format!("/people{link}"), GOOD).await;
    assert_eq!((set.status, set.header("location")), (303, Some("done")));
    assert_eq!(server.get("/people/set-password/done").await.status, 200);
}

#[tokio::test]
async fn too_much_and_too_often_is_refused() {
    let world = World::new().await;
    let server = world.serve();
    assert_eq!(server.set(UNKNOWN, &"x".repeat(9 * 1024)).await.status, 413);
    let json = server.client.post(format!("{}{UNKNOWN}", server.url)).header("content-type", "application/json").body("{}");
    assert_eq!(Answer::of(json.send().await.unwrap()).await.status, 400);
    let huge = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(20 * 1024));
    assert!(server.raw(&huge).starts_with("HTTP/1.1 431 "));

    let mut refused = None;
    for _ in 0..80 {
        let answer = server.set(UNKNOWN, "x").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 422);
    }
    let refused = refused.expect("a peer has no more than 60 at once");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    assert!(refused.body.contains("Too many attempts"));
    for path in ["/", "/password", UNKNOWN] {
        assert_eq!(server.get(path).await.status, 200, "pages can be looked at");
    }
}

#[tokio::test]
async fn half_a_request_blocks_nobody_and_is_ended() {
    let world = World::new().await;
    let server = world.serve();
    let start = Instant::now();
    // More than there are places, all of one peer.
    let mut half = Vec::new();
    for _ in 0..600 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let stream = socket.connect(server.address().parse().unwrap()).await.unwrap().into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        // Those that are too many are closed, sooner or later.
        let _ = (&stream).write_all(b"POST /password HTTP/1.1\r\nHost: a\r\nContent-");
        half.push(stream);
    }
    let body =
        "POST /password HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nuser";
    let mut slow = TcpStream::connect(server.address()).unwrap();
    slow.write_all(body.as_bytes()).unwrap();
    for stream in half.iter().chain([&slow]) {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    }
    assert_eq!(server.get("/healthz").await.status, 200);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());

    let ended = tokio::task::spawn_blocking(move || {
        use std::io::Read;
        let mut text = String::new();
        let _ = half[0].read_to_string(&mut text);
        let mut answer = [0; 512];
        let count = slow.read(&mut answer).unwrap();
        (text, String::from_utf8_lossy(&answer[..count]).into_owned())
    });
    let (head, body) = ended.await.unwrap();
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408 "), "{head}");
    assert!(body.starts_with("HTTP/1.1 408 "), "{body}");
    assert!((9..20).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_temporary_password_is_changed_at_the_first_sign_in() {
    let world = World::new().await;
    world.person("mara").await;
    world.password("mara", "Temporary-1", true, 5).await;
    let server = world.serve();
    assert_eq!(world.verify("mara", b"Temporary-1\n"), (0, "must change\n".into(), String::new()));
    let same = server.change("mara", "Temporary-1", "Temporary-1").await;
    assert!(same.status == 422 && same.body.contains("is the same as the current one"), "{}", same.body);
    let weak = server.change("<b>mara", "Temporary-1", "short").await;
    assert!(weak.status == 422 && weak.body.contains("value=\"&lt;b&gt;mara\""), "{}", weak.body);
    assert!(!weak.body.contains("Temporary-1"));

    let changed = server.change(" MARA ", "Temporary-1", GOOD).await;
    assert_eq!((changed.status, changed.header("location")), (303, Some("password/done")));
    assert_eq!(server.get("/password/done").await.status, 200);
    assert_eq!(world.verify("mara", GOOD.as_bytes()), (0, "ok\n".into(), String::new()));
    assert_eq!(server.change("mara", "Temporary-1", "yet Another").await.status, 403, "the old one is gone");
    assert_eq!(server.change("mara", GOOD, "yet Another").await.status, 303);
}

#[tokio::test]
async fn why_a_sign_in_fails_is_not_said() {
    let world = World::new().await;
    for called in ["right", "expired", "disabled", "invited"] {
        world.person(called).await;
    }
    world.password("right", GOOD, true, 5).await;
    world.password("expired", GOOD, true, -1).await;
    world.password("disabled", GOOD, true, 5).await;
    world.disable("disabled").await;
    world.link("invited", 5).await;
    let server = world.serve();
    let cases =
        [("right", "a wrong One"), ("nobody", GOOD), ("expired", GOOD), ("disabled", GOOD), ("invited", GOOD), ("no name!", GOOD)];
    let mut times = [f64::MAX; 6];
    let mut constant = None;
    // In turns, and the best of nine: whatever else this machine does meanwhile, it does to all of them.
    for _ in 0..9 {
        for (time, (username, current)) in times.iter_mut().zip(cases) {
            let start = Instant::now();
            let mut answer = server.change(username, current, "a new One").await;
            *time = time.min(start.elapsed().as_secs_f64() * 1e3);
            answer.body = answer.body.replace(&format!("value=\"{username}\""), "value=\"\"");
            answer.headers.retain(|(name, _)| name != "content-length");
            assert_eq!(answer.status, 403, "{username}");
            assert_eq!(*constant.get_or_insert_with(|| answer.clone()), answer, "{username}");
        }
    }
    for (username, current) in cases {
        let (code, out, err) = world.verify(username, current.as_bytes());
        assert_eq!((code, out.as_str()), (4, ""), "{username}");
        assert_eq!(err, world.verify("nobody", b"x").2);
    }
    // Each takes the time of one hash: tens of milliseconds with little in between.
    let (least, most) = (times.into_iter().fold(f64::MAX, f64::min), times.into_iter().fold(0.0, f64::max));
    assert!(least > 5.0 && most < least * 3.0, "{cases:?}: {times:?} ms");
}

#[tokio::test]
async fn guessing_a_password_is_slow() {
    let world = World::new().await;
    world.person("mara").await;
    world.password("mara", GOOD, false, 5).await;
    world.person("jonas").await;
    let link = world.link("jonas", 5).await;
    let server = world.serve();
    for known in ["mara", "nobody"] {
        let mut passed = 0;
        let refused = loop {
            let answer = server.change(known, "a wrong One", "a new One").await;
            if answer.status == 429 {
                break answer;
            }
            passed += 1;
        };
        assert_eq!(passed, 10, "{known}");
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((20..=31).contains(&wait), "{wait}");
    }
    assert_eq!(server.change("mara", GOOD, "a new One").await.status, 429, "the right one has to wait as well");
    assert_eq!(world.verify("mara", GOOD.as_bytes()).0, 0, "and nobody is locked out elsewhere");
    assert_eq!(server.set(&link, GOOD).await.status, 303);
    assert_eq!(server.change("jonas", GOOD, "a new One").await.status, 303);
}

#[tokio::test]
async fn the_log_holds_no_secret_at_any_level() {
    let world = World::new().await;
    world.person("mara").await;
    let link = world.link("mara", 5).await;
    let server = Server::start(world.folder.path(), &[("TENANTRY_LOG", "trace")]);
    server.get(&link).await;
    server.set(&link, GOOD).await;
    server.set(&link, GOOD).await;
    server.change("mara", GOOD, "Another-Password").await;
    server.change("mara", GOOD, "Another-Password").await;
    server.get(&format!("/elsewhere{link}")).await;
    let log = server.log();
    let token = link.rsplit('/').next().unwrap();
    for secret in [token, GOOD, "correct+horse", "Another-Password", "mara"] {
        assert!(!log.contains(secret), "{log}");
    }
    for line in
        ["method=GET route=\"/set-password/{token}\" status=200", "method=POST route=\"/password\" status=303", "status=404"]
    {
        assert!(log.contains(line), "{log}");
    }
}

#[tokio::test]
async fn before_there_is_a_directory_nobody_hears_that_they_are_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    assert_eq!(server.set(UNKNOWN, GOOD).await.status, 503);
    assert_eq!(server.change("mara", GOOD, "a new One").await.status, 503);
    drop(server);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "and none is made");
}

/// A directory that fails, and panics at a name.
struct Broken;

#[async_trait]
impl Accounts for Broken {
    async fn sign_in(&self, username: &Username) -> Result<Option<SignIn>, DirectoryError> {
        assert!(username.as_str() != "panic", "as asked");
        Err(DirectoryError::new("read the secret file", ErrorKind::Unavailable))
    }
    async fn redeemable(&self, _: &TokenHash, _: Timestamp) -> Result<bool, DirectoryError> {
        Ok(true)
    }
    async fn redeem(&self, _: &TokenHash, _: &PasswordHash, _: &PlainPassword, _: Timestamp) -> Result<bool, DirectoryError> {
        Err(DirectoryError::new("write the secret file", ErrorKind::Unavailable))
    }
    async fn replace(&self, _: &Username, _: &PasswordHash, _: &PasswordHash, _: Timestamp) -> Result<bool, DirectoryError> {
        Ok(false)
    }
}

#[tokio::test]
async fn a_directory_that_fails_and_a_defect_have_pages_too() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = listener.local_addr().unwrap();
    let base_url = Some(BaseUrl::parse(&format!("http://{listen}")).unwrap());
    let settings =
        Settings { accounts: Arc::new(Broken), passwords: Passwords::default(), base_url, listen, hasher: Hasher::default() };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve::serve(listener, serve::router(settings), async { drop(stopped.await) }));
    let client = client();
    let post = async |path: &str, fields: &[(&str, &str)]| {
        Answer::of(client.post(format!("http://{listen}{path}")).form(fields).send().await.unwrap()).await
    };
    let fields = |username| [("username", username), ("current", "x"), ("password", GOOD), ("again", GOOD)];
    for (status, answer) in [
        (503, post(UNKNOWN, &[("password", GOOD), ("again", GOOD)]).await),
        (503, post("/password", &fields("mara")).await),
        (500, post("/password", &fields("panic")).await),
    ] {
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains("<h1>") && answer.header("content-security-policy").is_some(), "{}", answer.body);
        assert!(!answer.body.contains("secret") && !answer.body.contains("as asked"), "{}", answer.body);
    }
    stop.send(()).unwrap();
    server.await.unwrap();
}
