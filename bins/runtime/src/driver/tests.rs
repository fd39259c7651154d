//! A driver in a world that a test controls: what is saved, sent and reported, and in which order.

use super::*;
use crate::burst::Departures;
use crate::keys::Secret;
use crate::wire::fuzz::Raw;
use crate::wire::{ClusterId, Content, Formats, Generations, Packing, Peer, UserName};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Deserialize;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;

/// What happened, in order.
type Journal = Rc<RefCell<Vec<String>>>;

/// Datagrams that a driver has not received yet.
type Arriving = VecDeque<(SocketAddr, Vec<u8>)>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Say {
    /// Save this and answer the sender.
    Keep(u8),
    /// Tell the sender at once, save this, tell yourself, and answer the sender.
    Offer(u8),
    /// Sent ahead of a save.
    Offered(u8),
    /// An answer.
    Kept(u8),
    /// A message to oneself.
    Own(u8),
    /// Set the timer for this many milliseconds.
    Wake(u64),
    /// Set the other timer, which saves as well, for this many milliseconds.
    Doze(u64),
    /// Report to the host.
    Report,
    /// A question, which costs a millisecond and may wait for its turn.
    Ask(u8),
    /// Never from a network.
    Private,
}

impl Payload for Say {}

struct Keeper;

impl Actor for Keeper {
    type Msg = Say;
    type Timer = u8;
    type State = Vec<u8>;
    type Storage = Vec<u8>;
    type Random = ();

    fn on_start(&self, _: Id, storage: &Option<Vec<u8>>, _: &mut Out<Self>) -> Vec<u8> {
        storage.clone().unwrap_or_default()
    }

    fn on_msg(&self, _: Id, state: &mut Cow<'_, Vec<u8>>, src: Id, msg: Say, out: &mut Out<Self>) {
        match msg {
            Say::Keep(what) => {
                assert!(matches!(state, Cow::Owned(_)), "changed in place");
                state.to_mut().push(what);
                out.save(state.to_vec());
                out.send(src, Say::Kept(what));
            }
            Say::Offer(what) => {
                state.to_mut().push(what);
                out.send(src, Say::Offered(what));
                out.save(state.to_vec());
                out.send(Id::from(1), Say::Own(what));
                out.send(src, Say::Kept(what));
            }
            Say::Own(what) => out.send(Id::from(0), Say::Own(what)),
            Say::Wake(ms) => {
                let delay = Duration::from_millis(ms);
                out.set_timer(1, delay..delay);
            }
            Say::Doze(ms) => {
                let delay = Duration::from_millis(ms);
                out.set_timer(2, delay..delay);
            }
            Say::Report => out.send(Id::from(usize::MAX), Say::Report),
            Say::Ask(what) => out.send(src, Say::Kept(what)),
            Say::Offered(_) | Say::Kept(_) | Say::Private => {}
        }
    }

    fn on_timeout(&self, _: Id, state: &mut Cow<'_, Vec<u8>>, timer: &u8, out: &mut Out<Self>) {
        if *timer == 2 {
            out.send(Id::from(0), Say::Offered(2));
            out.save(state.to_vec());
            out.send(Id::from(1), Say::Own(2));
            out.send(Id::from(0), Say::Kept(2));
        } else {
            out.send(Id::from(0), Say::Wake(0));
        }
    }
}

#[derive(Clone, Default)]
struct TestWorld {
    journal: Journal,
    arriving: Rc<RefCell<Arriving>>,
    now: Rc<Cell<Duration>>,
    fails: Rc<Cell<bool>>,
    waited: Rc<Cell<Option<Duration>>>,
    /// How long it takes to send a datagram.
    takes: Rc<Cell<Duration>>,
    /// Note what a recorder is told as well.
    records: Rc<Cell<bool>>,
    /// What an earlier life has left.
    left: Rc<RefCell<VecDeque<Say>>>,
    /// Replica 0 at port 1, and clients at all others.
    peers: Rc<RefCell<BTreeMap<u16, Codec>>>,
}

impl TestWorld {
    fn note(&self, what: impl ToString) {
        self.journal.borrow_mut().push(what.to_string());
    }

    fn taken(&self) -> Vec<String> {
        self.journal.take()
    }

    fn peer<T>(&self, port: u16, uses: impl FnOnce(&mut Codec) -> T) -> T {
        let (mut peers, cluster) = (self.peers.borrow_mut(), ClusterId::of("test"));
        uses(peers.entry(port).or_insert_with(|| match port {
            1 => codec(0),
            _ => {
                let (key, name) = (secret().user(cluster, "ann", 0), UserName::new("ann").unwrap());
                Codec::client(&key, cluster, name, 2)
            }
        }))
    }

    /// A client shows the last cookie that it has heard; a replica, what it reads.
    fn shows(&self, from: SocketAddr) {
        let (mut datagram, nothing) = (Vec::new(), std::iter::empty());
        self.peer(from.port(), |peer| {
            peer.append_whole((Peer::Replica(1), 1), None, nothing, &mut datagram).unwrap();
        });
        self.arriving.borrow_mut().push_back((from, datagram));
    }

    fn arrives(&self, from: SocketAddr, messages: &impl Serialize) {
        let (mut datagram, messages) = (Vec::new(), Raw(postcard::to_stdvec(messages).unwrap()));
        let seals = |peer: &mut Codec| peer.seal(Peer::Replica(1), &messages, &mut datagram);
        self.peer(from.port(), seals).unwrap();
        self.arriving.borrow_mut().push_back((from, datagram));
    }
}

impl Network for TestWorld {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.waited.set(timeout);
        Ok(())
    }

    fn receive(&mut self, arrivals: &mut Arrivals) -> io::Result<bool> {
        arrivals.clear();
        let mut arriving = self.arriving.borrow_mut();
        while let Some((from, datagram)) = arriving.front() {
            if !arrivals.push(*from, datagram) {
                return Ok(true);
            }
            arriving.pop_front();
        }
        Ok(false)
    }

    fn send(&mut self, departures: &mut Departures) -> u64 {
        for (to, datagram) in departures.iter() {
            self.now.set(self.now.get() + self.takes.get());
            let mut said: Vec<Say> = Vec::new();
            let opens = |peer: &mut Codec| peer.open_all(None, &mut datagram.to_vec(), &mut said);
            let (content, port) = (self.peer(to.port(), opens).unwrap().content, to.port());
            let version = match datagram[5] {
                1 => "",
                2 => " in format 2",
                _ => panic!("no format of these tests"),
            };
            if content == Content::Cookie {
                self.note(format!("send a cookie to {port}"));
                self.shows(to);
            } else if let Content::Unread(format) = content {
                self.note(format!("send format {format} to {port}, which cannot read it"));
                self.shows(to);
            } else if said.is_empty() {
                self.note(format!("send nothing to {port}"));
            } else {
                let said: Vec<_> = said.iter().map(|say| format!("{say:?}")).collect();
                self.note(format!("send {} to {port}{version}", said.join(", ")));
            }
        }
        0
    }
}

impl Clock for TestWorld {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn time_of_day(&self) -> Duration {
        Duration::ZERO
    }
}

impl StableStorage<Vec<u8>> for TestWorld {
    fn load(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn save(&mut self, state: Vec<u8>) -> io::Result<()> {
        if self.fails.get() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.note(format!("save {state:?}"));
        Ok(())
    }
}

impl Recorder<Keeper> for TestWorld {
    fn start(
        &mut self,
        _: Id,
        _: (actor_recording::entry::Boot, u64),
        stored: Option<&Vec<u8>>,
        did: Did<'_, Keeper>,
    ) {
        self.note(format!("record the start from {stored:?} in {:?}", did.state));
    }

    fn turn(&mut self, _: Duration) {}

    fn told(&mut self, told: Told<'_, Say, u8>) {
        self.note(match told {
            Told::Message(from, Origin { index, .. }, say) => {
                format!("record {say:?} of {}, place {index}", usize::from(from))
            }
            Told::Own => "record its own".to_owned(),
            Told::Driver(say) => format!("record {say:?} of its driver"),
            Told::Timer(timer) => format!("record timer {timer}"),
        });
    }

    fn did(&mut self, did: Did<'_, Keeper>) {
        self.note(format!("record that it is in {:?}", did.state));
    }

    fn synced(&mut self) {
        self.note("record the save");
    }

    fn answer(&mut self, to: Id, say: &Say) {
        self.note(format!("record the answer {say:?} to {}", usize::from(to)));
    }

    fn boot(&mut self, _: actor_recording::entry::Boot) {
        self.note("record a boot");
    }

    fn departure(&mut self, send: u64, datagram: u64, index: u32) {
        self.note(format!("record that {send} is in {datagram}, place {index}"));
    }

    fn flush(&mut self) {
        self.note("flush");
    }

    fn end(&mut self) {
        self.note("record the end");
    }
}

impl Host<Keeper> for TestWorld {
    type Packet = Say;

    fn admit(&mut self, _: Sender<'_>, packet: Say, _: Duration) -> Option<Say> {
        (packet != Say::Private).then_some(packet)
    }

    fn may_wait(&self, message: &Say) -> bool {
        matches!(message, Say::Ask(_))
    }

    fn release(&mut self, message: Say) -> Option<Say> {
        (message != Say::Private).then_some(message)
    }

    fn recall(&mut self, state: &Vec<u8>) -> io::Result<Option<Say>> {
        let left = self.left.borrow_mut().pop_front();
        if left.is_some() {
            self.note(format!("recall in {state:?}"));
        }
        Ok(left)
    }

    fn on_oddity(&mut self, replica: u8, oddity: Oddity) {
        if let Oddity::Format(format) = oddity {
            self.note(format!("cannot read format {format} of replica {replica}"));
        }
    }

    fn on_local(&mut self, message: Say) -> io::Result<()> {
        self.note(format!("report {message:?}"));
        Ok(())
    }
}

fn secret() -> Secret {
    Secret::of([1; 32].into())
}

fn codec(id: u8) -> Codec {
    Codec::replica(&secret(), ClusterId::of("test"), id, 2, Generations::new())
}

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn start(test: &TestWorld) -> Driver<Keeper, TestWorld> {
    start_with(test, codec(1))
}

fn start_with(test: &TestWorld, codec: Codec) -> Driver<Keeper, TestWorld> {
    let world = World {
        network: Box::new(test.clone()),
        clock: Box::new(test.clone()),
        rng: Box::new(StdRng::seed_from_u64(1)),
        storage: Box::new(test.clone()),
        recorder: test.records.get().then(|| Box::new(test.clone()) as Box<dyn Recorder<Keeper>>),
    };
    let nodes = NodeTable::new(vec![address(1), address(2)], 9);
    Driver::start(Keeper, Id::from(1), nodes, codec, test.clone(), world).unwrap()
}

/// Sends are numbered as they are made, and leave peer by peer.
#[test]
fn what_is_saved_or_sent_was_recorded_before() {
    let test = TestWorld::default();
    test.records.set(true);
    let mut driver = start(&test);
    assert_eq!(test.taken()[..1], ["record the start from None in []"]);
    test.arrives(address(5), &(Say::Offer(1), Say::Wake(1)));
    driver.turn().unwrap();
    let expected = [
        "record Offer(1) of 2, place 0",
        "record that it is in [1]",
        "record Wake(1) of 2, place 1",
        "record that it is in [1]",
        "record that 0 is in 0, place 0",
        "flush",
        "send Offered(1) to 5",
        "flush",
        "save [1]",
        "record the save",
        "record its own",
        "record that it is in [1]",
        "record that 2 is in 1, place 0",
        "record that 3 is in 2, place 0",
        "flush",
        "send Kept(1) to 5",
        "send Own(1) to 1",
    ];
    assert_eq!(test.taken(), expected);
    test.now.set(Duration::from_millis(2));
    driver.turn().unwrap();
    let expected = [
        "record timer 1",
        "record that it is in [1]",
        "record that 4 is in 3, place 0",
        "flush",
        "send Wake(0) to 1",
    ];
    assert_eq!(test.taken(), expected);
    // What a host keeps may outlive the process.
    test.arrives(address(5), &Say::Report);
    driver.turn().unwrap();
    let expected =
        ["record Report of 2, place 0", "record that it is in [1]", "flush", "report Report"];
    assert_eq!(test.taken(), expected);
}

#[test]
fn one_save_covers_a_burst_and_comes_before_every_send() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    test.arrives(address(5), &Say::Keep(1));
    test.arrives(address(6), &Say::Report);
    test.arrives(address(7), &Say::Keep(2));
    driver.turn().unwrap();
    let expected = ["save [1, 2]", "report Report", "send Kept(1) to 5", "send Kept(2) to 7"];
    assert_eq!(test.taken(), expected);
}

#[test]
fn what_an_earlier_life_has_left_is_handed_over_first_bit_by_bit_and_saved() {
    let test = TestWorld::default();
    test.left.borrow_mut().extend([Say::Keep(7), Say::Keep(8)]);
    start(&test);
    let expected = ["recall in []", "save [7]", "recall in [7]", "save [7, 8]"];
    let taken = test.taken();
    let of_start =
        taken.iter().filter(|what| what.starts_with("recall") || what.starts_with("save"));
    assert!(of_start.eq(&expected), "{taken:?}");
}

#[test]
fn what_a_turn_has_for_one_peer_shares_datagrams_in_order() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    for what in 1..=3 {
        test.arrives(address(1), &Say::Keep(what));
        test.arrives(address(5), &Say::Keep(10 + what));
    }
    driver.turn().unwrap();
    let together =
        ["send Kept(1), Kept(2), Kept(3) to 1", "send Kept(11), Kept(12), Kept(13) to 5"];
    assert_eq!(test.taken()[1..], together);
    assert_eq!((driver.counters().received, driver.counters().sent), (6, 6));
    let packing = Packing { messages_per_datagram_max: 2, ..Packing::default() };
    let mut driver = start_with(&test, codec(1).with_packing(packing));
    for what in 1..=3 {
        test.arrives(address(1), &Say::Keep(what));
    }
    driver.turn().unwrap();
    assert_eq!(test.taken()[1..], ["send Kept(1), Kept(2) to 1", "send Kept(3) to 1"]);
}

#[test]
fn each_message_of_a_datagram_is_judged() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    // Behind one another, as they are in a datagram of several.
    test.arrives(address(5), &(Say::Keep(1), Say::Private, Say::Keep(2)));
    driver.turn().unwrap();
    let counters = driver.counters();
    assert_eq!((counters.received, counters.refused, counters.malformed), (2, 1, 0));
    assert_eq!(test.taken(), ["save [1, 2]", "send Kept(1), Kept(2) to 5"]);
    // One that can't be read voids the whole.
    test.arrives(address(5), &(Say::Keep(3), 99_u8, Say::Keep(4)));
    driver.turn().unwrap();
    assert_eq!((driver.counters().received, driver.counters().malformed), (2, 1));
    assert!(test.taken().is_empty());
}

#[test]
fn what_is_ahead_of_a_save_is_under_way_meanwhile_and_what_is_for_oneself_comes_after_it() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    test.arrives(address(5), &Say::Offer(1));
    test.arrives(address(6), &Say::Offer(2));
    driver.turn().unwrap();
    let ahead = ["send Offered(1) to 5", "send Offered(2) to 6", "save [1, 2]"];
    // What the driver's own messages came to is for replica 0, at port 1.
    let behind = ["send Kept(1) to 5", "send Kept(2) to 6", "send Own(1), Own(2) to 1"];
    assert_eq!(test.taken(), [&ahead[..], &behind[..]].concat());
}

#[test]
fn a_failed_save_lets_nothing_out_but_what_is_ahead_of_it() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    test.arrives(address(5), &Say::Keep(1));
    test.arrives(address(5), &Say::Offer(2));
    test.fails.set(true);
    assert!(matches!(driver.turn(), Err(DriverError::Storage(_))));
    assert_eq!(test.taken(), ["send Offered(2) to 5"]);
}

#[test]
fn refused_and_malformed_datagrams_are_counted_and_dropped() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    test.arrives(address(5), &Say::Private);
    test.arriving.borrow_mut().push_back((address(5), b"garbage".to_vec()));
    driver.turn().unwrap();
    let counters = driver.counters();
    assert_eq!((counters.refused, counters.malformed, counters.received), (1, 1, 0));
    assert!(test.taken().is_empty());
}

/// Replica 0, of an older build, was heard as one of a newer build before.
#[test]
fn a_replica_that_goes_back_to_the_build_before_is_understood_after_one_message_that_is_not() {
    let test = TestWorld::default();
    let mut driver = start_with(&test, codec(1).with_formats(Formats::new(1, 2)));
    let build = |newest| codec(0).with_formats(Formats::new(1, newest));
    let replica = address(1);
    let keeps = |driver: &mut Driver<Keeper, TestWorld>, what| {
        test.arrives(replica, &Say::Keep(what));
        driver.turn().unwrap();
        test.taken()
    };
    test.peers.borrow_mut().insert(1, build(2));
    assert_eq!(keeps(&mut driver, 1), ["save [1]", "send Kept(1) to 1 in format 2"]);
    test.peers.borrow_mut().insert(1, build(1));
    assert_eq!(keeps(&mut driver, 2), ["save [1, 2]", "send Kept(2) to 1"], "it speaks first");
    test.peers.borrow_mut().insert(1, build(2));
    keeps(&mut driver, 3);
    // It is written to first.
    test.peers.borrow_mut().insert(1, build(1));
    driver.post(Send { number: 0, to: Id::from(0), message: Say::Report });
    driver.dispatch();
    assert_eq!(test.taken(), ["send format 2 to 1, which cannot read it"]);
    driver.turn().unwrap();
    driver.post(Send { number: 0, to: Id::from(0), message: Say::Report });
    driver.dispatch();
    assert_eq!(test.taken(), ["send Report to 1"], "and nothing is answered to its answer");
}

#[test]
fn what_is_not_read_is_counted_and_answered_with_what_is() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    for (port, peer) in [(1, "replica 0"), (5, "a client")] {
        test.peer(port, |_| ());
        let newer = |peer: Codec| peer.with_formats(Formats::new(2, 2));
        let before = test.peers.borrow_mut().remove(&port).unwrap();
        test.peers.borrow_mut().insert(port, newer(before));
        test.arrives(address(port), &Say::Keep(1));
        driver.turn().unwrap();
        let expected = match port {
            1 => vec!["cannot read format 2 of replica 0".to_owned(), "send nothing to 1".into()],
            _ => vec!["send a cookie to 5".to_owned()],
        };
        assert_eq!(test.taken(), expected, "{peer}");
        driver.turn().unwrap();
        test.taken();
    }
    assert_eq!((driver.counters().malformed, driver.counters().received), (2, 0));
}

#[test]
fn forged_and_replayed_datagrams_are_counted_dropped_and_not_answered() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    test.arrives(address(5), &Say::Keep(1));
    let (from, datagram) = test.arriving.borrow()[0].clone();
    let mut forged = datagram.clone();
    *forged.last_mut().unwrap() ^= 1;
    test.arriving.borrow_mut().extend([(from, forged.clone()), (from, datagram), (from, forged)]);
    driver.turn().unwrap();
    let counters = driver.counters();
    assert_eq!((counters.forged, counters.replayed, counters.received), (0, 3, 1));
    assert_eq!(test.taken(), ["save [1]", "send Kept(1) to 5"]);
    test.arrives(address(6), &Say::Keep(2));
    let (_, mut forged) = test.arriving.borrow_mut().pop_front().unwrap();
    *forged.last_mut().unwrap() ^= 1;
    test.arriving.borrow_mut().push_back((address(6), forged));
    driver.turn().unwrap();
    assert_eq!(driver.counters().forged, 1);
    assert!(test.taken().is_empty());
}

#[test]
fn a_replica_is_answered_at_its_configured_address_only() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    test.arrives(address(1), &Say::Keep(1));
    test.arriving.borrow_mut()[0].0 = address(66);
    driver.turn().unwrap();
    assert_eq!(test.taken(), ["save [1]", "send Kept(1) to 1"]);
}

#[test]
fn a_timer_that_is_set_goes_off_when_it_is_told_to_and_what_it_sends_may_be_lost() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    assert!(!driver.expire(&1, Sends::Leave), "it is not set");
    for (sends, sent) in [(Sends::Leave, vec!["send Wake(0) to 1"]), (Sends::Lost, vec![])] {
        driver.deliver(Say::Wake(1000));
        driver.deliver(Say::Report);
        assert!(driver.expire(&1, sends));
        assert_eq!(driver.deadline(), None);
        driver.turn().unwrap();
        let expected: Vec<&str> = std::iter::once("report Report").chain(sent).collect();
        assert_eq!(test.taken(), expected);
    }
    assert_eq!((driver.counters().sent, driver.counters().unsent), (1, 1));
}

#[test]
fn a_timer_whose_messages_are_lost_saves_and_loses_what_is_ahead_of_the_save_too() {
    let leaves = vec!["send Offered(2) to 1", "save []", "send Kept(2), Own(2) to 1"];
    let lost = vec!["save []", "send Own(2) to 1"];
    for (sends, expected, unsent) in [(Sends::Leave, leaves, 0), (Sends::Lost, lost, 2)] {
        let test = TestWorld::default();
        let mut driver = start(&test);
        driver.deliver(Say::Doze(1000));
        assert!(driver.expire(&2, sends));
        driver.turn().unwrap();
        assert_eq!(test.taken(), expected, "what it sends to itself does not travel");
        assert_eq!(driver.counters().unsent, unsent);
    }
}

#[test]
fn a_burst_is_bounded() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    for _ in 0..=BURST_MAX {
        test.arrives(address(5), &Say::Kept(0));
    }
    driver.turn().unwrap();
    assert_eq!(driver.counters().received, BURST_MAX as u64);
}

#[test]
fn what_arrives_with_too_many_others_waits_for_the_next_turn() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    // A turn ends within a datagram.
    let (many, datagrams) = ([[&Say::Kept(0); 31]; 32], 8);
    assert!(MESSAGES_MAX / (31 * 32) < datagrams && !MESSAGES_MAX.is_multiple_of(31 * 32));
    (0..datagrams).for_each(|_| test.arrives(address(5), &many));
    for (turn, received) in [(1, MESSAGES_MAX), (2, datagrams * 31 * 32)] {
        driver.turn().unwrap();
        assert_eq!(driver.counters().received, received as u64);
        driver.wait(None).unwrap();
        assert_eq!(test.waited.get(), (turn == 1).then_some(Duration::ZERO));
    }
}

/// Clients at these ports ask, show that they hear, and are answered.
fn answer(test: &TestWorld, driver: &mut Driver<Keeper, TestWorld>, ports: std::ops::Range<u16>) {
    let count = ports.len();
    ports.for_each(|port| test.arrives(address(port), &Say::Ask(0)));
    (0..=count).for_each(|_| driver.turn().unwrap());
    let answered = test.taken().iter().filter(|what| what.contains("Kept")).count();
    assert_eq!((answered, driver.deadline()), (count, None));
}

#[test]
fn a_question_is_answered_where_somebody_hears() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    test.arrives(address(5), &Say::Ask(1));
    driver.turn().unwrap();
    assert_eq!(test.taken(), ["send a cookie to 5"]);
    assert_eq!(driver.deadline(), None, "nobody waits for it to be shown");
    driver.turn().unwrap();
    assert_eq!(test.taken(), ["send Kept(1) to 5"]);
    test.arrives(address(5), &Say::Ask(2));
    driver.turn().unwrap();
    assert_eq!(test.taken(), ["send Kept(2) to 5"], "once is enough");
    // The same process from another address, whose cookie it does not have.
    let moved = test.peers.borrow_mut().remove(&5).unwrap();
    test.peers.borrow_mut().insert(66, moved);
    test.arrives(address(66), &Say::Ask(3));
    driver.turn().unwrap();
    assert_eq!(test.taken(), ["send a cookie to 66"]);
    driver.turn().unwrap();
    assert_eq!(test.taken(), ["send Kept(3) to 66"]);
}

#[test]
fn a_turn_answers_one_question_and_a_process_has_one() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    answer(&test, &mut driver, 5..8);
    for what in 0..100 {
        test.arrives(address(5), &Say::Ask(what));
    }
    test.arrives(address(6), &Say::Ask(200));
    test.arrives(address(7), &Say::Keep(1));
    driver.turn().unwrap();
    assert_eq!(test.taken(), ["save [1]", "send Kept(1) to 7", "send Kept(99) to 5"]);
    assert_eq!(driver.deadline(), Some(Duration::ZERO));
    driver.turn().unwrap();
    assert_eq!(test.taken(), ["send Kept(200) to 6"]);
    assert_eq!(driver.deadline(), None);
}

#[test]
fn questions_take_a_part_of_the_time_of_who_is_busy_and_all_of_it_otherwise() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    answer(&test, &mut driver, 10..18);
    let received = driver.counters().received;
    test.takes.set(Duration::from_millis(1));
    // Each by another process.
    (10..18).for_each(|port| test.arrives(address(port), &Say::Ask(port as u8)));
    // How long each turn takes, in ms: one for what has arrived, and one for a question.
    let turns = |driver: &mut Driver<Keeper, TestWorld>, count: usize, is_busy: bool| {
        let turn = |_| {
            if is_busy {
                test.arrives(address(5), &Say::Own(0));
            }
            let began = test.now.get();
            driver.turn().unwrap();
            (test.now.get() - began).as_millis()
        };
        (0..count).map(turn).collect::<Vec<_>>()
    };
    assert_eq!(turns(&mut driver, 12, true), [2, 1, 1].repeat(4));
    assert_eq!(driver.deadline(), Some(driver.questions_at));
    assert_eq!(turns(&mut driver, 5, false), [1, 1, 1, 1, 0]);
    assert_eq!((driver.deadline(), driver.counters().received - received), (None, 12 + 8));
}

#[test]
fn the_next_deadline_ends_a_wait_and_a_new_one_replaces_the_old() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    driver.wait(None).unwrap();
    assert_eq!(test.waited.get(), None, "nothing to wait for but datagrams");
    driver.deliver(Say::Wake(50));
    driver.deliver(Say::Wake(80));
    driver.wait(None).unwrap();
    assert_eq!(test.waited.get(), Some(Duration::from_millis(80)));
    test.now.set(Duration::from_millis(79));
    driver.turn().unwrap();
    assert!(test.taken().is_empty());
    test.now.set(Duration::from_millis(80));
    driver.turn().unwrap();
    assert_eq!(test.taken(), ["send Wake(0) to 1"]);
    assert_eq!(driver.deadline(), None);
}

#[test]
fn a_message_that_arrived_is_heard_before_a_time_out_that_is_due() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    driver.deliver(Say::Wake(50));
    test.now.set(Duration::from_millis(60));
    test.arrives(address(1), &Say::Wake(50));
    driver.turn().unwrap();
    assert!(test.taken().is_empty(), "the message has reset the timer");
    assert_eq!(driver.deadline(), Some(Duration::from_millis(110)));
}
