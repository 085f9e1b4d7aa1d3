//! Finds the first route that matches without looking at each: the cost of exact and prefix paths does not grow with
//! the number of routes, only with the segments of the path and with matches that no path of theirs tells apart.

use std::collections::HashMap;

use super::{RouteQuery, Taken, holds};
use crate::state::{PathMatch, Route};

/// The matches of a list of routes by the paths they ask for. Places are indexes into `entries`, in ascending order.
#[derive(Debug, Default)]
pub struct RouteIndex {
    /// Every match, first match first.
    entries: Vec<Taken>,
    exact: HashMap<Box<str>, Vec<u32>>,
    /// By the prefix without its final slash.
    prefix: HashMap<Box<str>, Vec<u32>>,
    longest_prefix: usize,
    /// Matches without a path, or with an expression for it.
    others: Vec<u32>,
}

// === impl RouteIndex ===

impl RouteIndex {
    pub fn new(routes: &[Route]) -> Self {
        let mut index = Self::default();
        for (route, described) in routes.iter().enumerate().filter(|(_, described)| !described.bytes_only) {
            if described.matches.is_empty() {
                index.add(Taken { route, matched: 0 }, None);
                // It takes everything: what follows is never reached.
                break;
            }
            for (matched, condition) in described.matches.iter().enumerate() {
                index.add(Taken { route, matched }, condition.path.as_ref());
            }
        }
        index
    }

    /// The first of `routes`, which the index was made of, that matches.
    pub fn first_match(&self, routes: &[Route], asked: RouteQuery<'_>) -> Option<Taken> {
        let mut best = u32::MAX;
        for places in self.candidates(asked.uri.path()) {
            let earlier = places.iter().take_while(|place| **place < best);
            let found = earlier.copied().find(|place| self.takes(*place, routes, asked));
            best = found.unwrap_or(best);
        }
        self.entries.get(best as usize).copied()
    }

    fn add(&mut self, taken: Taken, path: Option<&PathMatch>) {
        let place = self.entries.len() as u32;
        self.entries.push(taken);
        match path {
            Some(PathMatch::Exact(path)) => self.exact.entry(path.clone()).or_default().push(place),
            Some(PathMatch::Prefix(prefix)) => {
                let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
                self.longest_prefix = self.longest_prefix.max(prefix.len());
                self.prefix.entry(prefix.into()).or_default().push(place);
            }
            Some(PathMatch::Regex(_)) | None => self.others.push(place),
        }
    }

    /// Every match that `path` may fulfil.
    fn candidates<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a [u32]> {
        let prefix = move |end: usize| self.prefix.get(&path[..end]);
        let prefixes = (!self.prefix.is_empty()).then(|| self.ends_of_segments(path).filter_map(prefix));
        let exact = if self.exact.is_empty() { None } else { self.exact.get(path) };
        exact
            .into_iter()
            .chain(prefixes.into_iter().flatten())
            .map(Vec::as_slice)
            .chain(std::iter::once(self.others.as_slice()))
    }

    /// Where a prefix of `path` may end; no further than the longest prefix, so that a path of slashes costs little.
    fn ends_of_segments<'a>(&self, path: &'a str) -> impl Iterator<Item = usize> + use<'a> {
        let bytes = path.as_bytes();
        let last = bytes.len().min(self.longest_prefix);
        (0..=last).filter(move |end| bytes.get(*end).is_none_or(|next| *next == b'/'))
    }

    fn takes(&self, place: u32, routes: &[Route], asked: RouteQuery<'_>) -> bool {
        let Taken { route, matched } = self.entries[place as usize];
        routes[route].matches.get(matched).is_none_or(|condition| holds(condition, asked))
    }
}

#[cfg(test)]
mod tests;
