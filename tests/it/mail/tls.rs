//! TLS. Which authorities are trusted is read from the environment, so each case is a process of its own: this binary,
//! started again with one test in it.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
};

use tenantry::{mail::MailError, manifest::Tls};

use super::{
    Case,
    server::{Server, mailer},
};

const TASK: &str = "TENANTRY_TEST_MAIL";

#[test]
#[ignore = "the other tests of this file run it, with a task in the environment"]
fn in_another_process() {
    let Ok(task) = env::var(TASK) else { return };
    let words: Vec<&str> = task.split(' ').collect();
    let [host, port, tls, account @ ..] = words.as_slice() else { panic!("{task}") };
    let tls = if *tls == "implicit" { Tls::Required } else { Tls::StartTls };
    let account = if let [username, password] = account { Some((*username, *password)) } else { None };
    // No provider of cryptography is installed here: whoever sends mail need not.
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mailer = mailer(host, port.parse().unwrap(), tls, account);
        let say = |done: Result<(), MailError>| match done {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("{:?}: {} ({})", error.kind, error.chain(), error.hint.unwrap_or_default()),
        };
        println!("\nRESULT {}", say(mailer.check().await));
        println!("\nRESULT {}", say(Case::invite().send(&mailer).await));
    });
}

/// What checking and sending come to in a process that trusts one authority.
fn elsewhere(authority: &Path, task: &str) -> [String; 2] {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "mail::tls::in_another_process", "--ignored", "--nocapture"])
        .env(TASK, task)
        .env("SSL_CERT_FILE", authority)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let results: Vec<String> = text.lines().filter_map(|line| line.strip_prefix("RESULT ")).map(str::to_owned).collect();
    results.try_into().unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn refused(results: &[String; 2], words: &str) {
    for result in results {
        assert!(result.starts_with("Refused: ") && result.contains(words), "{result}");
    }
}

/// Nothing but a greeting may have been said.
fn nothing_given_away(server: &Server) {
    let wire = server.wire();
    for word in ["AUTH", "MAIL FROM", "token=", "hunter22", "mara", "dGVuYW50cnk", "AHRlbmFudHJ5"] {
        assert!(!wire.contains(word), "{word} in {wire}");
    }
    assert_eq!(server.count("letters"), 0);
}

#[test]
fn letters_go_by_tls_of_both_kinds() {
    for tls in ["implicit", "starttls"] {
        let server = Server::start(&["--tls", tls, "--user=tenantry:hunter22"]);
        let results = elsewhere(&server.path("ca.pem"), &format!("localhost {} {tls} tenantry hunter22", server.port));
        assert_eq!(results, ["ok", "ok"], "{tls}");
        assert_eq!(server.envelope(1), "mara@nordlicht.example no-reply@acme.example True");
        assert!(server.letters()[0].lines().contains(&Case::invite().secret.as_str()));
    }
}

#[test]
fn a_certificate_that_is_not_to_be_believed_is_refused() {
    let other = Server::start(&[]);
    for tls in ["implicit", "starttls"] {
        let server = Server::start(&["--tls", tls, "--user=tenantry:hunter22"]);
        let task = format!("localhost {} {tls} tenantry hunter22", server.port);
        refused(&elsewhere(&other.path("ca.pem"), &task), "nobody this machine trusts has signed its certificate");
        nothing_given_away(&server);

        let server = Server::start(&["--tls", tls, "--user=tenantry:hunter22", "--name=mail.other.example"]);
        let task = format!("localhost {} {tls} tenantry hunter22", server.port);
        refused(&elsewhere(&server.path("ca.pem"), &task), "its certificate is for another name");
        nothing_given_away(&server);
    }
}

#[test]
fn a_server_without_tls_gets_no_letter_and_no_password() {
    let server = Server::start(&["--user=tenantry:hunter22"]);
    let authority = server.path("ca.pem");
    let results = elsewhere(&authority, &format!("localhost {} starttls tenantry hunter22", server.port));
    refused(&results, "does not offer STARTTLS");
    nothing_given_away(&server);
    let results = elsewhere(&authority, &format!("localhost {} implicit tenantry hunter22", server.port));
    refused(&results, "it does not speak TLS here");
    nothing_given_away(&server);
}

/// Somebody in between answers in clear what will be asked under TLS.
#[test]
fn nothing_said_before_tls_counts_under_it() {
    let trusted = Server::start(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            let say = |text: &str| (&stream).write_all(text.as_bytes()).unwrap();
            let mut line = String::new();
            say("220 hello\r\n");
            lines.read_line(&mut line).unwrap();
            say("250-hello\r\n250 STARTTLS\r\n");
            lines.read_line(&mut line).unwrap();
            say("220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n235 welcome\r\n");
            // Waits until the other side hangs up.
            while lines.read_line(&mut line).is_ok_and(|read| read > 0) {}
        }
    });
    let results = elsewhere(&trusted.path("ca.pem"), &format!("localhost {port} starttls"));
    refused(&results, "no private connection");
}
