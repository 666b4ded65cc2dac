//! The exit codes: stable, and with one precedence.

/// How a run ended; the number is what scripts see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Exit {
    /// What was asked for is done, and what is declared is true.
    Done = 0,
    /// Something failed that none of the others names.
    Failed = 1,
    /// Something would change or is held; only with `--detailed-exitcode`.
    Changes = 2,
    /// The command line, a PATH, the project file or a document is wrong.
    Invalid = 3,
    /// The directory refused our credentials, or lacks a permission for us.
    Refused = 4,
    /// A safety gate refused.
    Gate = 5,
    /// Part of what is declared is not true yet.
    Partly = 6,
    /// Another run holds the lock.
    Locked = 7,
    /// Somebody asked to stop.
    Interrupted = 8,
}

impl Exit {
    /// Weightiest first. Architecture Invariant: this is the only place that says which reason wins.
    const PRECEDENCE: [Self; 9] = [
        Self::Locked,
        Self::Refused,
        Self::Failed,
        Self::Invalid,
        Self::Gate,
        Self::Interrupted,
        Self::Partly,
        Self::Changes,
        Self::Done,
    ];

    /// The weightier of two reasons.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self::PRECEDENCE.into_iter().find(|exit| *exit == self || *exit == other).unwrap_or(self)
    }

    /// This reason if `holds`, as something to join with [`Exit::and`].
    #[must_use]
    pub(crate) fn when(self, holds: bool) -> Self {
        if holds { self } else { Self::Done }
    }

    /// The number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_several_reasons_the_weightiest_wins() {
        // The sentence of the interface: "With several reasons: 7, 4, 1, 3, 5, 8, 6, 2."
        let order: Vec<u8> = Exit::PRECEDENCE.iter().map(|exit| exit.code()).collect();
        assert_eq!(order, [7, 4, 1, 3, 5, 8, 6, 2, 0]);
        for (row, weightier) in Exit::PRECEDENCE.into_iter().enumerate() {
            for lighter in &Exit::PRECEDENCE[row..] {
                assert_eq!(weightier.and(*lighter), weightier);
                assert_eq!(lighter.and(weightier), weightier);
            }
        }
    }

    #[test]
    fn a_reason_that_does_not_hold_is_none() {
        assert_eq!(Exit::Gate.when(false), Exit::Done);
        assert_eq!(Exit::Gate.when(true), Exit::Gate);
    }
}
