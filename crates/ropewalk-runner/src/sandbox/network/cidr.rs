//! IPv4 address blocks.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A block of IPv4 addresses: `10.1.0.0/16`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    first: Ipv4Addr,
    bits: u8,
}

/// The text is no IPv4 block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an IPv4 block: write it as 10.1.0.0/16 (host bits zero) or 10.1.2.3")]
pub struct CidrError(String);

impl Cidr {
    pub(super) const fn literal(first: [u8; 4], bits: u8) -> Cidr {
        let [a, b, c, d] = first;
        Cidr { first: Ipv4Addr::new(a, b, c, d), bits }
    }

    /// The block of one address.
    #[must_use]
    pub const fn single(address: Ipv4Addr) -> Cidr {
        Cidr { first: address, bits: 32 }
    }

    /// First address.
    #[must_use]
    pub fn first(self) -> Ipv4Addr {
        self.first
    }

    /// Length of the prefix in bits, 0 to 32.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// The prefix's bits.
    #[must_use]
    pub fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0)
    }

    /// Whether all of `other` is in here.
    #[must_use]
    pub fn covers(self, other: Cidr) -> bool {
        self.bits <= other.bits && other.first.to_bits() & self.mask() == self.first.to_bits()
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Cidr, CidrError> {
        let wrong = || CidrError(text.to_owned());
        let (first, bits) = text.split_once('/').unwrap_or((text, "32"));
        let first: Ipv4Addr = first.parse().map_err(|_| wrong())?;
        let digits = bits.bytes().all(|b| b.is_ascii_digit());
        let bits: u8 = bits.parse().ok().filter(|b| *b <= 32 && digits).ok_or_else(wrong)?;
        let block = Cidr { first, bits };
        if first.to_bits() & !block.mask() == 0 { Ok(block) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for Cidr {
    type Error = CidrError;

    fn try_from(text: String) -> Result<Cidr, CidrError> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(block: Cidr) -> String {
        block.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_are_read_and_others_refused() {
        assert_eq!("10.1.2.3".parse::<Cidr>().unwrap(), Cidr::literal([10, 1, 2, 3], 32));
        assert_eq!("0.0.0.0/0".parse::<Cidr>().unwrap().mask(), 0);
        for text in
            ["", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/", "10.0.0.0/+8", "fe80::/10", "10.0.0/8", "x"]
        {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_block_survives_its_text(first: u32, bits in 0u8..=32) {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            let block = Cidr { first: Ipv4Addr::from_bits(first & mask), bits };
            prop_assert_eq!(block.to_string().parse::<Cidr>().unwrap(), block);
            prop_assert!(block.covers(Cidr::single(Ipv4Addr::from_bits(first))));
        }
    }
}
