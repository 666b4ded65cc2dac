//! Attributes of ours: fields that Keycloak has no place for, and the mark.

use super::wire::Attributes;
use crate::model::{Field, Kind};

/// The mark.
pub(super) const MARK: &str = "tenantry";
/// What a group or organization is, where it is no company.
pub(super) const KIND: &str = "tenantry.kind";
/// The company that an organization with customers' users belongs to: organizations stand under nothing.
pub(super) const PARENT: &str = "tenantry.parent";

/// Characters of a group's or an organization's attribute: its column has no more.
pub(super) const SHORT: usize = 255;
/// Characters of a user's attribute that the user profile does not know (`error-invalid-length`).
pub(super) const LONG: usize = 2048;

/// Fields of users that are attributes.
pub(super) const ATTRIBUTES: [(Field, &str); 6] = [
    (Field::DisplayName, "displayName"),
    (Field::Phone, "phoneNumber"),
    (Field::Region, "region"),
    (Field::Description, "description"),
    (Field::Expires, "expires"),
    (Field::Justification, "justification"),
];

/// The first value of an attribute, unless it is empty.
pub(super) fn value<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.get(name)?.first().map(String::as_str).filter(|value| !value.is_empty())
}

/// Gives an attribute one value, or takes it away. One that says so already stays as it is, with all its values.
pub(super) fn set(attributes: &mut Attributes, name: &str, to: Option<&str>) {
    if value(attributes, name) == to {
        return;
    }
    match to {
        Some(to) => drop(attributes.insert(name.to_owned(), vec![to.to_owned()])),
        None => drop(attributes.remove(name)),
    }
}

/// The text of a mark. A long one stands in several values, each with its number, since they come in no order.
pub(super) fn mark(attributes: &Attributes) -> Option<String> {
    let values = attributes.get(MARK)?;
    if let [only] = &values[..] {
        return Some(only.clone()).filter(|mark| !mark.is_empty());
    }
    let mut parts: Vec<(usize, &str)> = values
        .iter()
        .map(|value| {
            let numbered = value.split_once(':').and_then(|(number, text)| Some((number.parse().ok()?, text)));
            numbered.unwrap_or((usize::MAX, value))
        })
        .collect();
    parts.sort_unstable();
    Some(parts.into_iter().map(|(_, text)| text).collect::<String>()).filter(|mark| !mark.is_empty())
}

/// Writes the text of a mark into values of bounded length.
pub(super) fn set_mark(attributes: &mut Attributes, kind: Kind, to: Option<&str>) {
    let most = match kind {
        Kind::User => LONG,
        Kind::Company | Kind::Customer | Kind::Role => SHORT,
    };
    let Some(to) = to else {
        attributes.remove(MARK);
        return;
    };
    let values = if units(to) <= most { vec![to.to_owned()] } else { parts(to, most - 4) };
    attributes.insert(MARK.to_owned(), values);
}

/// Length as Java counts it.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn parts(text: &str, most: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut length = 0;
    for c in text.chars() {
        if length + c.len_utf16() > most {
            parts.push(String::new());
            length = 0;
        }
        length += c.len_utf16();
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.into_iter().enumerate().map(|(number, part)| format!("{number}:{part}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_what_was_written_however_its_parts_come_back() {
        for (kind, most) in [(Kind::Company, SHORT), (Kind::User, LONG)] {
            for text in
                ["{}".to_owned(), "7:x".into(), "x".repeat(most), "🌞".repeat(most), format!("0:{}", "é\"".repeat(2 * most))]
            {
                let mut attributes = Attributes::default();
                set_mark(&mut attributes, kind, Some(&text));
                let values = attributes.get_mut(MARK).unwrap();
                assert!(values.iter().all(|value| units(value) <= most));
                values.reverse();
                assert_eq!(mark(&attributes).as_deref(), Some(text.as_str()));
                set_mark(&mut attributes, kind, None);
                assert_eq!((mark(&attributes), attributes.len()), (None, 0));
            }
        }
    }
}
