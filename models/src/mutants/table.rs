//! The table of the mutants of safety: where each was seen, and where it dies.

use super::{Description, Mutant};

/// All mutants of safety; those of liveness are in [`super::liveness::all`].
#[allow(clippy::too_many_lines, reason = "a table of data")]
pub fn all() -> Vec<Description> {
    let row =
        |mutant, bug, seen, entries| Description { mutant, bug, seen, entries, equivalent: None };
    use Mutant::*;
    vec![
        row(
            PromiseNotSaved,
            "promise not saved before the reply",
            "atlasdb #1508",
            &["crash-recovery"],
        ),
        row(
            VoteNotSaved,
            "vote not saved before Accepted",
            "atlasdb #1504, phxpaxos #32",
            &["crash-recovery"],
        ),
        row(
            BallotsAnewAfterRestart,
            "ballot reused after a restart",
            "phxpaxos #145",
            &["crash-recovery"],
        ),
        row(
            OldPromiseCounted,
            "promise of an earlier ballot counted",
            "MyPaxos #18",
            &["rivals-two-rounds"],
        ),
        row(
            OtherBallotsVoteCounted,
            "vote of another ballot counted",
            "MultiPaxos-SMR `anybal`",
            &["rivals-two-rounds"],
        ),
        row(
            LowestBallotAdopted,
            "adopts the vote of the lowest ballot",
            "Paxos Made Simple, P2c",
            &["rivals"],
        ),
        row(
            AcceptRaisesNoPromise,
            "Accept does not raise the promise",
            "cassandra #1327",
            &["rivals"],
        ),
        row(VoteBelowPromise, "votes below the promise", "MultiPaxos-SMR `lowbal`", &["rivals"]),
        row(Phase2QuorumTooSmall, "phase-2 quorum one too small", "MultiPaxos-SMR", &["rivals"]),
        row(Phase1QuorumTooSmall, "phase-1 quorum one too small", "MultiPaxos-SMR", &["rivals"]),
        row(HalfIsQuorum, "half of four is a quorum", "raft-dev 2015", &["four"]),
        row(
            BallotsComparedByRound,
            "ballots compared by round alone",
            "MultiPaxos-SMR",
            &["rivals"],
        ),
        row(
            NoopWhereOwnLogIsEmpty,
            "Noop over a reported value",
            "Paxos Made Simple, section 3",
            &["rivals"],
        ),
        row(ProposesBeforePromised, "proposes before phase 1 is complete", "classic", &["rivals"]),
        row(
            TruncatedVotesLost,
            "truncated votes lost",
            "omnipaxos #58, cockroach #143271",
            &["compaction"],
        ),
        row(BoundAheadOfLog, "applied bound ahead of the log", "phxpaxos #158", &["compaction"]),
        row(
            DuplicateAppliedAgain,
            "duplicate applied again",
            "PaxosCluster #3, khepri #250",
            &["retry-elsewhere"],
        ),
        row(
            SessionsNotInSnapshot,
            "session table not in the snapshot",
            "curvine #676",
            &["compaction-crash"],
        ),
        row(AcknowledgedWhenProposed, "acknowledged when proposed", "classic", &["rivals"]),
        row(
            ReadWithoutLog,
            "read answered by a deposed leader",
            "etcd #741, consul #54",
            &["sync"],
        ),
        row(AppliedOverGaps, "applied over a gap", "classic", &["pipeline"]),
        row(
            FetchedBoundAnnounced,
            "superseded leader announces what it fetched",
            "our own",
            &["five-deposed"],
        ),
        row(
            ProposesAtHighestReported,
            "new command on the highest reported slot",
            "our own",
            &["rivals"],
        ),
        row(PromiseOmitsBound, "promise omits the compacted bound", "our own", &["compaction"]),
        Description {
            equivalent: Some(
                "in one ballot every pull starts at the same slot, the votes below the ballot no \
                 longer change, and the next chunk is asked for only after the one before it was \
                 taken; so a chunk that comes again says nothing new, and the last one of an \
                 acceptor cannot come before the others",
            ),
            ..row(AnyChunkTaken, "chunk of an earlier pull taken", "our own", &["chunks"])
        },
        row(SessionIdsShared, "sessions of one batch share an id", "design review", &["batches"]),
        row(OwnVoteCountedEarly, "own vote counted before it is durable", "our own", &["overlap"]),
        row(
            EmptyAcceptor,
            "lost storage, empty acceptor",
            "Michael et al., DISC 2017",
            &["crash-recovery"],
        ),
        row(
            BoundOfAnyBallotDecides,
            "bound decides votes of another ballot",
            "our own",
            &["rivals"],
        ),
        row(OwnPromiseNotSaved, "ballot not saved before Prepare", "our own", &["crash-recovery"]),
        row(SlotHandedOutTwice, "slot handed out twice", "our own", &["real-time"]),
        row(VoteToldEarly, "vote told while its save is pending", "our own", &["overlap"]),
        row(PrepareSentEarly, "Prepare sent while its save is pending", "our own", &["overlap"]),
        row(PromiseToldEarly, "promise told while its save is pending", "our own", &["overlap"]),
        row(DuplicatesByValue, "duplicates recognised by value", "our own", &["retry-elsewhere"]),
        row(
            QueueUnbounded,
            "a leader's queue has no limit",
            "our own",
            &["long-messages", "busy", "held"],
        ),
        row(ChunkUnbounded, "a chunk takes all that there is", "our own", &["chunks"]),
        row(WindowOneTooWide, "one slot more than the window", "classic", &["held", "busy"]),
        row(RelayAnsweredLikeClient, "a relay is answered like a client", "found here", &["relay"]),
        row(AnyAnswerTakenForLast, "any chunk taken for the one asked for", "our own", &["reader"]),
        row(ReadAgain, "what comes again is read again", "our own", &["reader"]),
        row(
            GapClosedByPlace,
            "gap closed by place, not by slot",
            "review of the checker",
            &["gap-rivals"],
        ),
        row(OldSuffixKept, "suffix of an older ballot kept", "Raft, section 5.3", &["two-writers"]),
        row(
            EvictionByReplica,
            "eviction depends on the replica",
            "review of the checker",
            &["eviction"],
        ),
        row(
            SnapshotOfEarlierSessions,
            "snapshot with earlier sessions",
            "review of the checker",
            &["compaction"],
        ),
        row(
            RedirectedNumbersAnew,
            "a redirected client numbers anew",
            "review of the checker",
            &["redirected"],
        ),
        row(
            ExpiredNumberUsedAgain,
            "number used again after expiry",
            "review of the checker",
            &["eviction-again"],
        ),
        row(
            FirstReportedAdopted,
            "adopts the vote reported first",
            "review of the checker",
            &["rivals-two-rounds"],
        ),
        row(
            UnknownCalledExpired,
            "unknown session called expired",
            "review of the checker",
            &["sessions-elsewhere"],
        ),
        row(OnlyLeaderEvicts, "only a leader evicts", "review of the checker", &["eviction"]),
        row(
            VoteAtBoundDropped,
            "catch-up drops a vote at the bound",
            "review of the checker",
            &["compaction"],
        ),
        row(
            ReturnsInNewSession,
            "a restarted client talks in a new session",
            "classic",
            &["client-evicted"],
        ),
        row(
            ReturnsWithNewNumbers,
            "a restarted client renumbers its requests",
            "classic",
            &["client-crash"],
        ),
        row(
            SessionNotSaved,
            "a session not saved before its requests",
            "our own",
            &["client-crash"],
        ),
        row(
            AcknowledgementNotSaved,
            "an acknowledgement is not saved",
            "our own",
            &["client-crash"],
        ),
        row(
            SaidAgainAfterExpiry,
            "said again after the session expired",
            "Raft thesis, 6.3",
            &["eviction"],
        ),
    ]
}
