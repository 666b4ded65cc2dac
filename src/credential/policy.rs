//! What a password must look like.

use crate::manifest::Passwords;

/// What is wrong with a password, in words that do not contain it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Fewer characters than the project asks for.
    #[error("the password must have at least {0} characters")]
    TooShort(u32),
    /// More characters than the project allows.
    #[error("the password must have at most {0} characters")]
    TooLong(u32),
    /// Too few of the four classes.
    #[error("the password must have characters of at least {0} of these kinds: small letters, capital letters, digits, others")]
    TooPlain(u32),
    /// A line break or another control character, which nobody types on purpose.
    #[error("the password must not have line breaks or other control characters")]
    Control,
}

/// Holds a password against the rules of a project. Length is counted in characters. Manual S1 asks for 8 to 18 characters of
/// two classes; the defaults here allow longer ones.
pub fn check(password: &str, rules: &Passwords) -> Result<(), Weakness> {
    let Passwords { min_length, max_length, classes, generated: _, invite: _, temporary: _, reset: _ } = rules;
    let length = password.chars().count();
    if length > *max_length as usize {
        return Err(Weakness::TooLong(*max_length));
    }
    if length < *min_length as usize {
        return Err(Weakness::TooShort(*min_length));
    }
    if password.chars().any(char::is_control) {
        return Err(Weakness::Control);
    }
    if self::classes(password) < *classes as usize {
        return Err(Weakness::TooPlain(*classes));
    }
    Ok(())
}

/// How many of the four classes occur: small letters, capital letters, digits, others. Letters without case are others.
pub(super) fn classes(password: &str) -> usize {
    let tests: [fn(char) -> bool; 4] = [
        char::is_lowercase,
        char::is_uppercase,
        |c| c.is_ascii_digit(),
        |c| !c.is_lowercase() && !c.is_uppercase() && !c.is_ascii_digit(),
    ];
    tests.into_iter().filter(|test| password.chars().any(test)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_held_against_the_rules() {
        let rules = Passwords::default();
        for good in ["abcdefg1", "ABCDEFGh", "ääääääÄÄ", "correct horse", "密码密码密码密a", &"aB".repeat(64)] {
            assert_eq!(check(good, &rules), Ok(()), "{good}");
        }
        assert_eq!(check("abcde1", &rules), Err(Weakness::TooShort(8)));
        assert_eq!(check("ääää1", &rules), Err(Weakness::TooShort(8)), "characters are counted, not bytes");
        assert_eq!(check(&"aB".repeat(65), &rules), Err(Weakness::TooLong(128)));
        assert_eq!(check("abcdefgh", &rules), Err(Weakness::TooPlain(2)));
        assert_eq!(check("abcdefg1\n", &rules), Err(Weakness::Control));
        assert_eq!(check("abcdefg1", &Passwords { classes: 3, ..rules }), Err(Weakness::TooPlain(3)));
    }
}
