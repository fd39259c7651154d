//! probe
use paxos_chat_models::{catalog::*, compact::*, engine::*, entries::*};
use stateright::Model;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let eager = std::env::var("EAGER").is_err();
    for e in catalog() {
        if args.len() > 1 && !args[1..].iter().any(|a| a == e.name) {
            continue;
        }
        let m = e.config.model(
            e.reaches,
            Reductions { eager_sends: eager, stale_messages: std::env::var("STALE").is_ok() },
        );
        let cores = std::sync::Mutex::new(std::collections::HashSet::new());
        let r = bfs_judged(
            &m,
            &Options {
                stop_at_violation: true,
                max_states: Some(std::env::var("MAX").map_or(3_000_000, |m| m.parse().unwrap())),
                ..Options::default()
            },
            |s| {
                if std::env::var("CORES").is_ok() {
                    cores.lock().unwrap().insert(m.core(s).to_vec());
                }
                m.verdict(s).0
            },
        );
        println!(
            "{:18} {:?} unique {} gen {} depth {} {:?} {:.0}/s mem {} locals {:?} envs {}",
            e.name,
            r.stopped,
            r.unique_states,
            r.generated_states,
            r.depth,
            r.elapsed,
            r.unique_states as f64 / r.elapsed.as_secs_f64(),
            r.memory_bytes,
            m.local_counts(),
            m.envelope_count()
        );
        let t = std::time::Instant::now();
        println!("   stale {:?} {:?}", m.check_stale(), t.elapsed());
        println!("   cores {}", cores.lock().unwrap().len());
        for (i, (p, d)) in m.properties().iter().zip(&r.discoveries).enumerate() {
            let hit = d.is_some() || m.reached().has(i);
            if hit == (p.expectation == stateright::Expectation::Always) {
                println!("   {:?} {} {:?}", p.expectation, p.name, d);
            }
            if hit && p.expectation == stateright::Expectation::Always {
                let (_, steps) = path_to(&m, d.unwrap().fingerprint, d.unwrap().depth).unwrap();
                for (a, _) in &steps {
                    println!("     {}", m.format_action(a));
                }
            }
        }
    }
}
