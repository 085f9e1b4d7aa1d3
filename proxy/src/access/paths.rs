//! Patterns of paths, and the tree that finds those a path matches without looking at the others.

use std::cmp::Ordering;
use std::collections::HashMap;

use thiserror::Error;

use super::path::{decoded, normal};
use super::{Effect, RuleId};

/// A pattern as rules have it: `/a/{}/b` and `/a/*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    steps: Vec<Step>,
    /// It ends in `*`: whatever follows matches, nothing included.
    below: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Step {
    /// Percent-decoded.
    Segment(Vec<u8>),
    /// Any segment that is not empty.
    Any,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a pattern of paths")]
pub struct BadPattern(String);

/// Deepest tree: a path is looked at so far, however many segments it has.
const DEEPEST: usize = 64;

/// All patterns of all scopes: a node is a place in a path, and what stands behind it is found by binary search.
#[derive(Debug, Default)]
pub(super) struct PathTree {
    /// Edges and rules of node n begin where its numbers say, and end where those of n + 1 begin.
    nodes: Box<[Node]>,
    /// Of each node those of its segments, in ascending order of their bytes.
    edges: Box<[Edge]>,
    segments: Box<[u8]>,
    /// Rules whose pattern ends at a node.
    here: Box<[RuleId]>,
    /// Rules whose pattern takes all below a node.
    below: Box<[RuleId]>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    edges: u32,
    here: u32,
    below: u32,
    /// Where any segment leads, if anywhere; a root is nobody's child.
    any: u32,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    /// Where its segment begins, and how long it is.
    segment: u32,
    length: u32,
    child: u32,
}

/// See [`PathTree`].
#[derive(Debug, Default)]
pub(super) struct TreeBuilder {
    nodes: u32,
    children: HashMap<(u32, Step), u32>,
    /// Node, whether the rule takes all below it, rule.
    rules: Vec<(u32, bool, RuleId)>,
}

// === impl Pattern ===

impl Pattern {
    /// Reads a pattern; that of a rule that denies is read as [`PathTree::walk`] compares it.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let bad = || BadPattern(text.chars().take(128).collect());
        let rest = text.strip_prefix('/').ok_or_else(bad)?;
        let (rest, below) = match rest.strip_suffix('*') {
            Some("") => ("", true),
            Some(rest) => (rest.strip_suffix('/').ok_or_else(bad)?, true),
            None => (rest, false),
        };
        let mut steps = Vec::new();
        if !(below && rest.is_empty()) {
            for segment in rest.split('/') {
                steps.push(match segment {
                    "{}" => Step::Any,
                    // An asterisk that is one is encoded, or it would look like a wildcard that does nothing.
                    _ if segment.contains(['*', '{', '}']) => return Err(bad()),
                    _ => Step::Segment(decoded(segment.as_bytes()).collect()),
                });
            }
        }
        let plain = text.replace("{}", "x").replace("%2A", "x");
        if normal(&plain).is_err() || steps.len() > DEEPEST {
            return Err(bad());
        }
        Ok(Self { steps, below })
    }
}

// === impl TreeBuilder ===

impl TreeBuilder {
    pub fn root(&mut self) -> u32 {
        self.nodes += 1;
        self.nodes - 1
    }

    /// `rule`, of this `effect`, asks for paths of `pattern`.
    pub fn add(&mut self, root: u32, pattern: &Pattern, effect: Effect, rule: RuleId) {
        let mut node = root;
        let mut steps = pattern.steps.as_slice();
        if effect == Effect::Deny && !pattern.below && steps.last() == Some(&Step::Segment(Vec::new())) {
            steps = &steps[..steps.len() - 1];
        }
        for step in steps {
            let step = match step {
                Step::Segment(bytes) if effect == Effect::Deny => Step::Segment(bytes.to_ascii_lowercase()),
                step => step.clone(),
            };
            let fresh = self.nodes;
            node = *self.children.entry((node, step)).or_insert(fresh);
            self.nodes += u32::from(node == fresh);
        }
        self.rules.push((node, pattern.below, rule));
    }

    pub fn build(mut self) -> PathTree {
        let mut any = vec![0; self.nodes as usize];
        let mut children = Vec::with_capacity(self.children.len());
        for ((parent, step), child) in self.children.drain() {
            match step {
                Step::Any => any[parent as usize] = child,
                Step::Segment(segment) => children.push((parent, segment, child)),
            }
        }
        children.sort_unstable();
        self.rules.sort_unstable();
        self.rules.dedup();
        let mut tree = Flat::default();
        let (mut edge, mut rule) = (0, 0);
        for node in 0..=self.nodes {
            let any = any.get(node as usize).copied().unwrap_or(0);
            tree.nodes.push(Node {
                edges: tree.edges.len() as u32,
                here: tree.here.len() as u32,
                below: tree.below.len() as u32,
                any,
            });
            while let Some((_, segment, child)) = children.get(edge).filter(|(parent, ..)| *parent == node) {
                let (at, length) = (tree.segments.len() as u32, segment.len() as u32);
                tree.edges.push(Edge { segment: at, length, child: *child });
                tree.segments.extend_from_slice(segment);
                edge += 1;
            }
            while let Some((_, below, id)) = self.rules.get(rule).filter(|(place, ..)| *place == node) {
                if *below {
                    tree.below.push(*id)
                } else {
                    tree.here.push(*id)
                }
                rule += 1;
            }
        }
        PathTree {
            nodes: tree.nodes.into(),
            edges: tree.edges.into(),
            segments: tree.segments.into(),
            here: tree.here.into(),
            below: tree.below.into(),
        }
    }
}

#[derive(Default)]
struct Flat {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    segments: Vec<u8>,
    here: Vec<RuleId>,
    below: Vec<RuleId>,
}

// === impl PathTree ===

impl PathTree {
    /// Tells `matched` the rules below `root` that `path` matches, perhaps one more than once.
    ///
    /// For rules that deny, letters of ASCII match in either case, a slash at the end is as good as none, and `/a/*` takes `/a` too: that is how
    /// many applications route.
    pub fn walk(&self, root: u32, effect: Effect, path: &str, matched: &mut impl FnMut(RuleId)) {
        if let Some(rest) = path.strip_prefix('/') {
            self.visit(root, effect, Some(rest.as_bytes()), matched);
        }
    }

    /// Tells `rule` of every rule below `root`, perhaps more than once.
    pub fn each(&self, root: u32, rule: &mut impl FnMut(RuleId)) {
        let (this, next) = (self.nodes[root as usize], self.nodes[root as usize + 1]);
        self.here[this.here as usize..next.here as usize].iter().copied().for_each(&mut *rule);
        self.below[this.below as usize..next.below as usize].iter().copied().for_each(&mut *rule);
        for edge in &self.edges[this.edges as usize..next.edges as usize] {
            self.each(edge.child, rule);
        }
        if this.any != 0 {
            self.each(this.any, rule);
        }
    }

    /// `rest` is what follows the slash behind the node; `None`: the path ends with the node.
    fn visit(&self, node: u32, effect: Effect, rest: Option<&[u8]>, matched: &mut impl FnMut(RuleId)) {
        let wide = effect == Effect::Deny;
        let (this, next) = (self.nodes[node as usize], self.nodes[node as usize + 1]);
        if rest.is_some() || wide {
            self.below[this.below as usize..next.below as usize].iter().copied().for_each(&mut *matched);
        }
        if rest.is_none() || wide && rest == Some(b"") {
            self.here[this.here as usize..next.here as usize].iter().copied().for_each(&mut *matched);
        }
        let Some(rest) = rest else { return };
        let mut parts = rest.splitn(2, |byte| *byte == b'/');
        let (segment, behind) = (parts.next().unwrap_or_default(), parts.next());
        let edges = &self.edges[this.edges as usize..next.edges as usize];
        if let Ok(found) = edges.binary_search_by(|edge| self.compare(edge, segment, wide)) {
            self.visit(edges[found].child, effect, behind, matched);
        }
        if this.any != 0 && !segment.is_empty() {
            self.visit(this.any, effect, behind, matched);
        }
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub fn weight(&self) -> usize {
        self.nodes.len() * size_of::<Node>()
            + self.edges.len() * size_of::<Edge>()
            + self.segments.len()
            + (self.here.len() + self.below.len()) * size_of::<RuleId>()
    }

    /// About how many segments a walk compares: by binary search at each step.
    #[cfg(test)]
    pub fn compared(&self, root: u32, path: &str) -> usize {
        let mut node = root;
        let mut compared = 0;
        for segment in path.split('/').skip(1) {
            let (this, next) = (self.nodes[node as usize], self.nodes[node as usize + 1]);
            let edges = &self.edges[this.edges as usize..next.edges as usize];
            let found = edges.binary_search_by(|edge| {
                compared += 1;
                self.compare(edge, segment.as_bytes(), false)
            });
            let Ok(found) = found else { break };
            node = edges[found].child;
        }
        compared
    }

    fn compare(&self, edge: &Edge, segment: &[u8], wide: bool) -> Ordering {
        let from = edge.segment as usize;
        let known = self.segments[from..from + edge.length as usize].iter().copied();
        match wide {
            true => known.cmp(decoded(segment).map(|byte| byte.to_ascii_lowercase())),
            false => known.cmp(decoded(segment)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(effect: Effect, pattern: &str, path: &str) -> bool {
        let mut builder = TreeBuilder::default();
        let root = builder.root();
        // Neighbours that share parts of it.
        for (index, other) in [pattern, "/a/b/c/d/e", "/{}/zz/*", "/zz"].into_iter().enumerate() {
            builder.add(root, &Pattern::parse(other).unwrap(), effect, RuleId(index as u32));
        }
        let mut found = false;
        builder.build().walk(root, effect, path, &mut |rule| found |= rule == RuleId(0));
        found
    }

    #[test]
    fn what_allows_matches_no_more_than_it_says() {
        for (pattern, path, expected) in [
            ("/", "/", true),
            ("/", "/a", false),
            ("/a", "/a", true),
            ("/a", "/A", false),
            ("/a", "/a/", false),
            ("/a/", "/a/", true),
            ("/a/", "/a", false),
            ("/a", "/ab", false),
            ("/a", "/a/b", false),
            ("/a/*", "/a/", true),
            ("/a/*", "/a/b/c", true),
            ("/a/*", "/a", false),
            ("/a/*", "/ab", false),
            ("/*", "/", true),
            ("/*", "/x/y", true),
            ("/*", "*", false),
            ("/u/{}/o", "/u/7/o", true),
            ("/u/{}/o", "/u/zz/o", true),
            ("/u/{}/o", "/u//o", false),
            ("/u/{}/o", "/u/7/8/o", false),
            ("/u/{}", "/u/", false),
            ("/u/{}/*", "/u/7/", true),
            ("/u/{}/*", "/u/7", false),
            ("/{}", "/a", true),
            ("/{}", "/", false),
            ("/a%20b", "/a%20b", true),
            ("/caf%C3%A9", "/caf%c3%a9", true),
            ("/a%2Ab", "/a*b", true),
            ("/shop.Reviews/Get", "/shop.Reviews/Get", true),
            ("/shop.Reviews/Get", "/shop.reviews/get", false),
        ] {
            assert_eq!(matches(Effect::Allow, pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn what_denies_matches_what_applications_take_for_the_same() {
        for (pattern, path, expected) in [
            ("/a", "/a", true),
            ("/a", "/A", true),
            ("/A", "/a", true),
            ("/a", "/a/", true),
            ("/a/", "/a", true),
            ("/a/", "/a/", true),
            ("/a", "/ab", false),
            ("/a", "/a/b", false),
            ("/a/*", "/a", true),
            ("/a/*", "/A/b", true),
            ("/a/*", "/ab", false),
            ("/", "/", true),
            ("/", "/a", false),
            ("/*", "/", true),
            ("/u/{}/o", "/U/7/O/", true),
            ("/u/{}", "/u/", false),
        ] {
            assert_eq!(matches(Effect::Deny, pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "", "a", "a/*", "/a*", "/a/*/b", "/a/{x}", "/{}b", "//", "/a/../b", "/a%2fb", "/a;b", "/a b",
            "/%61", "/a%",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        assert!(Pattern::parse(&"/a".repeat(DEEPEST)).is_ok());
        assert!(Pattern::parse(&"/a".repeat(DEEPEST + 1)).is_err());
    }
}
