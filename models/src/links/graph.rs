//! Sets of links between replicas.

use super::{Case, Change};
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

/// Who hears whom, among replicas. Everybody hears itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Graph {
    /// By sender and receiver.
    links: Vec<Vec<bool>>,
}

impl Graph {
    /// Everybody hears everybody.
    pub fn full(replicas: u8) -> Graph {
        let n = usize::from(replicas);
        Graph { links: vec![vec![true; n]; n] }
    }

    /// Nobody hears anybody, but for these pairs, which hear one another.
    pub fn of_pairs(replicas: u8, pairs: &[(u8, u8)]) -> Graph {
        let n = usize::from(replicas);
        let mut graph = Graph { links: vec![vec![false; n]; n] };
        for index in 0..n {
            graph.links[index][index] = true;
        }
        for (one, other) in pairs {
            let (one, other) = (usize::from(*one), usize::from(*other));
            graph.links[one][other] = true;
            graph.links[other][one] = true;
        }
        graph
    }

    /// How many replicas there are.
    pub fn replicas(&self) -> u8 {
        self.links.len() as u8
    }

    /// Does `dst` hear `src`?
    pub fn has(&self, src: usize, dst: usize) -> bool {
        self.links[src][dst]
    }

    /// The same without any link of this replica.
    #[must_use]
    pub fn without(mut self, replica: usize) -> Graph {
        for other in (0..self.links.len()).filter(|other| *other != replica) {
            self.links[replica][other] = false;
            self.links[other][replica] = false;
        }
        self
    }

    fn is_pair(&self, one: usize, other: usize) -> bool {
        self.links[one][other] && self.links[other][one]
    }

    /// The replicas that have links in both directions with enough others to make a quorum.
    pub fn quorum_connected(&self) -> Vec<usize> {
        let n = self.links.len();
        let hears = |replica: usize| (0..n).filter(|other| self.is_pair(replica, *other)).count();
        (0..n).filter(|replica| hears(*replica) > n / 2).collect()
    }

    /// The replicas that a chain of links in both directions leads from to a quorum-connected one.
    pub fn connected(&self) -> BTreeSet<usize> {
        let mut found: BTreeSet<usize> = self.quorum_connected().into_iter().collect();
        loop {
            let near = |replica: &usize| found.iter().any(|other| self.is_pair(*replica, *other));
            let next: BTreeSet<usize> = (0..self.links.len()).filter(near).collect();
            if next == found {
                return found;
            }
            found = next;
        }
    }

    /// The least of the graphs that this one becomes when replicas other than 0 change names.
    fn least(&self) -> Graph {
        let n = self.links.len();
        let others: Vec<usize> = (1..n).collect();
        let renamed = |order: Vec<usize>| {
            let name = |index: usize| if index == 0 { 0 } else { order[index - 1] };
            let row = |src: usize| (0..n).map(|dst| self.links[name(src)][name(dst)]).collect();
            Graph { links: (0..n).map(row).collect() }
        };
        let all = crate::reductions::symmetry::arrangements(&others).into_iter().map(renamed);
        all.max().expect("there is at least one order")
    }
}

impl Display for Graph {
    /// Pairs that hear one another, then links in one direction.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let n = self.links.len();
        let mut parts = Vec::new();
        for one in 0..n {
            for other in one + 1..n {
                match (self.links[one][other], self.links[other][one]) {
                    (true, true) => parts.push(format!("{one}-{other}")),
                    (true, false) => parts.push(format!("{one}>{other}")),
                    (false, true) => parts.push(format!("{other}>{one}")),
                    (false, false) => {}
                }
            }
        }
        write!(f, "{n} replicas, links {}", parts.join(" "))
    }
}

/// One graph for all that differ only in the names of the replicas other than 0.
fn distinct(graphs: impl Iterator<Item = Graph>) -> Vec<Graph> {
    let least: BTreeSet<Graph> = graphs.map(|graph| graph.least()).collect();
    least.into_iter().collect()
}

/// All graphs with a quorum-connected replica in which each of these sets of links is there, or not.
fn all_of(replicas: u8, links: Vec<Vec<(usize, usize)>>) -> impl Iterator<Item = Graph> {
    let count = 1u64 << links.len();
    let chosen = move |bits: u64| {
        let mut graph = Graph::of_pairs(replicas, &[]);
        let chosen = links.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
        for (src, dst) in chosen.flat_map(|(_, links)| links) {
            graph.links[*src][*dst] = true;
        }
        graph
    };
    (0..count).map(chosen).filter(|graph| !graph.quorum_connected().is_empty())
}

fn pairs(replicas: u8) -> impl Iterator<Item = (usize, usize)> {
    let n = usize::from(replicas);
    (0..n).flat_map(move |one| (one + 1..n).map(move |other| (one, other)))
}

fn all_directed(replicas: u8) -> impl Iterator<Item = Graph> {
    let links = pairs(replicas).flat_map(|(one, other)| [vec![(one, other)], vec![(other, one)]]);
    all_of(replicas, links.collect())
}

fn all_undirected(replicas: u8) -> impl Iterator<Item = Graph> {
    let links = pairs(replicas).map(|(one, other)| vec![(one, other), (other, one)]);
    all_of(replicas, links.collect())
}

/// All directed graphs with a quorum-connected replica, up to the names of the replicas other than 0.
pub fn directed(replicas: u8) -> Vec<Graph> {
    distinct(all_directed(replicas))
}

/// All undirected graphs with a quorum-connected replica, up to the names of the replicas other
/// than 0.
pub fn undirected(replicas: u8) -> Vec<Graph> {
    distinct(all_undirected(replicas))
}

/// The partial partitions of the Omni-Paxos paper (section 2): replica 0 leads before.
pub fn partial_partitions() -> Vec<Case> {
    let case = |name: &str, graphs: Vec<Graph>| Case {
        name: name.into(),
        replicas: graphs[0].replicas(),
        changes: graphs.into_iter().map(Change::Become).collect(),
    };
    vec![
        // All are connected to replica 1 only, the leader too: it lives, and has lost its quorum.
        case("quorum-loss", vec![Graph::of_pairs(5, &[(1, 0), (1, 2), (1, 3), (1, 4)])]),
        // Replica 1 has missed the latest entries when it becomes the only one with a quorum.
        case(
            "constrained-election",
            vec![Graph::full(5).without(1), Graph::of_pairs(5, &[(1, 2), (1, 3), (1, 4)])],
        ),
        // The leader and replica 2 do not hear one another; both hear replica 1.
        case("chained", vec![Graph::of_pairs(3, &[(0, 1), (1, 2)])]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorum_connected_replicas_talk_both_ways_with_a_quorum() {
        let chain = Graph::of_pairs(5, &[(0, 1), (1, 2), (2, 3)]);
        assert_eq!(chain.quorum_connected(), [1, 2]);
        assert_eq!(chain.connected(), [0, 1, 2, 3].into());
        let mut one_way = Graph::full(3);
        one_way.links[1][2] = false;
        assert_eq!(one_way.quorum_connected(), [0, 1, 2], "1 and 0, 0 and 2 are pairs");
        assert_eq!(Graph::full(4).without(1).connected(), [0, 2, 3].into());
        assert!(Graph::of_pairs(4, &[(0, 1), (2, 3)]).quorum_connected().is_empty());
    }

    #[test]
    fn graphs_are_counted_with_and_without_names() {
        // Any of the three pairs that hear one another is a quorum: 27 graphs have none.
        assert_eq!(all_directed(3).count(), 64 - 27);
        assert_eq!(all_undirected(5).count(), 998);
        assert_eq!((directed(3).len(), directed(4).len(), undirected(5).len()), (21, 308, 85));
    }
}
