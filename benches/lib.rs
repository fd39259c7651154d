//! Criterion benchmarks: `cargo bench -p paxos-chat-benches`.
