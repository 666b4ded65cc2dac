//! Documents as nearly everybody writes them, read without a YAML parser.
//!
//! A strict subset of YAML: one mapping in block style, its keys words, its values words, simple quoted texts, `true`, `false`,
//! or further mappings, also `{ name: x }` on one line. Whatever has one character more to it than that is not for this
//! module, and goes to the parser; so does whatever does not fit the typed form, since there is something to tell about it.
//! More than half of the processor time of a no-op plan used to be the parser's. That what is read here is what the parser
//! would have read is a property, tested below.

use serde::{
    Deserialize, Deserializer,
    de::{self, IntoDeserializer, value::MapDeserializer},
    forward_to_deserialize_any,
};

/// More keys than that in one mapping, or mappings inside each other, and it is not as everybody writes.
const KEYS: usize = 48;
const DEPTH: usize = 6;

/// Reads a plain document; nothing where it is not plain, or does not fit.
pub(super) fn read<'de, T: Deserialize<'de>>(text: &'de str) -> Option<T> {
    T::deserialize(Value::Map(mapping(text)?)).ok()
}

type Entries<'a> = Vec<(&'a str, Value<'a>)>;

#[derive(Debug, Clone, PartialEq)]
enum Value<'a> {
    Text(&'a str),
    Flag(bool),
    Map(Entries<'a>),
}

/// A mapping that is being read.
struct Open<'a> {
    indent: usize,
    entries: Entries<'a>,
    /// A key whose value comes on the lines below.
    key: Option<&'a str>,
}

impl<'a> Open<'a> {
    fn at(indent: usize) -> Self {
        Self { indent, entries: Vec::with_capacity(12), key: None }
    }

    fn put(&mut self, key: &'a str, value: Value<'a>) -> Option<()> {
        let fresh = self.entries.len() < KEYS && self.entries.iter().all(|it| it.0 != key);
        fresh.then(|| self.entries.push((key, value)))
    }
}

fn mapping(text: &str) -> Option<Entries<'_>> {
    let mut open = vec![Open::at(0)];
    let body = text.strip_prefix("---\n").unwrap_or(text);
    for line in body.split('\n') {
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        if content.is_empty() && indent == 0 || content.starts_with('#') && harmless(content) {
            continue;
        }
        let (key, rest) = content.split_once(':')?;
        if !is_key(key) {
            return None;
        }
        close(&mut open, indent)?;
        let last = open.last_mut()?;
        match value(rest)? {
            Behind::Value(value) => last.put(key, value)?,
            Behind::Below if last.key.is_none() => last.key = Some(key),
            Behind::Below => return None,
        }
    }
    close(&mut open, 0)?;
    let top = open.pop()?;
    (open.is_empty() && top.key.is_none() && !top.entries.is_empty()).then_some(top.entries)
}

/// Ends the mappings that stand deeper than a line, or begins the one that it is the first line of.
fn close(open: &mut Vec<Open<'_>>, indent: usize) -> Option<()> {
    if open.last()?.indent < indent {
        let begins = open.last()?.key.is_some() && open.len() < DEPTH;
        return begins.then(|| open.push(Open::at(indent)));
    }
    while open.last()?.indent > indent {
        let Open { indent: _, entries, key } = open.pop()?;
        let above = open.last_mut()?;
        let name = above.key.take()?;
        above.put(name, Value::Map(entries))?;
        if key.is_some() {
            return None; // nothing came below it: that is null
        }
    }
    // A key that still waits has nothing below it either.
    let last = open.last()?;
    (last.indent == indent && last.key.is_none()).then_some(())
}

/// What stands behind a colon: a value, or nothing yet.
enum Behind<'a> {
    Value(Value<'a>),
    Below,
}

fn value(rest: &str) -> Option<Behind<'_>> {
    if rest.bytes().all(|b| b == b' ') {
        return Some(Behind::Below);
    }
    let rest = rest.strip_prefix(' ')?;
    if let Some(inner) = quoted(rest, '"').or_else(|| quoted(rest, '\'')) {
        return Some(Behind::Value(Value::Text(inner)));
    }
    let rest =
        rest.split_once(" #").map_or(Some(rest), |(value, comment)| harmless(comment).then_some(value))?.trim_end_matches(' ');
    Some(Behind::Value(match rest.strip_prefix('{') {
        Some(inside) => Value::Map(flow(inside.strip_suffix('}')?)?),
        None => scalar(rest, true)?,
    }))
}

/// A mapping on one line.
fn flow(inside: &str) -> Option<Entries<'_>> {
    let mut open = Open::at(0);
    for part in inside.split(',') {
        let (key, rest) = part.trim_matches(' ').split_once(": ")?;
        if !is_key(key) {
            return None;
        }
        let inner = rest.trim_matches(' ');
        let value = quoted(inner, '"').map_or_else(|| scalar(inner, false), |text| Some(Value::Text(text)))?;
        open.put(key, value)?;
    }
    Some(open.entries)
}

/// The text between two quotes in which nothing is escaped.
fn quoted(text: &str, quote: char) -> Option<&str> {
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    (text.len() > 1 && harmless(inner) && !inner.contains([quote, '\\'])).then_some(inner)
}

/// A plain word or some of them. Nothing that any version of YAML takes for something else begins with a letter, apart from
/// a few words.
fn scalar(text: &str, block: bool) -> Option<Value<'_>> {
    match text {
        "true" => return Some(Value::Flag(true)),
        "false" => return Some(Value::Flag(false)),
        _ => {}
    }
    let bytes = text.as_bytes();
    let first = *bytes.first()?;
    let inside = |(at, b): (usize, &u8)| match b {
        b':' => block && bytes.get(at + 1).is_some_and(|next| *next != b' '),
        b',' | b'[' | b']' | b'{' | b'}' | b'"' | b'\'' | b'#' => block,
        b => matches!(b, 0x20..=0x7e) || foreign(*b),
    };
    let plain = (first.is_ascii_alphabetic() || foreign(first)) && !special(text) && bytes[bytes.len() - 1] != b' ';
    (plain && bytes.iter().enumerate().all(inside)).then_some(Value::Text(text))
}

fn is_key(key: &str) -> bool {
    let bytes = key.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && !special(key)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/' | b'-' | b'_'))
}

/// Words that some version of YAML takes for a boolean or for nothing.
fn special(text: &str) -> bool {
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    text.len() <= 5 && words.iter().any(|it| it.eq_ignore_ascii_case(text))
}

/// Bytes of letters beyond ASCII. Characters that hide, reorder or break lines begin with one of the bytes left out.
fn foreign(byte: u8) -> bool {
    (0x80..0xf0).contains(&byte) && !matches!(byte, 0xc2 | 0xd8 | 0xe2 | 0xef)
}

fn harmless(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, 0x20..=0x7e) || foreign(b))
}

impl<'de> IntoDeserializer<'de, de::value::Error> for Value<'de> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = de::value::Error;

    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Self::Text(text) => visitor.visit_borrowed_str(text),
            Self::Flag(flag) => visitor.visit_bool(flag),
            Self::Map(entries) => visitor.visit_map(MapDeserializer::new(entries.into_iter())),
        }
    }

    fn deserialize_option<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: de::Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self {
            Self::Text(text) => visitor.visit_enum(text.into_deserializer()),
            Self::Flag(_) | Self::Map(_) => Err(de::Error::custom("not a word")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_yaml::Value as Yaml;

    use super::read;

    #[test]
    fn what_everybody_writes_is_plain() {
        let text = "---\n# a comment\napiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata: { name: mara, namespace: nord }\nspec:\n  \
                    email: mara@nord.example # here\n  displayName: \"Mara: L\"\n\n  firstName: Jörg O'Neil, jr.\n  enabled: false\n  \
                    credential:\n    method: Invite\n";
        let read: Yaml = read(text).unwrap();
        assert_eq!(read, serde_yaml::from_str::<Yaml>(text).unwrap());
        assert_eq!(read["spec"]["firstName"], "Jörg O'Neil, jr.");
        assert_eq!(read["spec"]["credential"]["method"], "Invite");
    }

    #[test]
    fn everything_else_is_not() {
        for text in [
            "",
            "name",
            "name:",
            "name: ",
            "name:\n",
            "name: no",
            "name: Yes",
            "name: NULL",
            "name: ~",
            "name: 1",
            "name: +49",
            "name: a: b",
            "name: a\n  more",
            "name: a\n  more: b",
            "name: &a b",
            "name: *a",
            "name: !!str a",
            "name: |\n  a",
            "name: a\tb",
            "name: a\r\n",
            "name: a\nname: b",
            "<<: a",
            "name: [a]",
            "name: {}",
            "name: { more: }",
            "name: { more: a, more: b }",
            "name: \"a\\n\"",
            "name: ''''",
            " name: a\nmore: b",
            "name:\n  more: a\n more: b",
            "name:\n- a",
            "name: a\u{202e}b",
            "name: a\u{85}b",
            "true: a",
            "name: \"a\" b",
            "name: a\n...\n",
            "name: a\n---\nname: b",
            "%YAML 1.1\n---\nname: a",
            "name:a",
            "name : a",
            "name: a#b\u{b}",
            "name:\n\nmore: a",
        ] {
            assert!(read::<Yaml>(text).is_none(), "{text:?}");
        }
    }

    fn line() -> impl Strategy<Value = String> {
        let indent = prop_oneof![4 => Just(0usize), 4 => Just(2), 2 => Just(4), 1 => 0..7usize];
        let key = prop_oneof![6 => "[a-z]{4,6}", 1 => "(name|spec|kind|null|true|yes|tenantry.dev/adopt|a b|- name)"];
        let value = prop_oneof![
            3 => Just(String::new()),
            6 => "[A-Za-z][A-Za-z0-9 ._@/()',+-]{0,12}",
            4 => "[a-z][ -~]{0,12}",
            3 => "(true|false|yes|No|on|null|~|1|0x1|1e3|.5|2026-01-01|12:30|=|<<)",
            3 => "[\"'{\\[&*!|>%@`#?:,-][A-Za-z0-9 :#,{}\"'-]{0,12}[\"'}\\]]?",
            2 => "\\{ ?[a-z]{4}: [A-Za-z0-9\" ]{1,6}(, [a-z]{4}: [a-z0-9' ]{1,4})? ?\\}",
            2 => "[a-zäö€ ]{1,8}( #[ a-z:]{0,5})?",
            1 => "\\PC{0,10}",
        ];
        let colon = prop_oneof![8 => Just(": "), 1 => Just(":"), 1 => Just(" : "), 1 => Just(":  ")];
        let end = prop_oneof![12 => Just(""), 1 => Just(" "), 1 => Just("\r"), 1 => Just("\n"), 1 => Just("\n# note"), 1 => Just("\n  more")];
        (indent, key, colon, value, end).prop_map(|(indent, key, colon, value, end)| {
            format!("{}{key}{}{value}{end}", " ".repeat(indent), if value.is_empty() { ":" } else { colon })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        /// Whatever is read here, the parser reads as the same.
        #[test]
        fn the_parser_agrees(lines in prop::collection::vec(line(), 1..6), start in prop::bool::ANY) {
            let text = format!("{}{}\n", if start { "---\n" } else { "" }, lines.join("\n"));
            if let Some(plain) = read::<Yaml>(&text) {
                prop_assert_eq!(serde_yaml::from_str::<Yaml>(&text).ok(), Some(plain), "{}", text);
            }
        }
    }
}
