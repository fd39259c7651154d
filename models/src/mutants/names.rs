//! The mutants: their codes, their names, and what each does wrong.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

macro_rules! mutants {
    ($($code:ident $mutant:ident: $bug:literal,)*) => {
        /// A bug. `check mutants` prints its code; a code is not used again.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutant {
            $(
                #[doc = concat!(stringify!($code), ": ", $bug)]
                $mutant,
            )*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Mutant] = &[$(Mutant::$mutant),*];

            /// Its code, such as M15.
            pub fn code(self) -> &'static str {
                match self {
                    $(Mutant::$mutant => stringify!($code),)*
                }
            }

            /// Its name, such as BallotsComparedByRound.
            pub fn name(self) -> &'static str {
                match self {
                    $(Mutant::$mutant => stringify!($mutant),)*
                }
            }
        }
    };
}

mutants! {
    M01 PromiseNotSaved: "A promise is not saved before it is sent.",
    M02 VoteNotSaved: "A vote is not saved before it is sent.",
    M03 BallotsAnewAfterRestart: "A restarted proposer starts its ballots anew.",
    M04 OldPromiseCounted: "A promise of an earlier ballot is counted.",
    M05 OtherBallotsVoteCounted: "A vote of another ballot is counted.",
    M06 LowestBallotAdopted: "A new leader adopts the reported vote of the lowest ballot.",
    M08 AcceptRaisesNoPromise: "An `Accept` does not raise the promise.",
    M09 VoteBelowPromise: "An acceptor votes below its promise.",
    M11 Phase2QuorumTooSmall: "The quorum of phase 2 is one too small.",
    M12 Phase1QuorumTooSmall: "The quorum of phase 1 is one too small.",
    M14 HalfIsQuorum: "Half of an even number of replicas is taken for a quorum.",
    M15 BallotsComparedByRound: "Ballots are compared by round alone.",
    M16 NoopWhereOwnLogIsEmpty: "A new leader puts a `Noop` wherever its own log is empty.",
    M18 ProposesBeforePromised: "A leader proposes before phase 1 is complete.",
    M20 TruncatedVotesLost: "Truncated votes are neither reported nor defended.",
    M21 BoundAheadOfLog: "Catch-up moves the applied bound ahead of the log.",
    M24 DuplicateAppliedAgain: "A duplicate in the log is applied again.",
    M25 SessionsNotInSnapshot: "The session table is not in the snapshot.",
    M26 AcknowledgedWhenProposed: "A request is acknowledged when it is proposed.",
    M28 ReadWithoutLog: "A leader answers reads without the log.",
    M29 AppliedOverGaps: "Slots are applied when they are decided, gaps or not.",
    N01 FetchedBoundAnnounced: "A superseded leader announces a bound that it fetched.",
    N02 ProposesAtHighestReported: "New commands start at the highest reported slot.",
    N03 PromiseOmitsBound: "A promise omits the compacted bound.",
    N04 AnyChunkTaken: "A chunk of an earlier pull is taken for the one expected.",
    N05 SessionIdsShared: "Two sessions that are opened in one batch share an id.",
    N06 OwnVoteCountedEarly: "A leader counts its own vote before that is durable.",
    N07 EmptyAcceptor: "A replica that lost its storage starts as an empty acceptor.",
    P01 BoundOfAnyBallotDecides: "A bound announced in one ballot decides votes of another.",
    P02 OwnPromiseNotSaved: "A candidate does not save its own promise before it asks for others.",
    P03 SlotHandedOutTwice: "A leader proposes a new value again at a slot that it has handed out.",
    P04 VoteToldEarly: "A vote is told before it is durable.",
    P05 PrepareSentEarly: "A candidate asks for promises before its own is durable.",
    P06 PromiseToldEarly: "A promise is told before it is durable.",
    P07 DuplicatesByValue: "Duplicates are recognised by their value, stamp and all.",
    R01 AnyAnswerTakenForLast: "A reader takes every chunk for the one that it asked for last.",
    R02 ReadAgain: "A reader reads again what it is sent again.",
    S01 GapClosedByPlace:
        "A new leader closes a gap by the places of the votes that were reported, not by their slots.",
    S02 OldSuffixKept:
        "On the first `Accept` of a ballot, an acceptor takes its votes above that slot for votes of the ballot.",
    S03 EvictionByReplica: "Which session is evicted depends on the replica.",
    S04 SnapshotOfEarlierSessions:
        "A snapshot is saved with the sessions of the slot before its bound.",
    S05 RedirectedNumbersAnew: "A client that is redirected numbers its requests from 1 on.",
    S06 ExpiredNumberUsedAgain:
        "A client whose session has expired goes on in another one, with the number of a request whose \
         outcome is unknown.",
    S07 FirstReportedAdopted: "A new leader adopts the vote of a slot that was reported first.",
    S08 ReaderNeverAsksAgain: "A reader does not ask again what was not answered.",
    S09 AnsweredFromNextSlot:
        "A question about the log is answered from the slot after the one asked for.",
    S10 DistanceOverflows:
        "A leader far up the log proposes nothing: it takes the sum of two slots for their distance.",
    S11 UnknownCalledExpired:
        "Whoever does not know a session says that it has expired, opened or not.",
    S12 OnlyLeaderEvicts: "Only a leader evicts sessions.",
    S13 VoteAtBoundDropped:
        "Whoever compacts while it catches up drops the vote at the bound, too.",
    S14 RejectDeposesLeader: "A `Reject` deposes a leader.",
    S15 SilentLeaderNamed:
        "A client goes on from whomever a redirect has named, and a replica names the leader that it has \
         promised to, heard or not: so a client goes round between the two for ever.",
    S16 WaitingNotProposed:
        "What waited while a leader lacked slots below its base is not proposed when it has caught up.",
    A01 TimeoutsNeverDouble: "Time-outs of replicas never double.",
    A02 FlightUnbounded: "Bytes in flight are not bounded.",
    A03 AllSentAgain: "A leader sends all that is unanswered again at each tick.",
    A04 NobodyRelays: "Nobody relays a request.",
    A05 ReaderStays: "A reader stays with whoever answers, though it has nothing new.",
    A06 RetryPutOff: "A client's retry is put off by each acknowledgement.",
    A07 OneAskedAtOnce: "A client asks one replica at a time.",
    A08 PatienceLostEachSlot: "A time-out that has doubled is halved again for each slot.",
    A09 ClientTimesNeverDouble: "A client's times never double.",
    A10 AskerRememberedForEver:
        "Who has asked a replica once in a session is answered from there for ever.",
    A11 HeldUntilAskedAgain: "What is held is queued only when its client asks for more.",
    A12 AskersUnbounded: "Askers are remembered in as many sessions as they make up.",
    B01 QueueUnbounded: "A leader's queue has no limit, nor has what waits for an earlier request.",
    B02 ChunkUnbounded: "A chunk takes all that there is.",
    B03 WindowOneTooWide: "A leader has one slot more in flight than its window.",
    B04 RelayAnsweredLikeClient:
        "Whoever passes a request on is answered as if a client had asked.",
    C01 ReturnsInNewSession:
        "A client that comes back opens another session, and says there what was pending.",
    C02 ReturnsWithNewNumbers: "A client that comes back gives what was pending new numbers.",
    C03 SessionNotSaved: "A client talks in its session before it has saved which it is.",
    C04 AcknowledgementNotSaved: "A client does not save that a request was acknowledged.",
    C05 SaidAgainAfterExpiry:
        "A client whose session has expired opens another, and says there what was pending.",
    M31 StandsAgainAtOnce: "A deposed candidate or leader stands again at once, with no back-off.",
    M32 HigherBallotRejected: "A message of a higher ballot is rejected: `==` in place of `>=`.",
    M33 NothingSentAgain:
        "Nothing between replicas that was lost is sent again: no `Resend` timer.",
    L01 AnyHeartbeatIsLife:
        "Heartbeats are signs of life, and answers to them too, whatever the progress.",
    L02 NeverFetches: "A follower never fetches what it lacks, nor does a leader.",
    L03 PrepareOnce: "A `Prepare` is not sent again.",
    L04 AcceptOnce: "An `Accept` is not sent again.",
    L05 GapsLeftOpen: "A new leader leaves gaps open.",
    L06 ClientNeverAsksAgain: "A client never asks again.",
    L07 ClientNeverAsksElsewhere: "A client never asks another replica.",
    L08 NeverAnsweredAgain: "A request that was applied is not answered again.",
    L09 RejectIgnored: "A `Reject` is ignored.",
    L10 ElectionTimerOnce: "An election time-out is not set again when it has fired.",
    L11 LackAskedOnce: "A leader asks only once for what it lacks below its base.",
    L12 StaysWhileLacking: "A leader that lacks slots below its base stays as long as it is heard.",
    X01 PanicsAtVote:
        "An assertion fails at the first vote. No bug of the protocol: it shows how the checker ends. \
         Not in the table.",
    X02 PanicsAtClaims:
        "An assertion fails only when claims of staleness are checked, after the search. Not in the table.",
}

impl Display for Mutant {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for Mutant {
    type Err = String;

    /// By its code or its name, in capitals or not.
    fn from_str(text: &str) -> Result<Mutant, String> {
        let is_it = |mutant: &&Mutant| {
            [mutant.code(), mutant.name()].iter().any(|known| known.eq_ignore_ascii_case(text))
        };
        let found = Mutant::ALL.iter().find(is_it);
        found.copied().ok_or_else(|| format!("there is no mutant {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_given_once_and_read_back() {
        for mutant in Mutant::ALL {
            for text in [mutant.code(), mutant.name(), &mutant.code().to_lowercase()] {
                assert_eq!(text.parse(), Ok(*mutant));
            }
        }
        assert!("M99".parse::<Mutant>().is_err());
    }
}
