//! Where an address is: out in the public, or somewhere that a name from outside has no business to lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who may be led to an address by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everybody.
    Public,
    /// Whoever declares that its names lead to private addresses.
    Private,
    /// Nobody: this very pod, its node's link, what tells a machine its secrets, or no single host.
    Never,
}

/// What tells machines of clouds about themselves, credentials included, beside those of link-local addresses: of AWS over IPv6, of
/// Google Cloud over IPv6, of Alibaba Cloud, and of Azure, whose address looks public.
const METADATA: [IpAddr; 4] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

/// Where `ip` is, by IANA's registries of special addresses.
pub fn reach(ip: IpAddr) -> Reach {
    match ip {
        ip if METADATA.contains(&ip) => Reach::Never,
        IpAddr::V4(ip) => of_v4(ip),
        IpAddr::V6(ip) => of_v6(ip),
    }
}

fn of_v4(ip: Ipv4Addr) -> Reach {
    match ip.octets() {
        [0 | 127, ..] | [169, 254, ..] | [224..=255, ..] => Reach::Never,
        [10, ..]
        | [100, 64..=127, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18..=19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Reach::Private,
        _ => Reach::Public,
    }
}

/// An IPv4 address that is dressed as one of IPv6 is nothing that a resolver would say, but for NAT64, where it counts as what it is.
fn of_v6(ip: Ipv6Addr) -> Reach {
    match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            reach(IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))))
        }
        // Teredo and 6to4 lead to addresses of IPv4 that they hold, and 3fff::/20 and 2001:db8::/32 nowhere.
        [0x2001, 0, ..] | [0x2002, ..] => Reach::Never,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Reach::Private,
        [0x2000..=0x3fff, ..] => Reach::Public,
        [0xfc00..=0xfdff, ..] => Reach::Private,
        _ => Reach::Never,
    }
}
