//! What runs are asked to reach, so that nothing holds vacuously.

macro_rules! milestones {
    ($($milestone:ident: $text:literal,)*) => {
        /// Something that a run is asked to reach.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Milestone {
            $(
                #[doc = concat!("When ", $text, ".")]
                $milestone,
            )*
        }

        impl Milestone {
            /// All of them.
            pub const ALL: &[Milestone] = &[$(Milestone::$milestone),*];

            /// What is reached, as people read it.
            pub fn text(self) -> &'static str {
                match self {
                    $(Milestone::$milestone => $text,)*
                }
            }
        }
    };
}

milestones! {
    RequestPassedOn: "a request is passed on",
    RequestHeld: "a request waits for an earlier one of its session",
    LeaderElected: "a leader is elected",
    TwoBallotsGetVotes: "two leaders' ballots get votes",
    OldValueAdopted: "a new leader adopts an old value",
    TwoValuesReported: "a candidate is told of two values for a slot",
    GapClosed: "a new leader closes a gap with a Noop",
    NoopChosen: "a Noop is chosen",
    DuplicateSuppressed: "a duplicate is suppressed",
    AnsweredFromTable: "a request is answered again from the session table",
    PromiseInChunks: "a promise comes in chunks",
    CaughtUp: "a follower catches up by fetching",
    LeaderFetches: "a leader fetches below its base",
    SupersededStepsDown: "a superseded leader steps down on a decided slot",
    TwoSlotsInFlight: "two slots are in flight",
    BatchChosen: "a batch of two commands is chosen",
    BusyTold: "a client is told that the leader is busy",
    ClientRedirected: "a client is redirected",
    SessionOpened: "a session is opened through the log",
    SessionEvicted: "a session is evicted",
    SnapshotTaken: "a snapshot is taken",
    AcceptBelowBound: "an Accept below the compacted bound is answered with Decided",
    AnsweredFromLog: "a question about what is not in memory is answered from the log",
    AcceptTooFarAhead: "an Accept far above what is applied is not voted on",
    PreVoteGranted: "a pre-vote is granted",
    LeaderHeard: "a follower hears a leader that makes progress",
    UnheardStepsDown: "a leader steps down unheard",
    SlotSkipped: "a slot is skipped",
    RecoveredInPhase2: "a replica recovers in the middle of phase 2",
    LogRecalled: "a replica recovers what its log holds above its snapshot",
    PendingSaveLost: "a crash loses a pending save",
    AllDelivered: "everything is delivered",
    AllDeliveredWithFDown: "everything is delivered with f replicas down",
    AskedAfterAcknowledgement: "a client asks after another's acknowledgement",
    ClientCrashedPending: "a client crashes while its request is pending",
    PendingAppliedWhileDown: "a client is down whose pending request was applied",
    PendingAcknowledged: "a request is acknowledged that was pending in a crash",
    ExpiredAfterCrash: "a client that came back is told that its session has expired",
    AllRead: "a reader has read everything",
    ReadAfterAcknowledgement: "a current read begins after an acknowledgement",
    ReadEnded: "a current read ends",
    ReadPassedOn: "a current read is passed on, and answered",
    ReadsShareRound: "two current reads share a round",
    MembersChanged: "a change of members is in force",
    MembersMerged: "a leader merges promises of members that a change brings",
    RemovedStepsDown: "a leader that a change removes steps down",
    ChangeRefused: "a change comes to nothing",
    ReadRefused: "a current read's round is refused",
}
