//! Templates of the project, and what people can put into a letter by their names.

use std::{fs, path::Path};

use tenantry::{
    mail::{MailError, MailErrorKind, Mailer},
    manifest::{Mail, Transport},
};

use super::{Case, Seen, letters, settings, written};

const TEXT: &str = "Subject: Hi\n\n{{ secret }}\n";
const HTML: &str = "<p>{{ secret }}</p>\n";

fn open(base: &Path, files: &[(&str, &[u8])]) -> Result<Mailer, MailError> {
    let folder = base.join("letters");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
    let mail = Mail { templates: Some("letters".into()), ..settings("a@b.example", Transport::Folder("outbox".into())) };
    Mailer::open(Some(&mail), base, None)
}

#[tokio::test]
async fn a_project_writes_in_its_own_words() {
    let base = tempfile::tempdir().unwrap();
    let own =
        "\u{feff}Subject: Dein Passwort für {{ project }}\r\n\r\nHallo {{ name|upper }},\r\n{{ secret }}\r\nbis {{ until }}\r\n";
    let mailer =
        open(base.path(), &[("temporary.txt", own.as_bytes()), ("README.md", b"{{"), (".temporary.txt.swp", b"")]).unwrap();
    Case::temporary().send(&mailer).await.unwrap();
    Case::invite().send(&mailer).await.unwrap();
    let all: Vec<Seen> = letters(&base.path().join("outbox"));
    assert_eq!(all[0].headers["subject"], "Dein Passwort für acme");
    assert_eq!(all[0].lines()[..2], ["Hallo MARA LINDQVIST,", "aB3%x?Y_z-Q+4=h.M:7k"]);
    assert!(all[0].html.contains("has a temporary password"), "the page is the one built in");
    assert_eq!(all[1].headers["subject"], "Set your password for acme");
}

#[test]
fn what_is_wrong_with_a_template_is_said_before_any_secret_exists() {
    let base = tempfile::tempdir().unwrap();
    let large = format!("{TEXT}{}", "x".repeat(70_000));
    let many = format!("{TEXT}{{% for c in until %}}{{% for d in until %}}{}{{% endfor %}}{{% endfor %}}", "x".repeat(4_000));
    let long = format!("Subject: {}\n\n{{{{ secret }}}}\n", "x".repeat(201));
    for (file, text, message, hint) in [
        ("invite.txt", "Subject: Hi\n\n{{ name\n{{ secret }}\n", ", line 4: ", "the syntax is that of Jinja"),
        ("invite.txt", "Subject: Hi\n\n{% if %}\n{{ secret }}\n", ", line 3: ", "Jinja"),
        (
            "invite.txt",
            "Subject: Hi\n\nDear {{ usernmae }}\n{{ secret }}",
            ", line 3: there is no variable `usernmae`",
            "did you mean `username`?",
        ),
        (
            "invite.txt",
            "Subject: Hi\n\n{{ secret }}\n{% if password %}x{% endif %}",
            ", line 4: there is no variable `password`",
            "there are `username`,",
        ),
        ("invite.txt", "Subject: Hi\n\n{{ secret }}\n{{ debug() }}\n", ", line 4: there is no variable `debug`", "there are"),
        (
            "invite.txt",
            "Subject: Hi\n\n{{ secret }}\n{{ page }}\n",
            ", line 4: a variable that is not always there",
            "{% if page %}",
        ),
        ("invite.txt", "Subject: Hi\n\n{{ secret }}\n{{ name|sfae }}\n", ", line 4: an unknown filter", "there is no `safe`"),
        ("invite.txt", "Subject: Hi\n\n{{ secret }}\n{{ name.pop() }}\n", ", line 4: a function", ""),
        ("invite.txt", "Hello\n\n{{ secret }}\n", ", line 1: the first line is not `Subject: …`", ""),
        ("invite.txt", "\nSubject: Hi\n\n{{ secret }}\n", ", line 1: the first line is not", ""),
        ("invite.txt", "Subject:\n\n{{ secret }}\n", ", line 1: the first line is not", ""),
        (
            "invite.txt",
            "Subject: {{ secret }}\n\n{{ secret }}\n",
            ", line 1: the subject must not have the secret",
            "shown and logged",
        ),
        ("invite.txt", "Subject: Hi\nBcc: eve@evil.example\n\n{{ secret }}\n", ", line 2: the line after the subject", ""),
        ("invite.txt", "Subject: Hi{{ '\\r' }}x\n\n{{ secret }}\n", ": what comes of it has a control character", ""),
        ("invite.txt", long.as_str(), ", line 1: the subject must be one line of at most 200", ""),
        (
            "invite.txt",
            "Subject: Hi\n\nclick {{ secret }}\n",
            ", line 3: the secret is not alone on its line",
            "on a line of its own",
        ),
        ("invite.txt", "Subject: Hi\n\n  {{ secret }}\n", ", line 3: the secret is not alone", ""),
        ("invite.txt", "Subject: Hi\n\n{{ secret|upper }}\n", ", line 3: the secret is not alone", ""),
        ("invite.txt", "Subject: Hi\n\nask {{ name }}\n", ": the text has no `{{ secret }}`", ""),
        ("invite.txt", "Subject: Hi\n\n{% if page %}\n{{ secret }}\n{% endif %}\n", ", line 4: the secret is not alone", ""),
        ("invite.txt", large.as_str(), ": a template has at most 64 KiB", ""),
        ("invite.txt", many.as_str(), "what comes of it is too large", "256 KiB"),
        ("temporary.html", "<p>Hi</p>", ": the secret is not in it", "write `{{ secret }}`"),
        ("temporary.html", "<p>\n{{ secret|lower }}</p>", ", line 2: the secret is not in it", ""),
        ("temporary.html", "{{ secret }}{{ name|safe }}", ", line 1: an unknown filter", "no `safe`"),
        (
            "temporary.html",
            "{{ secret }}\n{% autoescape false %}{{ name }}{% endautoescape %}",
            ", line 2: a display name gets into the page as markup",
            "leave the escaping on",
        ),
        ("invites.txt", TEXT, ": this is none of the four templates", "they are `invite.txt`"),
        ("invite.htm", HTML, ": this is none of the four templates", ""),
        ("Temporary.txt", TEXT, ": this is none of the four templates", ""),
    ] {
        let error = open(base.path(), &[(file, text.as_bytes())]).expect_err(text);
        assert_eq!(error.kind, MailErrorKind::Template, "{text}: {error}");
        assert!(error.message.starts_with(&format!("`letters/{file}`")) && error.message.contains(message), "{text}: {error}");
        assert!(error.hint.as_deref().unwrap_or_default().contains(hint), "{text}: {:?}", error.hint);
    }
    let error = open(base.path(), &[("invite.txt", b"Subject: Hi\n\n\xff\n")]).unwrap_err();
    assert_eq!(error.message, "`letters/invite.txt`, line 3: this is not UTF-8");
    open(base.path(), &[("invite.txt", TEXT.as_bytes()), ("invite.html", HTML.as_bytes())]).unwrap();
}

#[test]
fn a_folder_of_templates_must_be_there() {
    let base = tempfile::tempdir().unwrap();
    let mail = Mail { templates: Some("nowhere".into()), ..settings("a@b.example", Transport::Folder("outbox".into())) };
    let error = Mailer::open(Some(&mail), base.path(), None).unwrap_err();
    assert_eq!(error.kind, MailErrorKind::Settings, "{error}");
    assert!(error.message.contains("`nowhere`"), "{error}");
    let link = base.path().join("letters");
    fs::create_dir(&link).unwrap();
    std::os::unix::fs::symlink("gone", link.join("invite.txt")).unwrap();
    let mail = Mail { templates: Some("letters".into()), ..mail };
    let error = Mailer::open(Some(&mail), base.path(), None).unwrap_err();
    assert_eq!(error.kind, MailErrorKind::Template, "a link that leads nowhere is no missing template: {error}");
}

#[tokio::test]
async fn a_name_is_data_in_the_text_the_page_and_the_subject() {
    let base = tempfile::tempdir().unwrap();
    let text = "Subject: Hi {{ name }}\n\nHello {{ name }},\n{{ secret }}\n";
    let mailer = open(base.path(), &[("temporary.txt", text.as_bytes())]).unwrap();
    let names =
        ["{{7*7}}", "{% raw %}", "{{ secret }}", "Ann \"O'Neil\" & Co", "Jean-Luc J. R. d'Arc, Jr.", "مارا ليندكفيست", "Zoë"];
    for name in names {
        Case::named(name).send(&mailer).await.unwrap();
    }
    for (seen, name) in letters(&base.path().join("outbox")).iter().zip(names) {
        assert_eq!(seen.headers["subject"], format!("Hi {name}"));
        assert_eq!(seen.lines()[0], format!("Hello {name},"));
        let escaped = name.replace('&', "&amp;").replace('"', "&quot;").replace('\'', "&#x27;");
        assert!(seen.html.contains(&format!("<bdi>{escaped}</bdi>")), "{}", seen.html);
        assert_eq!(seen.html.matches("aB3%x").count(), 1, "the secret is where it belongs only");
    }
}

#[tokio::test]
async fn a_name_that_looks_like_a_link_is_not_shown() {
    let names = [
        "http://evil.example",
        "Click https://evil.example now",
        "www.evil.example",
        "Visit evil.com today",
        "evil．com",
        "(evil.example)",
        "evil@evil.example",
        "javascript:alert(1)",
        "<b>Mara</b>",
        "a/b",
        "a\\b",
        "=?utf-8?q?evil?=",
    ];
    for (seen, name) in written(&names.map(Case::named)).await.iter().zip(names) {
        assert_eq!(seen.lines()[0], "Hello mara.lindqvist,", "{name}");
        assert!(seen.html.contains("<bdi>mara.lindqvist</bdi>,") && !seen.html.contains("evil"), "{name}: {}", seen.html);
        assert!(!seen.text.contains(name), "{name}");
    }
}
