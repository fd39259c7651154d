//! The table of the mutants of safety: where each was seen, and where it dies.

use super::{Description, Mutant};

/// All mutants of safety; those of liveness are in [`super::liveness::all`].
pub fn all() -> Vec<Description> {
    let row =
        |mutant, bug, seen, entries| Description { mutant, bug, seen, entries, equivalent: None };
    use Mutant::*;
    vec![
        row(M01, "promise not saved before the reply", "atlasdb #1508", &["crash-recovery"]),
        row(
            M02,
            "vote not saved before Accepted",
            "atlasdb #1504, phxpaxos #32",
            &["crash-recovery"],
        ),
        row(M03, "ballot reused after a restart", "phxpaxos #145", &["crash-recovery"]),
        row(M04, "promise of an earlier ballot counted", "MyPaxos #18", &["rivals-two-rounds"]),
        row(
            M05,
            "vote of another ballot counted",
            "MultiPaxos-SMR `anybal`",
            &["rivals-two-rounds"],
        ),
        row(M06, "adopts the vote of the lowest ballot", "Paxos Made Simple, P2c", &["rivals"]),
        row(M08, "Accept does not raise the promise", "cassandra #1327", &["rivals"]),
        row(M09, "votes below the promise", "MultiPaxos-SMR `lowbal`", &["rivals"]),
        row(M11, "phase-2 quorum one too small", "MultiPaxos-SMR", &["rivals"]),
        row(M12, "phase-1 quorum one too small", "MultiPaxos-SMR", &["rivals"]),
        row(M14, "half of four is a quorum", "raft-dev 2015", &["four"]),
        row(M15, "ballots compared by round alone", "MultiPaxos-SMR", &["rivals"]),
        row(M16, "Noop over a reported value", "Paxos Made Simple, section 3", &["rivals"]),
        row(M18, "proposes before phase 1 is complete", "classic", &["rivals"]),
        row(M20, "truncated votes lost", "omnipaxos #58, cockroach #143271", &["compaction"]),
        row(M21, "applied bound ahead of the log", "phxpaxos #158", &["compaction"]),
        row(M24, "duplicate applied again", "PaxosCluster #3, khepri #250", &["retry-elsewhere"]),
        row(M25, "session table not in the snapshot", "curvine #676", &["compaction-crash"]),
        row(M26, "acknowledged when proposed", "classic", &["rivals"]),
        row(M28, "read answered by a deposed leader", "etcd #741, consul #54", &["sync"]),
        row(M29, "applied over a gap", "classic", &["pipeline"]),
        row(N01, "superseded leader announces what it fetched", "our own", &["five-deposed"]),
        row(N02, "new command on the highest reported slot", "our own", &["rivals"]),
        row(N03, "promise omits the compacted bound", "our own", &["compaction"]),
        Description {
            equivalent: Some(
                "in one ballot every pull starts at the same slot, the votes below the ballot no \
                 longer change, and the next chunk is asked for only after the one before it was \
                 taken; so a chunk that comes again says nothing new, and the last one of an \
                 acceptor cannot come before the others",
            ),
            ..row(N04, "chunk of an earlier pull taken", "our own", &["chunks"])
        },
        row(N05, "sessions of one batch share an id", "design review", &["batches"]),
        row(N06, "own vote counted before it is durable", "our own", &["overlap"]),
        row(N07, "lost storage, empty acceptor", "Michael et al., DISC 2017", &["crash-recovery"]),
        row(P01, "bound decides votes of another ballot", "our own", &["rivals"]),
        row(P02, "ballot not saved before Prepare", "our own", &["crash-recovery"]),
        row(P03, "slot handed out twice", "our own", &["real-time"]),
        row(P04, "vote told while its save is pending", "our own", &["overlap"]),
        row(P05, "Prepare sent while its save is pending", "our own", &["overlap"]),
        row(P06, "promise told while its save is pending", "our own", &["overlap"]),
        row(P07, "duplicates recognised by value", "our own", &["retry-elsewhere"]),
        row(B01, "a leader's queue has no limit", "our own", &["long-messages", "busy", "held"]),
        row(B02, "a chunk takes all that there is", "our own", &["chunks"]),
        row(B03, "one slot more than the window", "classic", &["held", "busy"]),
        row(B04, "a relay is answered like a client", "found here", &["relay"]),
        row(R01, "any chunk taken for the one asked for", "our own", &["reader"]),
        row(R02, "what comes again is read again", "our own", &["reader"]),
        row(S01, "gap closed by place, not by slot", "review of the checker", &["gap-rivals"]),
        row(S02, "suffix of an older ballot kept", "Raft, section 5.3", &["two-writers"]),
        row(S03, "eviction depends on the replica", "review of the checker", &["eviction"]),
        row(S04, "snapshot with earlier sessions", "review of the checker", &["compaction"]),
        row(S05, "a redirected client numbers anew", "review of the checker", &["redirected"]),
        row(S06, "number used again after expiry", "review of the checker", &["eviction-again"]),
        row(S07, "adopts the vote reported first", "review of the checker", &["rivals-two-rounds"]),
        row(
            S11,
            "unknown session called expired",
            "review of the checker",
            &["sessions-elsewhere"],
        ),
        row(S12, "only a leader evicts", "review of the checker", &["eviction"]),
        row(S13, "catch-up drops a vote at the bound", "review of the checker", &["compaction"]),
        row(C01, "a restarted client talks in a new session", "classic", &["client-evicted"]),
        row(C02, "a restarted client renumbers its requests", "classic", &["client-crash"]),
        row(C03, "a session not saved before its requests", "our own", &["client-crash"]),
        row(C04, "an acknowledgement is not saved", "our own", &["client-crash"]),
        row(C05, "said again after the session expired", "Raft thesis, 6.3", &["eviction"]),
    ]
}
