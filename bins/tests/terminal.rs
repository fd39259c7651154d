//! The full-screen client, driven on a pseudo-terminal against real replicas that are killed.

mod recordings;
mod screens;
mod support;

use ptyprocess::Signal;
use screens::{CLIENT, Cluster, Screen};
use std::time::Duration;
use support::{arg, eventually};

const PAGE_UP: &str = "\u{1b}[5~";
const CTRL_HOME: &str = "\u{1b}[1;5H";
const CTRL_D: &str = "\u{4}";

/// The numbers of the messages that are seen, from top to bottom.
fn numbers(text: &str) -> Vec<u32> {
    let behind = text.split("ann: message ").skip(1);
    behind.filter_map(|rest| rest.split(' ').next()?.parse().ok()).collect()
}

/// Do these follow one another? Where only a part of a picture has been drawn over another, they don't.
fn is_one_picture(numbers: &[u32]) -> bool {
    !numbers.is_empty() && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

#[test]
fn one_types_scrolls_searches_and_resizes_while_the_primary_is_killed() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let mut screen = Screen::start(&cluster, &["--name", "ann"], 80, 24);
    screen.shows_text("You are ann");
    screen.type_line("first 日本語 🙂");
    screen.shows("it is committed", |text| {
        let is_served = text.contains("leader r") && text.contains("ballot b");
        is_served && text.contains("ann: first 日本語 🙂 ✓ committed at slot")
    });
    assert!(screen.has_colour());
    for number in 0..40 {
        screen.type_line(&format!("message {number}"));
    }
    screen.shows("the last is committed", |text| {
        text.contains("ann: message 39 ✓ committed at slot") && !text.contains("unacknowledged")
    });

    let killed = cluster.kill_leader();
    screen.type_line("while nobody leads");
    screen.type_line("and another one");
    screen.shows("both are committed", |text| {
        text.contains("and another one ✓ committed") && text.contains("nobody leads ✓ committed")
    });
    screen.shows("another leader", |text| {
        let is_other = |of: &str| text.contains(of) && !text.contains(&format!("{of}{killed} "));
        is_other("leader r") && is_other(".r")
    });

    screen.press(PAGE_UP);
    screen.shows("older messages", |text| text.contains(" below") && !text.contains("another one"));
    screen.press(CTRL_HOME);
    screen.shows_text("ann: first 日本語 🙂");
    let home = screen.shows("the beginning", |text| is_one_picture(&numbers(text)));
    assert!(!home.contains("ann: message 25"), "what is looked for is not yet seen:\n{home}");
    screen.type_line("/search message 25");
    let text = screen.shows("what was looked for", |text| {
        text.contains("ann: message 25 ✓")
            && !text.contains("message 39")
            && is_one_picture(&numbers(text))
    });
    screen.resize(50, 12);
    // The terminal keeps the last rows of what was on it, the prompt among them: only what is drawn anew
    // has the room's name in the first row.
    let fitting = screen.shows("it fits", |text| {
        let lines: Vec<&str> = text.lines().collect();
        lines.len() == 12
            && lines[0].trim_start().starts_with("#lobby")
            && lines[11].starts_with('>')
            && lines.iter().all(|line| line.chars().count() <= 50)
            && is_one_picture(&numbers(text))
    });
    let lowest = |text: &str| numbers(text).last().copied();
    assert_eq!(lowest(&fitting), lowest(&text), "what one has scrolled to stays:\n{fitting}");
    screen.resize(100, 30);
    screen.shows("it is wide again", |text| {
        text.lines().any(|line| line.trim_end().chars().count() > 90)
    });
    screen.press("\u{1b}");
    screen.shows_text("and another one ✓ committed");
    screen.press(CTRL_D);
    assert_eq!(screen.end(), 0);
}

/// Is this the line that is being typed?
fn types(screen: &Screen, line: &str) {
    screen.shows(line, |text| text.lines().last().is_some_and(|last| last.trim_end() == line));
}

#[test]
fn one_edits_as_in_a_shell() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let mut screen = Screen::start(&cluster, &["--name", "ann"], 60, 12);
    screen.shows_text("You are ann");
    for (keys, expected) in [
        ("one two three", "> one two three"),
        // ^H and DEL.
        ("\u{8}\u{7f}", "> one two thr"),
        // Back by words, with Alt and with Ctrl, and a word away, and back again.
        ("\u{1b}b\u{1b}[1;5Dx", "> one xtwo thr"),
        ("\u{1b}d", "> one x thr"),
        ("\u{19}", "> one xtwo thr"),
        ("\u{1b}f\u{15}", ">"),
        ("\u{1f}", "> one xtwo thr"),
        ("\u{1}\u{b}", ">"),
        ("\u{19}\u{17}", "> one xtwo"),
        ("\u{3}", ">"),
    ] {
        screen.press(keys);
        types(&screen, expected);
    }
    // Up moves within a draft of several lines, and does not replace it.
    screen.press("first\nlast");
    types(&screen, "last");
    screen.press("\u{1b}[A!\r");
    screen.shows_text("firs!t");
    screen.type_line("/search nowhere");
    types(&screen, "> /search nowhere");
    screen.press("\u{15}\u{c}here");
    types(&screen, "> here");
    screen.shows_text("firs!t");
    screen.press("\u{3}");
    screen.press(CTRL_D);
    assert_eq!(screen.end(), 0);
}

/// Whether one hears of it by a signal, or only by the terminal that is gone.
#[test]
fn a_hang_up_is_no_error() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let folder = tempfile::tempdir().unwrap();
    for trap in ["trap - HUP", "trap '' HUP"] {
        let told = folder.path().join("told");
        let told_to = arg(&told);
        let client = format!("{CLIENT} {}", cluster.client_args(&["--name", "ann"]).join(" "));
        let line = format!("{trap}; {client} 2> {told_to}; echo $? > {told_to}.status");
        // A terminal within a terminal, whose other end goes away.
        let mut screen = Screen::of("script", &[], &["-qc", &line, "/dev/null"], 80, 12);
        screen.shows_text("You are ann");
        screen.signal(Signal::SIGKILL);
        // A shell that a hang-up ends tells no status.
        if trap.contains("''") {
            let status = folder.path().join("told.status");
            eventually("it has ended", || {
                std::fs::read_to_string(&status).is_ok_and(|status| status == "0\n")
            });
        }
        assert_eq!(std::fs::read_to_string(&told).unwrap(), "", "{trap}");
    }
}

/// The terminal is given back to the shell, and is the client's again after `fg`.
#[test]
fn one_leaves_for_the_shell_and_comes_back() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let bash = ["--norc", "--noprofile", "-i"];
    let mut screen = Screen::of("bash", &["PS1=shell> "], &bash, 100, 16);
    screen.shows_text("shell>");
    screen.type_line(&format!("{CLIENT} {}", cluster.client_args(&["--name", "ann"]).join(" ")));
    screen.shows_text("You are ann");
    screen.press("a draft\u{1a}");
    screen.shows_text("Stopped");
    screen.type_line("echo $((6 * 7))");
    screen.shows_text("42");
    screen.type_line("fg");
    screen.shows("the screen", |text| text.contains("You are ann") && text.contains("> a draft"));
    // The same by a signal.
    let stop = "kill -TSTP %1; wait; echo $((7 * 8)); fg";
    screen.press("\u{1a}");
    screen.shows_text("Stopped");
    screen.type_line("bg");
    screen.type_line(stop);
    screen.shows("the screen", |text| text.contains("You are ann") && text.contains("> a draft"));
    screen.press("\u{3}\u{4}");
    // Older prompts are seen before the client has ended, and what is typed then is the client's.
    screen.shows("a new prompt", |text| text.lines().last().is_some_and(|l| l.trim() == "shell>"));
    screen.type_line("exit");
    assert_eq!(screen.end(), 0);
}

#[test]
fn an_idle_client_notices_that_its_leader_died_and_that_nobody_leads_any_more() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let mut screen = Screen::start(&cluster, &["--name", "ann"], 90, 12);
    screen.shows_text("leader r");
    let killed = cluster.kill_leader();
    screen.shows("another leader", |text| {
        text.contains("leader r") && !text.contains(&format!("leader r{killed}"))
    });
    let second = cluster.kill_leader();
    let nobody = format!("no leader: r{second} was heard ");
    screen.shows("that there is none", |text| text.contains(&nobody) && text.contains(" s ago"));
    screen.press(CTRL_D);
    assert_eq!(screen.end(), 0);
}

/// A key that comes together with a change of the terminal's size, so that the client is told of both at
/// once. Whichever of the two its source of events reports second must not be forgotten.
#[test]
fn a_key_and_a_change_of_size_that_come_together_are_both_seen() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let mut screen = Screen::start(&cluster, &["--name", "ann"], 80, 24);
    screen.shows_text("You are ann");
    let mut typed = String::from("> ");
    for round in 0..60_u16 {
        let key = char::from(b'a' + (round % 26) as u8);
        // In turn: stopped, both first; and running, the size just before the key.
        let is_stopped = round % 2 == 0;
        if is_stopped {
            screen.signal(Signal::SIGSTOP);
        }
        screen.resize(80 + round % 7, 24);
        screen.press(&key.to_string());
        if is_stopped {
            screen.signal(Signal::SIGCONT);
        }
        typed.push(key);
        screen.shows_text(&typed);
    }
    screen.press("\u{3}\u{3}");
    assert_eq!(screen.end(), 0);
}

/// The lines of the log on a screen, without what only their author sees.
fn said(text: &str) -> Vec<String> {
    let is_in_log = |line: &&str| line.trim_start().starts_with(|c: char| c.is_ascii_digit());
    let said = text.lines().filter(|line| line.contains(": word ")).filter(is_in_log);
    said.map(|line| line.split(" ✓").next().unwrap_or(line).trim().to_owned()).collect()
}

#[test]
fn two_people_in_two_rooms_see_the_same_order_while_the_primary_is_killed() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let mut ann = Screen::start(&cluster, &["--name", "ann"], 90, 40);
    let mut bob = Screen::start(&cluster, &["--name", "bob"], 90, 40);
    for screen in [&mut ann, &mut bob] {
        screen.shows_text("You are");
        screen.type_line("/join ops");
    }
    for number in 0..20 {
        if number == 10 {
            cluster.kill_leader();
        }
        for screen in [&mut ann, &mut bob] {
            let room = if number % 4 < 2 { "ops" } else { "lobby" };
            screen.type_line(&format!("/join {room}"));
            screen.type_line(&format!("word {number} in {room}"));
        }
        if number == 0 {
            ann.shows_text("ann: word 0 in ops ✓ committed");
            bob.shows_text("bob: word 0 in ops ✓ committed");
        }
        // A person's pace, so that their messages mix.
        std::thread::sleep(Duration::from_millis(50));
    }
    ann.type_line("/me waves \u{7} goodbye");
    for (room, count) in [("ops", 20), ("lobby", 20)] {
        for screen in [&mut ann, &mut bob] {
            screen.type_line(&format!("/join {room}"));
            screen.shows("everything is committed", |text| {
                said(text).len() == count
                    && said(text).iter().all(|line| line.ends_with(&format!(" in {room}")))
                    && !["pending", "→ sent", "unacknowledged"].iter().any(|w| text.contains(w))
            });
        }
        assert_eq!(said(&ann.text()), said(&bob.text()), "in #{room}");
    }
    bob.type_line("/rooms");
    bob.shows_text("#ops  20 messages, 0 unread");
    bob.type_line("/status");
    bob.shows_text("replica asked: r");
    bob.shows_text("* ann waves");
    for mut screen in [ann, bob] {
        screen.type_line("/quit");
        assert_eq!(screen.end(), 0);
    }
    // The log has one order over both rooms.
    let tail = cluster.client(&["tail", "--json"], "");
    let posts: Vec<serde_json::Value> =
        tail.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(posts.len(), 41);
    let places: Vec<_> = posts.iter().map(|p| (p["slot"].as_u64(), p["index"].as_u64())).collect();
    assert!(places.is_sorted());
    for (room, count) in [("ops", 20), ("lobby", 21)] {
        assert_eq!(posts.iter().filter(|post| post["room"] == room).count(), count);
    }
}

#[test]
fn after_a_disconnect_nothing_is_missed_and_nothing_comes_twice() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let mut screen = Screen::start(&cluster, &["--name", "ann"], 80, 30);
    screen.shows_text("You are ann");
    screen.type_line("before");
    screen.shows_text("before ✓ committed");
    (0..3).for_each(|id| cluster.kill(id));
    screen.type_line("during");
    screen.shows("nobody answers", |text| {
        text.contains("during → sent") && text.contains("no answer for")
    });
    (0..3).for_each(|id| cluster.start(id, &[]));
    screen.shows_text("during ✓ committed");
    let others = cluster.client(&["--name", "bob", "send", "from bob"], "");
    assert_eq!(others.code, 0, "{others:?}");
    screen.type_line("after");
    let text = screen.shows("all of it", |text| {
        text.contains("after ✓ committed") && text.contains("bob: from bob")
    });
    for word in ["before", "during", "after", "from bob"] {
        assert_eq!(text.matches(&format!(": {word}")).count(), 1, "{word}:\n{text}");
    }
    screen.type_line("/quit");
    assert_eq!(screen.end(), 0);
}

#[test]
fn without_colour_and_without_a_screen() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let args = ["--name", "ann", "--room", "ops"];
    let mut command: Vec<&str> = args.to_vec();
    command.push("--plain");
    let mut plain = Screen::start(&cluster, &command, 80, 24);
    plain.shows_text("you are ann");
    plain.type_line("in plain words");
    plain.shows_text("committed at slot");
    plain.press(CTRL_D);
    assert_eq!(plain.end(), 0);
    let mut screen = Screen::start_with(&cluster, &["NO_COLOR=1"], &args, 80, 24);
    screen.shows_text("#ops");
    screen.shows_text("ann: in plain words");
    assert!(!screen.has_colour());
    screen.type_line("/quit");
    assert_eq!(screen.end(), 0);
}

/// The last of a long log at once; the first, and what was said in between, on demand.
#[test]
fn a_long_log_is_read_where_one_looks() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let lines: String = (0..5000).map(|number| format!("message {number} of many\n")).collect();
    assert_eq!(cluster.client(&["--name", "ann", "send"], &lines).code, 0);
    let args = ["--name", "bob", "--room", "lobby"];
    let mut screen = Screen::start(&cluster, &args, 80, 24);
    screen.shows_text("message 4999 of many");
    screen.press(PAGE_UP);
    screen.shows("older ones", |text| {
        is_one_picture(&numbers(text)) && !text.contains("message 4999") && text.contains(" below")
    });
    screen.type_line("/search message 777 of");
    screen.shows("what was looked for", |text| {
        text.contains("ann: message 777 of") && is_one_picture(&numbers(text))
    });
    screen.press(CTRL_HOME);
    screen.shows("the first", |text| {
        numbers(text).first() == Some(&0) && is_one_picture(&numbers(text))
    });
    screen.press("\u{1b}[1;5F");
    screen.shows_text("message 4999 of many");
    screen.press(CTRL_D);
    assert_eq!(screen.end(), 0);
}

#[test]
fn whoever_is_named_is_called_and_other_rooms_show_what_is_new() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let zone = ["TZ=XYZ-5"];
    let mut screen = Screen::start_with(&cluster, &zone, &["--name", "ann"], 100, 16);
    screen.shows_text("You are ann");
    for (room, text) in [("lobby", "lunch, Ann?"), ("ops", "deployed"), ("ops", "ask ann")] {
        let said = cluster.client(&["--name", "bob", "--room", room, "send", text], "");
        assert_eq!(said.code, 0, "{said:?}");
    }
    let text = screen.shows("what is new", |text| text.contains("#ops (2!)"));
    assert!(text.contains("bob: lunch, Ann?") && text.contains("times in XYZ"), "{text}");
    screen.type_line("/join ops");
    screen.shows("the other room", |text| text.contains("bob: deployed") && !text.contains("(2!)"));
    screen.press(CTRL_D);
    assert_eq!(screen.end(), 0);
}

#[test]
fn a_console_says_who_leads_and_when_that_changes() {
    let mut cluster = Cluster::new();
    let mut console = cluster.start_on_terminal(0, &["--init"]);
    console.shows_text("replica 0 hears no leader>");
    (1..3).for_each(|id| cluster.start(id, &["--init"]));
    console.shows("who leads", |text| {
        text.contains("* replica 0 leads in b") || text.contains("* replica 0 follows r")
    });
    (1..3).for_each(|id| cluster.kill(id));
    console.shows("that nobody does", |text| {
        text.trim_end().ends_with("replica 0 hears no leader>")
            || text.contains("* replica 0 hears no leader")
    });
    console.type_line("status");
    console.shows_text("status replica=0");
    console.press("\u{4}");
    assert_eq!(console.end(), 0);
}
