//! How many there are of each address.

use std::collections::HashMap;
use std::net::IpAddr;

/// Of an address of which there are none nothing is kept.
#[derive(Debug, Default)]
pub struct PerAddress(pub(super) HashMap<IpAddr, usize>);

// === impl PerAddress ===

impl PerAddress {
    pub fn of(&self, address: &IpAddr) -> usize {
        self.0.get(address).copied().unwrap_or_default()
    }

    pub fn add(&mut self, address: IpAddr) {
        *self.0.entry(address).or_default() += 1;
    }

    pub fn remove(&mut self, address: &IpAddr) {
        if let Some(count) = self.0.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(address);
            }
        }
    }
}
