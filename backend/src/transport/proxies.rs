//! Networks whose word is taken for where a request comes from.

use std::{net::IpAddr, str::FromStr};

/// A network: an address and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Net {
    address: IpAddr,
    bits: u32,
}

/// The trusted proxies; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Proxies(Vec<Net>);

/// A text that is no network.
#[derive(Debug, thiserror::Error)]
#[error("expected an address such as 10.0.0.7 or a network such as 10.0.0.0/8, found {0:?}")]
pub(crate) struct NotANet(String);

impl Net {
    fn contains(self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| self.bits == 0 || (a ^ b) >> (width - self.bits) == 0;
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => same(u32::from(net).into(), u32::from(ip).into(), 32),
            (IpAddr::V6(net), IpAddr::V6(ip)) => same(net.into(), ip.into(), 128),
            _ => false,
        }
    }
}

impl FromStr for Net {
    type Err = NotANet;

    fn from_str(text: &str) -> Result<Self, NotANet> {
        let refuse = || NotANet(text.chars().take(60).collect());
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| refuse())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(width), |bits| bits.parse().map_err(|_| refuse()))?;
        if bits > width { Err(refuse()) } else { Ok(Self { address, bits }) }
    }
}

impl FromIterator<Net> for Proxies {
    fn from_iter<T: IntoIterator<Item = Net>>(nets: T) -> Self {
        Self(nets.into_iter().collect())
    }
}

impl Proxies {
    /// Whether there are any.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this address is one of them.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(address))
    }
}

#[cfg(test)]
impl FromStr for Proxies {
    type Err = NotANet;

    fn from_str(text: &str) -> Result<Self, NotANet> {
        text.split(',').map(str::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_addresses() {
        let proxies: Proxies = "10.1.0.0/16,192.0.2.7,2001:db8::/32".parse().unwrap();
        for (address, inside) in [
            ("10.1.255.1", true),
            ("10.2.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:192.0.2.7", true),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(proxies.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert!("0.0.0.0/0".parse::<Proxies>().unwrap().contains("8.8.8.8".parse().unwrap()));
        for text in ["", "proxy", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "::/129", "10.0.0.0/8/8"] {
            assert!(text.parse::<Net>().is_err(), "{text}");
        }
    }
}
