//! A tree against the schema of its kind: every problem at once, and a repaired value for the rules beyond the schema.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use smol_str::SmolStr;

use super::tree::{Data, Node, Plain, resolve};
use crate::{
    manifest::{Code, Place, Step},
    model::visible,
};

/// Something that does not fit the schema.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) code: Code,
    pub(super) place: Place,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) related: Option<Place>,
}

/// Checks a tree. What comes back has the shape of the schema: where something is missing or wrong it has a filler, and
/// `findings` says so.
pub(super) fn check(node: &Node, schema: &Value, findings: &mut Vec<Finding>) -> Value {
    Checker { path: Vec::new(), findings }.value(node, schema)
}

struct Checker<'a> {
    path: Vec<Step>,
    findings: &'a mut Vec<Finding>,
}

impl Checker<'_> {
    fn name(&self) -> String {
        let mut name = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if name.is_empty() => name.push_str(&visible(key)),
                Step::Key(key) => name.extend([".", &visible(key)]),
                Step::Index(row) => name.extend(["[", &row.to_string(), "]"]),
            }
        }
        if name.is_empty() { "the document".into() } else { format!("`{name}`") }
    }

    fn find(&mut self, code: Code, message: String, hint: Option<String>) {
        self.findings.push(Finding { code, place: Place::Path(self.path.clone()), message, hint, related: None });
    }

    /// Whether a value here may be repeated in a message.
    fn quotable(&self) -> bool {
        !self.path.iter().any(|step| matches!(step, Step::Key(key) if super::secrets::sensitive(key)))
    }

    fn value(&mut self, node: &Node, schema: &Value) -> Value {
        match schema.get("type").and_then(Value::as_str) {
            Some("object") => self.object(node, schema),
            Some("array") => self.array(node, schema),
            Some("string") => self.string(node, schema),
            Some("boolean") => self.flag(node),
            Some("integer") => self.number(node),
            _ => self.anything(node),
        }
    }

    fn wrong(&mut self, node: &Node, wanted: &str, schema: &Value) -> Value {
        let found = match &node.data {
            Data::Scalar { text, plain: true } if resolve(text) == Plain::Null => "nothing",
            Data::Scalar { .. } => "a single value",
            Data::List(_) => "a list",
            Data::Map { .. } => "a mapping",
        };
        let hint = (found == "nothing").then(|| "leave the field out, or give it a value".to_owned());
        self.find(Code::BadValue, format!("{} must be {wanted}, and this is {found}", self.name()), hint);
        filler(schema)
    }

    fn object(&mut self, node: &Node, schema: &Value) -> Value {
        let Data::Map { entries, open: _ } = &node.data else {
            return self.wrong(node, "a mapping", schema);
        };
        let empty = Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let other = schema.get("additionalProperties").filter(|it| it.is_object());
        let mut out = Map::new();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (key, value) in entries {
            let before = key.text().map_or(0, |name| *seen.entry(name).and_modify(|it| *it += 1).or_insert(0));
            let Some(name) = self.key(key) else { continue };
            self.path.push(Step::Key(SmolStr::new(&name)));
            if before > 0 {
                let place = Place::Key(self.path.clone(), before);
                let related = Some(Place::Key(self.path.clone(), 0));
                let message = format!("{} is given twice", self.name());
                self.findings.push(Finding {
                    code: Code::DuplicateKey,
                    place,
                    message,
                    hint: Some("keep one of them".into()),
                    related,
                });
                self.path.pop();
                continue;
            }
            match known.get(&name).or(other) {
                Some(schema) => {
                    let value = self.value(value, schema);
                    out.insert(name, value);
                }
                None if schema.get("additionalProperties") == Some(&Value::Bool(false)) => self.unknown(&name, known),
                None => {
                    self.anything(value);
                }
            }
            self.path.pop();
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !out.contains_key(name) {
                self.path.push(Step::Key(SmolStr::new(name)));
                if !entries.iter().any(|(key, _)| key.text() == Some(name)) {
                    self.find(Code::MissingField, format!("{} is missing", self.name()), None);
                }
                self.path.pop();
                out.insert(name.to_owned(), known.get(name).map_or(Value::Null, filler));
            }
        }
        Value::Object(out)
    }

    /// The name of a key, which must be text.
    fn key(&mut self, key: &Node) -> Option<String> {
        let Data::Scalar { text, plain } = &key.data else {
            self.find(Code::BadValue, format!("a key in {} is not text", self.name()), None);
            return None;
        };
        let shown = visible(text);
        if *plain && text == "<<" {
            self.path.push(Step::Key(SmolStr::new(text)));
            let place = Place::Key(self.path.clone(), 0);
            self.path.pop();
            let message = "merge keys `<<` are not allowed".to_owned();
            let hint = Some("write the fields out".to_owned());
            self.findings.push(Finding { code: Code::MergeKey, place, message, hint, related: None });
            return None;
        }
        if *plain && resolve(text) != Plain::Text {
            self.path.push(Step::Key(SmolStr::new(text)));
            let place = Place::Key(self.path.clone(), 0);
            self.path.pop();
            let message = format!("the key `{shown}` is not text to Kubernetes");
            self.findings.push(Finding {
                code: Code::Ambiguous,
                place,
                message,
                hint: Some(format!("quote it: \"{shown}\"")),
                related: None,
            });
            return None;
        }
        Some(text.clone())
    }

    fn unknown(&mut self, name: &str, known: &Map<String, Value>) {
        let place = Place::Key(self.path.clone(), 0);
        let message = format!("{} does not exist", self.name());
        let hint = nearest(name, known.keys().map(String::as_str)).map(|it| format!("did you mean `{it}`?")).or_else(|| {
            let names: Vec<_> = known.keys().map(|it| format!("`{it}`")).collect();
            (!names.is_empty()).then(|| format!("there are {}", names.join(", ")))
        });
        self.findings.push(Finding { code: Code::UnknownField, place, message, hint, related: None });
    }

    fn array(&mut self, node: &Node, schema: &Value) -> Value {
        let Data::List(items) = &node.data else {
            return self.wrong(node, "a list", schema);
        };
        let each = schema.get("items").cloned().unwrap_or_else(|| json!({}));
        let mut out = Vec::with_capacity(items.len());
        for (row, item) in items.iter().enumerate() {
            self.path.push(Step::Index(row));
            out.push(self.value(item, &each));
            self.path.pop();
        }
        Value::Array(out)
    }

    fn string(&mut self, node: &Node, schema: &Value) -> Value {
        let Data::Scalar { text, plain } = &node.data else {
            return self.wrong(node, "text", schema);
        };
        let words: Vec<&str> =
            schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        if *plain {
            let shown = if self.quotable() { format!("quote it: \"{}\"", visible(text)) } else { "quote it".to_owned() };
            let (code, message) = match resolve(text) {
                Plain::Text => (None, ""),
                Plain::Null => return self.wrong(node, "text", schema),
                Plain::Flag(_) => (Some(Code::BadValue), "must be text, and this is a yes or no"),
                Plain::Number => (Some(Code::BadValue), "must be text, and this is a number"),
                Plain::Ambiguous => (Some(Code::Ambiguous), "must be text, and Kubernetes reads this as something else"),
            };
            if let Some(code) = code {
                let hint = if words.is_empty() { shown } else { one_of(text, &words) };
                self.find(code, format!("{} {message}", self.name()), Some(hint));
                return filler(schema);
            }
        }
        if !words.is_empty() && !words.contains(&text.as_str()) {
            let shown = if self.quotable() {
                format!("`{}` is no value of {}", visible(text), self.name())
            } else {
                format!("this is no value of {}", self.name())
            };
            self.find(Code::BadValue, shown, Some(one_of(text, &words)));
            return filler(schema);
        }
        Value::String(text.clone())
    }

    fn flag(&mut self, node: &Node) -> Value {
        let schema = json!({ "type": "boolean" });
        let Data::Scalar { text, plain } = &node.data else {
            return self.wrong(node, "`true` or `false`", &schema);
        };
        match resolve(text) {
            Plain::Flag(flag) if *plain => return Value::Bool(flag),
            Plain::Null if *plain => return self.wrong(node, "`true` or `false`", &schema),
            Plain::Flag(_) | Plain::Null | Plain::Text | Plain::Number | Plain::Ambiguous => {}
        }
        let hint = match text.to_ascii_lowercase().as_str() {
            "y" | "yes" | "on" | "true" => Some("write `true`"),
            "n" | "no" | "off" | "false" => Some("write `false`"),
            _ => None,
        };
        let code = if *plain && resolve(text) == Plain::Ambiguous { Code::Ambiguous } else { Code::BadValue };
        self.find(code, format!("{} must be `true` or `false`", self.name()), hint.map(str::to_owned));
        filler(&schema)
    }

    fn number(&mut self, node: &Node) -> Value {
        let schema = json!({ "type": "integer" });
        let Data::Scalar { text, plain } = &node.data else {
            return self.wrong(node, "a whole number", &schema);
        };
        if *plain
            && resolve(text) == Plain::Number
            && let Ok(number) = text.parse::<i64>()
        {
            return number.into();
        }
        let code = if *plain && resolve(text) == Plain::Ambiguous { Code::Ambiguous } else { Code::BadValue };
        self.find(code, format!("{} must be a whole number", self.name()), None);
        filler(&schema)
    }

    /// What nobody reads here: its keys must be unique all the same.
    fn anything(&mut self, node: &Node) -> Value {
        match &node.data {
            Data::Scalar { .. } => {}
            Data::List(items) => {
                for (row, item) in items.iter().enumerate() {
                    self.path.push(Step::Index(row));
                    self.anything(item);
                    self.path.pop();
                }
            }
            Data::Map { .. } => {
                self.object(node, &json!({}));
            }
        }
        Value::Null
    }
}

fn one_of(text: &str, words: &[&str]) -> String {
    match nearest(text, words.iter().copied()) {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("one of {}", words.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")),
    }
}

/// The nearest of some words, where one is near.
pub(super) fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = text.chars().take(64).collect::<String>().to_lowercase();
    words
        .map(|word| (strsim::damerau_levenshtein(&lower, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= (word.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|it| it.1)
}

/// A value that fits a schema, in place of one that is missing or wrong.
fn filler(schema: &Value) -> Value {
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => schema.pointer("/enum/0").cloned().unwrap_or_else(|| "".into()),
        Some("boolean") => Value::Bool(true),
        Some("integer") => Value::from(0),
        Some("array") => Value::Array(Vec::new()),
        Some("object") => {
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let field = |name: &str| schema.pointer(&format!("/properties/{name}")).map_or(Value::Null, filler);
            Value::Object(required.map(|name| (name.to_owned(), field(name))).collect())
        }
        _ => Value::Null,
    }
}
