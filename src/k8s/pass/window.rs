//! The window of a Directory: how much was lost, by hour. It is written before what it counts is done.

use std::time::Duration;

use jiff::{Timestamp, Unit};

use crate::manifest::HourStatus;

/// The most hours that are kept.
const HOURS: usize = 168;

/// How much was lost within a span before now. An hour counts as long as any of it lies within.
pub(super) fn total(window: &[HourStatus], span: Duration, now: Timestamp) -> u64 {
    within(window, span, now).map(|it| u64::try_from(it.losses).unwrap_or(0)).sum()
}

fn within(window: &[HourStatus], span: Duration, now: Timestamp) -> impl Iterator<Item = &HourStatus> {
    let since = now.checked_sub(span + Duration::from_hours(1)).unwrap_or(Timestamp::MIN);
    window.iter().filter(move |it| it.hour > since)
}

/// The window with some more that are lost now.
pub(super) fn with(window: &[HourStatus], losses: u64, span: Duration, now: Timestamp) -> Vec<HourStatus> {
    let mut hours: Vec<HourStatus> = within(window, span, now).cloned().collect();
    let losses = i64::try_from(losses).unwrap_or(i64::MAX);
    let round = jiff::TimestampRound::new().smallest(Unit::Hour).mode(jiff::RoundMode::Trunc);
    let hour = now.round(round).unwrap_or(now);
    match hours.iter_mut().find(|it| it.hour == hour) {
        Some(it) => it.losses = it.losses.saturating_add(losses),
        None if losses > 0 => hours.push(HourStatus { hour, losses }),
        None => {}
    }
    hours.drain(..hours.len().saturating_sub(HOURS));
    hours
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn hours_add_up_and_pass_away() {
        let day = Duration::from_hours(24);
        let window = with(&[], 3, day, at("2026-11-22T10:20:00Z"));
        let window = with(&window, 4, day, at("2026-11-22T10:59:59Z"));
        let window = with(&window, 5, day, at("2026-11-22T11:00:00Z"));
        assert_eq!(window.iter().map(|it| it.losses).collect::<Vec<_>>(), [7, 5]);
        assert_eq!(window[0].hour, at("2026-11-22T10:00:00Z"));
        assert_eq!(total(&window, day, at("2026-11-22T12:00:00Z")), 12);
        assert_eq!(total(&window, day, at("2026-11-23T10:30:00Z")), 12, "some of its hour may lie within");
        assert_eq!(total(&window, day, at("2026-11-23T11:00:00Z")), 5);
        assert_eq!(with(&window, 0, day, at("2026-11-25T11:00:00Z")), []);
    }
}
