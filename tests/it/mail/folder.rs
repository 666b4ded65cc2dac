//! Letters as files.

use std::{fs, os::unix::fs::MetadataExt};

use tenantry::{
    mail::{MailErrorKind, Mailer},
    manifest::Transport,
};

use super::{Case, Seen, files, letters, settings, written};

#[tokio::test]
async fn without_settings_letters_go_to_the_outbox_for_nobody_else_to_read() {
    let base = tempfile::tempdir().unwrap();
    let mailer = Mailer::open(None, base.path(), None).unwrap();
    assert_eq!((mailer.name().as_str(), mailer.width()), ("./outbox/", 1));
    let outbox = base.path().join("outbox");
    assert!(!outbox.exists(), "opening writes nothing");
    mailer.check().await.unwrap();
    assert_eq!(files(&outbox).len(), 0, "checking leaves nothing");

    Case::invite().send(&mailer).await.unwrap();
    Case::temporary().send(&mailer).await.unwrap();
    assert_eq!(fs::metadata(&outbox).unwrap().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&outbox).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600);
        let name = entry.file_name().into_string().unwrap();
        assert!(name.contains("-mara.lindqvist-") && name.as_bytes()[8] == b'T', "{name}");
    }
    let all = files(&outbox);
    assert_eq!(all.len(), 2);
    let raw = fs::read_to_string(&all[0]).unwrap();
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
    let all: Vec<Seen> = letters(&base.path().join("letters"));
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
    let secrets = ["x7".repeat(64), "aB3%x?Y_z-Q+4=h.M:7k".into(), "8charsss".into(), "Пароль-密码-9".repeat(3)];
    let names = ["Mara", "Јелена Ђорђевић", "מָרָה", "Renée"];
    let of = |secret: &String| names.map(|name| Case { secret: secret.clone(), ..Case::named(name) });
    let cases: Vec<Case> = secrets.iter().flat_map(of).collect();
    for (seen, Case { secret, name, .. }) in written(&cases).await.iter().zip(&cases) {
        assert_eq!(seen.lines().iter().filter(|line| *line == secret).count(), 1, "{}", seen.text);
        assert_eq!(seen.lines()[0], format!("Hello {},", name.as_ref().unwrap()));
        assert!(seen.shown().contains(secret), "{}", seen.html);
    }
    let link = Case::invite();
    assert!(link.secret.len() >= 115, "{}", link.secret.len());
    let seen = &written(std::slice::from_ref(&link)).await[0];
    assert!(seen.lines().contains(&link.secret.as_str()), "{}", seen.text);
    let escaped = link.secret.replace('/', "&#x2f;");
    assert!(seen.html.contains(&format!("href=\"{escaped}\"")), "{}", seen.html);
    assert!(seen.text.contains("(72 hours after this message was sent)"), "{}", seen.text);
}

#[tokio::test]
async fn where_the_password_is_changed_is_said_if_there_is_such_a_page() {
    let page = "https://people.acme.example/password";
    let seen = written(&[Case::temporary(), Case { page: Some(page), ..Case::temporary() }]).await;
    let [without, with] = seen.as_slice() else { panic!("two letters") };
    assert!(without.text.contains("You will be asked to change it") && !without.text.contains("https://"), "{}", without.text);
    assert!(with.lines().contains(&page) && !with.text.contains("You will be asked"), "{}", with.text);
}

#[tokio::test]
async fn pages_are_plain_and_load_nothing() {
    let page = Some("https://people.acme.example/password");
    for Seen { html, .. } in written(&[Case::invite(), Case { page, ..Case::temporary() }]).await {
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
