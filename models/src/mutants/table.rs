//! The mutants: the code and the name of each, what it does wrong, where that was seen, and where it
//! dies.

use super::Description;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

macro_rules! mutants {
    (
        $($(#[$family_doc:meta])* const $family:ident {
            $($code:ident $mutant:ident: $bug:literal, $seen:literal, $entries:tt
                $(equivalent $why:literal)?;)*
        })*
        shown { $($shown_code:ident $shown:ident: $what:literal;)* }
    ) => {
        /// A bug. `check mutants` prints its code; a code is not used again.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutant {
            $($(
                #[doc = concat!(stringify!($code), ": ", $bug)]
                $mutant,
            )*)*
            $(
                #[doc = concat!(stringify!($shown_code), ": ", $what)]
                $shown,
            )*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Mutant] =
                &[$($(Mutant::$mutant,)*)* $(Mutant::$shown,)*];

            /// Its code, such as M15.
            pub fn code(self) -> &'static str {
                match self {
                    $($(Mutant::$mutant => stringify!($code),)*)*
                    $(Mutant::$shown => stringify!($shown_code),)*
                }
            }

            /// Its name, such as BallotsComparedByRound.
            pub fn name(self) -> &'static str {
                match self {
                    $($(Mutant::$mutant => stringify!($mutant),)*)*
                    $(Mutant::$shown => stringify!($shown),)*
                }
            }
        }

        $(
            $(#[$family_doc])*
            pub const $family: &[Description] = &[$(Description {
                mutant: Mutant::$mutant,
                bug: $bug,
                seen: $seen,
                entries: &$entries,
                equivalent: mutants!(@optional $($why)?),
            }),*];
        )*
    };
    (@optional) => { None };
    (@optional $why:literal) => { Some($why) };
}

mutants! {
    /// Bugs that violate a property of states; the entries are of the catalog.
    const SAFETY {
        M01 PromiseNotSaved:
            "promise not saved before the reply", "atlasdb #1508", ["crash-recovery"];
        M02 VoteNotSaved:
            "vote not saved before Accepted", "atlasdb #1504, phxpaxos #32", ["crash-recovery"];
        // A restarted proposer starts its ballots anew.
        M03 BallotsAnewAfterRestart:
            "ballot reused after a restart", "phxpaxos #145", ["crash-recovery"];
        M04 OldPromiseCounted:
            "promise of an earlier ballot counted", "MyPaxos #18", ["rivals-two-rounds"];
        M05 OtherBallotsVoteCounted:
            "vote of another ballot counted", "MultiPaxos-SMR `anybal`", ["rivals-two-rounds"];
        M06 LowestBallotAdopted:
            "adopts the vote of the lowest ballot", "Paxos Made Simple, P2c", ["rivals"];
        M08 AcceptRaisesNoPromise:
            "Accept does not raise the promise", "cassandra #1327", ["rivals"];
        M09 VoteBelowPromise: "votes below the promise", "MultiPaxos-SMR `lowbal`", ["rivals"];
        M11 Phase2QuorumTooSmall: "phase-2 quorum one too small", "MultiPaxos-SMR", ["rivals"];
        M12 Phase1QuorumTooSmall: "phase-1 quorum one too small", "MultiPaxos-SMR", ["rivals"];
        M14 HalfIsQuorum: "half of four is a quorum", "raft-dev 2015", ["four"];
        M15 BallotsComparedByRound:
            "ballots compared by round alone", "MultiPaxos-SMR", ["rivals"];
        // A new leader puts a `Noop` wherever its own log is empty.
        M16 NoopWhereOwnLogIsEmpty:
            "Noop over a reported value", "Paxos Made Simple, section 3", ["rivals"];
        M18 ProposesBeforePromised: "proposes before phase 1 is complete", "classic", ["rivals"];
        M20 TruncatedVotesLost:
            "truncated votes lost", "omnipaxos #58, cockroach #143271", ["compaction"];
        // Catch-up moves the applied bound ahead of the log.
        M21 BoundAheadOfLog: "applied bound ahead of the log", "phxpaxos #158", ["compaction"];
        M24 DuplicateAppliedAgain:
            "duplicate applied again", "PaxosCluster #3, khepri #250", ["retry-elsewhere"];
        M25 SessionsNotInSnapshot:
            "session table not in the snapshot", "curvine #676", ["compaction-crash"];
        M26 AcknowledgedWhenProposed: "acknowledged when proposed", "classic", ["rivals"];
        M28 ReadWithoutLog: "read answered by a deposed leader", "etcd #741, consul #54", ["sync"];
        // Slots are applied when they are decided, gaps or not.
        M29 AppliedOverGaps: "applied over a gap", "classic", ["pipeline"];
        N01 FetchedBoundAnnounced:
            "superseded leader announces what it fetched", "our own", ["five-deposed"];
        N02 ProposesAtHighestReported:
            "new command on the highest reported slot", "our own", ["rivals"];
        N03 PromiseOmitsBound: "promise omits the compacted bound", "our own", ["compaction"];
        N04 AnyChunkTaken: "chunk of an earlier pull taken", "our own", ["chunks"]
            equivalent
            "in one ballot every pull starts at the same slot, the votes below the ballot no \
             longer change, and the next chunk is asked for only after the one before it was \
             taken; so a chunk that comes again says nothing new, and the last one of an acceptor \
             cannot come before the others";
        N05 SessionIdsShared: "sessions of one batch share an id", "design review", ["batches"];
        N06 OwnVoteCountedEarly: "own vote counted before it is durable", "our own", ["overlap"];
        N07 EmptyAcceptor:
            "lost storage, empty acceptor", "Michael et al., DISC 2017", ["crash-recovery"];
        P01 BoundOfAnyBallotDecides:
            "bound decides votes of another ballot", "our own", ["rivals"];
        P02 OwnPromiseNotSaved: "ballot not saved before Prepare", "our own", ["crash-recovery"];
        P03 SlotHandedOutTwice: "slot handed out twice", "our own", ["real-time"];
        P04 VoteToldEarly: "vote told while its save is pending", "our own", ["overlap"];
        P05 PrepareSentEarly: "Prepare sent while its save is pending", "our own", ["overlap"];
        P06 PromiseToldEarly: "promise told while its save is pending", "our own", ["overlap"];
        P07 DuplicatesByValue: "duplicates recognised by value", "our own", ["retry-elsewhere"];
        P08 VotesRecalled: "a vote recalled as if it were decided", "our own", ["crash-recall"];
        // A leader's queue has no limit, nor has what waits for an earlier request.
        B01 QueueUnbounded:
            "a leader's queue has no limit", "our own", ["long-messages", "busy", "held"];
        B02 ChunkUnbounded: "a chunk takes all that there is", "our own", ["chunks"];
        B03 WindowOneTooWide: "one slot more than the window", "classic", ["held", "busy"];
        B04 RelayAnsweredLikeClient: "a relay is answered like a client", "found here", ["relay"];
        R01 AnyAnswerTakenForLast: "any chunk taken for the one asked for", "our own", ["reader"];
        R02 ReadAgain: "what comes again is read again", "our own", ["reader"];
        R03 OutcomesFoundAnew:
            "a reader finds out itself what took effect", "our own", ["reader-end"];
        R04 ReadEndsAtBound:
            "a current read ends before it has read", "our own", ["current-read-relayed"];
        R05 AnyBoundTaken: "a bound of another read taken", "our own", ["current-reads"];
        K01 ReadWithoutRound: "a read answered without a round", "etcd #741", ["current-read"];
        K02 OtherBallotsRoundCounted:
            "a round of another ballot counted", "design review", ["current-reads-two-rounds"];
        K03 OtherRoundCounted:
            "an acknowledgement of an earlier round counted", "design review", ["current-reads"];
        K04 ReadBelowReported:
            "a read below what was reported", "Raft thesis, 6.4", ["current-read-new-leader"];
        // A read that comes while a round is on is answered when that is over.
        K05 JoinsRoundThatIsOn:
            "a read joins a round that is on", "design review", ["current-reads"];
        K06 RoundBelowPromise:
            "a round acknowledged below the promise", "our own", ["current-read"];
        K07 ReadBeforeApplied:
            "a read answered before its bound is applied", "review of the protocol", ["current-read-new-leader"];
        G01 ChangeNeverInForce:
            "votes of new members never count", "design review", ["replace-one"];
        G02 ChangeInForceAtOnce:
            "a change in force where it is decided", "design review", ["replace-padded"];
        G03 ChangeInForceEarly: "α one too small", "design review", ["replace-window"];
        G04 ChangeInForceLate: "α one too large", "design review", ["replace-one"];
        G05 LimitIgnored:
            "proposes where the members are not known", "design review", ["replace-limit"];
        G06 LimitOneTooFar: "proposes one slot too far", "design review", ["replace-limit"];
        G07 LimitFromBase:
            "α counted from the base", "design review", ["replace-lagging"];
        G08 ChangeBeforeChosen:
            "a change known by one's own vote", "design review", ["replace-lost"];
        G09 ChangeAboveGap:
            "a change known above a gap", "design review", ["rival-changes-padded"];
        G10 StrangersVoteCounted:
            "the vote of a removed leader counted", "design review", ["replace-leader-padded"];
        G11 NewMembersNotAsked:
            "no phase 1 among new members", "design review", ["replace-rivals"];
        G12 NewMembersReportIgnored:
            "what new members report ignored", "design review", ["replace-rivals"];
        G13 MembersNotInSnapshot:
            "a snapshot without the members", "design review", ["replace-crash"];
        G14 PendingChangeNotInSnapshot:
            "a snapshot without the change to come", "design review", ["replace-padded-crash"];
        G15 ReplacesIgnored:
            "a change replaces whatever is in force", "design review", ["rival-changes"];
        G16 TwoChangesAtOnce:
            "a change while one is to come", "design review", ["rival-changes-padded"];
        G17 ReadNotRaised:
            "a read's bound not raised by late reports", "design review", ["replace-read"];
        G18 RoundOfMembersNow:
            "a round by the members of another slot", "found here", ["replace-read"];
        // A new leader closes a gap by the places of the votes that were reported, not by their
        // slots.
        S01 GapClosedByPlace:
            "gap closed by place, not by slot", "review of the checker", ["gap-rivals"];
        // On the first `Accept` of a ballot, an acceptor takes its votes above that slot for votes
        // of the ballot.
        S02 OldSuffixKept: "suffix of an older ballot kept", "Raft, section 5.3", ["two-writers"];
        S03 EvictionByReplica:
            "eviction depends on the replica", "review of the checker", ["eviction"];
        // A snapshot is saved with the sessions of the slot before its bound.
        S04 SnapshotOfEarlierSessions:
            "snapshot with earlier sessions", "review of the checker", ["compaction"];
        // A client that is redirected numbers its requests from 1 on.
        S05 RedirectedNumbersAnew:
            "a redirected client numbers anew", "review of the checker", ["redirected"];
        // A client whose session has expired goes on in another one, with the number of a request
        // whose outcome is unknown.
        S06 ExpiredNumberUsedAgain:
            "number used again after expiry", "review of the checker", ["eviction-again"];
        S07 FirstReportedAdopted:
            "adopts the vote reported first", "review of the checker", ["rivals-two-rounds"];
        // Whoever does not know a session says that it has expired, opened or not.
        S11 UnknownCalledExpired:
            "unknown session called expired", "review of the checker", ["sessions-elsewhere"];
        S12 OnlyLeaderEvicts: "only a leader evicts", "review of the checker", ["eviction"];
        S13 VoteAtBoundDropped:
            "catch-up drops a vote at the bound", "review of the checker", ["compaction"];
        // A client that comes back opens another session, and says there what was pending.
        C01 ReturnsInNewSession:
            "a restarted client talks in a new session", "classic", ["client-evicted"];
        C02 ReturnsWithNewNumbers:
            "a restarted client renumbers its requests", "classic", ["client-crash"];
        C03 SessionNotSaved:
            "a session not saved before its requests", "our own", ["client-crash"];
        C04 AcknowledgementNotSaved:
            "an acknowledgement is not saved", "our own", ["client-crash"];
        // A client whose session has expired opens another, and says there what was pending.
        C05 SaidAgainAfterExpiry:
            "said again after the session expired", "Raft thesis, 6.3", ["eviction"];
    }
    /// Bugs that cost progress and nothing else: fair schedules are run from the states of these entries.
    const LIVENESS {
        M31 StandsAgainAtOnce:
            "a deposed candidate stands again at once", "TigerBeetle 2023-07-06", ["rivals"];
        M32 HigherBallotRejected:
            "a higher ballot rejected (== for >=)", "MyPaxos #19", ["pre-vote"];
        // Nothing between replicas that was lost is sent again: no `Resend` timer.
        M33 NothingSentAgain: "nothing lost is sent again", "MultiPaxos-SMR", ["rivals"];
        // A reader does not ask again what was not answered.
        S08 ReaderNeverAsksAgain: "a reader never asks again", "review of the checker", ["reader"];
        S09 AnsweredFromNextSlot:
            "answer from the log one slot off", "review of the checker", ["compaction"];
        // A leader far up the log proposes nothing: it takes the sum of two slots for their
        // distance.
        S10 DistanceOverflows:
            "far up the log nothing is proposed", "review of the checker", ["stuck-queue"];
        // What waited while a leader lacked slots below its base is not proposed when it has
        // caught up.
        S16 WaitingNotProposed:
            "what waited is left when caught up", "found here", ["stuck-queue"];
        // Heartbeats are signs of life, and answers to them too, whatever the progress.
        L01 AnyHeartbeatIsLife: "heartbeats count without progress", "our own", ["skipped-slot"];
        L02 NeverFetches: "a follower never fetches what it lacks", "classic", ["rivals"];
        L03 PrepareOnce: "Prepare is not sent again", "classic", ["rivals"];
        L04 AcceptOnce: "Accept is not sent again", "MultiPaxos-SMR", ["rivals"]
            equivalent
            "it costs an election, not progress: a leader whose proposals are stuck, or whose \
             followers are, is not renewed by heartbeats, and the next one proposes anew all that \
             its quorum reports";
        L05 GapsLeftOpen:
            "a new leader leaves gaps open", "Paxos Made Simple, section 3", ["skipped-slot"];
        L06 ClientNeverAsksAgain: "a client never asks again", "classic", ["real-time"];
        L07 ClientNeverAsksElsewhere:
            "a client never asks another replica", "classic", ["crash-for-good"];
        L08 NeverAnsweredAgain: "an acknowledgement is not repeated", "classic", ["real-time"];
        L09 RejectIgnored: "a Reject is ignored", "TigerBeetle 2023-07-06", ["rivals"]
            equivalent
            "it costs a time-out, not progress: whoever promised a higher ballot follows it or \
             stands above it, and its Prepare or Heartbeat says what the Reject did";
        L10 ElectionTimerOnce:
            "an election time-out is not set again", "classic", ["pre-vote-crash"];
        L11 LackAskedOnce: "a leader asks only once for what it lacks", "our own", ["compaction"]
            equivalent
            "it costs an election, not progress: a leader that gets none of what it lacks steps \
             down, and whoever leads next asks anew or finds the votes";
        // A leader that lacks slots below its base stays as long as it is heard.
        L12 StaysWhileLacking:
            "a leader that lacks decided slots stays", "found here: check progress", ["lost-compactor"];
        L13 ChangeNotPadded:
            "an idle leader brings no change into force", "design review", ["replace-padded"];
    }
    /// Bugs that cost availability and nothing else: what fails to do what it has to is a group of links or a
    /// hardship.
    const AVAILABILITY {
        S14 RejectDeposesLeader:
            "a leader steps down at a Reject", "found here", ["cut-off-candidate"];
        // A client goes on from whomever a redirect has named, and a replica names the leader that
        // it has promised to, heard or not: so a client goes round between the two for ever.
        S15 SilentLeaderNamed: "a redirect moves a client's turn", "found here", ["5"];
        A01 TimeoutsNeverDouble: "time-outs never double", "Raft, section 5.6", ["slow-disks"];
        A02 FlightUnbounded:
            "bytes in flight are not bounded", "RFC 5681", ["narrow-link", "crowd"];
        A03 AllSentAgain: "all is sent again at each tick", "RFC 6298", ["narrow-link"];
        A04 NobodyRelays: "nobody relays", "found here", ["3"];
        // A reader stays with whoever answers, though it has nothing new.
        A05 ReaderStays: "a reader stays where nothing is new", "found here", ["3", "named"];
        A06 RetryPutOff:
            "each acknowledgement puts off the retry", "found here", ["lost-acknowledgement"];
        A07 OneAskedAtOnce: "a client asks one replica at a time", "found here", ["half-die"];
        // Who has asked a replica once in a session is answered from there for ever.
        A10 AskerRememberedForEver: "whoever asked once is told for ever", "found here", ["calm"];
        // A time-out that has doubled is halved again for each slot.
        A08 PatienceLostEachSlot:
            "time-outs shrink with each slot", "our own", ["slow-disks", "long-round-trips"];
        A09 ClientTimesNeverDouble:
            "a client's times never double", "RFC 6298", ["narrow-link", "lossy-link"];
        // What is held is queued only when its client asks for more.
        A11 HeldUntilAskedAgain:
            "what is held waits for a question", "found here", ["shared-queue"];
        A12 AskersUnbounded:
            "askers in made-up sessions are kept", "found here", ["made-up-sessions"];
    }
    // No bugs of the protocol: they show how the checker ends.
    shown {
        X01 PanicsAtVote:
            "An assertion fails at the first vote. No bug of the protocol: it shows how the \
             checker ends.";
        X02 PanicsAtClaims:
            "An assertion fails only when claims of staleness are checked, after the search.";
    }
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
