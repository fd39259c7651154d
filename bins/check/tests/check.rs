//! The `check` command as a person runs it: results, exit status, errors, the Explorer.

#[path = "../../tests/explorer/mod.rs"]
mod explorer;

use explorer::Explorer;
use std::process::{Command, Output};

fn check(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_check")).args(args).output().expect("check starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn an_entry_holds_and_its_json_says_so() {
    let run = check(&["run", "sessions", "--json"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let line: serde_json::Value = serde_json::from_slice(&run.stdout).expect("one JSON object");
    assert_eq!(line["name"], "sessions");
    assert_eq!(line["engine"], "compact");
    assert_eq!(line["complete"], true);
    assert_eq!(line["unique_states"], line["expected_unique_states"]);
    for key in ["generated_states", "depth", "seconds", "peak_rss_bytes"] {
        assert!(line[key].is_number(), "{key}");
    }
    let properties = line["properties"].as_array().expect("a list");
    assert!(properties.len() >= 17);
    for property in properties {
        assert_eq!(property["holds"], true, "{property}");
        assert!(property["expectation"] == "always" || property["expectation"] == "sometimes");
    }
}

#[test]
fn what_has_happened_to_replicas_is_written_of_one_entry_too() {
    let run = check(&["run", "sessions", "--situations", "-"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let lines = text(&run.stdout);
    assert!(lines.lines().any(|line| line.starts_with("Prepare, following, ")), "{lines}");
    assert!(!lines.contains("holds"), "{lines}");
}

#[test]
fn a_replica_alone_that_compacts_is_not_blamed() {
    let run = check(&["run", "--replicas", "1", "--messages", "2", "--snapshot-slots", "1"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stdout));
    assert!(text(&run.stdout).contains("disk and network overlap"), "{}", text(&run.stdout));
}

#[test]
fn all_engines_run_bounds_given_by_hand() {
    let bounds = ["--clients", "1", "--candidates", "1", "--max-round", "1"];
    for engine in ["compact", "stateright", "actor-model"] {
        let args = [&["run", "--engine", engine, "--threads", "2"], &bounds[..]].concat();
        let run = check(&args);
        assert_eq!(run.status.code(), Some(0), "{engine}: {}", text(&run.stdout));
        assert!(text(&run.stdout).contains("ballots b1.r0;"), "{}", text(&run.stdout));
    }
}

#[test]
fn the_catalog_is_listed_with_bounds() {
    let list = check(&["list"]);
    assert_eq!(list.status.code(), Some(0));
    let list = text(&list.stdout);
    assert!(
        list.starts_with("entry              grade      states  purpose, and bounds\n"),
        "{list}"
    );
    let expected = "rivals             quick     548,264  3 ballots, and rival commands";
    for expected in [expected, "ballots b1.r0 b1.r1", "five-rivals        full    3,778,896"] {
        assert!(list.contains(expected), "{expected}: {list}");
    }
}

#[test]
fn a_run_that_stops_early_is_incomplete() {
    for limit in [["--max-states", "1000"], ["--max-memory-mib", "0"]] {
        let run = check(&["run", "rivals", limit[0], limit[1]]);
        assert_eq!(run.status.code(), Some(3), "{}", text(&run.stdout));
        assert!(text(&run.stdout).contains("incomplete"), "{}", text(&run.stdout));
        assert!(!text(&run.stdout).contains("  holds\n"), "{}", text(&run.stdout));
    }
    // What a catalog that stops early has not covered, the rest of it may.
    let run = check(&["all", "--max-states", "1"]);
    assert_eq!(run.status.code(), Some(3), "{}", text(&run.stdout));
    assert!(text(&run.stdout).contains("INCOMPLETE: nothing was found"), "{}", text(&run.stdout));
}

#[test]
fn wrong_usage_says_what_and_what_to_do() {
    for (args, expected) in [
        (&["run", "nonsense"][..], "check list"),
        (&["run", "--replicas", "1", "--crashes", "1"], "--replicas 3"),
        (&["run", "--candidates", "9"], "--candidates 9"),
        (&["run", "rivals", "--replicas", "5"], "cannot be used with"),
        (&["mutants", "X99"], "names them all"),
        (&["explore", "rivals", "--address", "nowhere"], "--address nowhere"),
        (&["explore", "nonsense"], "check list"),
    ] {
        let run = check(args);
        assert_eq!(run.status.code(), Some(2), "{args:?}");
        assert!(text(&run.stderr).contains(expected), "{args:?}: {}", text(&run.stderr));
    }
}

#[test]
fn a_mutant_is_killed_by_a_path_that_can_be_read_and_drawn() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let svg = folder.path().join("m26.svg");
    let run = check(&["mutants", "m26", "--svg", svg.to_str().expect("UTF-8")]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let out = text(&run.stdout);
    assert!(out.contains("acknowledged means chosen"), "{out}");
    assert!(out.contains("   1. ") && out.contains(": Election time-out"), "{out}");
    let drawn = std::fs::read_to_string(&svg).expect("the chart was written");
    for expected in
        ["client ann", "Acknowledged(", "class='dropped'", "not delivered to replica", "sent, and"]
    {
        assert!(drawn.contains(expected), "{expected}: {drawn}");
    }
    let line = check(&["mutants", "M26", "--json"]);
    let line: serde_json::Value = serde_json::from_slice(&line.stdout).expect("one JSON object");
    assert_eq!(line["killed"], true);
    let steps = line["steps"].as_array().expect("its steps");
    assert!(
        steps[0].as_str().is_some_and(|step| step.trim_start().starts_with("1. ")),
        "{steps:?}"
    );
    for key in ["mutant", "config", "property", "depth", "unique_states", "seconds"] {
        assert!(!line[key].is_null(), "{key}");
    }
}

#[test]
fn the_explorer_shows_readable_steps_and_refuses_a_port_in_use() {
    let explorer = Explorer::start(env!("CARGO_BIN_EXE_check"), "rivals");
    let body = explorer.get("/.states/0");
    for expected in ["replica 0: Election time-out", "client ann: Retry time-out", "<svg"] {
        assert!(body.contains(expected), "{expected}: {}", &body[..body.len().min(2000)]);
    }
    let refused = check(&["explore", "rivals", "--address", &explorer.address]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("choose another port"), "{}", text(&refused.stderr));
}

#[test]
fn bounds_that_actor_model_cannot_express_are_refused() {
    for (args, expected) in [
        (&["run", "crash-recovery"][..], "crashes"),
        (&["run", "crash-for-good"], "how many crashes there are in all"),
        (&["run", "--crashes", "1"], "crashes"),
        (&["run", "told-to-skip"], "what a person asks"),
        (&["all"], "cannot express"),
        (&["full"], "cannot express"),
    ] {
        let run = check(&[args, &["--engine", "actor-model"]].concat());
        assert_eq!(run.status.code(), Some(2), "{args:?}");
        assert!(run.stdout.is_empty(), "{args:?}");
        let error = text(&run.stderr);
        assert!(error.contains(expected) && error.contains("--engine compact"), "{error}");
    }
    let run = check(&["compare", "compaction-crash"]);
    assert_eq!(run.status.code(), Some(2));
    assert!(text(&run.stderr).contains("crashes"), "{}", text(&run.stderr));
}

#[test]
fn full_runs_every_full_entry_and_says_what_is_incomplete() {
    let run = check(&["full", "--max-states", "2000"]);
    assert_eq!(run.status.code(), Some(3), "{}", text(&run.stderr));
    let table = text(&run.stdout);
    let full = paxos_chat_models::catalog::entries();
    let large = full.iter().filter(|entry| {
        entry.grade == paxos_chat_models::catalog::Grade::Full
            && entry.unique_states.is_some_and(|states| states > 2000)
    });
    let limit = "incomplete: the limit of --max-states was reached";
    assert_eq!(table.matches(limit).count(), large.count());
    assert!(table.contains("INCOMPLETE: nothing was found"), "{table}");
    let run = check(&["full", "--max-states", "2000", "--json"]);
    assert_eq!(run.status.code(), Some(3));
    for line in text(&run.stdout).lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("one object a line");
        assert_eq!(line["complete"], false, "{line}");
        for key in ["name", "engine", "unique_states", "peak_rss_bytes", "properties"] {
            assert!(!line[key].is_null(), "{key}: {line}");
        }
    }
}

#[test]
fn stateright_s_engine_and_ours_must_count_alike() {
    for name in ["real-time", "sessions", "eviction", "compaction"] {
        let run = check(&["run", name, "--engine", "stateright", "--json"]);
        assert_eq!(run.status.code(), Some(0), "{name}: {}", text(&run.stdout));
        let line: serde_json::Value = serde_json::from_slice(&run.stdout).expect("one object");
        assert_eq!(line["engine"], "stateright");
        assert_eq!(line["unique_states"], line["expected_unique_states"]);
    }
}

#[test]
fn without_reductions_we_count_what_actor_model_counts() {
    let run = check(&["compare", "small-four", "--json"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let lines = text(&run.stdout);
    let mut lines = lines.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("one object a line");
        line
    });
    let entry = lines.next().expect("a line for the entry");
    let (theirs, ours) = (&entry["actor_model"], &entry["compact_no_reductions"]);
    assert_eq!(theirs["complete"], true, "{entry}");
    assert_eq!(theirs["unique_states"], ours["unique_states"], "{entry}");
    assert!(entry["compact"]["stale_claims"].as_u64() > Some(0), "{entry}");
    assert_eq!(entry["counts_differ"], false);
    for ratio in ["sooner", "less_memory", "less_memory_in_all", "states_per_second"] {
        assert!(entry["ratios"][ratio].as_f64() > Some(1.0), "{ratio}: {entry}");
    }
    for run in ["actor_model", "compact_no_reductions", "compact"] {
        let memory = |key: &str| entry[run][key].as_u64().expect("bytes");
        assert!(memory("peak_bytes") >= memory("baseline_bytes"), "{entry}");
    }
    assert!(lines.next().expect("a line for the smallest")["smallest"].is_object());
    assert_eq!(lines.next(), None);
}

#[test]
fn what_actor_model_does_not_finish_is_a_bound() {
    let run = check(&["compare", "real-time", "--max-states", "3000"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let out = text(&run.stdout);
    assert!(out.contains("not finished: the limit of --max-states was reached"), "{out}");
    assert!(out.contains("no ratio, as it was not finished"), "{out}");
    assert!(out.contains("smallest over the 0 entries that ActorModel finishes"), "{out}");
}

#[test]
fn the_actors_refine_paxos_where_leaders_change() {
    let run = check(&["refine", "real-time", "compaction-crash", "--json"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stdout));
    for line in text(&run.stdout).lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("one object a line");
        assert_eq!(line["refines"], true, "{line}");
        assert!(line["transitions"].as_u64() > line["unique_states"].as_u64(), "{line}");
        let mut properties = line["properties"].as_array().expect("a list").iter();
        let two = properties.find(|property| property["name"] == "two ballots propose at a slot");
        assert_eq!(two.expect("the event")["holds"], true, "{line}");
    }
    let run = check(&["refine", "sessions"]);
    assert!(text(&run.stdout).contains("they do"), "{}", text(&run.stdout));
    let run = check(&["refine", "sessions", "--max-states", "10"]);
    assert_eq!(run.status.code(), Some(3), "{}", text(&run.stdout));
    assert_eq!(check(&["refine", "nonsense"]).status.code(), Some(2));
}

#[test]
fn a_picture_on_standard_output_is_alone_there() {
    for args in [&["mutants", "M26", "--svg", "-"][..], &["run", "reader", "--plot", "-"]] {
        let run = check(args);
        assert_eq!(run.status.code(), Some(0), "{args:?}: {}", text(&run.stderr));
        let out = text(&run.stdout);
        assert!(out.starts_with("<svg") && out.trim_end().ends_with("</svg>"), "{args:?}: {out}");
        assert!(text(&run.stderr).contains("unique"), "{args:?}: the table goes elsewhere");
    }
    for args in [&["all", "--svg", "-"][..], &["run", "reader", "--svg", "-", "--plot", "-"]] {
        assert_eq!(check(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn several_plots_get_the_entries_names() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("by-depth.svg");
    let file = file.to_str().expect("UTF-8");
    let run = check(&["full", "--max-states", "2000", "--plot", file]);
    assert_eq!(run.status.code(), Some(3), "{}", text(&run.stderr));
    for name in ["rivals-crash", "five-rivals"] {
        let plot = folder.path().join(format!("by-depth-{name}.svg"));
        let plot = std::fs::read_to_string(plot).expect("a plot");
        assert!(plot.contains(name) && plot.contains("unique states by depth"), "{plot}");
    }
}
