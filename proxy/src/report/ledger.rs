//! What the control plane was told, so that the next report holds what is new and no more.

use std::collections::{BTreeMap, HashMap};

use crate::{
    telemetry::{Account, Direction, Edge, Tally, Tls, cut},
    wire::weft::telemetry::v1 as wire,
};

/// Edges that one stream names; the control plane reads no more. What exceeds them is counted together.
const MOST_EDGES: usize = 512;
/// Of one report, about; what does not fit waits for the next.
const MOST_BYTES: usize = 32 * 1024;
/// Longest text of an edge, as the control plane reads it.
const LONGEST: usize = 1024;
/// As destination of what is counted together.
const OTHERS: &str = "others";

/// Edges with what was told of them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    told: HashMap<Edge, Told>,
    /// Edges that the stream has named.
    named: usize,
    /// The numbers of those that gather what exceeds, by direction.
    others: BTreeMap<Direction, u32>,
}

#[derive(Debug, Default)]
struct Told {
    counts: BTreeMap<u64, u64>,
    /// The stream's number of the edge.
    number: Option<u32>,
    /// On this stream.
    open: u32,
}

/// A report that is written.
#[derive(Default)]
struct Draft {
    report: wire::ReportRequest,
    bytes: usize,
    others: BTreeMap<Direction, BTreeMap<u64, u64>>,
}

// === impl Ledger ===

impl Ledger {
    /// A stream knows no edges and no open connections. What was told on another stays told.
    pub(super) fn begin_stream(&mut self) {
        (self.named, self.others) = (0, BTreeMap::new());
        for told in self.told.values_mut() {
            (told.number, told.open) = (None, 0);
        }
    }

    /// What has grown since the last report.
    pub(super) fn report(&mut self, account: Account) -> wire::ReportRequest {
        let mut draft = Draft::default();
        for (edge, tally) in &account.0 {
            if draft.bytes > MOST_BYTES {
                break;
            }
            self.tell(&mut draft, edge, tally);
        }
        self.forget(&mut draft, &account);
        for (direction, grown) in std::mem::take(&mut draft.others) {
            let number = self.number_of_others(&mut draft, direction);
            draft.count(number, &grown, 0);
        }
        draft.report
    }

    fn tell(&mut self, draft: &mut Draft, edge: &Edge, tally: &Tally) {
        let grown = self.grown(edge, tally);
        let known = self.told.get(edge);
        if grown.is_empty() && tally.open == known.map_or(0, |told| told.open) {
            return;
        }
        let number = match known.and_then(|told| told.number) {
            Some(number) => Some(number),
            None if self.named + 2 < MOST_EDGES => Some(self.name(draft, edge)),
            None => None,
        };
        match number {
            Some(number) => draft.count(number, &grown, tally.open),
            None => {
                let others = draft.others.entry(edge.direction).or_default();
                grown.iter().for_each(|(measure, more)| *others.entry(*measure).or_default() += more);
            }
        }
        let told = self.told.entry(edge.clone()).or_default();
        (told.counts, told.number) = (tally.counts.clone(), number);
        // Of what is counted together nobody is told how many are open.
        told.open = if number.is_some() { tally.open } else { 0 };
    }

    /// Edges without series have no open connections. Their numbers are not taken again: the stream ends one day.
    fn forget(&mut self, draft: &mut Draft, account: &Account) {
        self.told.retain(|edge, told| {
            let gone = !account.0.contains_key(edge);
            if gone
                && told.open > 0
                && let Some(number) = told.number
            {
                draft.count(number, &BTreeMap::new(), 0);
            }
            !gone
        });
    }

    /// Series that were forgotten and came back began anew.
    fn grown(&self, edge: &Edge, tally: &Tally) -> BTreeMap<u64, u64> {
        let before = self.told.get(edge).map(|told| &told.counts);
        let grown = tally.counts.iter().map(|(measure, count)| {
            let before = before.and_then(|counts| counts.get(measure)).copied().unwrap_or(0);
            (*measure, count.checked_sub(before).unwrap_or(*count))
        });
        grown.filter(|(_, more)| *more > 0).collect()
    }

    fn name(&mut self, draft: &mut Draft, edge: &Edge) -> u32 {
        draft.name(edge);
        let number = u32::try_from(self.named).unwrap_or(u32::MAX);
        self.named += 1;
        number
    }

    fn number_of_others(&mut self, draft: &mut Draft, direction: Direction) -> u32 {
        if let Some(number) = self.others.get(&direction) {
            return *number;
        }
        let number = self.name(draft, &Edge::of(direction, OTHERS));
        self.others.insert(direction, number);
        number
    }
}

// === impl Draft ===

impl Draft {
    fn name(&mut self, edge: &Edge) {
        let wire = wire::Edge {
            direction: match edge.direction {
                Direction::Outbound => wire::Direction::Outbound,
                Direction::Inbound => wire::Direction::Inbound,
            }
            .into(),
            destination: cut(&edge.destination, LONGEST),
            backend: cut(&edge.backend, LONGEST),
            route: cut(&edge.route, LONGEST),
            peer: cut(&edge.peer, LONGEST),
            tls: match edge.tls {
                None => wire::Tls::Unspecified,
                Some(Tls::Mutual) => wire::Tls::Mutual,
                Some(Tls::Backend) => wire::Tls::Backend,
                Some(Tls::None) => wire::Tls::None,
            }
            .into(),
            rule: cut(&edge.rule, LONGEST),
        };
        self.bytes += prost::Message::encoded_len(&wire);
        self.report.edges.push(wire);
    }

    fn count(&mut self, edge: u32, grown: &BTreeMap<u64, u64>, open: u32) {
        let grown: Vec<u64> = grown.iter().flat_map(|(measure, more)| [*measure, *more]).collect();
        let count = wire::Count { edge, grown, open };
        self.bytes += prost::Message::encoded_len(&count);
        self.report.counts.push(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(tallies: &[(&str, u64, u32)]) -> Account {
        let tally = |count: &u64, open: &u32| Tally { counts: [(0, *count)].into(), open: *open };
        let edge = |name: &str| Edge::of(Direction::Outbound, name);
        Account(tallies.iter().map(|(name, count, open)| (edge(name), tally(count, open))).collect())
    }

    fn counts(report: &wire::ReportRequest) -> Vec<(u32, Vec<u64>, u32)> {
        report.counts.iter().map(|count| (count.edge, count.grown.clone(), count.open)).collect()
    }

    #[test]
    fn only_what_has_grown_is_told_and_an_edge_is_named_once_a_stream() {
        let mut ledger = Ledger::default();
        ledger.begin_stream();
        let first = ledger.report(account(&[("a", 3, 0)]));
        assert_eq!((first.edges.len(), counts(&first)), (1, vec![(0, vec![0, 3], 0)]));
        assert_eq!(ledger.report(account(&[("a", 3, 0)])), wire::ReportRequest::default());
        let later = ledger.report(account(&[("a", 5, 0)]));
        assert_eq!((later.edges.len(), counts(&later)), (0, vec![(0, vec![0, 2], 0)]));
        ledger.begin_stream();
        assert_eq!(ledger.report(account(&[("a", 5, 0)])), wire::ReportRequest::default(), "told before");
        let other = ledger.report(account(&[("a", 6, 0)]));
        assert_eq!(
            (other.edges.len(), counts(&other)),
            (1, vec![(0, vec![0, 1], 0)]),
            "another replica adds"
        );
    }

    #[test]
    fn series_that_were_forgotten_begin_anew() {
        let mut ledger = Ledger::default();
        ledger.begin_stream();
        ledger.report(account(&[("a", 9, 0)]));
        ledger.report(account(&[]));
        assert!(ledger.told.is_empty());
        assert_eq!(counts(&ledger.report(account(&[("a", 2, 0)]))), [(1, vec![0, 2], 0)]);
        assert_eq!(counts(&ledger.report(account(&[("a", 1, 0)]))), [(1, vec![0, 1], 0)], "and came back");
    }

    #[test]
    fn open_connections_are_told_to_each_stream_and_that_they_closed() {
        let mut ledger = Ledger::default();
        ledger.begin_stream();
        assert_eq!(counts(&ledger.report(account(&[("db", 1, 1)]))), [(0, vec![0, 1], 1)]);
        ledger.begin_stream();
        assert_eq!(counts(&ledger.report(account(&[("db", 1, 1)]))), [(0, vec![], 1)]);
        assert_eq!(counts(&ledger.report(account(&[("db", 1, 0)]))), [(0, vec![], 0)]);
        ledger.report(account(&[("db", 1, 2)]));
        assert_eq!(counts(&ledger.report(account(&[]))), [(0, vec![], 0)]);
    }

    #[test]
    fn what_exceeds_the_edges_of_a_stream_is_counted_together_and_nothing_is_lost() {
        let names: Vec<String> = (0..2_000).map(|number| format!("shop/{number:0>200}:80")).collect();
        let all: Vec<(&str, u64, u32)> = names.iter().map(|name| (name.as_str(), 2, 0)).collect();
        let mut ledger = Ledger::default();
        ledger.begin_stream();
        let (mut edges, mut told) = (Vec::new(), 0);
        for _ in 0..200 {
            let report = ledger.report(account(&all));
            assert!(prost::Message::encoded_len(&report) < 48 * 1024);
            told += report.counts.iter().map(|count| count.grown[1]).sum::<u64>();
            edges.extend(report.edges);
        }
        assert_eq!((told, edges.len()), (4_000, MOST_EDGES - 1));
        assert_eq!(edges.last().unwrap().destination, OTHERS);
        assert!(
            ledger.told.values().all(|told| told.number.is_none_or(|number| (number as usize) < MOST_EDGES))
        );
    }
}
