//! A short hash of a row that is never changed, by which a cursor knows the row again that it
//! points at (F11).

use std::fmt;
use std::str::FromStr;

/// How many characters the text has.
const DIGITS: usize = 8;

/// The fingerprint of a row: 32 bits of a hash over the values that make it what it is.
///
/// A database that was restored to an earlier moment gives the numbers of rows out again. The row
/// that has the number of a cursor's row then has another fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u32);

/// The text is not the fingerprint of a row.
#[derive(Debug, thiserror::Error)]
#[error("a fingerprint has {DIGITS} hexadecimal digits")]
pub struct FingerprintError;

impl Fingerprint {
    /// The fingerprint of a row with these values, in this order.
    pub fn of(values: &[Option<i64>]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for value in values {
            hasher.update(&[u8::from(value.is_some())]);
            hasher.update(&value.unwrap_or(0).to_le_bytes());
        }
        let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let is_ours = text.len() == DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let value = u32::from_str_radix(text, 16).ok().filter(|_| is_ours);
        value.map(Self).ok_or(FingerprintError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_back_and_tells_values_and_their_places_apart() {
        let one = Fingerprint::of(&[Some(1), None]);
        assert_eq!(one.to_string().parse::<Fingerprint>().expect("reads"), one);
        assert_ne!(one, Fingerprint::of(&[None, Some(1)]));
        assert_ne!(Fingerprint::of(&[Some(0)]), Fingerprint::of(&[None]));
        for malformed in ["", "0", "+0000001", "0000000g", "000000001"] {
            assert!(malformed.parse::<Fingerprint>().is_err(), "{malformed}");
        }
    }
}
