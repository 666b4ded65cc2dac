//! A cheap look at the bytes of a document: what it probably is, and whether it needs the strict second look.

use super::tree::{Plain, resolve};

/// The kind that a document probably is, by its top-level line `kind:`. A wrong guess costs time, never meaning.
pub(super) fn guess(text: &str, json: bool) -> Option<&str> {
    let after = if json {
        text.match_indices("\"kind\"").find_map(|(at, it)| {
            let rest = text[at + it.len()..].trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
            // A List's own kind may stand behind its items: only it ends with `List`.
            Some(rest)
        })
    } else {
        let from =
            |mark: &str| text.strip_prefix(mark).or_else(|| Some(&text[text.find(&format!("\n{mark}"))? + mark.len() + 1..]));
        from("kind:").map(str::trim_start)
    };
    let end = |it: &str| it.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(it.len());
    let first = after.map(|it| &it[..end(it)]);
    if json && !first.is_some_and(|it| it.ends_with("List")) && text.contains("List\"") && text.contains("\"items\"") {
        return Some("List");
    }
    first
}

/// Whether a document has anything in it that the typed parser and Kubernetes might read differently, that costs more
/// than it shows, or that people do not see. May be true for nothing; must not be false for something.
pub(super) fn suspicious(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut flow, mut line) = (0_usize, 0);
    for (at, byte) in bytes.iter().copied().enumerate() {
        let before = if at == 0 { b'\n' } else { bytes[at - 1] };
        let next = bytes.get(at + 1).copied().unwrap_or(b'\n');
        match byte {
            b'\n' => {
                if at - line > 64 && bytes[line..line + 64].iter().all(|b| *b == b' ' || *b == b'-') {
                    return true;
                }
                line = at + 1;
            }
            b'\r' if next == b'\n' => {}
            0..=0x1f | 0x7f => return true,
            b'[' | b'{' => {
                flow += 1;
                if flow > 64 {
                    return true;
                }
            }
            b'<' if next == b'<' => return true,
            b'!' | b'&' | b'*' if starts(before) && !next.is_ascii_whitespace() => return true,
            b'!' | b'?' if starts(before) => return true,
            b'%' if before == b'\n' => return true,
            b':' if next.is_ascii_whitespace() || matches!(next, b',' | b'}' | b']') => {
                if empty(bytes, at + 1, &bytes[line..at]) {
                    return true;
                }
                continue;
            }
            0xc2 if next < 0xa0 => return true,
            0xd8 if next == 0x9c => return true,
            0xe2 if next == 0x80 || next == 0x81 => {
                let last = bytes.get(at + 2).copied().unwrap_or(0);
                if next == 0x81 || matches!(last, 0x8b | 0x8e | 0x8f | 0xa8..=0xae) {
                    return true;
                }
            }
            0xef if next == 0xbb => return true,
            _ => {}
        }
        if starts(before) && ambiguous(bytes, at) {
            return true;
        }
    }
    bytes.len() - line > 64 && bytes[line..line + 64].iter().all(|b| *b == b' ' || *b == b'-')
}

/// Whether a value can begin behind this byte.
fn starts(before: u8) -> bool {
    matches!(before, b' ' | b'\n' | b'\r' | b'[' | b'{' | b',' | b':')
}

/// Whether a plain scalar that begins here would be read differently.
fn ambiguous(bytes: &[u8], at: usize) -> bool {
    if !matches!(bytes[at], b'y' | b'Y' | b'n' | b'N' | b'o' | b'O' | b'0'..=b'9' | b'+' | b'-' | b'.') {
        return false;
    }
    let rest = &bytes[at..];
    let end = rest.iter().take(80).position(|b| b.is_ascii_whitespace() || matches!(b, b',' | b']' | b'}' | b':' | b'#'));
    let token = &rest[..end.unwrap_or(rest.len().min(80))];
    if matches!(token[0], b'0'..=b'9' | b'+' | b'-' | b'.') {
        return token.len() > 1
            && (token.contains(&b'_') || token[0] == b'0' || token.get(1) == Some(&b'0'))
            && std::str::from_utf8(token).is_ok_and(|it| resolve(it) == Plain::Ambiguous);
    }
    if token.len() > 3 {
        return false;
    }
    std::str::from_utf8(token).is_ok_and(|it| resolve(it) == Plain::Ambiguous) && ends(&rest[token.len()..])
}

/// Whether a scalar ends here, rather than going on with another word.
fn ends(rest: &[u8]) -> bool {
    let next = rest.iter().copied().find(|b| *b != b' ').unwrap_or(b'\n');
    matches!(next, b'\n' | b'\r' | b',' | b']' | b'}' | b'#' | b':')
}

/// Whether the key that ends at `at` has no value: nothing on its line, and nothing deeper below it. `before` is its line.
fn empty(bytes: &[u8], at: usize, before: &[u8]) -> bool {
    let indent = before.iter().take_while(|b| **b == b' ').count();
    let rest = &bytes[at..];
    let mut lines = rest.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let content = |line: &[u8]| line.iter().position(|b| *b != b' ').filter(|first| line[*first] != b'#');
    let Some(first) = lines.next() else { return true };
    if let Some(start) = content(first) {
        return matches!(first[start], b',' | b'}' | b']');
    }
    match lines.find_map(|line| content(line).map(|start| (start, line[start]))) {
        None => true,
        Some((start, byte)) => start < indent || (start == indent && byte != b'-'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_second_look() {
        for text in [
            "a: no\n",
            "a: y",
            "a: [x, on]",
            "- off # b",
            "a: 0123",
            "a: 1_000",
            "a: -0o17",
            "a: 0x1f",
            "<<: *x",
            "a: *x",
            "a: !foo b",
            "a: &x b",
            "? a\n: b",
            "%YAML 1.1\n---\na: b",
            "a:\nb: c",
            "a: {b: }",
            "a:",
            "a: # x\nb: c",
            "a:\n\n  # x\nb:",
            "a: b\rc: d",
            "a:\tb",
            "a: \u{202e}b",
            "a: \u{85}",
            "a: \u{feff}",
            "a: \u{61c}",
            "a: \u{2066}",
            "a: 'x\u{7f}'",
            "  a:\n  b: c",
        ] {
            assert!(suspicious(text), "{text:?}");
        }
        let tower = "[".repeat(70);
        assert!(suspicious(&tower));
        assert!(suspicious(&"- ".repeat(40)));
        for text in [
            "a: 'no'\n",
            "a: \"01\"",
            "a: nobody",
            "a: on the way",
            "a: 2027-01-01",
            "a:\n- b\n",
            "a:\n  b: c\r\n",
            "a: R & D",
            "a: x – z, “z”",
            "email: mara@nordlicht.example\n",
            "phone: \"+4915112345678\"",
            "a: { b: c }",
            "a: Jörg Weiß",
        ] {
            assert!(!suspicious(text), "{text:?}");
        }
    }

    #[test]
    fn kinds_are_guessed() {
        assert_eq!(guess("apiVersion: v1\nkind: User\n", false), Some("User"));
        assert_eq!(guess("kind: List # x", false), Some("List"));
        assert_eq!(guess("spec:\n  kind: User\n", false), None);
        assert_eq!(guess(r#"{"apiVersion": "v1", "kind" : "User"}"#, true), Some("User"));
        assert_eq!(guess(r#"{"items": [{"kind": "User"}], "kind": "List"}"#, true), Some("List"));
    }
}
