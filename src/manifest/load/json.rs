//! JSON as the YAML that means the same, so that one second look serves both.

use std::{borrow::Cow, fmt::Write};

/// Two things JSON allows and YAML does not: tabs between tokens, and characters written as two escapes.
pub(super) fn normal(text: &str) -> Cow<'_, str> {
    if !text.contains('\t') && !text.contains("\\u") {
        return text.into();
    }
    let (mut out, mut rest, mut quoted) = (String::with_capacity(text.len()), text, false);
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match c {
            '\t' if !quoted => out.push(' '),
            '\\' if quoted => {
                if let Some(c) = pair(rest) {
                    let _ = write!(out, "\\U{:08X}", u32::from(c));
                    taken = 12;
                } else {
                    taken += rest[1..].chars().next().map_or(0, char::len_utf8);
                    out.push_str(&rest[..taken]);
                }
            }
            c => {
                quoted ^= c == '"';
                out.push(c);
            }
        }
        rest = &rest[taken..];
    }
    out.into()
}

/// Valid JSON as YAML of the same outline, byte for byte: tabs are blanks, and halves of characters written as escapes are
/// some letter.
pub(super) fn same_length(text: &str) -> Cow<'_, str> {
    if !text.contains('\t') && !text.contains("\\u") {
        return text.into();
    }
    let mut out = text.replace('\t', " ");
    let half = |it: &[u8]| {
        matches!(it, [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]) && it.iter().all(u8::is_ascii_hexdigit)
    };
    let found: Vec<usize> =
        out.match_indices("\\u").map(|it| it.0 + 2).filter(|at| out.as_bytes().get(*at..*at + 4).is_some_and(half)).collect();
    for at in found {
        out.replace_range(at..at + 4, "0041");
    }
    out.into()
}

/// The character of two escapes, a high and a low surrogate.
fn pair(text: &str) -> Option<char> {
    let unit = |at: usize| u16::from_str_radix(text.get(at..at + 6)?.strip_prefix("\\u")?, 16).ok();
    char::decode_utf16([unit(0)?, unit(6)?]).next()?.ok().filter(|c| c.len_utf16() == 2)
}

/// The byte at a line and column of `serde_json`, both from 1, the column in bytes.
pub(super) fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (start + column.saturating_sub(1)).min(text.len())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_outline_keeps_its_places() {
        assert_eq!(super::same_length("{\t\"a\": \"\\ud83d\\uDE00é\\u00e9\"}"), "{ \"a\": \"\\u0041\\u0041é\\u00e9\"}");
    }

    #[test]
    fn json_becomes_yaml() {
        assert_eq!(super::normal("{\t\"a\": \"x\\ty\t\\ud83d\\ude00\\\"\"\t}"), "{ \"a\": \"x\\ty\t\\U0001F600\\\"\" }");
    }
}
