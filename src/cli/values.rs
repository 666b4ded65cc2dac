//! Values on the command line, parsed once.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::ValueEnum;
use jiff::Timestamp;

use crate::{
    manifest,
    model::{Key, Name, Namespace},
    plan::LastHolder,
};

/// `-o FORMAT[=FILE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output<F> {
    /// How it is written.
    pub(crate) format: F,
    /// Where; none means standard output.
    pub(crate) file: Option<PathBuf>,
}

/// Reads `FORMAT` or `FORMAT=FILE`.
pub(crate) fn output<F: ValueEnum>(text: &str) -> Result<Output<F>, String> {
    let (format, file) = match text.split_once('=') {
        Some((_, "")) => return Err("the name of a file must stand behind `=`".into()),
        Some((format, file)) => (format, Some(PathBuf::from(file))),
        None => (text, None),
    };
    let known = |value: &F| value.to_possible_value().map(|value| value.get_name().to_owned());
    let found = F::value_variants().iter().find(|value| known(value).as_deref() == Some(format));
    let names = || F::value_variants().iter().filter_map(known).collect::<Vec<_>>().join(", ");
    match found {
        Some(found) => Ok(Output { format: found.clone(), file }),
        None => Err(format!("`{format}` is none of {}", names())),
    }
}

/// `--purge [KEY]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PurgeArg {
    /// All whose retention is over.
    Due,
    /// This one, at once.
    Key(Key),
}

impl FromStr for PurgeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::Due);
        }
        text.parse().map(Self::Key).map_err(|error| format!("{error}; a PATH stands before `--purge`, or behind `--`"))
    }
}

/// Reads `NAMESPACE/ROLE`.
pub(crate) fn last_holder(text: &str) -> Result<LastHolder, String> {
    let (namespace, role) = text.split_once('/').ok_or("write NAMESPACE/ROLE, for example `nordlicht/common-manager`")?;
    let namespace = Namespace::new(namespace).map_err(|error| error.to_string())?;
    Ok(LastHolder { namespace, role: Name::new(role).map_err(|error| error.to_string())? })
}

/// Reads `90s`, `10m`, `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a duration such as `90s`, `10m` or `1h30m`".to_owned();
    text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok()).ok_or_else(wrong)
}

/// Reads a date, which means its last moment (UTC), or a time of RFC 3339; one to the second means the last moment of that, so
/// that a time that was printed holds what was done then.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    let at = manifest::moment(text).map_err(|error| error.to_string())?;
    let micros = match text.len() {
        ..=10 => -1,
        _ if text.contains('.') => 0,
        _ => 999_999,
    };
    at.checked_add(jiff::SignedDuration::from_micros(micros)).map_err(|error| error.to_string())
}

/// `--expect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Exactly the plan with this digest.
    Digest(String),
    /// What the plan in this file has, as far as it is still wanted.
    Plan(PathBuf),
}

/// Reads the digest of a plan as it is printed, or the name of a file that holds one.
pub(crate) fn expect(text: &str) -> Result<Expect, String> {
    if text.starts_with("sha256:") {
        return digest(text).map(Expect::Digest);
    }
    if text.is_empty() { Err("name a file, or a digest".into()) } else { Ok(Expect::Plan(text.into())) }
}

fn digest(text: &str) -> Result<String, String> {
    let hexadecimal = |text: &str| text.len() == 64 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    if text.strip_prefix("sha256:").is_some_and(hexadecimal) {
        return Ok(text.to_owned());
    }
    Err("write the digest as `tenantry plan` prints it: `sha256:` and 64 digits".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq, ValueEnum)]
    enum Format {
        Text,
        Json,
    }

    #[test]
    fn outputs() {
        assert_eq!(output("json"), Ok(Output { format: Format::Json, file: None }));
        assert_eq!(output("text=a=b"), Ok(Output { format: Format::Text, file: Some("a=b".into()) }));
        assert_eq!(output::<Format>("yaml"), Err("`yaml` is none of text, json".into()));
        assert!(output::<Format>("json=").is_err());
    }

    #[test]
    fn durations_and_digests() {
        assert_eq!(duration("10m"), Ok(Duration::from_mins(10)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
        for bad in ["", "10", "-5m", "soon"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["sha256:", "sha256:plan.json", &format!("sha256:{}", "0F".repeat(32))] {
            assert!(expect(bad).is_err(), "{bad}");
        }
        let digest = format!("sha256:{}", "0f".repeat(32));
        assert_eq!(expect(&digest), Ok(Expect::Digest(digest)));
        assert_eq!(expect("plan.json"), Ok(Expect::Plan("plan.json".into())));
        assert!(expect("").is_err());
    }

    #[test]
    fn a_day_ends_with_its_last_moment() {
        assert_eq!(moment("2026-03-03").unwrap().to_string(), "2026-03-03T23:59:59.999999Z");
        assert_eq!(moment("2026-03-03T12:00:00+02:00").unwrap().to_string(), "2026-03-03T10:00:00.999999Z");
        assert_eq!(moment("2026-03-03T12:00:00.5Z").unwrap().to_string(), "2026-03-03T12:00:00.5Z");
        assert!(moment("yesterday").is_err());
    }

    #[test]
    fn keys_and_holders() {
        assert_eq!("".parse(), Ok(PurgeArg::Due));
        assert!(matches!("user/a/b".parse(), Ok(PurgeArg::Key(_))));
        assert!("tenants".parse::<PurgeArg>().unwrap_err().contains("behind `--`"));
        assert!(last_holder("nordlicht/common-manager").is_ok());
        assert!(last_holder("common-manager").is_err());
    }
}
