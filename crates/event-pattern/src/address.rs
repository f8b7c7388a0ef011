//! IP addresses and networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::PatternError;

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    first: IpAddr,
    last: IpAddr,
}

impl Network {
    /// `address/bits`. As on AWS the range begins at the address that is written, even inside a network.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let malformed = PatternError::bare;
        // A trailing slash is none, as in AWS's split.
        let parts: Vec<&str> = text.trim_end_matches('/').split('/').collect();
        let [address, bits] = parts.as_slice() else {
            return Err(malformed("Malformed CIDR, one '/' required"));
        };
        let Ok(bits) = bits.parse::<i32>() else {
            return Err(malformed("Malformed CIDR, mask bits must be an integer"));
        };
        if bits < 0 {
            return Err(malformed("Malformed CIDR, mask bits must not be negative"));
        }
        let Some(first) = parse(address) else {
            return Err(malformed(&format!("Nonstandard IP address: {address}")));
        };
        let last = match first {
            IpAddr::V4(_) if bits > 31 => return Err(malformed("IPv4 mask bits must be < 32")),
            IpAddr::V6(_) if bits > 127 => return Err(malformed("IPv6 mask bits must be < 128")),
            IpAddr::V4(first) => IpAddr::V4(Ipv4Addr::from_bits(first.to_bits() | u32::MAX >> bits)),
            IpAddr::V6(first) => IpAddr::V6(Ipv6Addr::from_bits(first.to_bits() | u128::MAX >> bits)),
        };
        Ok(Self { first, last })
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        // Addresses of the two families don't compare.
        parse(text).is_some_and(|address| {
            address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
        })
    }
}

/// An address in the forms that AWS takes for one; leading zeros are decimal there.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        let address: Ipv6Addr = text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b':')
            .then(|| text.parse().ok())??;
        return Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4));
    }
    let mut bytes = [0_u8; 4];
    let mut parts = text.split('.');
    for byte in &mut bytes {
        let part = parts.next()?;
        *byte = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then(|| IpAddr::V4(Ipv4Addr::from(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let v4 = Network::parse("10.0.0.0/24").unwrap();
        assert!(v4.contains("10.0.0.0") && v4.contains("10.0.0.255"));
        assert!(!v4.contains("10.0.1.0") && !v4.contains("10.0.0.256") && !v4.contains("::a00:0"));
        assert!(Network::parse("0.0.0.0/0").unwrap().contains("255.255.255.255"));
        let v6 = Network::parse("2001:db8::/64").unwrap();
        assert!(v6.contains("2001:0db8:0:0:ffff::1") && !v6.contains("2001:db8:0:1::"));
    }

    #[test]
    fn malformed_networks_are_refused_in_aws_words() {
        for (text, reason) in [
            ("bad-filter", "Malformed CIDR, one '/' required"),
            ("bad-/64filter", "Malformed CIDR, mask bits must be an integer"),
            ("bad-filter/64", "Nonstandard IP address: bad-filter"),
            ("xxxx:db8:1234:1a00::/64", "Nonstandard IP address: xxxx:db8:1234:1a00::"),
            ("10.0.0.0/32", "IPv4 mask bits must be < 32"),
            ("10.0.0.0/-1", "Malformed CIDR, mask bits must not be negative"),
            ("::/128", "IPv6 mask bits must be < 128"),
        ] {
            assert_eq!(Network::parse(text).unwrap_err().to_string(), reason);
        }
    }
}
