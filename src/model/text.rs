//! Texts with rules: usernames, e-mails, phone numbers, countries, lines and paragraphs.

use std::fmt;

use precis_profiles::{UsernameCaseMapped, precis_core::profile::PrecisFastInvocation};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use unicode_security::MixedScript;

use super::ValueError;

/// Characters that reorder or hide text (Unicode UAX #9 bidi controls, and the invisible ones of UTS #39 that a reviewer
/// of a pull request would not see).
fn deceptive(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// The text with control, bidi and invisible characters written as escapes, for messages and tables.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || deceptive(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

fn clean(text: &str, most: usize, breaks: bool) -> Result<SmolStr, ValueError> {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        if text.len() <= most {
            return Ok(SmolStr::new(text));
        }
    } else if let Some(bad) = text.chars().find(|c| deceptive(*c) || (c.is_control() && !(breaks && matches!(c, '\n' | '\t')))) {
        let what = if bad.is_control() { "a control character" } else { "an invisible or bidirectional control character" };
        return Err(ValueError::new(format!("{what} (U+{:04X}) is not allowed here", u32::from(bad))).hint(if bad == '\n' {
            "line breaks are allowed in `description` only"
        } else {
            "remove it"
        }));
    }
    let count = text.chars().count();
    if count > most {
        return Err(ValueError::new(format!("at most {most} characters, this has {count}")));
    }
    Ok(SmolStr::new(text))
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "SmolStr", into = "SmolStr")]
        pub struct $name(SmolStr);

        impl $name {
            /// The value in normal form.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<SmolStr> for $name {
            type Error = ValueError;
            fn try_from(text: SmolStr) -> Result<Self, ValueError> {
                Self::new(&text)
            }
        }

        impl From<$name> for SmolStr {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text! {
    /// One line of 1 to 128 characters, without control or bidi characters.
    Line
}
text! {
    /// Up to 1 024 characters in which line breaks are allowed.
    Paragraph
}
text! {
    /// A name to sign in with: letters, digits and `. _ - + @`, first a letter or digit, one script, at most 255 bytes,
    /// in the normal form of PRECIS `UsernameCaseMapped` (RFC 8265 §3.3). Two usernames are the same exactly when their
    /// normal forms are, so case and Unicode form never tell two people apart.
    Username
}
text! {
    /// One mailbox (RFC 5321 §4.1.2), at most 254 bytes, in lower case: no directory this tool drives tells mailboxes
    /// apart by case, and several change it.
    Email
}
text! {
    /// A phone number in E.164: `+` and 2 to 15 digits.
    Phone
}
text! {
    /// A country, ISO 3166-1 alpha-2, in upper case.
    Country
}

impl Line {
    /// The longest line, in characters.
    pub const MOST: usize = 128;

    /// Takes a line of 1 to 128 characters.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        if text.trim().is_empty() {
            return Err(ValueError::new("must not be empty").hint("leave the field out instead"));
        }
        clean(text, Self::MOST, false).map(Self)
    }
}

impl Paragraph {
    /// The longest paragraph, in characters.
    pub const MOST: usize = 1024;

    /// Takes up to 1 024 characters.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        if text.trim().is_empty() {
            return Err(ValueError::new("must not be empty").hint("leave the field out instead"));
        }
        clean(text, Self::MOST, true).map(Self)
    }
}

impl Username {
    /// The longest username, in bytes of its normal form.
    pub const MOST: usize = 255;

    /// Brings a username into normal form, or says why it is none.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        let refuse = |message: &str| Err(ValueError::new(message));
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-+@".contains(&c);
        let normal = if text.bytes().all(plain) {
            SmolStr::new(text)
        } else {
            match UsernameCaseMapped::enforce(text) {
                Ok(normal) => SmolStr::new(normal),
                Err(_) => return refuse("a username has letters, digits and `. _ - + @` only"),
            }
        };
        if normal.len() > Self::MOST {
            return refuse("a username has at most 255 bytes");
        }
        if !normal.starts_with(char::is_alphanumeric) {
            return refuse("a username starts with a letter or digit");
        }
        // Combining marks belong to letters in many scripts; PRECIS has let only those through that do.
        let mark = |c: char| !c.is_ascii() && !c.is_alphanumeric();
        if let Some(bad) = normal.chars().find(|c| !c.is_alphanumeric() && !"._-+@".contains(*c) && !mark(*c)) {
            return Err(ValueError::new(format!("a username has letters, digits and `. _ - + @` only, not `{bad}`")));
        }
        if !normal.is_ascii() && !normal.as_str().is_single_script() {
            return refuse("a username keeps to one script: letters that look alike would make two people of one name");
        }
        Ok(Self(normal))
    }
}

impl Email {
    /// Takes one mailbox.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        let refuse = || ValueError::new("must be one mailbox").hint("for example `mara@nordlicht.example`");
        clean(text, 254, false)?;
        let options = email_address::Options::default().with_required_tld().without_display_text().without_domain_literal();
        if text.len() > 254 || text.contains(['"', ' ', '\\', '<', '>', ',', ';']) {
            return Err(refuse());
        }
        email_address::EmailAddress::parse_with_options(text, options).map_err(|_| refuse())?;
        let lower = text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase());
        Ok(Self(if lower { SmolStr::new(text) } else { SmolStr::new(text.to_lowercase()) }))
    }
}

impl Phone {
    /// Takes a number in E.164 (ITU-T E.164 §6.2: at most 15 digits).
    pub fn new(text: &str) -> Result<Self, ValueError> {
        let digits = text.strip_prefix('+').unwrap_or("");
        if (2..=15).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_digit()) && !digits.starts_with('0') {
            return Ok(Self(SmolStr::new(text)));
        }
        Err(ValueError::new("a phone number is written in E.164").hint("for example \"+4915112345678\", in quotes"))
    }
}

impl Country {
    /// Takes a code of ISO 3166-1 alpha-2.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        if text.len() == 2 && rust_iso3166::from_alpha2(text).is_some() {
            return Ok(Self(SmolStr::new(text)));
        }
        let error = ValueError::new("a country is two capital letters of ISO 3166-1");
        let upper = text.to_uppercase();
        Err(if rust_iso3166::from_alpha2(&upper).is_some() { error.hint(format!("write `{upper}`")) } else { error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_have_one_normal_form() {
        for (written, normal) in [
            ("mara.lindqvist", "mara.lindqvist"),
            ("Mara.Lindqvist", "mara.lindqvist"),
            ("J\u{f6}rg", "j\u{f6}rg"),
            ("Jo\u{308}rg", "j\u{f6}rg"),
            ("７eleven", "7eleven"),
            ("अमित", "अमित"),
            ("a+b@c", "a+b@c"),
        ] {
            assert_eq!(Username::new(written).unwrap().as_str(), normal, "{written}");
        }
        for bad in ["", ".a", "a b", "a/b", "p\u{430}ul", "a\u{202e}b", "a\u{200b}b", &"x".repeat(256), "a😀"] {
            assert!(Username::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn emails_are_one_mailbox() {
        assert_eq!(Email::new("Mara@Nordlicht.example").unwrap().as_str(), "mara@nordlicht.example");
        for bad in [
            "",
            "mara",
            "mara@",
            "a@b",
            "a@b.x, c@d.x",
            "Mara <a@b.example>",
            "a b@c.example",
            "a..b@c.example",
            "a@b.example\n",
            "a@[1.2.3.4]",
        ] {
            assert!(Email::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn phones_and_countries() {
        assert!(Phone::new("+4915112345678").is_ok());
        for bad in ["015112345678", "+0123", "+1", "+1234567890123456", "+49 151"] {
            assert!(Phone::new(bad).is_err(), "{bad}");
        }
        assert!(Country::new("DE").is_ok());
        assert_eq!(Country::new("de").unwrap_err().hint.as_deref(), Some("write `DE`"));
        assert!(Country::new("XX").is_err());
    }

    #[test]
    fn lines_have_no_hidden_characters() {
        assert!(Line::new("Größe 東京").is_ok());
        for bad in ["", " ", "a\nb", "a\tb", "a\u{202e}b", "a\u{7f}b", &"x".repeat(129)] {
            assert!(Line::new(bad).is_err(), "{bad:?}");
        }
        assert!(Paragraph::new("a\nb").is_ok());
        assert!(Paragraph::new("a\u{2066}b").is_err());
        assert_eq!(visible("a\u{202e}\u{1b}b"), "a\\u{202e}\\u{1b}b");
    }
}
