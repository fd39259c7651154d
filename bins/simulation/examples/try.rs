use paxos_chat_simulation::plan::*;
use paxos_chat_simulation::trial::*;
use std::time::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (from, to): (u64, u64) = (args[1].parse().unwrap(), args[2].parse().unwrap());
    let given = Given { profile: args.get(3).map(|p| p.parse().unwrap()), ..Given::default() };
    let mut worst = Duration::ZERO;
    let (mut t, mut c, mut e) = (0.0, 0.0, 0);
    for seed in from..to {
        let begun = Instant::now();
        let plan = Plan::draw(seed, &given);
        let o = run(&plan);
        let f = o.figures;
        worst = worst.max(f.healed_in);
        t += f.time.as_secs_f64(); c += f.cpu.as_secs_f64(); e += f.events;
        if let Some(failure) = &o.failure {
            println!("seed {seed} {} n={} c={} troubles={} {:?} {failure}", plan.profile, plan.replicas, plan.clients, plan.troubles.len(), begun.elapsed());
        }
        if args.len() > 4 { println!("{seed} {} {f:?}", plan.profile); }
    }
    println!("virtual {t:.0} s cpu {c:.1} s = {:.0}x, {:.0} events/s, worst heal {worst:?}", t / c, e as f64 / c);
}
