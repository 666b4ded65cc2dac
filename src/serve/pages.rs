//! The pages as HTML: templates with everything escaped, one style sheet, no script.

use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use minijinja::{Environment, Value, context};

use crate::{credential::check, manifest::Passwords};

/// The style sheet, as it stands in every page.
pub(super) const STYLE: &str = include_str!("pages/style.css");

const TEMPLATES: [(&str, &str); 5] = [
    ("layout.html", include_str!("pages/layout.html")),
    ("new-password.html", include_str!("pages/new-password.html")),
    ("set.html", include_str!("pages/set.html")),
    ("change.html", include_str!("pages/change.html")),
    ("message.html", include_str!("pages/message.html")),
];

/// Makes pages.
pub(super) struct Pages {
    templates: Environment<'static>,
    /// The rules for a new password, in words.
    rules: String,
    min_length: u32,
}

/// A page that only says something.
pub(super) struct Message {
    status: StatusCode,
    title: &'static str,
    text: &'static [&'static str],
    /// Where to go from here, relative to the page.
    link: Option<(&'static str, &'static str)>,
}

impl Message {
    pub(super) const WELCOME: Self = Self {
        status: StatusCode::OK,
        title: "Your account",
        text: &["To set your first password, open the link in the message that was sent to you."],
        link: Some(("password", "Change your password")),
    };
    pub(super) const IS_SET: Self = Self {
        status: StatusCode::OK,
        title: "Your password is set",
        text: &["You can sign in with it from now on.", "The link that brought you here cannot be used again."],
        link: None,
    };
    pub(super) const IS_CHANGED: Self = Self {
        status: StatusCode::OK,
        title: "Your password is changed",
        text: &["You can sign in with the new one from now on."],
        link: None,
    };
    /// One answer, whatever the reason: unknown, used, too old, replaced, or of an account that is shut off.
    pub(super) const DEAD_LINK: Self = Self {
        status: StatusCode::GONE,
        title: "This link cannot be used",
        text: &[
            "No password was set. A link can be used once, for a limited time, and only the newest one that was sent to you.",
            "Ask whoever looks after your account to send you a new one.",
        ],
        link: None,
    };
    pub(super) const NOT_FOUND: Self = Self {
        status: StatusCode::NOT_FOUND,
        title: "There is no such page",
        text: &["If you followed a link in a message, make sure that you opened all of it: it may be broken over two lines."],
        link: None,
    };
    pub(super) const NOT_ALLOWED: Self = Self {
        status: StatusCode::METHOD_NOT_ALLOWED,
        title: "That cannot be done here",
        text: &["Go back and try again."],
        link: None,
    };
    pub(super) const CROSS_SITE: Self = Self {
        status: StatusCode::FORBIDDEN,
        title: "This form came from another site",
        text: &["Nothing was changed. Open the link in the message that was sent to you, and fill in the form there."],
        link: None,
    };
    pub(super) const TOO_MANY: Self = Self {
        status: StatusCode::TOO_MANY_REQUESTS,
        title: "Too many attempts",
        text: &["Nothing was changed. Wait a minute, then go back and try again."],
        link: None,
    };
    pub(super) const TOO_LARGE: Self = Self {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        title: "That is too much",
        text: &["Nothing was changed. Go back and choose a shorter password."],
        link: None,
    };
    pub(super) const TOO_SLOW: Self = Self {
        status: StatusCode::REQUEST_TIMEOUT,
        title: "That took too long",
        text: &["Nothing was changed. Go back and try again."],
        link: None,
    };
    pub(super) const NOT_THE_FORM: Self = Self {
        status: StatusCode::BAD_REQUEST,
        title: "This form could not be read",
        text: &["Nothing was changed. Go back, load the page again and fill in all its fields."],
        link: None,
    };
    pub(super) const UNAVAILABLE: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: "This does not work at the moment",
        text: &["Try again in a few minutes. What you typed was not kept."],
        link: None,
    };
    pub(super) const DEFECT: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        title: "Something went wrong",
        text: &["This is a fault of ours. Try again in a few minutes."],
        link: None,
    };
}

/// What is wrong with a form, said at the field.
pub(super) struct Problem {
    field: &'static str,
    text: String,
}

impl Problem {
    /// A new password must fit the rules and have been typed twice alike.
    pub(super) fn of_new(password: &str, again: &str, rules: &Passwords) -> Result<(), Self> {
        // What could not be decoded would be another password each time.
        if password.contains(char::REPLACEMENT_CHARACTER) {
            return Err(Self::new("password", "The password has a character that could not be read."));
        }
        check(password, rules).map_err(|weakness| Self::new("password", &sentence(&weakness.to_string())))?;
        if password == again {
            return Ok(());
        }
        Err(Self::new("again", "The two passwords are not the same. Type the new password twice."))
    }

    /// A changed password is another one.
    pub(super) fn of_change(current: &str, password: &str) -> Result<(), Self> {
        if current != password {
            return Ok(());
        }
        Err(Self::new("password", "The new password is the same as the current one. Choose another."))
    }

    /// One answer for every way in which a sign-in fails.
    pub(super) fn not_you() -> Self {
        let text = "The username and the current password do not fit together, or the account cannot be used. \
                    If you cannot remember the password, ask whoever looks after your account for a new one.";
        Self::new("current", text)
    }

    fn new(field: &'static str, text: &str) -> Self {
        Self { field, text: text.to_owned() }
    }
}

impl Pages {
    pub(super) fn new(passwords: &Passwords) -> Self {
        let mut templates = Environment::new();
        for (name, text) in TEMPLATES {
            templates.add_template(name, text).expect("a template of ours is sound");
        }
        templates.add_global("style", Value::from_safe_string(STYLE.to_owned()));
        Self { templates, rules: in_words(passwords), min_length: passwords.min_length }
    }

    /// The form behind a link.
    pub(super) fn set(&self, status: StatusCode, problem: Option<&Problem>) -> Response {
        self.form("set.html", status, "", problem)
    }

    /// The form that changes a password. The username is shown as it was typed; passwords never are.
    pub(super) fn change(&self, status: StatusCode, username: &str, problem: Option<&Problem>) -> Response {
        self.form("change.html", status, username, problem)
    }

    pub(super) fn message(&self, message: &Message) -> Response {
        let Message { status, title, text, link } = message;
        let link = link.map(|(href, text)| context! { href, text });
        let text: Value = text.iter().copied().map(Value::from).collect();
        self.page("message.html", *status, context! { title => *title, text, link })
    }

    fn form(&self, template: &str, status: StatusCode, username: &str, problem: Option<&Problem>) -> Response {
        let problem = problem.map(|Problem { field, text }| context! { field => *field, text => text.as_str() });
        let (rules, min_length) = (self.rules.as_str(), self.min_length);
        self.page(template, status, context! { rules, min_length, username, problem })
    }

    fn page(&self, template: &str, status: StatusCode, context: Value) -> Response {
        match self.templates.get_template(template).and_then(|template| template.render(context)) {
            Ok(html) => (status, Html(html)).into_response(),
            Err(error) => {
                tracing::error!(%error, template, "a page could not be made");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// The rules in words, as far as there is something to say.
fn in_words(rules: &Passwords) -> String {
    let Passwords { min_length, max_length, classes, generated: _, invite: _, temporary: _, reset: _ } = rules;
    let length = if min_length == max_length {
        format!("Exactly {min_length} characters")
    } else {
        format!("{min_length} to {max_length} characters")
    };
    let kinds = "small letters, capital letters, digits, and others such as spaces or marks";
    match classes {
        0 | 1 => format!("{length}, of any kind."),
        2 | 3 => format!("{length}, of at least {} of these kinds: {kinds}.", if *classes == 2 { "two" } else { "three" }),
        _ => format!("{length}, of all these kinds: {kinds}."),
    }
}

/// A message as a sentence: `the password …` to `The password ….`
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).chain(['.']).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_read_well() {
        let rules = Passwords::default();
        assert!(in_words(&rules).starts_with("8 to 128 characters, of at least two of these kinds: small letters"));
        assert!(in_words(&Passwords { classes: 1, ..rules.clone() }).ends_with("of any kind."));
        assert!(in_words(&Passwords { classes: 4, max_length: 8, ..rules.clone() }).starts_with("Exactly 8 characters, of all"));
        let problem = Problem::of_new("short", "short", &rules).err().unwrap();
        assert_eq!(problem.text, "The password must have at least 8 characters.");
    }
}
