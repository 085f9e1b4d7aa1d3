//! The rules, as text for `iptables-restore`. Nothing here touches the kernel.
//!
//! ```text
//! from outside:  PREROUTING  -> skipped port? leave : inbound port
//! from the pod:  OUTPUT      -> proxy, from loopback to a pod address? inbound port   (the pod calls itself, through the mesh)
//!                            -> proxy? leave
//!                            -> to loopback or link-local, or a skipped port? leave : outbound port
//! ```
//!
//! The exception for the proxy's own calls from loopback is what `socket::connect_peer` relies on.
//! Connections over `lo` never pass PREROUTING's nat chain, which is why OUTPUT decides about them alone.

use std::fmt::Write;

use super::Options;
use crate::names;

/// An IP family, each with tables and tools of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Ipv4,
    Ipv6,
}

/// Every rule of one family.
#[derive(Clone, Debug)]
pub struct Ruleset {
    pub family: Family,
    tables: [Table; 2],
}

#[derive(Clone, Debug)]
struct Table {
    name: &'static str,
    /// Emptied and filled at every run.
    chains: &'static [&'static str],
    /// How a packet gets there from the kernel's own chains, which are shared and therefore never emptied.
    entries: &'static [&'static str],
    rules: Vec<String>,
}

// === impl Family ===

impl Family {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        }
    }

    fn loopback(self) -> &'static str {
        match self {
            Self::Ipv4 => "127.0.0.0/8",
            Self::Ipv6 => "::1/128",
        }
    }
}

// === impl Ruleset ===

impl Ruleset {
    /// Derives the rules for `family`.
    pub fn new(family: Family, options: &Options) -> Self {
        Self { family, tables: [nat(family, options), filter()] }
    }

    /// Input for `iptables-restore --noflush`. `saved` is what is there already, so that a jump into our chains is
    /// not added a second time.
    pub fn restore_input(&self, saved: &str) -> String {
        let mut text = String::new();
        for table in &self.tables {
            let present = rules_of(saved, table.name);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "*{}", table.name);
            for chain in table.chains {
                let _ = writeln!(text, ":{chain} - [0:0]");
            }
            for rule in &table.rules {
                let _ = writeln!(text, "{rule}");
            }
            for entry in table.entries {
                if !present.iter().any(|rule| same(rule, entry)) {
                    let _ = writeln!(text, "{entry}");
                }
            }
            text.push_str("COMMIT\n");
        }
        text
    }

    /// The first rule that `saved` (the output of `iptables-save`) does not hold in its place, or `None`.
    pub fn missing_from(&self, saved: &str) -> Option<String> {
        self.tables.iter().find_map(|table| {
            let present = rules_of(saved, table.name);
            let own: Vec<&str> = present
                .iter()
                .copied()
                .filter(|rule| table.chains.iter().any(|chain| rule.starts_with(&format!("-A {chain} "))))
                .collect();
            let misplaced = table.chains.iter().find_map(|chain| first_difference(chain, &table.rules, &own));
            let unreached = table.entries.iter().find(|entry| !present.iter().any(|rule| same(rule, entry)));
            misplaced.or(unreached.map(|entry| (*entry).to_owned()))
        })
    }
}

fn nat(family: Family, options: &Options) -> Table {
    let loopback = family.loopback();
    let uid = options.proxy_uid;
    let mut rules = Vec::new();

    let skip_inbound = options.skip_inbound.clone().and(names::PROBE_PORT).and(names::METRICS_PORT);
    for ports in skip_inbound.iter() {
        rules.push(format!("-A WEFT_PREROUTING -p tcp -m tcp --dport {ports} -j RETURN"));
    }
    rules.push("-A WEFT_PREROUTING -p tcp -j WEFT_TO_INBOUND".to_owned());

    rules.push(format!(
        "-A WEFT_OUTPUT -s {loopback} ! -d {loopback} -o lo -p tcp -m owner --uid-owner {uid} -j WEFT_TO_INBOUND"
    ));
    rules.push(format!("-A WEFT_OUTPUT -m owner --uid-owner {uid} -j RETURN"));
    rules.push(format!("-A WEFT_OUTPUT -d {loopback} -j RETURN"));
    if family == Family::Ipv6 {
        // A link-local address means nothing without its interface, which a redirect loses.
        rules.push("-A WEFT_OUTPUT -d fe80::/10 -j RETURN".to_owned());
    }
    for ports in options.skip_outbound.iter() {
        rules.push(format!("-A WEFT_OUTPUT -p tcp -m tcp --dport {ports} -j RETURN"));
    }
    rules.push("-A WEFT_OUTPUT -p tcp -j WEFT_TO_OUTBOUND".to_owned());

    rules.push(format!("-A WEFT_TO_INBOUND -p tcp -j REDIRECT --to-ports {}", options.inbound_port));
    rules.push(format!("-A WEFT_TO_OUTBOUND -p tcp -j REDIRECT --to-ports {}", options.outbound_port));
    Table {
        name: "nat",
        chains: &["WEFT_PREROUTING", "WEFT_OUTPUT", "WEFT_TO_INBOUND", "WEFT_TO_OUTBOUND"],
        entries: &["-A PREROUTING -p tcp -j WEFT_PREROUTING", "-A OUTPUT -p tcp -j WEFT_OUTPUT"],
        rules,
    }
}

/// A packet that connection tracking cannot place (a late retransmission in a big transfer, say) would not be
/// redirected, so the kernel would find no socket for it and reset the healthy connection it belongs to. Dropped, it
/// is sent again.
fn filter() -> Table {
    Table {
        name: "filter",
        chains: &["WEFT_INPUT"],
        entries: &["-A INPUT ! -i lo -p tcp -j WEFT_INPUT"],
        rules: vec!["-A WEFT_INPUT -p tcp -m conntrack --ctstate INVALID -j DROP".to_owned()],
    }
}

/// The `-A` lines of one table of `iptables-save`.
fn rules_of<'a>(saved: &'a str, table: &str) -> Vec<&'a str> {
    saved
        .lines()
        .skip_while(|line| line.strip_prefix('*') != Some(table))
        .take_while(|line| *line != "COMMIT")
        .filter(|line| line.starts_with("-A "))
        .collect()
}

/// Compares one chain rule by rule: order matters, and so does a rule too many.
fn first_difference(chain: &str, wanted: &[String], present: &[&str]) -> Option<String> {
    let prefix = format!("-A {chain} ");
    let mut present = present.iter().filter(|rule| rule.starts_with(&prefix));
    for rule in wanted.iter().filter(|rule| rule.starts_with(&prefix)) {
        if !present.next().is_some_and(|found| same(found, rule)) {
            return Some(rule.clone());
        }
    }
    present.next().map(|extra| format!("{chain} without `{extra}`"))
}

/// Whether two rules say the same. The two engines print the conditions of a rule in different orders.
fn same(left: &str, right: &str) -> bool {
    let words = |rule: &str| {
        let mut words: Vec<String> = rule.split_whitespace().map(str::to_owned).collect();
        words.sort_unstable();
        words
    };
    words(left) == words(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            skip_inbound: "15120,9000-9010".parse().unwrap(),
            skip_outbound: "3306".parse().unwrap(),
            ..Options::default()
        }
    }

    #[test]
    fn the_rules_for_ipv4_are_these() {
        assert_eq!(
            Ruleset::new(Family::Ipv4, &options()).restore_input(""),
            "*nat\n\
             :WEFT_PREROUTING - [0:0]\n\
             :WEFT_OUTPUT - [0:0]\n\
             :WEFT_TO_INBOUND - [0:0]\n\
             :WEFT_TO_OUTBOUND - [0:0]\n\
             -A WEFT_PREROUTING -p tcp -m tcp --dport 15120 -j RETURN\n\
             -A WEFT_PREROUTING -p tcp -m tcp --dport 9000:9010 -j RETURN\n\
             -A WEFT_PREROUTING -p tcp -m tcp --dport 15121 -j RETURN\n\
             -A WEFT_PREROUTING -p tcp -j WEFT_TO_INBOUND\n\
             -A WEFT_OUTPUT -s 127.0.0.0/8 ! -d 127.0.0.0/8 -o lo -p tcp -m owner --uid-owner 2112 -j WEFT_TO_INBOUND\n\
             -A WEFT_OUTPUT -m owner --uid-owner 2112 -j RETURN\n\
             -A WEFT_OUTPUT -d 127.0.0.0/8 -j RETURN\n\
             -A WEFT_OUTPUT -p tcp -m tcp --dport 3306 -j RETURN\n\
             -A WEFT_OUTPUT -p tcp -j WEFT_TO_OUTBOUND\n\
             -A WEFT_TO_INBOUND -p tcp -j REDIRECT --to-ports 15106\n\
             -A WEFT_TO_OUTBOUND -p tcp -j REDIRECT --to-ports 15101\n\
             -A PREROUTING -p tcp -j WEFT_PREROUTING\n\
             -A OUTPUT -p tcp -j WEFT_OUTPUT\n\
             COMMIT\n\
             *filter\n\
             :WEFT_INPUT - [0:0]\n\
             -A WEFT_INPUT -p tcp -m conntrack --ctstate INVALID -j DROP\n\
             -A INPUT ! -i lo -p tcp -j WEFT_INPUT\n\
             COMMIT\n"
        );
    }

    #[test]
    fn a_second_run_adds_no_jump_that_is_there() {
        let ruleset = Ruleset::new(Family::Ipv6, &options());
        let again = ruleset.restore_input(&ruleset.restore_input(""));
        assert!(!again.contains("-A PREROUTING"));
        assert!(!again.contains("-A INPUT"));
    }

    #[test]
    fn a_rule_that_is_missing_moved_or_extra_is_named() {
        let ruleset = Ruleset::new(Family::Ipv4, &options());
        let complete = ruleset.restore_input("");
        assert_eq!(ruleset.missing_from(&complete), None);

        let exempt = "-A WEFT_OUTPUT -m owner --uid-owner 2112 -j RETURN";
        let without = complete.replace(&format!("{exempt}\n"), "");
        assert_eq!(ruleset.missing_from(&without).as_deref(), Some(exempt));
        let moved = without.replace("-A WEFT_TO_INBOUND", &format!("{exempt}\n-A WEFT_TO_INBOUND"));
        assert_eq!(ruleset.missing_from(&moved).as_deref(), Some(exempt));
        let unreached = complete.replace("-A OUTPUT -p tcp -j WEFT_OUTPUT\n", "");
        assert_eq!(ruleset.missing_from(&unreached).as_deref(), Some("-A OUTPUT -p tcp -j WEFT_OUTPUT"));
        let extra = complete.replace("-A PREROUTING", "-A WEFT_OUTPUT -j ACCEPT\n-A PREROUTING");
        assert_eq!(
            ruleset.missing_from(&extra).as_deref(),
            Some("WEFT_OUTPUT without `-A WEFT_OUTPUT -j ACCEPT`")
        );
    }
}
