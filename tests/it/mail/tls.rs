//! TLS. Which authorities are trusted is read from the environment, so each case is a process of its own: `tenantry apply`.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
};

use super::server::Server;

/// What an apply that invites somebody comes to where one authority is trusted: `ok`, or why the credential is still owed.
fn elsewhere(authority: &Path, port: u16, tls: &str, signs_in: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    let account = if signs_in { "username: tenantry, password: { env: SMTP_PASSWORD }, " } else { "" };
    let project = format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: {{ name: acme }}\nspec:\n  mail:\n    \
         from: Tenantry <no-reply@acme.example>\n    smtp: {{ host: localhost, port: {port}, {account}tls: {tls} }}\n"
    );
    fs::write(folder.path().join("tenantry.yaml"), project).unwrap();
    fs::create_dir(folder.path().join("tenants")).unwrap();
    fs::write(folder.path().join("tenants/all.yaml"), DOCUMENTS).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(["apply", "tenants", "--yes", "-o", "json"])
        .current_dir(folder.path())
        .env_clear()
        .envs([("SSL_CERT_FILE", authority.as_os_str()), ("SMTP_PASSWORD", "hunter22".as_ref())])
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let results = json["results"].as_array().unwrap();
    let mara = results.iter().find(|result| result["key"] == "user/default/mara").unwrap();
    let error = mara["error"].as_str().unwrap_or("ok").to_owned();
    assert_eq!(output.status.code(), Some(if error == "ok" { 0 } else { 6 }), "{error}");
    error
}

const DOCUMENTS: &str = "\
apiVersion: tenantry.dev/v1alpha1
kind: Company
metadata: { name: north }
spec: {}
---
apiVersion: tenantry.dev/v1alpha1
kind: User
metadata: { name: mara }
spec: { email: mara@nordlicht.example, company: north, role: owner, credential: { method: Invite } }
";

fn refused(result: &str, words: &str) {
    assert!(result.contains("is still owed") && result.contains(words), "{result}");
}

/// Nothing but a greeting may have been said.
fn nothing_given_away(server: &Server) {
    let wire = server.wire();
    for word in ["AUTH", "MAIL FROM", "set-password", "hunter22", "mara", "dGVuYW50cnk", "AHRlbmFudHJ5"] {
        assert!(!wire.contains(word), "{word} in {wire}");
    }
    assert_eq!(server.count("letters"), 0);
}

/// How the project says it.
fn setting(tls: &str) -> &'static str {
    if tls == "implicit" { "Required" } else { "StartTls" }
}

#[test]
fn letters_go_by_tls_of_both_kinds() {
    for tls in ["implicit", "starttls"] {
        let server = Server::start(&["--tls", tls, "--user=tenantry:hunter22"]);
        assert_eq!(elsewhere(&server.path("ca.pem"), server.port, setting(tls), true), "ok", "{tls}");
        assert_eq!(server.envelope(1), "mara@nordlicht.example no-reply@acme.example True");
        let letters = server.letters();
        assert!(letters[0].lines().iter().any(|line| line.starts_with("http://127.0.0.1:8080/set-password/")));
    }
}

#[test]
fn a_certificate_that_is_not_to_be_believed_is_refused() {
    let other = Server::start(&[]);
    for tls in ["implicit", "starttls"] {
        let server = Server::start(&["--tls", tls, "--user=tenantry:hunter22"]);
        let result = elsewhere(&other.path("ca.pem"), server.port, setting(tls), true);
        refused(&result, "nobody this machine trusts has signed its certificate");
        nothing_given_away(&server);

        let server = Server::start(&["--tls", tls, "--user=tenantry:hunter22", "--name=mail.other.example"]);
        let result = elsewhere(&server.path("ca.pem"), server.port, setting(tls), true);
        refused(&result, "its certificate is for another name");
        nothing_given_away(&server);
    }
}

#[test]
fn a_server_without_tls_gets_no_letter_and_no_password() {
    let server = Server::start(&["--user=tenantry:hunter22"]);
    let authority = server.path("ca.pem");
    refused(&elsewhere(&authority, server.port, "StartTls", true), "does not offer STARTTLS");
    nothing_given_away(&server);
    refused(&elsewhere(&authority, server.port, "Required", true), "it does not speak TLS here");
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
    refused(&elsewhere(&trusted.path("ca.pem"), port, "StartTls", false), "no private connection");
}
