//! Lists of ports as people write them: `15120,15121,8000-8010`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// One port, or a range of them with both ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRange(RangeInclusive<u16>);

/// Ports separated by commas. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports(Vec<PortRange>);

/// A list of ports that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`{entry}` is no port: expected a number from 1 to 65535, or a range such as 8000-8010")]
pub struct InvalidPorts {
    entry: String,
}

// === impl Ports ===

impl Ports {
    /// Each entry, in the order written.
    pub fn iter(&self) -> impl Iterator<Item = &PortRange> {
        self.0.iter()
    }

    /// Whether a port is among them.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.0.contains(&port))
    }

    /// These ports and one more, without naming any twice.
    pub fn and(mut self, port: u16) -> Self {
        if !self.contains(port) {
            self.0.push(PortRange(port..=port));
        }
        self
    }
}

impl FromStr for Ports {
    type Err = InvalidPorts;

    fn from_str(text: &str) -> Result<Self, InvalidPorts> {
        let mut ranges = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let range = PortRange::from_str(entry)?;
            if !ranges.contains(&range) {
                ranges.push(range);
            }
        }
        Ok(Self(ranges))
    }
}

// === impl PortRange ===

impl FromStr for PortRange {
    type Err = InvalidPorts;

    fn from_str(entry: &str) -> Result<Self, InvalidPorts> {
        let invalid = || InvalidPorts { entry: entry.to_owned() };
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(invalid);
        let (first, last) = match entry.split_once('-') {
            Some((first, last)) => (port(first)?, port(last)?),
            None => (port(entry)?, port(entry)?),
        };
        if first > last {
            return Err(invalid());
        }
        Ok(Self(first..=last))
    }
}

/// As iptables writes it: `80`, or `8000:8010`.
impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.0.start(), self.0.end());
        if first == last { write!(f, "{first}") } else { write!(f, "{first}:{last}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        text.parse::<Ports>().unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ports_and_ranges_are_read_and_repeats_dropped() {
        assert_eq!(shown("80, 8000-8010,,80"), ["80", "8000:8010"]);
        assert_eq!(shown(""), [""; 0]);
    }

    #[test]
    fn what_is_no_port_is_named() {
        for text in ["http", "0", "65536", "90-80", "80;rm", "1-2-3"] {
            let error = format!("1,{text}").parse::<Ports>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is no port")), "{error}");
        }
    }

    #[test]
    fn a_port_inside_a_range_is_not_added_again() {
        assert_eq!("1-9".parse::<Ports>().unwrap().and(5).and(10).iter().count(), 2);
    }
}
