//! Distinguished names (RFC 4514): written, taken apart, and compared.

use ldap3::dn_escape;
use smol_str::SmolStr;

/// What separates the parts of a [`Canonical`]: no value has it, since it is escaped in every name.
const SEPARATOR: char = '\0';

/// A name `TYPE=VALUE,UNDER` with whatever characters in the value.
pub(super) fn child(kind: &str, value: &str, under: &str) -> String {
    format!("{},{under}", rdn(kind, value))
}

/// The leftmost part of such a name.
pub(super) fn rdn(kind: &str, value: &str) -> String {
    format!("{kind}={}", dn_escape(value))
}

/// The leftmost part of a name, and what it stands under; that is empty at the top.
pub(super) fn split(dn: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in dn.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' | ';' => return (&dn[..at], &dn[at + 1..]),
            _ => {}
        }
    }
    (dn, "")
}

/// Type and value of the leftmost part of a name; nothing where it has several of them.
pub(super) fn leftmost(dn: &str) -> Option<(String, String)> {
    let (rdn, _) = split(dn);
    match parts(rdn).as_slice() {
        [one] => assertion(one),
        _ => None,
    }
}

/// The `+` of a multi-valued part, and what is between.
fn parts(rdn: &str) -> Vec<&str> {
    let (mut found, mut from, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in rdn.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '+' => {
                found.push(&rdn[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(&rdn[from..]);
    found
}

/// A type in small letters and a value without escapes.
fn assertion(text: &str) -> Option<(String, String)> {
    let (kind, value) = text.split_once('=')?;
    Some((kind.trim().to_ascii_lowercase(), unescape(value.trim_start())))
}

fn unescape(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    // White space at the end belongs to the value only where it is escaped.
    let mut kept = 0;
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            if byte != b' ' {
                kept = bytes.len();
            }
            continue;
        }
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match rest.next() {
            Some(first) => match (hex(first), rest.clone().next().and_then(hex)) {
                (Some(high), Some(low)) => {
                    rest.next();
                    bytes.push(high << 4 | low);
                }
                (Some(_) | None, Some(_) | None) => bytes.push(first),
            },
            None => bytes.push(b'\\'),
        }
        kept = bytes.len();
    }
    bytes.truncate(kept);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A name in the one form that is equal for equal names: small letters, no escapes, single spaces. Servers give a name as
/// somebody once wrote it, and groups name their members in yet another way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Canonical(SmolStr);

impl Canonical {
    /// That of a name.
    pub(super) fn of(dn: &str) -> Self {
        let (mut out, mut rest) = (String::with_capacity(dn.len()), dn);
        while !rest.is_empty() {
            let (rdn, under) = split(rest);
            if !out.is_empty() {
                out.push(SEPARATOR);
            }
            let mut assertions: Vec<_> = parts(rdn).into_iter().map(folded).collect();
            assertions.sort_unstable();
            out.push_str(&assertions.join("+"));
            rest = under;
        }
        Self(SmolStr::new(out))
    }

    /// What it stands under, nearest first.
    pub(super) fn above(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices(SEPARATOR).map(|(at, _)| &self.0[at + SEPARATOR.len_utf8()..])
    }

    /// Whether it stands somewhere under another one.
    pub(super) fn is_below(&self, other: &Self) -> bool {
        self.above().any(|above| above == other.0)
    }
}

impl std::borrow::Borrow<str> for Canonical {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn folded(text: &str) -> String {
    let Some((kind, value)) = assertion(text) else { return text.trim().to_lowercase() };
    let value: Vec<_> = value.split_whitespace().collect();
    format!("{kind}={}", value.join(" ").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awkward_names_are_escaped_and_read_back() {
        for value in ["plain", " both ", "#x", "a,b+c\"d\\e<f>g;h=i", "Jörg 東京", "a\\2Cb", "  ", "trailing\\ "] {
            let dn = child("uid", value, "ou=people,dc=acme");
            assert_eq!(leftmost(&dn), Some(("uid".into(), value.into())), "{dn}");
            assert_eq!(split(&dn).1, "ou=people,dc=acme", "{dn}");
        }
    }

    #[test]
    fn equal_names_are_equal() {
        let one = Canonical::of("UID=Mara\\2c  L,OU=People, dc=acme");
        assert_eq!(one, Canonical::of("uid=mara\\, l,ou=people,dc=acme"));
        assert_ne!(one, Canonical::of("uid=mara\\, m,ou=people,dc=acme"));
        assert_eq!(Canonical::of("cn=a+uid=b,dc=c"), Canonical::of("uid=b+cn=a,dc=c"));
        assert!(one.is_below(&Canonical::of("dc=acme")));
        assert!(!one.is_below(&one));
        assert!(!one.is_below(&Canonical::of("dc=me")));
        assert_eq!(leftmost("cn=a+uid=b,dc=c"), None);
    }
}
