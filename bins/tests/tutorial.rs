//! The tutorial is true: its commands are run, what it tells one to type is typed, its clicks are made in
//! stateright's Explorer, and what it shows is compared.
//!
//! In docs/tutorial.md a block `sh` holds commands, a block `text` what the last of them shows (`…` is
//! anything), and a numbered list the clicks: the action, then, as code, what Explorer shows of the step.
//!
//! The chart that Explorer draws of the first list is docs/view-change-chart.svg; `UPDATE_EXPECT=1` writes it.
//! With `RECORD_PICTURES=1` a browser makes docs/explorer.png of the second.

mod explorer;
mod recordings;
mod replicas;
mod screens;
mod support;

use explorer::Explorer;
use recordings::Recordings;
use replicas::{REPLICA, Replica};
use screens::Screen;
use std::collections::VecDeque;
use std::path::Path;
use std::process::Command;
use support::{Ended, arg, check_beside, eventually, free_ports, run};

const TUTORIAL: &str = include_str!("../../docs/tutorial.md");
/// Where the part about the model begins.
const MODEL: &str = "## The same events in the model\n";

/// An action to click on, and what Explorer shows of this step.
#[derive(Debug)]
struct Click {
    action: String,
    shows: Vec<String>,
}

#[derive(Debug)]
enum Item {
    Command(String),
    Output(Vec<String>),
    Clicks(Vec<Click>),
}

/// What there is to do and to see, in the tutorial's order.
struct Tutorial(VecDeque<Item>);

impl Tutorial {
    fn read(text: &str) -> Tutorial {
        let mut items = VecDeque::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some(kind) = line.strip_prefix("```") {
                let block: Vec<String> =
                    lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
                match kind {
                    "sh" => items.extend(block.into_iter().map(Item::Command)),
                    "text" => items.push_back(Item::Output(block)),
                    other => panic!("a block of an unknown kind: {other}"),
                }
            } else if line.starts_with("1. ") {
                let mut list = vec![line.to_owned()];
                while let Some(line) = lines.next_if(|line| !line.is_empty()) {
                    match line.strip_prefix("   ") {
                        Some(more) => *list.last_mut().unwrap() += &format!(" {}", more.trim()),
                        None => list.push(line.to_owned()),
                    }
                }
                items.push_back(Item::Clicks(list.iter().map(|item| click(item)).collect()));
            }
        }
        Tutorial(items)
    }

    /// The next command, which begins so.
    fn command(&mut self, beginning: &str) -> String {
        match self.0.pop_front() {
            Some(Item::Command(command)) if command.starts_with(beginning) => command,
            other => panic!("{beginning} is expected: {other:?}"),
        }
    }

    fn output(&mut self) -> Vec<String> {
        match self.0.pop_front() {
            Some(Item::Output(lines)) => lines,
            other => panic!("output is expected: {other:?}"),
        }
    }

    fn clicks(&mut self) -> Vec<Click> {
        match self.0.pop_front() {
            Some(Item::Clicks(clicks)) => clicks,
            other => panic!("clicks are expected: {other:?}"),
        }
    }

    fn ends(self) {
        assert!(self.0.is_empty(), "not tested: {:?}", self.0);
    }
}

/// The click that an item of a list tells.
fn click(item: &str) -> Click {
    let mut codes = item.split('`').skip(1).step_by(2).map(str::to_owned);
    Click { action: codes.next().expect("an action"), shows: codes.collect() }
}

/// Is this the line, if `…` stands for anything?
fn is_like(line: &str, pattern: &str) -> bool {
    let pieces: Vec<&str> = pattern.split('…').collect();
    let [first, middle @ .., last] = &pieces[..] else { return line == pattern };
    let between = line.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
    let Some(mut rest) = between else { return false };
    middle.iter().all(|piece| match rest.split_once(piece) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

/// Are lines like these printed, in this order?
///
/// The slot at the beginning of a log's line may be another one: a machine that is slow enough makes a
/// client ask twice or a leader step down, and either may take a slot.
fn shows(ended: &Ended, expected: &[String]) -> bool {
    let mut lines = ended.stdout.lines();
    expected.iter().all(|line| {
        let pattern = match line.split_once('\t') {
            Some((slot, rest)) if slot.parse::<u64>().is_ok() => format!("…\t{rest}"),
            _ => line.clone(),
        };
        lines.any(|line| is_like(line, &pattern))
    })
}

/// The folder that the tutorial works in, and the replicas that run there. What they and the clients do is recorded, and
/// validated at the end.
struct Workplace {
    /// The commands that start the replicas the first time.
    commands: Vec<String>,
    // Each goes after what is above it: first the replicas, and the folder last.
    replicas: Vec<Replica>,
    recordings: Recordings,
    folder: tempfile::TempDir,
}

impl Workplace {
    fn new() -> Workplace {
        let folder = tempfile::tempdir().unwrap();
        let recordings = Recordings::within(folder.path());
        Workplace { commands: Vec::new(), replicas: Vec::new(), recordings, folder }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The variable that puts the executables on the path.
    fn path() -> String {
        let check = check_beside(REPLICA);
        let programs = check.parent().unwrap();
        format!("PATH={}:{}", arg(programs), std::env::var("PATH").unwrap())
    }

    /// A shell's line that runs a command here.
    fn line(&self, command: &str) -> String {
        let recorded = command.strip_prefix("client ").map(|rest| {
            format!("client --record-run {} {rest}", arg(&self.recordings.of_client(&[])))
        });
        let command = recorded.as_deref().unwrap_or(command);
        format!("cd '{}' && exec {command}", arg(self.folder()))
    }

    fn run(&self, command: &str) -> Ended {
        run("env", &[&Workplace::path(), "sh", "-c", &self.line(command)])
    }

    fn succeeds(&self, command: &str) -> Ended {
        let ended = self.run(command);
        assert_eq!(ended.code, 0, "{command}: {ended:?}");
        ended
    }

    fn replica(&self, id: usize, command: &str) -> Replica {
        let mut shell = Command::new("env");
        let recording = self.recordings.of_replica(id as u64);
        let line = format!("{} --record {}", self.line(command), arg(&recording));
        shell.args([&Workplace::path(), "sh", "-c", &line]);
        Replica::spawn(&mut shell)
    }

    fn start_all(&mut self) {
        let all = 0..self.commands.len();
        self.replicas = all.map(|id| self.replica(id, &self.commands[id])).collect();
    }

    /// Types `kill me`, and waits until it has died of that.
    fn kill(&mut self, id: usize) {
        self.replicas[id].type_line("kill me");
        assert_eq!(self.replicas[id].child.wait().unwrap().code(), Some(137));
    }

    /// Starts it again, without `--init`.
    fn restart(&mut self, id: usize) {
        let command = self.commands[id].strip_suffix(" --init").unwrap();
        self.replicas[id] = self.replica(id, command);
    }

    /// The id of the replica that leads, asked at the consoles of those that run.
    fn leader(&mut self, running: &[usize]) -> usize {
        let mut leader = None;
        eventually("somebody leads", || {
            let mut leads = |id: &usize| self.replicas[*id].status().contains("role=leading");
            leader = running.iter().copied().find(|id| leads(id));
            leader.is_some()
        });
        leader.unwrap()
    }

    fn log(&self, id: usize) -> String {
        std::fs::read_to_string(self.folder().join(format!("replica-{id}.log"))).unwrap()
    }

    fn has_one_log(&self) -> bool {
        (1..self.replicas.len()).all(|id| self.log(id) == self.log(0))
    }
}

#[test]
fn the_cluster_of_the_tutorial_does_what_it_says() {
    let (before, _) = TUTORIAL.split_once(MODEL).expect("the part about the model");
    let mut tutorial = Tutorial::read(before);
    // That is done: whoever runs this test has built the executables, and the folder is a new one.
    for beginning in ["cargo build --release --bins", "export PATH=", "mkdir -p "] {
        tutorial.command(beginning);
    }
    let mut place = Workplace::new();
    let port = free_ports("127.0.0.1", 3);
    place.succeeds(&format!("{} --base-port {port}", tutorial.command("cluster config")));

    place.commands = (0..3).map(|_| tutorial.command("replica ")).collect();
    place.start_all();
    agree(&mut tutorial, &place);
    the_primary_dies(&mut tutorial, &mut place);
    a_slot_is_skipped(&mut tutorial, &mut place);
    tutorial.ends();
}

/// "Three replicas agree".
fn agree(tutorial: &mut Tutorial, place: &Workplace) {
    let status = tutorial.command("cluster status");
    eventually("all answer, and one leads", || place.run(&status).code == 0);
    let table = place.succeeds(&status).stdout;
    let leading = table.lines().find(|line| line.contains("leading")).expect("a leader");
    let id = leading.split_whitespace().next().unwrap();
    assert!(leading.contains(&format!(".r{id} ")), "{leading}");

    place.succeeds(&tutorial.command("client "));
    let (cut, expected) = (tutorial.command("cut "), tutorial.output());
    eventually("the log is shown", || shows(&place.run(&cut), &expected));
    eventually("the files are the same", || place.has_one_log());
}

/// "The primary dies".
fn the_primary_dies(tutorial: &mut Tutorial, place: &mut Workplace) {
    let line = place.line(&tutorial.command("client "));
    let mut chat = Screen::of("sh", &[&Workplace::path()], &["-c", &line], 90, 24);
    chat.shows_text("You are alice");
    chat.type_line("before");
    chat.shows_text("before ✓ committed at slot");
    let killed = place.leader(&[0, 1, 2]);
    place.kill(killed);
    chat.type_line("after");
    chat.type_line("and again");
    chat.shows_text("alice: after ✓ committed at slot");
    chat.shows_text("and again ✓ committed at slot");
    let status = tutorial.command("cluster status");
    let missing = format!("{killed:>3}  does not answer");
    eventually("one is missing", || {
        let ended = place.run(&status);
        ended.code == 1 && ended.stdout.contains(&missing)
    });

    place.restart(killed);
    eventually("it is back", || place.run(&status).code == 0);
    eventually("it has what it missed", || place.has_one_log());
    for text in ["before", "after", "and again"] {
        assert_eq!(applied(&place.log(killed), &format!("\"{text}\"")), 1, "{text}");
    }

    (0..2).for_each(|id| place.kill(id));
    chat.type_line("nobody");
    chat.shows_text("nobody → sent");
    eventually("a majority is missing", || place.run(&status).code == 3);
    assert!(!chat.text().contains("nobody ✓"), "{}", chat.text());
    assert!(!place.log(2).contains("nobody"));
    place.restart(0);
    chat.shows_text("nobody ✓ committed at slot");
    place.restart(1);
    eventually("all are back", || place.run(&status).code == 0);
    chat.type_line("/quit");
    assert_eq!(chat.end(), 0);
}

/// How often this was applied. A request that two leaders proposed is in the log twice, and applied once.
fn applied(log: &str, text: &str) -> usize {
    log.lines().filter(|line| line.contains(text) && line.contains("\tapplied\t")).count()
}

/// "A slot is skipped".
fn a_slot_is_skipped(tutorial: &mut Tutorial, place: &mut Workplace) {
    let say = tutorial.command("client ");
    let (cut, expected) = (tutorial.command("cut "), tutorial.output());
    // A leader that happens to lose its office before it proposes has skipped nothing; so one asks again.
    let is_filled = (1..=5).any(|attempt| {
        let leader = place.leader(&[0, 1, 2]);
        place.replicas[leader].type_line("skip slot");
        assert!(!place.replicas[leader].line().is_empty());
        place.succeeds(&say);
        eventually("all have it", || {
            place.has_one_log() && applied(&place.log(0), "over the gap") == attempt
        });
        shows(&place.run(&cut), &expected)
    });
    assert!(is_filled, "no noop: {}", place.log(0));
}

#[test]
fn the_clicks_of_the_tutorial_lead_where_it_says() {
    let (_, behind) = TUTORIAL.split_once(MODEL).expect("the part about the model");
    let mut tutorial = Tutorial::read(behind);
    let place = Workplace::new();

    let chart = follow(&tutorial.command("check explore"), &tutorial.clicks());
    is_committed("docs/view-change-chart.svg", &chart);

    let ended = place.succeeds(&tutorial.command("check run"));
    assert!(shows(&ended, &tutorial.output()), "{ended:?}");
    follow(&tutorial.command("check explore"), &tutorial.clicks());

    let mutant = tutorial.command("check mutants");
    let ended = place.succeeds(&mutant);
    assert!(ended.stdout.contains("   1. "), "{ended:?}");
    let file = mutant.split(' ').next_back().unwrap();
    let drawn = std::fs::read_to_string(place.folder().join(file)).unwrap();
    assert!(drawn.contains("class='sequence'"), "{drawn}");
    tutorial.ends();
}

/// Makes these clicks, and gives the chart that Explorer draws of them.
fn follow(command: &str, clicks: &[Click]) -> String {
    let explorer =
        Explorer::start(check_beside(REPLICA), command.strip_prefix("check explore ").unwrap());
    // The page calls the first state `Init 0`; the clicks come after that.
    let states = explorer.choices(&[]);
    assert!(states.len() == 1 && states[0]["actionIndex"] == 0, "{states:?}");
    let (mut path, mut chart) = (vec![0], String::new());
    for (number, Click { action, shows }) in (1..).zip(clicks) {
        let choices = explorer.choices(&path);
        let name = |choice: &serde_json::Value| choice["action"].as_str().unwrap().to_owned();
        let choice = choices.iter().find(|choice| name(choice) == *action).unwrap_or_else(|| {
            let names: Vec<String> = choices.iter().map(name).collect();
            panic!("{number}. {action} is not among {names:#?}")
        });
        let outcome = choice["outcome"].as_str().unwrap_or_default();
        for text in shows {
            assert!(outcome.contains(text), "{number}. {action}: no {text} in {outcome}");
        }
        path.push(choice["actionIndex"].as_u64().unwrap());
        chart = choice["svg"].as_str().unwrap().to_owned();
    }
    if std::env::var_os("RECORD_PICTURES").is_some() && command.ends_with("skipped-slot") {
        let path: String = path.iter().map(|click| format!("/{click}")).collect();
        photograph(&format!("http://{}/#/steps{path}", explorer.address), "docs/explorer.png");
    }
    let steps = chart.matches("class='svg-event-label label'").count();
    assert_eq!(steps, clicks.len(), "it shows these clicks and no others: {chart}");
    chart
}

/// Makes a picture of a page. The browser is Debian's package chromium, and the signs of the page want
/// fonts-noto-color-emoji.
fn photograph(page: &str, file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let size = "--window-size=1340,1800";
    let screenshot = format!("--screenshot={}", path.display());
    let args = ["--headless", "--no-sandbox", "--hide-scrollbars", "--virtual-time-budget=5000"];
    let status = Command::new("chromium").args(args).args([size, &screenshot, page]).status();
    assert!(status.expect("chromium is installed").success());
}

/// This is the committed file; `UPDATE_EXPECT=1` makes it so.
fn is_committed(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed == text, "{file} is another chart; UPDATE_EXPECT=1 writes it anew");
}

#[test]
fn patterns_match_what_they_say() {
    assert!(is_like("abc", "abc") && is_like("abc", "a…") && is_like("abc", "…c"));
    assert!(is_like("a-b-c", "a…b…c") && !is_like("a-c-b", "a…b…c") && !is_like("abcd", "a…c"));
}
