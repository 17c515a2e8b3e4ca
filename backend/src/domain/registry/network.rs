//! Addresses and networks: whose a connection is, and of which device a flow speaks.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// The widest networks that one device may have, in bits of prefix: 10.0.0.0/8 is the widest private one, and fc00::/7
/// is handed out in parts of 48 bits. What is wider is a mistake, and would make half the world that device.
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 32;

/// An address, or a network of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Network {
    base: IpAddr,
    bits: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NetworkError {
    /// Not written as one.
    #[error("expected an IP address or a network such as 10.1.0.0/16, found {0:?}")]
    Shape(String),
    /// Bits that the prefix leaves out are set: either the address or the prefix is not what was meant.
    #[error("expected a network without bits beyond its prefix, such as {expected}, found {found}")]
    HostBits {
        /// The network that has the address.
        expected: Network,
        /// What was written.
        found: String,
    },
    /// Too wide for one device.
    #[error("expected a network of one device, of at least {WIDEST_V4} (IPv4) or {WIDEST_V6} (IPv6) bits, found {0}")]
    TooWide(String),
}

impl Network {
    /// The network of so many bits in which an address lies; the address itself where there are more bits than it has.
    pub(crate) fn around(address: IpAddr, bits: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let bits = bits.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                Self { base: Ipv4Addr::from(u32::from(address) & mask).into(), bits }
            }
            IpAddr::V6(address) => {
                let bits = bits.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                Self { base: Ipv6Addr::from(u128::from(address) & mask).into(), bits }
            }
        }
    }

    /// The length of its prefix.
    pub(crate) fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether it is of IPv4.
    pub(crate) fn is_v4(&self) -> bool {
        self.base.is_ipv4()
    }

    fn longest(&self) -> u8 {
        if self.is_v4() { 32 } else { 128 }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let shape = || NetworkError::Shape(text.chars().take(60).collect());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => {
                let plain = bits.bytes().all(|byte| byte.is_ascii_digit()) && !bits.is_empty() && bits.len() <= 3;
                (address, Some(bits.parse::<u8>().ok().filter(|_| plain).ok_or_else(shape)?))
            }
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| shape())?;
        // An IPv4 address in the clothes of IPv6 would never be met as such: connections show the plain one.
        let plain = address.to_canonical();
        let longest = if plain.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(longest);
        if bits > longest || (plain != address && bits != longest) {
            return Err(shape());
        }
        let network = Self::around(plain, bits);
        if network.base != plain {
            return Err(NetworkError::HostBits { expected: network, found: text.to_owned() });
        }
        if bits < if network.is_v4() { WIDEST_V4 } else { WIDEST_V6 } {
            return Err(NetworkError::TooWide(network.to_string()));
        }
        Ok(network)
    }
}

/// An address alone is written without a prefix.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bits {
            bits if bits == self.longest() => write!(f, "{}", self.base),
            bits => write!(f, "{}/{bits}", self.base),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_the_rest() {
        for (text, shown) in [
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3/32", "10.1.2.3"),
            ("10.1.0.0/16", "10.1.0.0/16"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), shown);
            assert_eq!(shown.parse(), Ok(network));
        }
        for text in ["", "10.1.2", "10.1.2.3/33", "10.1.2.3/+8", "10.1.2.3/", "10.0.0.0/0008", "host", "10.1.2.3 "] {
            assert!(matches!(text.parse::<Network>(), Err(NetworkError::Shape(_))), "{text}");
        }
        let wrong = "10.1.2.3/16".parse::<Network>().unwrap_err().to_string();
        assert!(wrong.contains("10.1.0.0/16") && wrong.contains("10.1.2.3/16"), "{wrong}");
        for text in ["0.0.0.0/0", "8.0.0.0/7", "::/0", "2000::/3"] {
            assert!(matches!(text.parse::<Network>(), Err(NetworkError::TooWide(_))), "{text}");
        }
    }

    #[test]
    fn an_address_lies_in_the_network_around_it() {
        let address = "10.1.2.3".parse().unwrap();
        assert_eq!(Network::around(address, 16), "10.1.0.0/16".parse().unwrap());
        assert_eq!(Network::around(address, 32), "10.1.2.3".parse().unwrap());
        assert_eq!(Network::around("::ffff:10.1.2.3".parse().unwrap(), 16), "10.1.0.0/16".parse().unwrap());
        assert_eq!(Network::around(address, 0).to_string(), "0.0.0.0/0");
    }
}
