use paxos_chat_models::{catalog::*, chat::*, compact::*, engine::*, properties::*};
fn main() {
    let which = std::env::args().nth(1).unwrap();
    let c = match which.as_str() {
        "a" => Config::new(3).client("ann", 1, 0).client("bob", 1, 1).candidates([0, 1]),
        "b" => Config::new(3).client("ann", 1, 0).client("bob", 1, 1),
        "c" => Config::new(3).client("ann", 1, 0).candidates([0, 1]).crashes(&[0, 1, 2], 1, true),
        "d" => Config::new(3).client("ann", 1, 0).candidates([0]),
        "e" => Config::new(3).client("ann", 1, 0).candidates([0]).tuned(|t| t.pre_vote = true),
        "f" => Config::new(3)
            .client("ann", 2, 0)
            .candidates([0])
            .last_client(|c| c.window = 2)
            .tuned(|t| t.window_slots = 2),
        _ => panic!(),
    };
    let m = c.model(
        &EVENTS,
        Reductions { eager_sends: std::env::args().nth(2).is_some(), stale_messages: false },
    );
    let r = bfs(&m, &Options { stop_at_violation: true, ..Options::default() });
    println!(
        "{:?} complete {} unique {} gen {} depth {} {:?} {:.0}/s mem {} locals {:?} envs {}",
        r.stopped,
        r.complete,
        r.unique_states,
        r.generated_states,
        r.depth,
        r.elapsed,
        r.unique_states as f64 / r.elapsed.as_secs_f64(),
        r.memory_bytes,
        m.local_counts(),
        m.envelope_count()
    );
    use stateright::Model;
    for (p, d) in m.properties().iter().zip(&r.discoveries) {
        if d.is_some() {
            println!("{:?} {} {:?}", p.expectation, p.name, d.as_ref().map(|d| d.depth));
        }
    }
}
