//! Templates: ours and those of the project, tried before they are needed.

use std::{fs, io, path::Path};

use minijinja::{Environment, ErrorKind, HtmlEscape, UndefinedBehavior, context, syntax::SyntaxConfig};
use zeroize::Zeroizing;

use super::{MailError, MailErrorKind, Occasion, letter::Values};

/// The largest template, and the largest part that may come of one, in bytes.
const LARGEST: u64 = 64 * 1024;
const LARGEST_PART: usize = 256 * 1024;
/// The longest subject, in characters.
const LONGEST_SUBJECT: usize = 200;

/// What a template may name.
const VARIABLES: [&str; 7] = ["username", "name", "secret", "until", "lifetime", "project", "page"];

/// The four templates: file name, and the one built in.
const FILES: [(&str, &str); 4] = [
    ("invite.txt", include_str!("templates/invite.txt")),
    ("invite.html", include_str!("templates/invite.html")),
    ("temporary.txt", include_str!("templates/temporary.txt")),
    ("temporary.html", include_str!("templates/temporary.html")),
];

/// The places in [`FILES`] of the text and the HTML of a letter.
fn pair(occasion: Occasion) -> (usize, usize) {
    match occasion {
        Occasion::Invite => (0, 1),
        Occasion::Temporary => (2, 3),
    }
}

/// What a letter says.
pub(super) struct Parts {
    pub(super) subject: String,
    pub(super) text: Zeroizing<String>,
    pub(super) html: Zeroizing<String>,
}

/// The templates in force.
pub(super) struct Templates {
    jinja: Environment<'static>,
    /// What each is called in messages, in the order of [`FILES`].
    shown: [String; 4],
}

impl Templates {
    /// Takes the project's templates where it has any, ours otherwise, and tries each on samples. `own` is their folder, as
    /// written; relative paths start from `base`.
    pub(super) fn read(own: Option<&Path>, base: &Path) -> Result<Self, MailError> {
        let mut jinja = Environment::new();
        let globals: Vec<String> = jinja.globals().map(|(name, _)| name.to_owned()).collect();
        // No template needs a function, and `debug()` would print every variable; what is in a variable is never markup.
        globals.iter().for_each(|name| jinja.remove_global(name));
        jinja.remove_filter("safe");
        jinja.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
        jinja.set_syntax(syntax.map_err(|error| MailError::new(MailErrorKind::Template, "a defect of ours").because(error))?);
        if let Some(written) = own {
            misspelt(written, &base.join(written))?;
        }
        let mut shown = FILES.map(|(file, ..)| format!("the built-in `{file}`"));
        for ((file, built_in), shown) in FILES.iter().zip(&mut shown) {
            let text = match own {
                Some(written) => {
                    let name = format!("`{}`", written.join(file).display());
                    let text = load(&base.join(written).join(file), &name)?;
                    if text.is_some() {
                        *shown = name;
                    }
                    text
                }
                None => None,
            };
            let text = text.unwrap_or_else(|| (*built_in).to_owned());
            jinja.add_template_owned(*file, text.clone()).map_err(|error| {
                let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
                at(shown, error.line(), what).hint("the syntax is that of Jinja: `{{ name }}`, `{% if page %} … {% endif %}`")
            })?;
            known_variables(&jinja, file, shown, &text)?;
        }
        let templates = Self { jinja, shown };
        templates.try_out()?;
        Ok(templates)
    }

    /// What is said to somebody.
    pub(super) fn render(&self, occasion: Occasion, values: &Values<'_>) -> Result<Parts, MailError> {
        let (text, html) = pair(occasion);
        let (subject, text) = self.text(text, values)?;
        Ok(Parts { subject, text, html: self.html(html, values)? })
    }

    fn try_out(&self) -> Result<(), MailError> {
        let link = "https://people.acme.example/tenantry/set-password?token=0123456789-abcdefghijklmnopqrstuvwxyz_ABCDEF";
        for (occasion, secret) in [(Occasion::Invite, link), (Occasion::Temporary, "aB3%x?Y_z-Q+4=h.M:7k")] {
            let whole = Values {
                username: "mara.lindqvist",
                name: "Mara \"Öz\" <i-am-data> & Co",
                secret,
                until: "Wednesday, 25 November 2026, 04:15 UTC".into(),
                lifetime: "72 hours".into(),
                project: "acme",
                page: Some("https://people.acme.example/tenantry/password"),
            };
            let bare = Values {
                name: whole.username,
                page: None,
                until: whole.until.clone(),
                lifetime: whole.lifetime.clone(),
                username: whole.username,
                secret,
                project: whole.project,
            };
            self.render(occasion, &whole)?;
            self.render(occasion, &bare)?;
        }
        Ok(())
    }

    /// The subject and the text.
    fn text(&self, index: usize, values: &Values<'_>) -> Result<(String, Zeroizing<String>), MailError> {
        let shown = &self.shown[index];
        let whole = self.fill(index, values)?;
        let mut rest = whole.splitn(3, '\n');
        let (first, second) = (rest.next().unwrap_or_default(), rest.next().unwrap_or_default());
        let Some(subject) = first.strip_prefix("Subject:").map(str::trim).filter(|subject| !subject.is_empty()) else {
            return Err(at(shown, Some(1), "the first line is not `Subject: …`"));
        };
        if subject.contains(values.secret) {
            return Err(at(shown, Some(1), "the subject must not have the secret in it").hint("subjects are shown and logged"));
        }
        if subject.chars().count() > LONGEST_SUBJECT || subject.chars().any(char::is_control) {
            return Err(at(shown, Some(1), format!("the subject must be one line of at most {LONGEST_SUBJECT} characters")));
        }
        if !second.is_empty() {
            return Err(at(shown, Some(2), "the line after the subject must be empty"));
        }
        let body = rest.next().unwrap_or_default();
        if !body.lines().any(|line| line == values.secret) {
            let uses = self.line_of(index, "secret", 1);
            let what = if uses.is_some() { "the secret is not alone on its line" } else { "the text has no `{{ secret }}`" };
            return Err(
                at(shown, uses, what).hint("write `{{ secret }}` on a line of its own, without anything before or after it")
            );
        }
        Ok((subject.to_owned(), Zeroizing::new(body.to_owned())))
    }

    fn html(&self, index: usize, values: &Values<'_>) -> Result<Zeroizing<String>, MailError> {
        let shown = &self.shown[index];
        let html = self.fill(index, values)?;
        if !html.contains(&*Zeroizing::new(HtmlEscape(values.secret).to_string())) {
            return Err(
                at(shown, self.line_of(index, "secret", 0), "the secret is not in it as it is").hint("write `{{ secret }}`")
            );
        }
        if html.contains("<i-am-data>") {
            return Err(at(shown, self.line_of(index, "name", 0), "a display name gets into the page as markup")
                .hint("leave the escaping on"));
        }
        Ok(html)
    }

    fn fill(&self, index: usize, values: &Values<'_>) -> Result<Zeroizing<String>, MailError> {
        let (file, shown) = (FILES[index].0, &self.shown[index]);
        // The cause stays behind: it may quote a value.
        let failed = |error: minijinja::Error| {
            let (what, hint) = match error.kind() {
                ErrorKind::UndefinedError => {
                    ("a variable that is not always there is used", "put what needs it between `{% if page %}` and `{% endif %}`")
                }
                ErrorKind::WriteFailure => ("what comes of it is too large", "a letter has at most 256 KiB"),
                ErrorKind::UnknownFilter => ("an unknown filter is used", "see the list of filters of Jinja; there is no `safe`"),
                ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => ("a function is used", "there are none here"),
                _ => ("it cannot be filled in", "try it with fewer filters"),
            };
            at(shown, error.line(), what).hint(hint)
        };
        let Values { username, name, secret, until, lifetime, project, page } = values;
        let mut context = context! {
            username => *username,
            name => *name,
            secret => *secret,
            until => until.as_str(),
            lifetime => lifetime.as_str(),
            project => *project,
        };
        if let Some(page) = page {
            context = context! { page => *page, ..context };
        }
        let template = self.jinja.get_template(file).map_err(failed)?;
        let mut out = Bounded(Zeroizing::new(Vec::with_capacity(16 * 1024)));
        template.render_captured_to(context, &mut out).map_err(failed)?;
        let text = String::from_utf8(std::mem::take(&mut *out.0)).map(Zeroizing::new);
        let text = text.map_err(|_| at(shown, None, "what comes of it is no text"))?;
        let stray = text.lines().position(|line| line.chars().any(|c| c.is_control() && c != '\t'));
        match stray {
            Some(_) => Err(at(shown, None, "what comes of it has a control character in it")),
            None => Ok(text),
        }
    }

    /// Where a template names a variable first, from a line on.
    fn line_of(&self, index: usize, variable: &str, from: usize) -> Option<usize> {
        let template = self.jinja.get_template(FILES[index].0).ok()?;
        find_word(template.source(), variable, from)
    }
}

/// A buffer that takes so much and no more.
struct Bounded(Zeroizing<Vec<u8>>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LARGEST_PART {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if self.0.len() + bytes.len() > self.0.capacity() {
            // A vector that grows by itself leaves what it held behind.
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * (self.0.len() + bytes.len())));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn at(shown: &str, line: Option<usize>, what: impl Into<String>) -> MailError {
    let what = what.into();
    let message = line.map_or_else(|| format!("{shown}: {what}"), |line| format!("{shown}, line {line}: {what}"));
    MailError::new(MailErrorKind::Template, message)
}

/// A template of the project, if there is one.
fn load(file: &Path, shown: &str) -> Result<Option<String>, MailError> {
    let unreadable = |error: io::Error| at(shown, None, "it cannot be read").because(error);
    let size = match fs::metadata(file) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(file).is_err() => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if size > LARGEST {
        return Err(at(shown, None, format!("a template has at most {} KiB", LARGEST / 1024)));
    }
    let bytes = fs::read(file).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
        at(shown, Some(line), "this is not UTF-8").hint("save it as UTF-8")
    })?;
    Ok(Some(text.trim_start_matches('\u{feff}').replace("\r\n", "\n")))
}

/// Refuses a folder that is none, and files in it that are nearly templates: silently falling back to ours would be a letter
/// that nobody has written.
fn misspelt(written: &Path, folder: &Path) -> Result<(), MailError> {
    let entries = fs::read_dir(folder).map_err(|error| {
        MailError::settings(format!("`spec.mail.templates` names `{}`, which cannot be read", written.display())).because(error)
    })?;
    let mut names: Vec<String> =
        entries.filter_map(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    for name in names {
        let stem = name.split('.').next().unwrap_or_default().to_lowercase();
        let nearly = ["invite", "temporary"].iter().any(|known| strsim::damerau_levenshtein(known, &stem) <= 2);
        let backup = name.ends_with('~') || name.starts_with('.');
        if nearly && !backup && FILES.iter().all(|(file, ..)| *file != name) {
            let shown = format!("`{}`", written.join(&name).display());
            return Err(at(&shown, None, "this is none of the four templates")
                .hint("they are `invite.txt`, `invite.html`, `temporary.txt` and `temporary.html`"));
        }
    }
    Ok(())
}

fn known_variables(jinja: &Environment<'_>, file: &str, shown: &str, source: &str) -> Result<(), MailError> {
    let named = jinja.get_template(file).map(|template| template.undeclared_variables(false)).unwrap_or_default();
    let mut unknown: Vec<_> = named.into_iter().filter(|name| !VARIABLES.contains(&name.as_str())).collect();
    unknown.sort();
    let Some(name) = unknown.first() else { return Ok(()) };
    let near = VARIABLES.iter().min_by_key(|known| strsim::damerau_levenshtein(known, name));
    let near = near.filter(|known| strsim::damerau_levenshtein(known, name) <= 2);
    let hint = match near {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("there are {}", VARIABLES.map(|known| format!("`{known}`")).join(", ")),
    };
    Err(at(shown, find_word(source, name, 0), format!("there is no variable `{name}`")).hint(hint))
}

/// The line, counted from 1, on which a word stands inside a tag first, after so many lines.
fn find_word(source: &str, word: &str, skip: usize) -> Option<usize> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let has = |line: &str| line.contains('{') && line.split(|c| !part(c)).any(|found| found == word);
    let lines = || source.lines().enumerate().skip(skip);
    lines().find(|(_, line)| has(line)).map(|(index, _)| index + 1)
}
