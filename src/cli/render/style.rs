//! Colours and numbers. Text is always made with colours; the console takes them away where nobody wants them.

use std::{fmt::Display, time::Duration};

use anstyle::{AnsiColor, Style};

use crate::plan::Verb;

pub(crate) const PLAIN: Style = Style::new();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const RED: Style = AnsiColor::Red.on_default();
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default();

/// The text in a style.
pub(crate) fn paint(style: Style, text: impl Display) -> String {
    if style == PLAIN { text.to_string() } else { format!("{style}{text}{style:#}") }
}

/// What stands before a change, and its colour.
pub(crate) fn symbol(verb: Verb) -> (&'static str, Style) {
    match verb {
        Verb::Create => ("+", GREEN),
        Verb::Enable | Verb::Adopt | Verb::Credential | Verb::Edit | Verb::Rename | Verb::Move => ("~", YELLOW),
        Verb::Disable => ("!", RED),
        Verb::Release | Verb::Delete => ("-", RED),
        Verb::Held => ("·", DIM),
    }
}

/// `4 012`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// `1 stranger`, `2 strangers`.
pub(crate) fn counted(number: u64, one: &str, several: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { several })
}

/// `0.21 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (number, text) in [(0, "0"), (999, "999"), (4_012, "4 012"), (1_234_567, "1 234 567")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "stranger", "strangers"), "1 stranger");
        assert_eq!(seconds(Duration::from_millis(214)), "0.21 s");
    }
}
