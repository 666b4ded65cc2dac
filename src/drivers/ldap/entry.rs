//! An entry as the server gives it.

use std::collections::{HashMap, HashSet};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use ldap3::{
    LdapResult, ResultEntry, SearchEntry,
    controls::{Control, ControlType, PostReadResp},
};

use super::server::Attributes;

/// A name and values by attribute.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) dn: String,
    /// By attribute, in small letters, options and all.
    attributes: HashMap<String, Vec<String>>,
}

impl Entry {
    /// One that a search found.
    pub(super) fn found(entry: ResultEntry) -> Self {
        let SearchEntry { dn, attrs, bin_attrs } = SearchEntry::construct(entry);
        Self::new(dn, attrs, bin_attrs)
    }

    /// One that is about to be made.
    pub(super) fn sent(dn: &str, attributes: &Attributes) -> Self {
        let text = |value: &Vec<u8>| String::from_utf8_lossy(value).into_owned();
        let one = |(name, values): &(Vec<u8>, HashSet<Vec<u8>>)| (text(name), values.iter().map(text).collect());
        Self::new(dn.to_owned(), attributes.iter().map(one).collect(), HashMap::new())
    }

    /// The same with what the server added to it.
    pub(super) fn with(mut self, other: Self) -> Self {
        let Self { dn: _, attributes } = other;
        self.attributes.extend(attributes);
        self
    }

    /// One as it is after a write, where the server said so (RFC 4527).
    pub(super) fn after(dn: &str, result: &LdapResult) -> Option<Self> {
        let control = result.ctrls.iter().find_map(|Control(kind, control)| match kind {
            Some(ControlType::PostReadResp) if control.val.is_some() => Some(control),
            _ => None,
        })?;
        let read: PostReadResp = control.parse();
        Some(Self::new(dn.to_owned(), read.attrs, read.bin_attrs))
    }

    fn new(dn: String, text: HashMap<String, Vec<String>>, binary: HashMap<String, Vec<Vec<u8>>>) -> Self {
        let readable = |values: Vec<Vec<u8>>| values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
        let mut attributes: HashMap<_, _> = text.into_iter().map(|(name, values)| (name.to_ascii_lowercase(), values)).collect();
        attributes.extend(binary.into_iter().map(|(name, values)| (name.to_ascii_lowercase(), readable(values))));
        Self { dn, attributes }
    }

    /// Every value of an attribute, whose name is in small letters.
    pub(super) fn all(&self, attribute: &str) -> &[String] {
        self.attributes.get(attribute).map_or(&[], Vec::as_slice)
    }

    /// The first value of an attribute.
    pub(super) fn first(&self, attribute: &str) -> Option<&str> {
        self.all(attribute).first().map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether an attribute has a value, in letters of any size.
    pub(super) fn has(&self, attribute: &str, value: &str) -> bool {
        self.all(attribute).iter().any(|it| it.eq_ignore_ascii_case(value))
    }

    /// About how many bytes it came in.
    pub(super) fn bytes(&self) -> usize {
        let values = |(name, values): (&String, &Vec<String>)| name.len() + values.iter().map(String::len).sum::<usize>();
        self.dn.len() + self.attributes.iter().map(values).sum::<usize>()
    }
}

/// A time as LDAP writes it (RFC 4517 §3.3.13), in UTC as OpenLDAP always does: `20261122134258Z`.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z')?;
    let whole = digits.split(['.', ',']).next()?;
    if whole.len() != 14 || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| whole[from..to].parse::<i16>().ok();
    let small = |from: usize| part(from, from + 2).and_then(|part| i8::try_from(part).ok());
    let at = DateTime::new(part(0, 4)?, small(4)?, small(6)?, small(8)?, small(10)?, small(12)?, 0).ok()?;
    at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let at: Timestamp = "2026-11-22T13:42:58Z".parse().unwrap();
        assert_eq!(time("20261122134258Z"), Some(at));
        assert_eq!(time("20261122134258.695335Z"), Some(at));
        for odd in ["000001010000Z", "20261322134258Z", "2026", "", "20261122134258", "2026112213425éZ"] {
            assert_eq!(time(odd), None, "{odd}");
        }
    }
}
