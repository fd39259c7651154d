//! Is a replica alive, and is it of use? For whoever restarts it, and whoever waits for it.
//!
//! **Invariants**
//! - *Alive is no promise of the cluster's*: a replica without a majority is alive, and a restart would not help it.
//! - *Ready is of now*: it leads, or hears a leader that makes progress, and lacks nothing that this one has announced.

use crate::metrics;
use crate::panel::Panel;
use crate::status::Status;
use crate::web::Answer;
use std::time::Duration;

/// A driver that has not ended a turn for so long hangs. A disk that stalls for some seconds is no reason to restart.
const HANGS: Duration = Duration::from_secs(30);

/// One that has not ended a turn for so long serves nobody now.
const STALLS: Duration = Duration::from_secs(3);

/// What is answered to who asks for this path.
pub fn answer(path: &str, panel: &Panel) -> Answer {
    match path {
        "/metrics" => Answer { status: 200, kind: metrics::KIND, body: metrics::page(panel) },
        "/healthz" => probe(is_alive(&panel.status())),
        "/readyz" => probe(is_ready(&panel.status())),
        _ => Answer::text(404, "ask for /metrics, /healthz or /readyz"),
    }
}

fn probe(outcome: Result<&str, String>) -> Answer {
    match outcome {
        Ok(so) => Answer::text(200, so),
        Err(why) => Answer::text(503, &why),
    }
}

/// Does its driver take turns?
pub(crate) fn is_alive(status: &Status) -> Result<&'static str, String> {
    if status.turn_age > HANGS {
        let seconds = status.turn_age.as_secs();
        return Err(format!("its driver has hung for {seconds} s: does its disk?"));
    }
    Ok("alive")
}

/// Would a client that asks it be served at once?
fn is_ready(status: &Status) -> Result<&'static str, String> {
    is_alive(status)?;
    if status.turn_age > STALLS {
        let seconds = status.turn_age.as_secs();
        return Err(format!("its driver has stalled for {seconds} s: does its disk?"));
    }
    if status.waits {
        return Err("waits for the others".into());
    }
    if !status.has_taken_turns() {
        return Err("starts".into());
    }
    if !status.is_led {
        return Err("neither leads nor hears a leader that makes progress".into());
    }
    if status.is_behind {
        return Err(format!("catches up: it has applied all below slot {}", status.applied_upto));
    }
    Ok(if status.leads() { "ready: it leads" } else { "ready: it follows" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Role;

    #[test]
    fn a_replica_is_ready_when_it_would_serve_and_alive_before_that() {
        let well = Status { log_hash: "01".into(), is_led: true, ..Status::default() };
        assert_eq!(is_ready(&well), Ok("ready: it follows"));
        let leads = Status { role: Role::Leading, ..well.clone() };
        assert_eq!(is_ready(&leads), Ok("ready: it leads"));
        for (status, why) in [
            (Status { waits: true, ..well.clone() }, "waits"),
            (Status { log_hash: String::new(), ..well.clone() }, "starts"),
            (Status { is_led: false, ..well.clone() }, "neither leads"),
            (Status { turn_age: Duration::from_secs(4), ..well.clone() }, "stalled for 4 s"),
            (Status { is_behind: true, applied_upto: 7, ..well.clone() }, "below slot 7"),
        ] {
            assert!(is_ready(&status).unwrap_err().contains(why), "{status:?}");
            assert_eq!(is_alive(&status), Ok("alive"));
        }
        let hangs = Status { turn_age: Duration::from_secs(31), ..well };
        assert!(is_alive(&hangs).is_err() && is_ready(&hangs).is_err());
    }
}
