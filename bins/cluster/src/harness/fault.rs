//! What is done to the replicas of a run.

use std::str::FromStr;

/// What is done to replicas while clients write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// So many primaries are killed for good before there is anything to propose.
    BeforeProposing(u8),
    /// A primary is killed for good when it has proposed and nobody can have voted yet.
    AfterProposing,
    /// So many primaries are killed for good, one after another.
    OneAfterAnother(u8),
    /// Replicas are killed and restarted, again and again.
    KillLoop(KillLoop),
}

impl Fault {
    /// How many replicas do not come back.
    pub fn killed_for_good(self) -> u8 {
        match self {
            Fault::None | Fault::KillLoop(_) => 0,
            Fault::AfterProposing => 1,
            Fault::BeforeProposing(count) | Fault::OneAfterAnother(count) => count,
        }
    }
}

/// Which replicas are killed and restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillLoop {
    /// This one, in each round.
    One(u8),
    /// In each round a random one, the primary, or all at once.
    All,
}

impl FromStr for KillLoop {
    type Err = String;
    fn from_str(text: &str) -> Result<KillLoop, String> {
        if text == "all" {
            return Ok(KillLoop::All);
        }
        let id = text.parse().map_err(|_| format!("{text:?} is neither a replica nor `all`"))?;
        Ok(KillLoop::One(id))
    }
}
