//! From the written project to values.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use smol_str::SmolStr;

use super::{
    Budget, BudgetSpec, DirectoryChoice, DirectorySpec, KeycloakSettings, KeycloakSpec, LdapSettings, LdapSpec, LedgerChoice,
    LedgerSpec, LinksSpec, Mail, MailSpec, Passwords, PasswordsSpec, Percent, PostgresSettings, PostgresSpec, Project, ProjectSpec,
    Region, RegionSpec, ScimSettings, ScimSpec, SecretSpec, SmtpSpec, SqliteSpec, ThingsboardProof, ThingsboardSettings,
    ThingsboardSpec, Tls, Transport, ValidForSpec,
};
use crate::{
    manifest::{
        lower::Lowering,
        parts,
        text::{SpanText, UrlText},
    },
    model::{Email, Key, Name, SecretSource, Username, ValueError, visible},
};

impl Project {
    /// Turns a written project into values; `name` is its `metadata.name`. Problems go to `it`.
    pub(in crate::manifest) fn lower(name: &Name, spec: &ProjectSpec, it: &mut Lowering<'_>) -> Self {
        let ProjectSpec {
            directory,
            paths,
            owner,
            actor,
            regions,
            deletion,
            retention,
            budget,
            protected,
            passwords,
            mail,
            links,
            ledger,
        } = spec;
        let default = Self::default();
        for (row, path) in paths.iter().enumerate() {
            it.value(&format!("spec.paths.{row}"), path, plain_path);
        }
        let mut known = BTreeSet::new();
        for (row, key) in protected.iter().enumerate() {
            let read = |text: &str| text.parse::<Key>().map_err(|error| ValueError::new(error.to_string()));
            known.extend(it.value(&format!("spec.protected.{row}"), key, read));
        }
        Self {
            name: name.clone(),
            owner: it.name("spec.owner", owner.as_ref()).unwrap_or_else(|| name.clone()),
            actor: it.optional("spec.actor", actor.as_ref(), Username::new),
            directory: directory.as_ref().and_then(|choice| directory_spec(choice, it)).unwrap_or(default.directory),
            paths: paths.iter().map(|path| path.as_str().to_owned()).collect(),
            regions: regions.as_ref().map_or(default.regions, |regions| regions_of(regions, it)),
            deletion: deletion.unwrap_or(default.deletion),
            retention: span("spec.retention", retention.as_ref(), default.retention, it),
            budget: budget.as_ref().map_or(default.budget, |budget| budget_of(budget, it)),
            protected: known,
            passwords: passwords.as_ref().map_or(default.passwords, |passwords| passwords_of(passwords, it)),
            mail: mail.as_ref().and_then(|mail| mail_of(mail, it)),
            base_url: links.as_ref().and_then(|LinksSpec { base_url }| it.value("spec.links.baseUrl", base_url, base_of_links)),
            ledger: ledger.as_ref().and_then(|choice| ledger_of(choice, it)),
        }
    }
}

fn directory_spec(choice: &DirectoryChoice, it: &mut Lowering<'_>) -> Option<DirectorySpec> {
    let DirectoryChoice { sqlite, postgres, keycloak, scim, ldap, thingsboard } = choice;
    let mut found = Vec::new();
    if let Some(SqliteSpec { path }) = sqlite {
        let path = it.optional("spec.directory.sqlite.path", path.as_ref(), plain_path);
        found.push(DirectorySpec::Sqlite { path: path.map_or_else(|| "tenantry.db".into(), PathBuf::from) });
    }
    if let Some(spec) = postgres {
        found.extend(postgres_of("spec.directory.postgres", spec, it).map(DirectorySpec::Postgres));
    }
    if let Some(spec) = keycloak {
        found.extend(keycloak_of(spec, it).map(DirectorySpec::Keycloak));
    }
    if let Some(ScimSpec { url, token }) = scim {
        let url = server("spec.directory.scim.url", url, &["https", "http"], it);
        let token = secret("spec.directory.scim.token", token, it);
        found.extend(url.zip(token).map(|(url, token)| DirectorySpec::Scim(ScimSettings { url, token })));
    }
    if let Some(spec) = ldap {
        found.extend(ldap_of(spec, it).map(DirectorySpec::Ldap));
    }
    if let Some(spec) = thingsboard {
        found.extend(thingsboard_of(spec, it).map(DirectorySpec::Thingsboard));
    }
    let given = [sqlite.is_some(), postgres.is_some(), keycloak.is_some(), scim.is_some(), ldap.is_some(), thingsboard.is_some()];
    match given.into_iter().filter(|it| *it).count() {
        1 => found.pop(),
        0 => {
            it.refuse("spec.directory", ValueError::new("names no directory").hint("for example `sqlite: { path: tenantry.db }`"));
            None
        }
        count => {
            it.refuse("spec.directory", ValueError::new(format!("names {count} directories, and must name exactly one")));
            None
        }
    }
}

fn postgres_of(path: &str, spec: &PostgresSpec, it: &mut Lowering<'_>) -> Option<PostgresSettings> {
    let PostgresSpec { url, schema } = spec;
    let url = secret(&format!("{path}.url"), url, it);
    let schema = it.optional(&format!("{path}.schema"), schema.as_ref(), identifier);
    Some(PostgresSettings { url: url?, schema: schema.unwrap_or_else(|| "tenantry".into()) })
}

/// A name that needs no quotes in SQL, and no thought either (postgresql.org, 4.1.1).
fn identifier(text: &str) -> Result<String, ValueError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = |c: char| c.is_ascii_lowercase() || c == '_';
    if text.len() <= 63 && text.starts_with(begins) && text.chars().all(fits) && !text.starts_with("pg_") {
        return Ok(text.to_owned());
    }
    Err(ValueError::new("must be lower-case letters, digits and `_`, at most 63, and not begin with a digit or `pg_`"))
}

fn keycloak_of(spec: &KeycloakSpec, it: &mut Lowering<'_>) -> Option<KeycloakSettings> {
    let KeycloakSpec { url, realm, client_id, client_secret, companies, roles, root_company, invites } = spec;
    let url = server("spec.directory.keycloak.url", url, &["https", "http"], it);
    let realm = it.value("spec.directory.keycloak.realm", realm, one_line);
    let client_id = it.value("spec.directory.keycloak.clientId", client_id, one_line);
    let client_secret = secret("spec.directory.keycloak.clientSecret", client_secret, it);
    let root_company = it.name("spec.directory.keycloak.rootCompany", root_company.as_ref());
    Some(KeycloakSettings {
        url: url?,
        realm: realm?.into(),
        client_id: client_id?.into(),
        client_secret: client_secret?,
        companies: companies.unwrap_or_default(),
        roles: roles.unwrap_or_default(),
        root_company,
        invites: invites.unwrap_or_default(),
    })
}

fn ldap_of(spec: &LdapSpec, it: &mut Lowering<'_>) -> Option<LdapSettings> {
    let LdapSpec { url, base_dn, bind_dn, password } = spec;
    let url = server("spec.directory.ldap.url", url, &["ldaps", "ldap", "ldapi"], it);
    let base_dn = it.value("spec.directory.ldap.baseDn", base_dn, one_line);
    let bind_dn = it.value("spec.directory.ldap.bindDn", bind_dn, one_line);
    let password = secret("spec.directory.ldap.password", password, it);
    Some(LdapSettings { url: url?, base_dn: base_dn?.into(), bind_dn: bind_dn?.into(), password: password? })
}

fn thingsboard_of(spec: &ThingsboardSpec, it: &mut Lowering<'_>) -> Option<ThingsboardSettings> {
    let ThingsboardSpec { url, api_key, username, password, invites } = spec;
    let url = server("spec.directory.thingsboard.url", url, &["https", "http"], it);
    let api_key = api_key.as_ref().map(|spec| secret("spec.directory.thingsboard.apiKey", spec, it));
    let username = username.as_ref().map(|text| it.value("spec.directory.thingsboard.username", text, one_line));
    let password = password.as_ref().map(|spec| secret("spec.directory.thingsboard.password", spec, it));
    let proof = match (api_key, username, password) {
        (Some(key), None, None) => ThingsboardProof::ApiKey(key?),
        (None, Some(username), Some(password)) => ThingsboardProof::Login { username: username?.into(), password: password? },
        (_, _, _) => {
            let why = ValueError::new("either `apiKey` or `username` and `password` must be given")
                .hint("an API key is one tenant's; the system administrator signs in with a password");
            it.refuse("spec.directory.thingsboard", why);
            return None;
        }
    };
    Some(ThingsboardSettings { url: url?, proof, invites: invites.unwrap_or_default() })
}

fn ledger_of(choice: &LedgerChoice, it: &mut Lowering<'_>) -> Option<LedgerSpec> {
    match choice {
        LedgerChoice { sqlite: Some(SqliteSpec { path }), postgres: None } => {
            let path = it.optional("spec.ledger.sqlite.path", path.as_ref(), plain_path);
            Some(LedgerSpec::Sqlite(path.map_or_else(|| "tenantry-ledger.db".into(), PathBuf::from)))
        }
        LedgerChoice { sqlite: None, postgres: Some(spec) } => {
            postgres_of("spec.ledger.postgres", spec, it).map(LedgerSpec::Postgres)
        }
        LedgerChoice { sqlite: _, postgres: _ } => {
            it.refuse("spec.ledger", ValueError::new("must name exactly one of `sqlite` and `postgres`"));
            None
        }
    }
}

fn regions_of(regions: &[RegionSpec], it: &mut Lowering<'_>) -> std::collections::BTreeMap<Name, Region> {
    let mut out = std::collections::BTreeMap::new();
    for (row, RegionSpec { name, phone }) in regions.iter().enumerate() {
        let path = format!("spec.regions.{row}.name");
        if let Some(name) = it.value(&path, name, Name::new)
            && out.insert(name, Region { phone: phone.unwrap_or(false) }).is_some()
        {
            it.refuse(&path, ValueError::new("this region is given twice"));
        }
    }
    out
}

fn budget_of(spec: &BudgetSpec, it: &mut Lowering<'_>) -> Budget {
    let BudgetSpec { removals, at_least, at_most, window, creates, mails } = spec;
    let default = Budget::default();
    let budget = Budget {
        removals: it.optional("spec.budget.removals", removals.as_ref(), percent).unwrap_or(default.removals),
        at_least: count("spec.budget.atLeast", *at_least, default.at_least, (0, 1_000_000), it),
        at_most: count("spec.budget.atMost", *at_most, default.at_most, (0, 1_000_000), it),
        window: span("spec.budget.window", window.as_ref(), default.window, it),
        creates: count("spec.budget.creates", *creates, default.creates, (0, 100_000_000), it),
        mails: count("spec.budget.mails", *mails, default.mails, (0, 100_000_000), it),
    };
    if budget.at_least > budget.at_most {
        it.refuse("spec.budget.atLeast", ValueError::new("must not be more than `atMost`"));
    }
    budget
}

fn passwords_of(spec: &PasswordsSpec, it: &mut Lowering<'_>) -> Passwords {
    let PasswordsSpec { min_length, max_length, classes, generated, valid_for } = spec;
    let default = Passwords::default();
    let mut small = |path, value: Option<i64>, default: u32, range| {
        u32::try_from(count(path, value, default.into(), range, it)).unwrap_or(default)
    };
    let min_length = small("spec.passwords.minLength", *min_length, default.min_length, (8, 128));
    let max_length = small("spec.passwords.maxLength", *max_length, default.max_length, (8, 128));
    let classes = small("spec.passwords.classes", *classes, default.classes, (1, 4));
    let generated = small("spec.passwords.generated", *generated, default.generated, (12, 128));
    if min_length > max_length {
        it.refuse("spec.passwords.minLength", ValueError::new("must not be more than `maxLength`"));
    } else if !(min_length..=max_length).contains(&generated) {
        it.refuse("spec.passwords", ValueError::new("`generated` must lie between `minLength` and `maxLength`"));
    }
    let nothing = ValidForSpec::default();
    let ValidForSpec { invite, temporary, reset } = valid_for.as_ref().unwrap_or(&nothing);
    Passwords {
        min_length,
        max_length,
        classes,
        generated,
        invite: span("spec.passwords.validFor.invite", invite.as_ref(), default.invite, it),
        temporary: span("spec.passwords.validFor.temporary", temporary.as_ref(), default.temporary, it),
        reset: span("spec.passwords.validFor.reset", reset.as_ref(), default.reset, it),
    }
}

fn mail_of(spec: &MailSpec, it: &mut Lowering<'_>) -> Option<Mail> {
    let MailSpec { from, templates, folder, smtp } = spec;
    let templates = it.optional("spec.mail.templates", templates.as_ref(), plain_path).map(PathBuf::from);
    let from = it.value("spec.mail.from", from, sender);
    let transport = match (folder, smtp) {
        (Some(_), Some(_)) => {
            it.refuse("spec.mail", ValueError::new("only one of `folder` and `smtp` can be given"));
            return None;
        }
        (folder, None) => {
            let folder = it.optional("spec.mail.folder", folder.as_ref(), plain_path);
            Transport::Folder(folder.map_or_else(|| "outbox".into(), PathBuf::from))
        }
        (None, Some(SmtpSpec { host, port, tls, username, password })) => {
            let tls = tls.unwrap_or_default();
            let host = it.value("spec.mail.smtp.host", host, host_name);
            let loopback = host.as_deref().is_some_and(|it| matches!(it, "localhost" | "127.0.0.1" | "::1"));
            if tls == Tls::None && !loopback {
                it.refuse("spec.mail.smtp.tls", ValueError::new("`None` is allowed only where the host is loopback"));
            }
            if username.is_some() != password.is_some() {
                it.refuse("spec.mail.smtp", ValueError::new("`username` and `password` go together"));
            }
            Transport::Smtp {
                host: host?,
                port: port.and_then(|port| u16::try_from(count("spec.mail.smtp.port", Some(port), 465, (1, 65_535), it)).ok()),
                tls,
                username: it.optional("spec.mail.smtp.username", username.as_ref(), one_line),
                password: password.as_ref().and_then(|spec| secret("spec.mail.smtp.password", spec, it)),
            }
        }
    };
    Some(Mail { from: from?, templates, transport })
}

/// Exactly one source of a secret.
fn secret(path: &str, spec: &SecretSpec, it: &mut Lowering<'_>) -> Option<SecretSource> {
    let SecretSpec { env, file, secret_ref } = spec;
    if env.is_none() && file.is_none() && secret_ref.is_none() {
        it.refuse(
            path,
            ValueError::new("one of `env`, `file` and `secretRef` must be given").hint("a secret is never written down"),
        );
        return None;
    }
    parts::source(path, env.as_ref(), file.as_ref(), secret_ref.as_ref(), it)
}

/// Where a server is, without a slash at the end. A credential goes there: over TLS, or it stays on this machine. (`ldap://`
/// begins in the clear and turns to TLS before it signs in.)
fn server(path: &str, text: &UrlText, schemes: &[&str], it: &mut Lowering<'_>) -> Option<String> {
    let found = it.value(path, text, |text| {
        let found = url(text, schemes)?;
        if text.starts_with("http://") && !is_loopback(text) {
            return Err(ValueError::new("must begin with `https://`: a credential goes there"));
        }
        Ok(found)
    });
    found.map(|url| url.trim_end_matches('/').to_owned())
}

fn url(text: &str, schemes: &[&str]) -> Result<SmolStr, ValueError> {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)?.strip_prefix("://"));
    let clean = !text.contains(|c: char| c.is_whitespace() || c.is_control()) && visible(text) == text;
    match rest {
        Some(rest) if clean && !rest.is_empty() && !rest.starts_with('/') => {
            if rest.split('/').next().is_some_and(|host| host.contains('@')) {
                return Err(ValueError::new("must not have a name or password in it"));
            }
            Ok(text.into())
        }
        Some(_) | None => Err(ValueError::new(format!("must be a URL that begins with `{}://`", schemes[0]))),
    }
}

/// What links are made of by putting a path behind it. A link carries a secret: it goes over TLS, or stays on this machine.
fn base_of_links(text: &str) -> Result<SmolStr, ValueError> {
    let found = url(text, &["https", "http"])?;
    let rest = text.split_once("://").map_or("", |it| it.1);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let odd = |part: &str| part.is_empty() || part == "." || part == "..";
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]".contains(c);
    let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains(']'));
    if !text.chars().all(plain)
        || port.is_some_and(|port| port.parse::<u16>().is_err())
        || (!path.is_empty() && path.trim_end_matches('/').split('/').any(odd))
    {
        return Err(ValueError::new(
            "must be a plain address, such as `https://accounts.acme.example/people`: no `?`, `#`, `%` or `..`",
        ));
    }
    if text.starts_with("http://") && !is_loopback(text) {
        return Err(ValueError::new("must begin with `https://`: whoever reads a link on its way can set the password"));
    }
    Ok(found)
}

/// Whether the host of a URL is this machine.
fn is_loopback(url: &str) -> bool {
    let host = url.split_once("://").map_or("", |it| it.1).split('/').next().unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(host, |it| it.0);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

fn host_name(text: &str) -> Result<SmolStr, ValueError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
    if !text.is_empty() && text.len() <= 253 && text.chars().all(fits) {
        return Ok(text.into());
    }
    Err(ValueError::new("must be the name or address of a host"))
}

fn one_line(text: &str) -> Result<SmolStr, ValueError> {
    crate::model::Line::new(text).map(SmolStr::from)
}

fn plain_path(text: &str) -> Result<String, ValueError> {
    if text.trim().is_empty() || visible(text) != text {
        return Err(ValueError::new("must be a path, without characters that do not show"));
    }
    Ok(text.to_owned())
}

/// A sender: a mailbox, or a name followed by one in angle brackets.
fn sender(text: &str) -> Result<SmolStr, ValueError> {
    let one_line = one_line(text)?;
    let mailbox = match text.split_once('<') {
        Some((_, rest)) => rest.trim_end().strip_suffix('>').ok_or_else(|| ValueError::new("`>` is missing"))?,
        None => text,
    };
    Email::new(mailbox).map(|_| one_line)
}

fn count(path: &str, value: Option<i64>, default: u64, (least, most): (i64, i64), it: &mut Lowering<'_>) -> u64 {
    match value {
        None => default,
        Some(value) if (least..=most).contains(&value) => u64::try_from(value).unwrap_or(default),
        Some(_) => {
            it.refuse(path, ValueError::new(format!("must lie between {least} and {most}")));
            default
        }
    }
}

fn span(path: &str, text: Option<&SpanText>, default: Duration, it: &mut Lowering<'_>) -> Duration {
    it.optional(path, text, duration).unwrap_or(default)
}

/// Reads a time span: `30d`, `72h`, `10m`, `30s`, `2w`.
fn duration(text: &str) -> Result<Duration, ValueError> {
    let refuse = || ValueError::new("must be a time span").hint("for example `30d`, `72h`, `10m`");
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 60 * 60,
        Some(b'd') => 24 * 60 * 60,
        Some(b'w') => 7 * 24 * 60 * 60,
        Some(_) | None => return Err(refuse()),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || digits.len() > 6 || digits.starts_with('0') || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return Err(refuse());
    }
    digits.parse::<u64>().map(|count| Duration::from_secs(count * unit)).map_err(|_| refuse())
}

/// Reads a share: `10%`, `0.5%`.
fn percent(text: &str) -> Result<Percent, ValueError> {
    let refuse = || ValueError::new("must be a share from `0%` to `100%`").hint("for example \"10%\", in quotes");
    let number = text.strip_suffix('%').ok_or_else(refuse)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |it: &str, most: usize| (1..=most).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_digit());
    if !digits(whole, 3) || !digits(part, 2) {
        return Err(refuse());
    }
    let whole: u32 = whole.parse().map_err(|_| refuse())?;
    let hundredths: u32 = format!("{part:0<2}").parse().map_err(|_| refuse())?;
    let share = whole * 100 + hundredths;
    if share > 10_000 { Err(refuse()) } else { Ok(Percent(share)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_shares() {
        for (text, seconds) in [("30d", 2_592_000), ("72h", 259_200), ("10m", 600), ("1s", 1), ("2w", 1_209_600)] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds);
        }
        for bad in ["", "d", "0d", "30", "1.5h", "-1h", "1234567d", "30 d", "1ü"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for (text, share) in [("10%", 1000), ("0.5%", 50), ("100%", 10_000), ("0%", 0), ("33.25%", 3325)] {
            assert_eq!(percent(text).unwrap().0, share);
        }
        for bad in ["", "%", "10", "101%", "-1%", "1.234%", "1.%"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
    }
}
