//! Secrets from the operating system's random numbers.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRng, rngs::SysRng};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::policy::classes;
use crate::model::TokenHash;

/// What a generated password consists of: nothing that is mistaken for something else when it is read aloud or typed from
/// paper, and nothing that a shell, a browser or a mail client takes for its own. 64 characters, so that each is 6 bits.
const ALPHABET: &[u8; 64] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789-_+=.?%:";

/// Bytes of a token: 256 bits.
const TOKEN: usize = 32;

/// A one-time token: the text that goes into a link, and what is kept of it.
pub struct Token {
    /// 43 characters of base64url.
    pub text: SecretString,
    /// Its SHA-256.
    pub hash: TokenHash,
}

/// Makes a password of `length` characters with characters of all four classes: six bits a character, less what the classes
/// cost. An error of the operating system's generator is passed on.
pub fn password(length: u32) -> Result<SecretString, rand::rngs::SysError> {
    let mut bytes = Zeroizing::new(vec![0; length as usize]);
    loop {
        SysRng.try_fill_bytes(&mut bytes)?;
        let text: String = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect();
        let text = Zeroizing::new(text);
        // One in nine of those with 20 characters lacks a class; beginning or ending with a mark invites mistakes.
        let framed = [text.bytes().next(), text.bytes().last()].iter().flatten().all(u8::is_ascii_alphanumeric);
        if framed && classes(&text) == 4 {
            return Ok(SecretString::from(text.as_str()));
        }
    }
}

/// Makes a token.
pub fn token() -> Result<Token, rand::rngs::SysError> {
    let mut bytes = Zeroizing::new([0; TOKEN]);
    SysRng.try_fill_bytes(&mut *bytes)?;
    let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
    Ok(Token { hash: TokenHash::of(text.as_bytes()), text: SecretString::from(text.as_str()) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use secrecy::ExposeSecret;

    use super::*;
    use crate::{credential::check, manifest::Passwords};

    #[test]
    fn generated_passwords_fit_every_policy_and_differ() {
        let mut seen = BTreeSet::new();
        for length in [12, 20, 128] {
            for _ in 0..200 {
                let password = password(length).unwrap();
                let text = password.expose_secret();
                assert_eq!(text.len(), length as usize);
                assert_eq!(check(text, &Passwords { classes: 4, ..Passwords::default() }), Ok(()));
                assert!(!text.chars().any(|c| "lIO01o".contains(c)), "{text}");
                assert!(seen.insert(text.to_owned()));
            }
        }
        let used: BTreeSet<char> = seen.iter().flat_map(|text| text.chars()).collect();
        assert_eq!(used.len(), ALPHABET.len(), "every character of the alphabet occurs");
    }

    #[test]
    fn tokens_are_256_bits_of_base64url() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert_ne!(one.text.expose_secret(), other.text.expose_secret());
        assert_eq!(URL_SAFE_NO_PAD.decode(one.text.expose_secret()).unwrap().len(), 32);
        assert!(one.hash == TokenHash::of(one.text.expose_secret().as_bytes()) && one.hash != other.hash);
    }
}
