//! What a client says.
//!
//! **Invariant**: what is generated follows from the seed, and no two generated messages of a run are
//! equal. What is read from a file is said as it is.

use rand::RngExt;
use rand::rngs::StdRng;
use std::sync::Arc;

/// What one client says.
#[derive(Clone, Debug)]
pub(super) enum Script {
    /// So many generated messages.
    Generated(u64),
    /// These lines.
    Lines(Arc<[String]>),
}

impl Script {
    /// How many messages there are.
    pub(super) fn messages(&self) -> u64 {
        match self {
            Script::Generated(count) => *count,
            Script::Lines(lines) => lines.len() as u64,
        }
    }

    /// Message number `number`, from 1 on, without its end of line.
    pub(super) fn text(&self, name: &str, number: u64, rng: &mut StdRng) -> String {
        match self {
            Script::Generated(_) => sentence(name, number, rng),
            Script::Lines(lines) => lines[number as usize - 1].clone(),
        }
    }
}

/// A message that is told from all others, with characters of one to four bytes.
fn sentence(name: &str, number: u64, rng: &mut StdRng) -> String {
    const WORDS: [&str; 8] = ["slot", "größer", "ballot", "投票", "🙂", "quorum", "\\t", "\"log\""];
    let words: Vec<&str> =
        (0..rng.random_range(1..6)).map(|_| WORDS[rng.random_range(0..WORDS.len())]).collect();
    format!("{name} #{number}: {}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn generated_messages_differ_and_follow_from_the_seed() {
        let script = Script::Generated(50);
        let said = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            (1..=50).map(|n| script.text("ann", n, &mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(said(1), said(1));
        assert_ne!(said(1), said(2));
        let distinct: std::collections::BTreeSet<String> = said(1).into_iter().collect();
        assert_eq!(distinct.len(), 50);
    }
}
