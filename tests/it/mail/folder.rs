//! Letters as files.

use std::{fs, os::unix::fs::MetadataExt};

use tenantry::{
    mail::{MailErrorKind, Mailer},
    manifest::Transport,
};

use super::{Case, Seen, letters, settings, written};

#[tokio::test]
async fn without_settings_letters_go_to_the_outbox_for_nobody_else_to_read() {
    let base = tempfile::tempdir().unwrap();
    let mailer = Mailer::open(None, base.path(), None).unwrap();
    assert_eq!((mailer.name().as_str(), mailer.width()), ("./outbox/", 1));
    let outbox = base.path().join("outbox");
    assert!(!outbox.exists(), "opening writes nothing");
    mailer.check().await.unwrap();
    assert_eq!(letters(&outbox).len(), 0, "checking leaves nothing");

    Case::invite().send(&mailer).await.unwrap();
    Case::temporary().send(&mailer).await.unwrap();
    assert_eq!(fs::metadata(&outbox).unwrap().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&outbox).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600);
        let name = entry.file_name().into_string().unwrap();
        assert!(name.contains("-mara.lindqvist-") && name.as_bytes()[8] == b'T', "{name}");
    }
    let all = letters(&outbox);
    assert_eq!(all.len(), 2);
    let raw = String::from_utf8(all[0].clone()).unwrap();
    assert!(raw.lines().any(|line| line == Case::invite().secret), "the link can be copied from the raw file");
}

#[tokio::test]
async fn a_letter_says_who_writes_and_that_no_person_does() {
    let base = tempfile::tempdir().unwrap();
    let mail = settings("Müller, Söhne <Post@acme.example>", Transport::Folder("letters".into()));
    let mailer = Mailer::open(Some(&mail), base.path(), None).unwrap();
    assert_eq!(mailer.name(), "./letters/");
    for _ in 0..2 {
        Case::invite().send(&mailer).await.unwrap();
    }
    let all: Vec<Seen> = letters(&base.path().join("letters")).iter().map(|raw| Seen::read(raw)).collect();
    let header = |seen: &Seen, name: &str| seen.headers.get(name).cloned().unwrap_or_default();
    let seen = &all[0];
    assert_eq!(header(seen, "from"), "\"Müller, Söhne\" <Post@acme.example>");
    assert_eq!(header(seen, "to"), "mara@nordlicht.example");
    assert_eq!(header(seen, "subject"), "Set your password for acme");
    assert_eq!(header(seen, "auto-submitted"), "auto-generated");
    assert_eq!(header(seen, "x-auto-response-suppress"), "All");
    assert!(header(seen, "message-id").ends_with("@acme.example>"), "{seen:?}");
    assert_ne!(header(seen, "message-id"), header(&all[1], "message-id"));
    assert!(header(seen, "date").ends_with("+0000"), "{seen:?}");
    assert_eq!((seen.kind.as_str(), seen.types.join(" ").as_str()), ("multipart/alternative", "text/plain text/html"));
    for value in seen.headers.values() {
        assert!(!value.contains("token="), "{value}");
    }
}

#[tokio::test]
async fn a_secret_stands_alone_on_its_line_however_long_it_is() {
    for secret in ["x7".repeat(64), "aB3%x?Y_z-Q+4=h.M:7k".into(), "8charsss".into(), "Пароль-密码-9".repeat(3)] {
        for name in ["Mara", "Јелена Ђорђевић", "מָרָה", "Renée"] {
            let seen = written(&Case { secret: secret.clone(), ..Case::named(name) }).await;
            assert_eq!(seen.lines().iter().filter(|line| **line == secret).count(), 1, "{}", seen.text);
            assert!(seen.lines().contains(&format!("Hello {name},").as_str()), "{}", seen.text);
            assert!(seen.shown().contains(&secret), "{}", seen.html);
        }
    }
    let link = Case::invite();
    assert!(link.secret.len() >= 115, "{}", link.secret.len());
    let seen = written(&link).await;
    assert!(seen.lines().contains(&link.secret.as_str()), "{}", seen.text);
    let escaped = link.secret.replace('/', "&#x2f;");
    assert!(seen.html.contains(&format!("href=\"{escaped}\"")), "{}", seen.html);
    assert!(seen.text.contains("(72 hours after this message was sent)"), "{}", seen.text);
}

#[tokio::test]
async fn where_the_password_is_changed_is_said_if_there_is_such_a_page() {
    let seen = written(&Case::temporary()).await;
    assert!(seen.text.contains("You will be asked to change it") && !seen.text.contains("https://"), "{}", seen.text);
    let page = "https://people.acme.example/password";
    let seen = written(&Case { page: Some(page), ..Case::temporary() }).await;
    assert!(seen.lines().contains(&page) && !seen.text.contains("You will be asked"), "{}", seen.text);
}

#[tokio::test]
async fn pages_are_plain_and_load_nothing() {
    for case in [Case::invite(), Case { page: Some("https://people.acme.example/password"), ..Case::temporary() }] {
        let html = written(&case).await.html;
        assert!(html.contains("<html lang=\"en\">"), "{html}");
        for word in ["<img", "<link", "<script", "<iframe", "src=", "url(", "@import", "<form"] {
            assert!(!html.contains(word), "{word}");
        }
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_an_error_before_any_secret() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("file"), "").unwrap();
    let mail = settings("a@b.example", Transport::Folder("file".into()));
    let error = Mailer::open(Some(&mail), base.path(), None).unwrap().check().await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (MailErrorKind::Settings, "the mail folder `./file/` is not a folder"));
}
