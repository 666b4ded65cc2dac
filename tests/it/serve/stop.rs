//! How the server starts and stops.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::fixture::{GOOD, World, binary};

fn terminate(child: &Child) {
    kill_process(Pid::from_child(child), Signal::TERM).unwrap();
}

#[tokio::test]
async fn what_is_under_way_is_finished() {
    let world = World::new().await;
    world.person("mara").await;
    let link = world.link("mara", 5).await;
    let mut server = world.serve();
    // One that says nothing does not hold it up.
    let _idle = TcpStream::connect(server.address()).unwrap();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let body = format!("password={0}&again={0}", GOOD.replace(' ', "+"));
    let head = format!(
        "POST {link} HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let (first, rest) = body.split_at(10);
    stream.write_all(format!("{head}{first}").as_bytes()).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    terminate(&server.child);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(TcpStream::connect(server.address()).is_err(), "nobody new comes in");
    assert_eq!(server.child.try_wait().unwrap(), None, "it waits for the form");
    stream.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    let start = Instant::now();
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(world.verify("mara", GOOD.as_bytes()).0, 0);
}

#[tokio::test]
async fn a_second_request_to_stop_ends_at_once() {
    let world = World::new().await;
    let mut server = world.serve();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream
        .write_all(
            b"POST /password HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n",
        )
        .unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    terminate(&server.child);
    tokio::time::sleep(Duration::from_millis(300)).await;
    terminate(&server.child);
    assert_eq!(server.child.wait().unwrap().code(), Some(8));
}

#[tokio::test]
async fn what_cannot_be_served_is_said() {
    let world = World::new().await;
    let server = world.serve();
    let run = |words: &[&str]| {
        let output = binary(world.folder.path()).args(words).stdin(Stdio::null()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = run(&["serve", "--listen", server.address()]);
    assert_eq!(code, 1);
    assert!(text.contains(&format!("error: cannot listen on {}", server.address())) && text.contains("in use"), "{text}");
    assert_eq!(run(&["serve", "--listen", "somewhere"]).0, 3);
    world.project("https://acme.example/?a=b");
    let (code, text) = run(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(code == 3 && text.contains("links.baseUrl"), "{text}");
    let project = "apiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: { name: acme }\nspec:\n  directory: { scim: { url: \"https://id.example\", token: { env: T } } }\n";
    std::fs::write(world.folder.path().join("tenantry.yaml"), project).unwrap();
    for words in [&["serve"][..], &["verify-password", "mara"]] {
        let (code, text) = run(words);
        assert!(code == 3 && text.contains("the environment variable T is not set"), "{text}");
    }
    let mut verify = binary(world.folder.path());
    let output = verify.args(["verify-password", "mara"]).env("T", "x").stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("this directory checks passwords itself"), "{text}");
}

#[tokio::test]
async fn a_password_on_standard_input_is_one_line() {
    let world = World::new().await;
    world.person("mara").await;
    world.password("mara", GOOD, false, 5).await;
    for (input, code) in [
        (GOOD.as_bytes().to_vec(), 0),
        (format!("{GOOD}\n").into_bytes(), 0),
        (format!("{GOOD}\r\nand more").into_bytes(), 0),
        (format!(" {GOOD}").into_bytes(), 4),
        (Vec::new(), 4),
        (b"caf\xe9\n".to_vec(), 3),
        (vec![b'x'; 5_000], 3),
    ] {
        assert_eq!(world.verify("mara", &input).0, code, "{:?}", String::from_utf8_lossy(&input));
    }
    assert_eq!(world.verify("MARA", GOOD.as_bytes()).0, 0);
    assert_eq!(world.verify("", GOOD.as_bytes()).0, 4);
    assert_eq!(world.verify("--help", GOOD.as_bytes()).0, 4);
}
