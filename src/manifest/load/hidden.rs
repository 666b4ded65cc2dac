//! Characters that a reviewer does not see, or that break lines for some and not for others.

use super::tree::Fault;
use crate::{manifest::Code, model::visible};

/// How many are named in one document.
const MOST: usize = 10;

/// Finds control, bidi and invisible characters anywhere in a document, comments included.
pub(super) fn find(text: &str) -> Vec<Fault> {
    let mut out = Vec::new();
    for (at, c) in text.char_indices() {
        let hint = match c {
            ' '..='~' | '\n' | '\t' => continue,
            '\r' if text[at + 1..].starts_with('\n') => continue,
            '\r' => Some("end lines with a line feed, or carriage return and line feed"),
            c if c.is_control() || visible(c.encode_utf8(&mut [0; 4])).starts_with('\\') => {
                Some("remove it, or write it as an escape in double quotes")
            }
            _ => continue,
        };
        let message = format!("a character that does not show (U+{:04X}) is not allowed", u32::from(c));
        out.push(Fault { code: Code::BadValue, at: at..at + c.len_utf8(), message, hint });
        if out.len() >= MOST {
            break;
        }
    }
    out
}
