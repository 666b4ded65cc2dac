//! A mail server on this machine, without TLS.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tenantry::{
    credential::SecretString,
    mail::{MailErrorKind, Mailer},
    manifest::{Tls, Transport},
    model::SecretSource,
};
use tokio::task::JoinSet;

use super::{
    Case,
    server::{Server, mailer},
    settings,
};

#[tokio::test]
async fn letters_arrive_whole_over_one_connection() {
    let server = Server::start(&[]);
    let mailer = server.mailer(None);
    assert_eq!(mailer.name(), format!("127.0.0.1:{}", server.port));
    mailer.check().await.unwrap();
    assert!(!server.wire().contains("MAIL FROM"), "checking sends nothing");
    let long = Case { secret: "x7".repeat(64), ..Case::named("Јелена Ђорђевић") };
    let cases = [Case::invite(), Case::temporary(), long, Case::named("Zoë .")];
    for case in &cases {
        case.send(&mailer).await.unwrap();
    }
    let all = server.letters();
    assert_eq!(all.len(), cases.len());
    for (index, (seen, case)) in all.iter().zip(&cases).enumerate() {
        assert!(seen.lines().contains(&case.secret.as_str()), "{}", seen.text);
        assert!(seen.lines()[0].contains(case.name.as_deref().unwrap()), "{}", seen.text);
        assert_eq!(seen.headers["to"], case.to);
        assert_eq!(server.envelope(index + 1), "mara@nordlicht.example no-reply@acme.example False");
    }
    assert_eq!(server.count("connections"), 1);
}

#[tokio::test]
async fn one_recipient_is_refused_and_the_next_is_not() {
    let server =
        Server::start(&["--refuse=gone@b.example", "--defer=later@b.example", "--relay=away@b.example", "--spam=spam@b.example"]);
    let mailer = server.mailer(None);
    for (to, kind, words) in [
        ("gone@b.example", MailErrorKind::Rejected, "does not take the recipient: 550 5.1.1 no such mailbox"),
        ("later@b.example", MailErrorKind::Deferred, "does not take the recipient: 451 4.7.1 greylisted"),
        ("away@b.example", MailErrorKind::Refused, "sends no mail for us: 554 5.7.1 relay access denied"),
        ("spam@b.example", MailErrorKind::Rejected, "does not take the letter: 554"),
    ] {
        let case = Case { to, ..Case::invite() };
        let error = case.send(&mailer).await.unwrap_err();
        assert_eq!(error.kind, kind, "{}", error.chain());
        assert!(error.chain().contains(words), "{}", error.chain());
        for text in [error.chain(), format!("{error:?}")] {
            assert!(!text.contains("token=") && !text.contains("aB3_"), "{text}");
        }
        Case::to("fine@b.example").send(&mailer).await.unwrap();
    }
    assert_eq!((server.count("letters"), server.count("connections")), (4, 1));
}

#[tokio::test]
async fn a_server_that_hangs_up_between_letters_costs_nothing() {
    let server = Server::start(&["--hang-up-after=2"]);
    let mailer = server.mailer(None);
    mailer.check().await.unwrap();
    for _ in 0..5 {
        Case::temporary().send(&mailer).await.unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_eq!((server.count("letters"), server.count("connections")), (5, 3));
}

#[tokio::test]
async fn a_connection_lost_within_a_letter_is_said() {
    let server = Server::start(&["--drop=lost@b.example"]);
    let mailer = server.mailer(None);
    Case::temporary().send(&mailer).await.unwrap();
    let error = Case::to("lost@b.example").send(&mailer).await.unwrap_err();
    assert_eq!(error.kind, MailErrorKind::Unavailable, "{}", error.chain());
    assert!(error.message.contains("broke off"), "{}", error.chain());
    let lost = server.wire().matches("RCPT TO:<lost@b.example>").count();
    assert_eq!(lost, 1, "a letter that may have gone out is not sent again by ourselves");
    Case::temporary().send(&mailer).await.unwrap();
    assert_eq!(server.count("letters"), 2);
}

#[tokio::test]
async fn a_server_that_turns_us_away() {
    for (greeting, kind) in [("421 4.3.2 too busy", MailErrorKind::Unavailable), ("554 5.7.1 not you", MailErrorKind::Refused)] {
        let server = Server::start(&[&format!("--greeting={greeting}")]);
        for error in
            [server.mailer(None).check().await.unwrap_err(), Case::temporary().send(&server.mailer(None)).await.unwrap_err()]
        {
            assert_eq!(error.kind, kind, "{}", error.chain());
            assert!(error.chain().ends_with(&format!("turns us away: {greeting}")), "{}", error.chain());
        }
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = mailer("localhost", free, Tls::None, None).check().await.unwrap_err();
    assert_eq!(error.kind, MailErrorKind::Unavailable, "{}", error.chain());
    assert!(error.message.contains(&format!("localhost:{free} cannot be reached")), "{}", error.chain());
}

#[tokio::test]
async fn signing_in() {
    for mechanism in ["PLAIN", "LOGIN"] {
        let server = Server::start(&["--user=tenantry:correct-horse", &format!("--mechanism={mechanism}")]);
        let good = server.mailer(Some(("tenantry", "correct-horse")));
        good.check().await.unwrap();
        Case::temporary().send(&good).await.unwrap();
        assert_eq!(server.count("letters"), 1);
        assert!(server.wire().contains(&format!("AUTH {mechanism}")));

        let error = server.mailer(Some(("tenantry", "wrong-horse"))).check().await.unwrap_err();
        assert_eq!(error.kind, MailErrorKind::Refused, "{}", error.chain());
        assert!(error.chain().contains("does not let us sign in: 535"), "{}", error.chain());
        assert_eq!(error.hint.as_deref(), Some("are `spec.mail.smtp.username` and its password right?"));
        assert!(!format!("{error:?}{}", error.chain()).contains("horse"), "{}", error.chain());

        let error = Case::temporary().send(&server.mailer(None)).await.unwrap_err();
        assert_eq!(error.kind, MailErrorKind::Refused, "{}", error.chain());
        assert!(error.chain().contains("takes no mail from our sender: 530"), "{}", error.chain());
        assert!(error.hint.is_some_and(|hint| hint.starts_with("it wants us to sign in")));
    }
    let server = Server::start(&[]);
    let error = server.mailer(Some(("tenantry", "correct-horse"))).check().await.unwrap_err();
    assert_eq!((error.kind, error.message.contains("offers no way to sign in")), (MailErrorKind::Refused, true), "{error}");
    assert!(!server.wire().contains("AUTH"));
}

#[tokio::test]
async fn a_slow_server_is_waited_for_and_asked_in_parallel_within_bounds() {
    let server = Server::start(&["--slow=0.4"]);
    let mailer = Arc::new(server.mailer(None));
    let begun = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..12 {
        let mailer = Arc::clone(&mailer);
        all.spawn(async move { Case::temporary().send(&mailer).await });
    }
    while let Some(sent) = all.join_next().await {
        sent.unwrap().unwrap();
    }
    let width = u32::try_from(mailer.width()).unwrap();
    assert_eq!(server.count("letters"), 12);
    assert!(server.count("most") <= width && server.count("connections") <= width, "{}", server.count("most"));
    assert!(begun.elapsed() < Duration::from_millis(12 * 400), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_abandoned_letter_leaves_no_answer_to_the_next() {
    let server = Server::start(&["--slow=0.5", "--spam=spam@b.example"]);
    let mailer = server.mailer(None);
    mailer.check().await.unwrap();
    let fine = Case::temporary();
    let given_up = tokio::time::timeout(Duration::from_millis(250), fine.send(&mailer)).await;
    assert!(given_up.is_err());
    let error = Case::to("spam@b.example").send(&mailer).await.unwrap_err();
    assert_eq!(error.kind, MailErrorKind::Rejected, "the answer to this letter, not to the one before: {}", error.chain());
    assert_eq!(server.count("connections"), 2);
}

#[tokio::test]
async fn addresses_beyond_ascii_go_where_they_are_taken() {
    let server = Server::start(&[]);
    Case::to("jörg@nordlicht.example").send(&server.mailer(None)).await.unwrap();
    assert_eq!(server.letters()[0].headers["to"], "jörg@nordlicht.example");
    let server = Server::start(&["--no-utf8"]);
    let mailer = server.mailer(None);
    let error = Case::to("jörg@nordlicht.example").send(&mailer).await.unwrap_err();
    assert_eq!(error.kind, MailErrorKind::Rejected, "{}", error.chain());
    Case::temporary().send(&mailer).await.unwrap();
    assert_eq!((server.count("letters"), server.count("connections")), (1, 1));
}

#[test]
fn without_tls_mail_stays_on_this_machine() {
    let open = |host: &str, username: Option<&str>, password: Option<&str>| {
        let transport = Transport::Smtp {
            host: host.into(),
            port: None,
            tls: Tls::None,
            username: username.map(Into::into),
            password: password.map(|_| SecretSource::Env("UNREAD".into())),
        };
        let mail = settings("a@b.example", transport);
        Mailer::open(Some(&mail), Path::new("/nowhere"), password.map(SecretString::from))
    };
    for host in ["localhost", "127.0.0.1", "127.0.0.2", "::1"] {
        let name = open(host, None, None).unwrap().name();
        assert!(name.ends_with(":25") && name.contains(host), "{name}");
    }
    for host in ["mail.acme.example", "10.0.0.1", "localhost.evil.example", "0.0.0.0", "::"] {
        let error = open(host, None, None).unwrap_err();
        assert_eq!(error.kind, MailErrorKind::Settings, "{host}");
    }
    for (username, password) in [(Some("a"), None), (None, Some("b"))] {
        assert_eq!(open("localhost", username, password).unwrap_err().kind, MailErrorKind::Settings);
    }
}
