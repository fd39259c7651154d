//! What goes wrong in a simulated cluster, and when.
//!
//! The same things go wrong in models, under other names where time does not count: see ARCHITECTURE, *What goes wrong
//! where*.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// A replica that something happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The one of this id.
    Replica(u8),
    /// Whoever leads in the highest ballot when it begins; the first one, if nobody does.
    Leader,
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nothing arrives that this replica sends to that one.
    Cut(u8, u8),
    /// Nothing arrives that it sends to anybody, or that anybody sends to it.
    Isolate(Who),
    /// Replicas hear only those on their own side: by id, on which side each is. Clients are heard by all.
    Split(u16),
    /// A share of all datagrams is lost.
    Lose(f64),
    /// A share of them arrives twice.
    Double(f64),
    /// A datagram is under way for up to so long, so they overtake one another.
    Delay(Duration),
    /// A link carries so many bytes a second, and a quarter of a second's bytes wait for it.
    Narrow(u64),
    /// The replica does nothing, as a machine that is suspended.
    Pause(Who),
    /// Its process is killed, and started again when this is over.
    Kill(Who),
    /// So many operations of its disk later, the power of its machine goes. It is back up to three seconds later.
    PowerCut(Who, u64),
    /// The power of all machines goes, of each at the next operation of its disk.
    Blackout,
    /// Each sync of its disk takes so long.
    SlowDisk(Who, Duration),
    /// Its disk is full.
    FullDisk(Who),
    /// So many operations of its disk later, one fails with EIO.
    DiskError(Who, u64),
    /// A bit of its disk changes, which a seed draws. There is no cure.
    Rot(Who, u64),
    /// Its time of day jumps to so many seconds ahead of all others'.
    ClockJump(Who, u64),
    /// Its process is killed, and started with a configuration that a seed draws.
    Reconfigure(Who, u64),
    /// An operator has it stand for election, or step down.
    Stand(Who),
    /// An operator has it take its leader for silent.
    ForgetLeader(Who),
    /// An operator has it jump over a slot, if it leads.
    SkipSlot(Who),
    /// The client of this number is killed, and started again when this is over.
    KillClient(u8),
    /// It says so many things at once.
    Flood(u8, u64),
    /// It says something as long as it may be.
    LongMessage(u8),
}

impl Fault {
    /// The replica that it happens to, if it is one.
    pub fn who(&self) -> Option<Who> {
        match self {
            Fault::Isolate(who)
            | Fault::Pause(who)
            | Fault::Kill(who)
            | Fault::PowerCut(who, _)
            | Fault::SlowDisk(who, _)
            | Fault::FullDisk(who)
            | Fault::DiskError(who, _)
            | Fault::Rot(who, _)
            | Fault::ClockJump(who, _)
            | Fault::Reconfigure(who, _)
            | Fault::Stand(who)
            | Fault::SkipSlot(who)
            | Fault::ForgetLeader(who) => Some(*who),
            Fault::Cut(..)
            | Fault::Split(_)
            | Fault::Lose(_)
            | Fault::Double(_)
            | Fault::Delay(_)
            | Fault::Narrow(_)
            | Fault::Blackout
            | Fault::KillClient(_)
            | Fault::Flood(..)
            | Fault::LongMessage(_) => None,
        }
    }

    /// Does it last?
    pub fn lasts(&self) -> bool {
        match self {
            Fault::Cut(..)
            | Fault::Isolate(_)
            | Fault::Split(_)
            | Fault::Lose(_)
            | Fault::Double(_)
            | Fault::Delay(_)
            | Fault::Narrow(_)
            | Fault::Pause(_)
            | Fault::Kill(_)
            | Fault::SlowDisk(..)
            | Fault::FullDisk(_)
            | Fault::Reconfigure(..)
            | Fault::KillClient(_) => true,
            Fault::PowerCut(..)
            | Fault::DiskError(..)
            | Fault::Rot(..)
            | Fault::ClockJump(..)
            | Fault::Stand(_)
            | Fault::ForgetLeader(_)
            | Fault::SkipSlot(_)
            | Fault::Blackout
            | Fault::Flood(..)
            | Fault::LongMessage(_) => false,
        }
    }
}

/// A fault, from one time to another. Of those that take no time only the beginning counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// When it begins.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What it is.
    pub fault: Fault,
}

impl Trouble {
    /// When it is over.
    pub fn ends(&self) -> Duration {
        self.at + self.lasts
    }
}

impl Display for Who {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Who::Replica(id) => write!(f, "replica {id}"),
            Who::Leader => f.write_str("the leader"),
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Cut(from, to) => write!(f, "replica {to} does not hear replica {from}"),
            Fault::Isolate(who) => write!(f, "{who} is cut off from everybody"),
            Fault::Split(sides) => {
                let side = |wanted: bool| {
                    let is_on = move |id: &u16| (sides >> id & 1 == 1) == wanted;
                    (0..9_u16).filter(is_on).map(|id| id.to_string()).collect::<Vec<_>>().join(" ")
                };
                write!(f, "replicas {} and {} do not hear each other", side(true), side(false))
            }
            Fault::Lose(share) => write!(f, "{:.0} % of datagrams are lost", share * 100.0),
            Fault::Double(share) => write!(f, "{:.0} % of datagrams arrive twice", share * 100.0),
            Fault::Delay(most) => write!(f, "datagrams take up to {} ms", most.as_millis()),
            Fault::Narrow(rate) => write!(f, "links carry {rate} bytes a second"),
            Fault::Pause(who) => write!(f, "{who} is suspended"),
            Fault::Kill(who) => write!(f, "{who} is killed"),
            Fault::PowerCut(who, operations) => {
                write!(f, "the power of {who} goes at operation {operations} of its disk from now")
            }
            Fault::Blackout => f.write_str("the power of all machines goes"),
            Fault::SlowDisk(who, sync) => {
                write!(f, "each sync of {who} takes {} ms", sync.as_millis())
            }
            Fault::FullDisk(who) => write!(f, "the disk of {who} is full"),
            Fault::DiskError(who, operations) => {
                write!(f, "operation {operations} from now of {who}'s disk fails")
            }
            Fault::Rot(who, _) => write!(f, "a bit of {who}'s disk changes"),
            Fault::ClockJump(who, seconds) => {
                write!(f, "the clock of {who} jumps to {seconds} s ahead")
            }
            Fault::Reconfigure(who, _) => {
                write!(f, "{who} is started again with another configuration")
            }
            Fault::Stand(who) => write!(f, "an operator has {who} stand for election"),
            Fault::ForgetLeader(who) => write!(f, "an operator has {who} forget its leader"),
            Fault::SkipSlot(who) => write!(f, "an operator has {who} jump over a slot"),
            Fault::KillClient(number) => write!(f, "client {number} is killed"),
            Fault::Flood(number, count) => {
                write!(f, "client {number} says {count} things at once")
            }
            Fault::LongMessage(number) => write!(f, "client {number} says something very long"),
        }
    }
}

impl Display for Trouble {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (at, ends) = (self.at.as_secs_f64(), self.ends().as_secs_f64());
        if self.lasts.is_zero() {
            write!(f, "at {at:.3} s: {}", self.fault)
        } else {
            write!(f, "at {at:.3} s until {ends:.3} s: {}", self.fault)
        }
    }
}
