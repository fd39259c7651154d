//! What a simulation is going to be: everything is drawn from a seed, before anything happens.
//!
//! **Invariant — each part has draws of its own**: without one trouble, or with fewer clients, the others are what they
//! were. So a plan can be shrunk.

use crate::fault::{Fault, Trouble, Who};
use paxos_chat::tuning::Tuning;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

/// Replicas of a cluster that is simulated.
pub const REPLICAS_MAX: u8 = 9;

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Nothing.
    Calm,
    /// Links.
    Links,
    /// Processes, clients' too.
    Kills,
    /// Machines that lose power, and their disks.
    Disks,
    /// Leaders, by operators and by everything that makes them go.
    Leaders,
    /// Clocks, pauses and load.
    Load,
    /// All of it.
    All,
}

impl Profile {
    /// All of them.
    pub const ALL: [Profile; 7] = [
        Profile::Calm,
        Profile::Links,
        Profile::Kills,
        Profile::Disks,
        Profile::Leaders,
        Profile::Load,
        Profile::All,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Calm => "calm",
            Profile::Links => "links",
            Profile::Kills => "kills",
            Profile::Disks => "disks",
            Profile::Leaders => "leaders",
            Profile::Load => "load",
            Profile::All => "all",
        }
    }
}

impl Display for Profile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;
    fn from_str(text: &str) -> Result<Profile, String> {
        let found = Profile::ALL.into_iter().find(|profile| profile.name() == text);
        let names = Profile::ALL.map(Profile::name).join(", ");
        found.ok_or_else(|| format!("{text:?} is no profile; there are {names}"))
    }
}

/// What is not to be drawn.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// What may go wrong.
    pub profile: Option<Profile>,
    /// How many replicas there are.
    pub replicas: Option<u8>,
    /// How many clients.
    pub clients: Option<u8>,
    /// How long things go wrong.
    pub faulty: Option<Duration>,
    /// Only these of the troubles happen, by their numbers.
    pub troubles: Option<Vec<usize>>,
    /// The mean time between two messages of a client.
    pub pace: Option<Duration>,
}

/// What a simulation is going to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// From what it is drawn.
    pub seed: u64,
    /// What may go wrong.
    pub profile: Profile,
    /// How many replicas there are.
    pub replicas: u8,
    /// How many clients there are.
    pub clients: u8,
    /// Do they survive their crashes?
    pub durable_clients: bool,
    /// The parameters of replicas.
    pub tuning: Tuning,
    /// How long things go wrong.
    pub faulty: Duration,
    /// The mean time between two messages of a client.
    pub pace: Duration,
    /// What goes wrong, with its number, in order of time.
    pub troubles: Vec<(usize, Trouble)>,
    /// Those that stay down when all else is well again, by id: less than half.
    pub left_behind: Vec<u8>,
}

/// A generator for this part of a seed.
fn part(seed: u64, part: u64) -> StdRng {
    StdRng::seed_from_u64(seed ^ part.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

fn millis(rng: &mut StdRng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.random_range(range))
}

impl Plan {
    /// What this seed draws, but for what is given.
    pub fn draw(seed: u64, given: &Given) -> Plan {
        let mut rng = part(seed, 1);
        let profiles = &Profile::ALL[1..];
        let profile = *profiles.choose(&mut rng).expect("there are some");
        let replicas = *[1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 7, 9].choose(&mut rng).expect("some");
        let (clients, durable_clients) = (rng.random_range(1..=4), rng.random());
        let faulty = Duration::from_secs(rng.random_range(5..40));
        let paces = [20, 50, 100, 300, 1000];
        let pace = Duration::from_millis(*paces.choose(&mut rng).expect("some"));
        let profile = given.profile.unwrap_or(profile);
        let replicas = given.replicas.unwrap_or(replicas).clamp(1, REPLICAS_MAX);
        let faulty = given.faulty.unwrap_or(faulty);
        let mut plan = Plan {
            seed,
            profile,
            replicas,
            clients: given.clients.unwrap_or(clients),
            durable_clients,
            tuning: draw_tuning(&mut part(seed, 2), Session::Drawn),
            faulty,
            pace: given.pace.unwrap_or(pace),
            troubles: Vec::new(),
            left_behind: Vec::new(),
        };
        plan.draw_troubles();
        plan.draw_left_behind();
        if let Some(kept) = &given.troubles {
            plan.troubles.retain(|(number, _)| kept.contains(number));
        }
        plan
    }

    /// Draws one after the other, whatever is given of clients.
    fn draw_troubles(&mut self) {
        let mut rng = part(self.seed, 3);
        let mean = rng.random_range(200..3000);
        let mut at = Duration::ZERO;
        for number in 0.. {
            at += millis(&mut rng, 1..2 * mean);
            if at >= self.faulty || self.profile == Profile::Calm {
                return;
            }
            let mut own = part(self.seed, 1000 + number);
            let lasts = match own.random_range(0..3) {
                0 => millis(&mut own, 10..300),
                1 => millis(&mut own, 300..3000),
                _ => millis(&mut own, 3000..12_000),
            };
            let fault = draw_fault(&mut own, self.profile, self.replicas);
            let lasts = if fault.lasts() { lasts } else { Duration::ZERO };
            self.troubles.push((number as usize, Trouble { at, lasts, fault }));
        }
    }

    /// Some replicas stay down when the others are well again; those whose disk may rot first.
    fn draw_left_behind(&mut self) {
        let mut rng = part(self.seed, 4);
        let most = usize::from(self.replicas - 1) / 2;
        // A disk that has rotted may be of no use, so no more of them may rot than may be down.
        let mut rotten: Vec<u8> = Vec::new();
        self.troubles.retain(|(_, trouble)| match trouble.fault {
            Fault::Rot(Who::Replica(id), _) => {
                if !rotten.contains(&id) && rotten.len() < most {
                    rotten.push(id);
                }
                rotten.contains(&id)
            }
            _ => true,
        });
        self.left_behind = rotten;
        let count = rng.random_range(0..=most);
        while self.left_behind.len() < count {
            let id = rng.random_range(0..self.replicas);
            if !self.left_behind.contains(&id) {
                self.left_behind.push(id);
            }
        }
    }
}

/// Whether the number of sessions that replicas keep is drawn: all of a cluster keep the same.
#[derive(Clone, Copy)]
pub(crate) enum Session {
    Drawn,
    Kept(usize),
}

/// Parameters of a replica: those that it is deployed with, or small ones, with which more happens.
pub(crate) fn draw_tuning(rng: &mut StdRng, sessions: Session) -> Tuning {
    let mut tuning = Tuning::default();
    if rng.random_bool(0.7) {
        tuning.snapshot_slots = *[2, 5, 16, 64].choose(rng).expect("some");
        tuning.recent_slots = rng.random_range(1..8);
        tuning.batch_commands_max = rng.random_range(1..6);
        tuning.chunk_entries_max = rng.random_range(1..6);
        tuning.window_slots = rng.random_range(1..9);
        tuning.eager_slots = rng.random_range(1..=tuning.window_slots);
        tuning.votes_ahead_max = 16 + rng.random_range(0..64);
        tuning.stuck_slots_max = rng.random_range(1..8);
    }
    if rng.random_bool(0.2) {
        tuning.queue_commands_max = rng.random_range(4..32);
        tuning.held_commands_max = rng.random_range(4..32);
    }
    let drawn = if rng.random_bool(0.3) { rng.random_range(2..12) } else { 4096 };
    tuning.sessions_max = match sessions {
        Session::Drawn => drawn,
        Session::Kept(kept) => kept,
    };
    tuning
}

fn draw_who(rng: &mut StdRng, replicas: u8) -> Who {
    if rng.random_bool(0.3) { Who::Leader } else { Who::Replica(rng.random_range(0..replicas)) }
}

fn draw_fault(rng: &mut StdRng, profile: Profile, replicas: u8) -> Fault {
    let profile = match profile {
        Profile::All => {
            let others = &Profile::ALL[1..Profile::ALL.len() - 1];
            *others.choose(rng).expect("there are some")
        }
        profile => profile,
    };
    let who = draw_who(rng, replicas);
    let replica = rng.random_range(0..replicas);
    match profile {
        Profile::Calm | Profile::All => unreachable!("it has no faults of its own"),
        Profile::Links => match rng.random_range(0..9) {
            0..=1 => Fault::Cut(replica, rng.random_range(0..replicas)),
            2 => Fault::Isolate(who),
            3..=4 => Fault::Split(rng.random_range(1..1 << replicas)),
            5 => Fault::Lose(rng.random_range(0.01..0.6)),
            6 => Fault::Double(rng.random_range(0.05..1.0)),
            7 => Fault::Delay(millis(rng, 5..800)),
            _ => Fault::Narrow(rng.random_range(4_000..200_000)),
        },
        Profile::Kills => match rng.random_range(0..6) {
            0..=2 => Fault::Kill(who),
            3 => Fault::Reconfigure(who, rng.random()),
            _ => Fault::KillClient(rng.random_range(0..4)),
        },
        Profile::Disks => match rng.random_range(0..11) {
            10 => Fault::Blackout,
            0..=3 => Fault::PowerCut(who, rng.random_range(0..40)),
            4..=5 => Fault::SlowDisk(who, millis(rng, 1..1500)),
            6 => Fault::FullDisk(who),
            7..=8 => Fault::DiskError(who, rng.random_range(0..40)),
            _ => Fault::Rot(Who::Replica(replica), rng.random()),
        },
        Profile::Leaders => match rng.random_range(0..8) {
            7 => Fault::SkipSlot(Who::Leader),
            0 => Fault::Stand(who),
            1 => Fault::ForgetLeader(who),
            2 => Fault::Isolate(Who::Leader),
            3 => Fault::Pause(Who::Leader),
            4 => Fault::Kill(Who::Leader),
            5 => Fault::Cut(replica, rng.random_range(0..replicas)),
            _ => Fault::Stand(Who::Replica(replica)),
        },
        Profile::Load => match rng.random_range(0..5) {
            0 => Fault::Flood(rng.random_range(0..4), rng.random_range(10..200)),
            1 => Fault::LongMessage(rng.random_range(0..4)),
            2 => Fault::Pause(who),
            3 => Fault::ClockJump(who, rng.random_range(0..1_000_000)),
            _ => Fault::SlowDisk(who, millis(rng, 1..100)),
        },
    }
}
