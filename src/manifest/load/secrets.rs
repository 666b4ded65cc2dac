//! What is never shown of a source line: values below keys that may hold a secret.

/// Keys whose values are blanked.
const KEYS: [&str; 9] = ["credential", "password", "clientsecret", "secret", "token", "apikey", "url", "hash", "value"];

/// Names of fields that stay visible inside what is blanked.
const KNOWN: [&str; 7] = ["method", "env", "file", "secretRef", "name", "key", "reset"];

/// Whether values below a key are blanked.
pub(super) fn sensitive(key: &str) -> bool {
    KEYS.iter().any(|it| it.eq_ignore_ascii_case(key))
}

/// The text of a document with every value below such a key blanked: each character becomes `*`, so that columns stay.
/// Works on text, not on a tree, because it must hold for what is no YAML at all; it blanks too much rather than too little.
pub(super) fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = chars.clone();
    let (mut at, mut line, mut flow) = (0, 0, false);
    while at < chars.len() {
        let word = word_end(&chars, at);
        if word > at {
            let quoted = at > 0 && matches!(chars[at - 1], '"' | '\'');
            let after = if quoted && matches!(chars.get(word), Some('"' | '\'')) { word + 1 } else { word };
            let colon = (after..chars.len()).find(|i| !matches!(chars[*i], ' ' | '\t')).filter(|i| chars[*i] == ':');
            if let Some(colon) = colon
                && sensitive(&chars[at..word].iter().collect::<String>())
            {
                let end = value_end(&chars, at - usize::from(quoted) - line, flow, colon + 1);
                mask(&chars, &mut out, colon + 1, end);
                line = chars[at..end].iter().rposition(|c| *c == '\n').map_or(line, |it| at + it + 1);
                at = end;
                continue;
            }
            at = word;
        } else {
            match chars[at] {
                '\n' => line = at + 1,
                '{' | '[' => flow = true,
                _ => {}
            }
            at += 1;
        }
    }
    out.into_iter().collect()
}

fn word_end(chars: &[char], at: usize) -> usize {
    if at > 0 && (chars[at - 1].is_alphanumeric() || matches!(chars[at - 1], '-' | '_' | '.')) {
        return at;
    }
    at + chars[at..].iter().take_while(|c| c.is_ascii_alphanumeric()).count()
}

/// Where a value ends: a bracket closes, or a line begins that is not deeper than its key, which is `indent` characters
/// from the left. In `flow`, the value may end on its line.
fn value_end(chars: &[char], indent: usize, flow: bool, from: usize) -> usize {
    match (from..chars.len()).find(|i| !chars[*i].is_whitespace()).map(|i| (i, chars[i])) {
        None => return chars.len(),
        // What is not closed hides all that follows.
        Some((first, '{' | '[')) => return closing(chars, first).unwrap_or(chars.len()),
        Some((first, quote @ ('"' | '\''))) if flow => {
            let end = (first + 1..chars.len()).find(|i| chars[*i] == quote && chars[*i - 1] != '\\');
            return end.map_or(chars.len(), |i| i + 1);
        }
        Some((first, _)) if flow && !chars[from..first].contains(&'\n') => {
            return (first..chars.len()).find(|i| matches!(chars[*i], ',' | '}' | '\n')).unwrap_or(chars.len());
        }
        Some(_) => {}
    }
    let mut at = chars[from..].iter().position(|c| *c == '\n').map_or(chars.len(), |i| from + i + 1);
    while at < chars.len() {
        let end = chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |i| at + i + 1);
        let depth = chars[at..end].iter().take_while(|c| **c == ' ').count();
        if !chars[at..end].iter().all(|c| c.is_whitespace()) && depth <= indent {
            break;
        }
        at = end;
    }
    at
}

fn closing(chars: &[char], from: usize) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    for (at, c) in chars.iter().enumerate().skip(from) {
        match (quote, c) {
            (Some(open), c) if open == *c && chars[at - 1] != '\\' => quote = None,
            (None, '"' | '\'') => quote = Some(*c),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            (Some(_) | None, _) => {}
        }
    }
    None
}

/// Blanks a range, apart from keys and punctuation.
fn mask(chars: &[char], out: &mut [char], from: usize, to: usize) {
    let mut at = from;
    while at < to {
        let word = word_end(chars, at).min(to);
        let after = (word..to).find(|i| !matches!(chars[*i], '"' | '\''));
        let name: String = chars[at..word].iter().collect();
        if KNOWN.contains(&name.as_str()) && after.is_some_and(|i| chars[i] == ':') {
            at = word;
            continue;
        }
        let end = word.max(at + 1);
        for c in &mut out[at..end] {
            if !c.is_whitespace() && !matches!(c, '{' | '}' | '[' | ']' | ',' | ':' | '"' | '\'') {
                *c = '*';
            }
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_below_a_credential_are_blanked() {
        for (text, shown) in [
            ("a: b\ncredential: hunter2\nc: d\n", "a: b\ncredential: *******\nc: d\n"),
            (
                "spec:\n  credential:\n    method: Secret\n    value: \"hunter2 x\"\n  role: owner\n",
                "spec:\n  credential:\n    method: ******\n    *****: \"******* *\"\n  role: owner\n",
            ),
            ("credential: { method: Secret, env: MARA }, role: x", "credential: { method: ******, env: **** }, role: x"),
            ("{\"credential\":{\"method\":\"Hash\"},\"role\":\"x\"}", "{\"credential\":{\"method\":\"****\"},\"role\":\"x\"}"),
            ("credential: |\n  hunter2\n  x\nrole: y", "credential: |\n  hunter2\n  x\nrole: y"),
        ] {
            let shown = if text.contains('|') { "credential: *\n  *******\n  *\nrole: y" } else { shown };
            assert_eq!(blank(text), shown);
        }
    }

    #[test]
    fn whatever_is_broken_stays_blank() {
        for text in [
            "credential: { method: hunter2",
            "credential:\n  - hunter2\n",
            "x: {credential: hunter2, b",
            "credential:\n\n\n  \"hunter2",
            "password: hunter2: x",
        ] {
            let shown = blank(text);
            assert!(!shown.contains("hunter2"), "{shown}");
            assert_eq!(shown.chars().count(), text.chars().count());
        }
    }
}
